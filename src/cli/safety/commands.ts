/** The commands over what a node may sign. What they do is imported when they run (CLI-5). */
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
import { parseRoot } from "../historyOptions.ts";
import { addOptions, type OptionSpec } from "../options.ts";

const SCOPE = {
  name: "scope",
  value: "what",
  default: "all",
  help: "all, attest, propose, sync or exit",
} as const satisfies OptionSpec;
const VALIDATOR = {
  name: "validator",
  value: "0x…",
  help: "one validator's public key; all of them without it",
} as const satisfies OptionSpec;
const REASON = {
  name: "reason",
  value: "words",
  help: "why, for whoever comes after you; kept and audited",
} as const satisfies OptionSpec;
const ROOT = {
  name: "testnet-genesis-validators-root",
  value: "0x…",
  help: "of a private chain, for a data directory without records",
} as const satisfies OptionSpec;
const EXPORT_OPTIONS = [
  DATA_DIR,
  { name: "out", value: "file", help: "the file to write" },
  {
    name: "view",
    value: "whose",
    default: "share",
    help:
      "share: under this operator's share keys; validator: complete, under the group keys; " +
      "statement: for another operator's complete export",
  },
  { name: "statements", value: "files", help: "other operators' statements, comma separated" },
  {
    name: "minify-at",
    value: "epoch",
    help: "without enough statements: refuse everything up to this epoch, the current one + 1",
  },
  {
    name: "slots-per-epoch",
    value: "number",
    default: "32",
    help: "of the chain, for --minify-at; 16 on Gnosis",
  },
  JSON_OUTPUT,
] as const satisfies readonly OptionSpec[];
const TAIL_OPTIONS = [
  DATA_DIR,
  { name: "lines", value: "number", default: "20", help: "how many" },
  JSON_OUTPUT,
] as const satisfies readonly OptionSpec[];
const FILE_OPTIONS = [DATA_DIR, ROOT, JSON_OUTPUT] as const;
const UNFREEZE_OPTIONS = [DATA_DIR, SCOPE, VALIDATOR, JSON_OUTPUT] as const;
const FREEZE_OPTIONS = [...UNFREEZE_OPTIONS, REASON] as const;

export function addFreezes(program: Command, withAction: WithAction): void {
  const freeze = program
    .command("freeze")
    .description("stop this node's key shares from signing, at once and over restarts");
  withAction(addOptions(freeze, FREEZE_OPTIONS), async () => {
    const raw = rawOptions(freeze, FREEZE_OPTIONS);
    const reason = raw["reason"]?.trim() ?? "";
    if (reason === "") {
      throw new UsageError("--reason is required", { fix: "say why, for whoever comes after you" });
    }
    const command = await import("./freeze.ts");
    const target = command.parseFreezeTarget(raw);
    const options = { dataDir: dataDirOf(freeze), target, json: isOn(freeze, JSON_OUTPUT) };
    process.stdout.write(await command.freeze(options, reason));
    return EXIT_CODES.ok;
  });
  const unfreeze = program.command("unfreeze").description("lift one freeze again");
  withAction(addOptions(unfreeze, UNFREEZE_OPTIONS), async () => {
    const command = await import("./freeze.ts");
    const target = command.parseFreezeTarget(rawOptions(unfreeze, UNFREEZE_OPTIONS));
    const options = { dataDir: dataDirOf(unfreeze), target, json: isOn(unfreeze, JSON_OUTPUT) };
    process.stdout.write(await command.unfreeze(options));
    return EXIT_CODES.ok;
  });
}

