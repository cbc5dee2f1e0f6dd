/** The commands of the key ceremony. What they do is imported when they run (CLI-5). */
import type { Command } from "commander";
import { UsageError } from "../../domain/errors.ts";
import {
  DATA_DIR,
  dataDirOf,
  environmentFor,
  isOn,
  JSON_OUTPUT,
  type WithAction,
} from "../commandParts.ts";
import { CONTRACT_WALLETS, parseContractWallets } from "../config.ts";
import { EXIT_CODES } from "../exitCodes.ts";
import { addOptions, type OptionSpec, type RawOptions, resolveOptions } from "../options.ts";
import { readPeersFile } from "../p2pOptions.ts";
import { runVerifyFiles, VERIFY_OPTIONS } from "../verifyCommands.ts";
import { DKG_OPTIONS, EXECUTION_CLIENT, parseDkgOptions } from "./dkgOptions.ts";

const FINGERPRINT = {
  name: "fingerprint",
  value: "words",
  help: "the definition's words, as you compared them with the others; asked for on a terminal",
} as const satisfies OptionSpec;
const WALLETS = [CONTRACT_WALLETS, EXECUTION_CLIENT] as const;
const REVIEW_OPTIONS = [DATA_DIR, ...WALLETS, JSON_OUTPUT] as const;
const ACCEPT_OPTIONS = [DATA_DIR, FINGERPRINT, ...WALLETS] as const;

export function addDkg(program: Command, withAction: WithAction): void {
  const dkg = program
    .command("dkg")
    .description("make a cluster's keys together with the other operators")
    // What follows `review` and `accept` is theirs.
    .enablePositionalOptions();
  withAction(addOptions(dkg, DKG_OPTIONS), async () => {
    const options = await parseDkgOptions(optionsOf(dkg, DKG_OPTIONS), readPeersFile);
    const { dkg: hold } = await import("./dkg.ts");
    return hold(options);
  });
  const review = dkg
    .command("review")
    .description("check a definition and show what it says")
    .argument("<file>", "cluster-definition.json");
  withAction(addOptions(review, REVIEW_OPTIONS), async (_, path = "") => {
    const raw = optionsOf(review, REVIEW_OPTIONS);
    const { showDefinition } = await import("./review.ts");
    const file = await readDefinition(path, raw);
    const { positionIn } = await import("./accept.ts");
    const self = await positionIn(dataDirOf(review), file.definition);
    process.stdout.write(showDefinition(file.definition, self, isOn(review, JSON_OUTPUT)));
    return EXIT_CODES.ok;
  });
  const accept = dkg
    .command("accept")
    .description("agree to a definition after comparing its fingerprint with the others")
    .argument("<file>", "cluster-definition.json");
  withAction(addOptions(accept, ACCEPT_OPTIONS), async (_, path = "") => {
    const raw = optionsOf(accept, ACCEPT_OPTIONS);
    const { acceptDefinition } = await import("./accept.ts");
    const file = await readDefinition(path, raw);
    const fingerprint = raw[FINGERPRINT.name] ?? null;
    const { attemptsMade } = await import("./ceremonyDisk.ts");
    const dataDir = dataDirOf(accept);
    const attemptsBefore = await attemptsMade(dataDir);
    const write = (text: string): boolean => process.stdout.write(text);
    await acceptDefinition({ dataDir, file, fingerprint, attemptsBefore, write });
    return EXIT_CODES.ok;
  });
  const verify = dkg
    .command("verify")
    .description("check the files of a ceremony, offline, by anybody")
    .argument("<paths...>", "a data directory, or files: lock, deposits, transcript, blame");
  withAction(addOptions(verify, VERIFY_OPTIONS), (_, ...paths) => runVerifyFiles(verify, paths));
}

async function readDefinition(path: string, raw: RawOptions) {
  const { readDefinitionFile } = await import("./definitionFile.ts");
  return readDefinitionFile({
    path,
    contractWallets: parseContractWallets(raw[CONTRACT_WALLETS.name]),
    executionEndpoint: parseEndpoint(raw[EXECUTION_CLIENT.name]),
  });
}

function optionsOf(command: Command, specs: readonly OptionSpec[]): RawOptions {
  return resolveOptions(command, specs, { environment: environmentFor(specs), file: {} });
}

function parseEndpoint(text: string | undefined): string | null {
  if (text === undefined) return null;
  if (/^https?:$/.test(URL.parse(text)?.protocol ?? "")) return text;
  throw new UsageError(`--${EXECUTION_CLIENT.name} is no http or https URL`);
}
