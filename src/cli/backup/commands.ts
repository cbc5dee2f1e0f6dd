/** The commands over backups. What they do is imported when they run (CLI-5). */
import type { Command } from "commander";
import { UsageError } from "../../domain/errors.ts";
import {
  DATA_DIR,
  dataDirOf,
  isOn,
  JSON_OUTPUT,
  rawOptions,
  type WithAction,
} from "../commandParts.ts";
import { EXIT_CODES } from "../exitCodes.ts";
import { addOptions, type OptionSpec } from "../options.ts";

const PASSPHRASE_FILE = {
  name: "passphrase-file",
  value: "file",
  help: "its first line is the passphrase",
} as const satisfies OptionSpec;
const CREATE_OPTIONS = [
  DATA_DIR,
  { name: "out", value: "file", help: "the file to write; required" },
  PASSPHRASE_FILE,
  { name: "recipients", value: "age1…", help: "age public keys, comma separated" },
  { name: "recipients-file", value: "file", help: "age public keys, one a line" },
  { name: "lock-file", value: "file", help: "as run is told, where it is told" },
  { name: "private-key-file", value: "file", help: "as run is told, where it is told" },
  { name: "validator-keys-dir", value: "dir", help: "as run is told, where it is told" },
  { name: "config", value: "file", help: "run's configuration file, which goes along" },
  JSON_OUTPUT,
] as const satisfies readonly OptionSpec[];
const OPEN_OPTIONS = [
  PASSPHRASE_FILE,
  { name: "identity-file", value: "file", help: "age identities, as age-keygen writes them" },
  JSON_OUTPUT,
] as const satisfies readonly OptionSpec[];
const RESTORE_OPTIONS = [DATA_DIR, ...OPEN_OPTIONS] as const;

export function addBackup(program: Command, withAction: WithAction): void {
  const backup = program
    .command("backup")
    .description("this operator's keys, records and audit log in one encrypted file");
  const create = backup
    .command("create")
    .description("of a running node, which goes on signing, or of a stopped one");
  withAction(addOptions(create, CREATE_OPTIONS), async () => {
    const raw = rawOptions(create, CREATE_OPTIONS);
    const out = raw["out"];
    if (out === undefined) throw new UsageError("--out is required", { fix: "name a new file" });
    const { createBackup } = await import("./create.ts");
    const text = await createBackup({
      dataDir: dataDirOf(create),
      out,
      seal: {
        passphraseFile: raw[PASSPHRASE_FILE.name] ?? null,
        recipients: (raw["recipients"] ?? "").split(",").filter((key) => key !== ""),
        recipientsFile: raw["recipients-file"] ?? null,
      },
      lockFile: raw["lock-file"] ?? null,
      privateKeyFile: raw["private-key-file"] ?? null,
      validatorKeysDir: raw["validator-keys-dir"] ?? null,
      configFile: raw["config"] ?? null,
      json: isOn(create, JSON_OUTPUT),
    });
    process.stdout.write(text);
    return EXIT_CODES.ok;
  });
  const verify = backup
    .command("verify")
    .description("check that a node would start from a backup; nothing is written")
    .argument("<file>", "the backup");
  withAction(addOptions(verify, OPEN_OPTIONS), async (_, path = "") => {
    const { verifyBackup } = await import("./verify.ts");
    const { isValid, text } = await verifyBackup({ path, ...openingOptions(verify) });
    process.stdout.write(text);
    return isValid ? EXIT_CODES.ok : EXIT_CODES.invalid;
  });
  const restore = backup
    .command("restore")
    .description("make a data directory of a backup; its node waits two epochs before it signs")
    .argument("<file>", "the backup");
  withAction(addOptions(restore, RESTORE_OPTIONS), async (_, path = "") => {
    const { restoreBackup } = await import("./restore.ts");
    const options = { path, dataDir: dataDirOf(restore), ...openingOptions(restore) };
    process.stdout.write(await restoreBackup(options));
    return EXIT_CODES.ok;
  });
}

function openingOptions(command: Command) {
  const raw = rawOptions(command, OPEN_OPTIONS);
  return {
    open: {
      passphraseFile: raw[PASSPHRASE_FILE.name] ?? null,
      identityFile: raw["identity-file"] ?? null,
    },
    json: isOn(command, JSON_OUTPUT),
  };
}