export function addSlashing(program: Command, withAction: WithAction): void {
  const slashing = program
    .command("slashing")
    .description("the history of what was signed (EIP-3076), of a running or a stopped node");
  const out = slashing.command("export").description("write the history to a file");
  withAction(addOptions(out, EXPORT_OPTIONS), async () => {
    const command = await import("./slashing.ts");
    process.stdout.write(await command.exportHistory(exportOptions(out, command.VIEWS)));
    return EXIT_CODES.ok;
  });
  const add = slashing
    .command("import")
    .description("add a history; nothing that is known is ever lost")
    .argument("<file>", "interchange file");
  withAction(addOptions(add, FILE_OPTIONS), async (_, path = "") => {
    const command = await import("./slashing.ts");
    process.stdout.write(await command.importHistory(fileOptions(add), path));
    return EXIT_CODES.ok;
  });
  const verify = slashing
    .command("verify")
    .description("check a history without importing it")
    .argument("<file>", "interchange file");
  withAction(addOptions(verify, FILE_OPTIONS), async (_, path = "") => {
    const command = await import("./slashing.ts");
    const { isValid, text } = await command.verifyFile(fileOptions(verify), path);
    process.stdout.write(text);
    return isValid ? EXIT_CODES.ok : EXIT_CODES.invalid;
  });
  const status = slashing.command("status").description("what this node refuses from now on");
  withAction(addOptions(status, FILE_OPTIONS), async () => {
    const command = await import("./slashing.ts");
    process.stdout.write(await command.showStatus(fileOptions(status)));
    return EXIT_CODES.ok;
  });
}

function fileOptions(command: Command) {
  return {
    dataDir: dataDirOf(command),
    json: isOn(command, JSON_OUTPUT),
    customRoot: parseRoot(rawOptions(command, [ROOT])[ROOT.name]),
  };
}

function exportOptions<V extends string>(command: Command, views: readonly V[]) {
  const raw = rawOptions(command, EXPORT_OPTIONS);
  const out = raw["out"];
  if (out === undefined) throw new UsageError("--out is required", { fix: "name a new file" });
  const view = views.find((each) => each === raw["view"]);
  if (view === undefined) {
    throw new UsageError(`--view: "${raw["view"]}" is none of ${views.join(", ")}`);
  }
  const epoch = raw["minify-at"];
  const minifyAt =
    epoch === undefined
      ? null
      : {
          epoch: wholeNumber("minify-at", epoch),
          slotsPerEpoch: wholeNumber("slots-per-epoch", raw["slots-per-epoch"] ?? ""),
        };
  const statements = (raw["statements"] ?? "").split(",").filter((path) => path !== "");
  return { ...fileOptions(command), customRoot: null, out, view, statements, minifyAt };
}

function wholeNumber(name: string, text: string): number {
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw new UsageError(`--${name}: "${text}" is no whole number`);
}

export function addStatus(program: Command, withAction: WithAction): void {
  const status = program
    .command("status")
    .description(
      "what the node is doing; exit code 0 if it does its duties, 1 if not, 3 if stopped",
    );
  withAction(addOptions(status, [DATA_DIR, JSON_OUTPUT]), async () => {
    const { showStatus } = await import("../status.ts");
    const options = { dataDir: dataDirOf(status), json: isOn(status, JSON_OUTPUT) };
    const { text, exitCode } = await showStatus(options);
    process.stdout.write(text);
    return exitCode;
  });
}

export function addAudit(program: Command, withAction: WithAction): void {
  const audit = program
    .command("audit")
    .description("the log of what this node signed and refused, and why");
  const tail = audit.command("tail").description("the last entries");
  withAction(addOptions(tail, TAIL_OPTIONS), async () => {
    const command = await import("./audit.ts");
    const options = { dataDir: dataDirOf(tail), json: isOn(tail, JSON_OUTPUT) };
    const lines = wholeNumber("lines", rawOptions(tail, TAIL_OPTIONS)["lines"] ?? "");
    process.stdout.write(await command.tailAudit(options, lines));
    return EXIT_CODES.ok;
  });
  const verify = audit
    .command("verify")
    .description("check the chain, and name what was changed, moved or cut off");
  withAction(addOptions(verify, [DATA_DIR, JSON_OUTPUT]), async () => {
    const command = await import("./audit.ts");
    const options = { dataDir: dataDirOf(verify), json: isOn(verify, JSON_OUTPUT) };
    const { isValid, text } = await command.verifyAudit(options);
    process.stdout.write(text);
    return isValid ? EXIT_CODES.ok : EXIT_CODES.invalid;
  });
}
