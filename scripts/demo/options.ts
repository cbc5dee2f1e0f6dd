/** Flags of `npm run demo`. */
import { parseArgs } from "node:util";

export type DemoOptions = {
  readonly nodes: number;
  readonly validators: number;
  readonly slots: number;
  readonly slotMs: number;
  readonly fork: string;
  readonly preset: "minimal" | "mainnet";
  /** Who holds the key shares and signs. */
  readonly signer: "builtin" | "vc";
  /** Shell command of the validator clients; null for this project's own. */
  readonly vcCommand: string | null;
  /** Node `node` is killed when slot `slot` begins. */
  readonly kill: { readonly node: number; readonly slot: number } | null;
  /** Whether the operators make the keys together instead of a dealer. */
  readonly hasCeremony: boolean;
  readonly isJson: boolean;
};

export const HELP = `npm run demo -- [options]
A dev chain and four nodes as processes on this machine; a 3-of-4 cluster attests, and what got
on chain is counted from block bodies against the duties that were due.
  --validators N   distributed validators, all active from genesis (8)
  --slots N        slots to run (44: long enough to finalize)
  --slot-ms N      length of a slot in milliseconds (2000)
  --fork NAME      fork at genesis: electra or fulu (fulu)
  --preset NAME    minimal or mainnet (minimal)
  --signer WHO     builtin: the nodes hold the key shares; vc: validator clients do (builtin)
  --vc-command CMD any other validator client for --signer vc: a shell command, run once for each
                   node with BEACON_NODE_URL, KEYS_DIR (its keystores and passwords), CLIENT_DIR
                   (an empty folder), CHAIN_CONFIG (a YAML file) and NODE_INDEX in its environment
  --ceremony       four processes make the keys in a key ceremony first, instead of a dealer
  --kill N@SLOT    kills node N (0 to 3) without warning when SLOT begins
  --json           one JSON object per line instead of text
Exit code 0 when every duty is on chain with the right head and the chain finalized.`;

export class DemoUsageError extends Error {
  override readonly name = "DemoUsageError";
}

/** Null when help was asked for. */
export function parseOptions(args: readonly string[]): DemoOptions | null {
  const { values } = parse(args);
  if (values.help) return null;
  const slots = whole("slots", values.slots, 8);
  const vcCommand = values["vc-command"] ?? null;
  const signer = oneOf("signer", values.signer, ["builtin", "vc"]);
  if (vcCommand !== null && signer !== "vc") {
    throw new DemoUsageError("--vc-command needs --signer vc");
  }
  return {
    signer,
    vcCommand,
    nodes: 4,
    validators: whole("validators", values.validators, 1),
    slots,
    slotMs: whole("slot-ms", values["slot-ms"], 500),
    fork: oneOf("fork", values.fork, ["electra", "fulu"]),
    preset: oneOf("preset", values.preset, ["minimal", "mainnet"]),
    kill: values.kill === undefined ? null : parseKill(values.kill, slots),
    hasCeremony: values.ceremony,
    isJson: values.json,
  };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        validators: { type: "string", default: "8" },
        slots: { type: "string", default: "44" },
        "slot-ms": { type: "string", default: "2000" },
        fork: { type: "string", default: "fulu" },
        preset: { type: "string", default: "minimal" },
        signer: { type: "string", default: "builtin" },
        "vc-command": { type: "string" },
        kill: { type: "string" },
        ceremony: { type: "boolean", default: false },
        json: { type: "boolean", default: false },
        help: { type: "boolean", default: false },
      },
    });
  } catch (error) {
    throw new DemoUsageError(error instanceof Error ? error.message : String(error));
  }
}

function whole(name: string, text: string, least: number): number {
  const value = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
  if (value >= least) return value;
  throw new DemoUsageError(`--${name} takes a whole number from ${least}, not "${text}"`);
}

function oneOf<const T extends string>(name: string, text: string, allowed: readonly T[]): T {
  const match = allowed.find((candidate) => candidate === text);
  if (match !== undefined) return match;
  throw new DemoUsageError(`--${name} takes ${allowed.join(" or ")}, not "${text}"`);
}

function parseKill(text: string, slots: number): { node: number; slot: number } {
  const match = /^([0-3])@(\d{1,9})$/.exec(text);
  const [, node, slot] = match ?? [];
  if (node === undefined || slot === undefined || Number(slot) < 1 || Number(slot) >= slots) {
    throw new DemoUsageError(
      `--kill takes NODE@SLOT with a node of 0 to 3 and a slot of 1 to ${slots - 1}, not "${text}"`,
    );
  }
  return { node: Number(node), slot: Number(slot) };
}
