/**
 * Runs a dev chain as a process of its own: `node sim/devchain/main.ts --preset minimal --fork fulu
 * --slot-ms 2000 --validators-file keys.json --ports 5052,5053 --json`. Prints one line when it
 * serves, then a line per slot unless --json; SIGTERM and SIGINT stop it cleanly.
 */
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { fromHex, toHex } from "../../src/util/bytes.ts";
import type { Devchain, DevchainOptions } from "./devchain.ts";

const EXIT_USAGE = 64;

const OPTIONS = {
  preset: { type: "string", default: "minimal" },
  fork: { type: "string", default: "fulu" },
  "fork-epochs": { type: "string", default: "" },
  "slot-ms": { type: "string", default: "2000" },
  "validators-file": { type: "string" },
  plain: { type: "string", default: "64" },
  ports: { type: "string", default: "5052" },
  host: { type: "string", default: "127.0.0.1" },
  "control-port": { type: "string", default: "0" },
  "genesis-delay": { type: "string", default: "8" },
  pack: { type: "string", default: "aggregates" },
  json: { type: "boolean", default: false },
} as const;

const HELP = `Options (defaults in brackets):
  --preset minimal|mainnet     [minimal]
  --fork electra|fulu|gloas    fork at genesis [fulu]
  --fork-epochs fulu=1,gloas=2 later forks by epoch []
  --slot-ms N                  length of a slot, 100 and above [2000]
  --validators-file FILE       cluster lock, or JSON array of 0x group public keys: active
                               from genesis
  --plain N                    plain validators, 64 and above; they come first [64]
  --ports A,B,…                one Beacon API per port; 0 picks a free one [5052]
  --host ADDRESS               where the Beacon APIs listen [127.0.0.1]
  --control-port N             faults, slashings, status [a free one]
  --genesis-delay N            seconds from now to genesis [8]
  --pack aggregates|all        "all" packs single attestations too [aggregates]
  --json                       one JSON line when ready, and nothing else`;

class UsageError extends Error {
  override readonly name = "UsageError";
}

type Values = ReturnType<typeof parseValues>;

await main();

async function main(): Promise<void> {
  try {
    const values = parseValues();
    // Lodestar reads the preset when its modules load, hence the import after this line.
    process.env["LODESTAR_PRESET"] = oneOf("preset", values.preset, ["minimal", "mainnet"]);
    const { startDevchain } = await importDevchain();
    const devchain = await startDevchain(readOptions(values));
    announce(devchain, values);
    stopOnSignal(devchain);
  } catch (error) {
    if (!(error instanceof UsageError) && !(error instanceof RangeError)) throw error;
    process.stderr.write(`devchain: ${error.message}\n${HELP}\n`);
    process.exitCode = EXIT_USAGE;
  }
}

function parseValues() {
  try {
    return parseArgs({ options: OPTIONS, strict: true }).values;
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

async function importDevchain(): Promise<typeof import("./devchain.ts")> {
  try {
    return await import("./devchain.ts");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ERR_MODULE_NOT_FOUND") {
      throw new UsageError(`${error.message}: the dev chain needs the dev dependencies (npm ci)`);
    }
    throw error;
  }
}

function readOptions(values: Values): DevchainOptions {
  const delaySeconds = wholeNumber("genesis-delay", values["genesis-delay"], 1);
  return {
    fork: oneOf("fork", values.fork, ["electra", "fulu", "gloas"]),
    forkEpochs: parseForkEpochs(values["fork-epochs"]),
    slotMs: wholeNumber("slot-ms", values["slot-ms"], 100),
    genesisTime: Math.ceil(Date.now() / 1000) + delaySeconds,
    plainCount: wholeNumber("plain", values.plain, 64),
    distributedPubkeys: readPubkeys(values["validators-file"]),
    ports: values.ports.split(",").map((port) => wholeNumber("ports", port, 0)),
    host: values.host,
    controlPort: wholeNumber("control-port", values["control-port"], 0),
    packFrom: oneOf("pack", values.pack, ["aggregates", "all"]),
    onError: (line) => process.stderr.write(`api ${line}\n`),
  };
}

function announce(devchain: Devchain, { json, preset }: Values): void {
  const { chain } = devchain;
  process.stderr.write(`${devchain.describe()}\n`);
  if (!json) {
    process.stdout.write(`serving ${devchain.urls.join(" ")}, control ${devchain.controlUrl}\n`);
    chain.subscribe(({ type }) => {
      if (type === "head") process.stdout.write(`${describeHead(devchain)}\n`);
    });
    return;
  }
  const ready = {
    type: "ready",
    urls: devchain.urls,
    controlUrl: devchain.controlUrl,
    preset,
    genesisTime: chain.genesisTime,
    genesisValidatorsRoot: toHex(chain.config.genesisValidatorsRoot),
    genesisForkVersion: toHex(chain.config.GENESIS_FORK_VERSION),
    slotMs: chain.slotMs,
    packFrom: chain.packFrom,
    validators: devchain.distributedIndices.map((index) => ({
      index,
      pubkey: toHex(chain.headState.validators.getReadonly(index).pubkey),
    })),
  };
  process.stdout.write(`${JSON.stringify(ready)}\n`);
}

function describeHead({ chain, slashings }: Devchain): string {
  const { currentJustifiedCheckpoint, finalizedCheckpoint } = chain.headState;
  return (
    `slot ${chain.head.slot} ${chain.forkAt(chain.head.slot)} ` +
    `justified ${currentJustifiedCheckpoint.epoch} finalized ${finalizedCheckpoint.epoch} ` +
    `slashable ${slashings().length}`
  );
}

function stopOnSignal(devchain: Devchain): void {
  const stop = async (): Promise<void> => {
    process.off("SIGTERM", onSignal).off("SIGINT", onSignal);
    await devchain.stop();
    for (const failure of devchain.validators.failures) {
      process.stderr.write(`plain validators: ${failure}\n`);
    }
  };
  const onSignal = (): void => void stop();
  process.on("SIGTERM", onSignal).on("SIGINT", onSignal);
}

function readPubkeys(file: string | undefined): Uint8Array[] {
  if (file === undefined) return [];
  const parsed = keysOf(parseJson(file));
  if (parsed === null) throw new UsageError(`${file} must hold a JSON array of 0x keys or a lock`);
  return parsed.map((text: unknown, index) => {
    const pubkey = typeof text === "string" ? fromHex(text) : null;
    if (pubkey?.length !== 48) {
      throw new UsageError(`${file}: entry ${index} is not a 0x public key of 48 bytes`);
    }
    return pubkey;
  });
}

/** Entries of an array of keys, or the group keys of a cluster lock; null for anything else. */
function keysOf(json: unknown): readonly unknown[] | null {
  if (Array.isArray(json)) return json;
  if (typeof json !== "object" || json === null || !("distributed_validators" in json)) return null;
  const { distributed_validators: validators } = json;
  if (!Array.isArray(validators)) return null;
  return validators.map((validator: { distributed_public_key?: unknown } | null) => {
    return validator?.distributed_public_key;
  });
}

function parseJson(file: string): unknown {
  try {
    return JSON.parse(readFileSync(file, "utf8"));
  } catch (error) {
    throw new UsageError(`${file}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function parseForkEpochs(text: string): Record<string, number> {
  const pairs = text === "" ? [] : text.split(",");
  return Object.fromEntries(
    pairs.map((pair) => {
      const [fork = "", epoch = ""] = pair.split("=");
      return [oneOf("fork-epochs", fork, ["fulu", "gloas"]), wholeNumber("fork-epochs", epoch, 1)];
    }),
  );
}

function wholeNumber(option: string, text: string, least: number): number {
  const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
  if (!(value >= least)) {
    throw new UsageError(`--${option} takes whole numbers from ${least}, not "${text}"`);
  }
  return value;
}

function oneOf<const T extends string>(option: string, text: string, allowed: readonly T[]): T {
  const match = allowed.find((candidate) => candidate === text);
  if (match === undefined) {
    throw new UsageError(`--${option} takes one of ${allowed.join(", ")}, not "${text}"`);
  }
  return match;
}
