/**
 * Starts a whole dev chain in this process. LODESTAR_PRESET is read when Lodestar's modules load
 * and holds for the process: set it before this module is imported.
 */
import "./hasher.ts";
import { PublicKey } from "@chainsafe/blst";
import { ACTIVE_PRESET } from "@lodestar/params";
import { toHex } from "../../src/util/bytes.ts";
import { openControl } from "./api/control.ts";
import { type DevListener, openListener } from "./api/listener.ts";
import { DevChain } from "./chain.ts";
import { createDevConfig, type DevFork, type ForkEpochs } from "./chainConfig.ts";
import type { PackFrom } from "./chainContext.ts";

import { type ChainClock, wallClock } from "./clock.ts";
import { plainKeys } from "./interopKeys.ts";
import type { SlashableOffence } from "./slashingWatcher.ts";
import { PlainValidators } from "./validators.ts";

export interface DevchainOptions {
  readonly fork: DevFork;
  /** Later forks, by the epoch at which they start. */
  readonly forkEpochs?: ForkEpochs;
  /** Wall length of a slot, below a second if need be. */
  readonly slotMs: number;
  /** Unix seconds. */
  readonly genesisTime: number;
  /** Validators 0 to plainCount − 1, with interop keys, run by this process. */
  readonly plainCount: number;
  /** Compressed group keys of distributed validators: the indices from plainCount on. */
  readonly distributedPubkeys: readonly Uint8Array[];
  /** One Beacon API listener for each; 0 picks a free port. */
  readonly ports: readonly number[];
  /** Address that they listen on; the loopback unless given. */
  readonly host?: string;
  /** Port of the harness's own routes; a free one unless given. */
  readonly controlPort?: number;
  /** "all" lets blocks carry votes nobody aggregated, which no real beacon node does. */
  readonly packFrom?: PackFrom;
  /** A virtual clock drives nothing by itself: its owner calls `validators.runSlot`. */
  readonly clock?: ChainClock;
  readonly onError?: (line: string) => void;
}

export interface Devchain {
  readonly chain: DevChain;
  readonly validators: PlainValidators;
  readonly listeners: readonly DevListener[];
  readonly urls: readonly string[];
  readonly controlUrl: string;
  /** Indices of the distributed validators, in the order of their keys. */
  readonly distributedIndices: readonly number[];
  /** Every slashable pair of messages the chain ever received. */
  slashings(): readonly SlashableOffence[];
  /** One line for a log: what this chain is, and where it is laxer than a real one. */
  describe(): string;
  stop(): Promise<void>;
}

export async function startDevchain(options: DevchainOptions): Promise<Devchain> {
  const { plainCount, distributedPubkeys, host, onError } = options;
  const packFrom = options.packFrom ?? "aggregates";
  const keys = plainKeys(plainCount);
  const plainPubkeys = [...keys.values()].map((key) => key.toPublicKey().toBytes());
  const chain = new DevChain({
    config: createDevConfig({ ...options, forkEpochs: options.forkEpochs ?? {} }),
    pubkeys: [...plainPubkeys, ...checkPubkeys(distributedPubkeys, plainPubkeys)],
    genesisTime: options.genesisTime,
    slotMs: options.slotMs,
    packFrom,
    clock: options.clock ?? wallClock,
  });
  const validators = new PlainValidators(chain, keys);
  const listeners: DevListener[] = [];
  for (const port of options.ports) {
    const extras = { ...(host && { host }), ...(onError && { onError }) };
    listeners.push(await openListener({ chain, port, ...extras }));
  }
  const controlPort = options.controlPort ?? 0;
  const control = await openControl({ chain, validators, listeners, port: controlPort });
  const stopping = new AbortController();
  const running = options.clock ? Promise.resolve() : validators.run(stopping.signal);
  return {
    chain,
    validators,
    listeners,
    urls: listeners.map(({ url }) => url),
    controlUrl: control.url,
    distributedIndices: distributedPubkeys.map((_, offset) => plainCount + offset),
    slashings: () => chain.watcher.offences,
    describe: () =>
      `${ACTIVE_PRESET} ${options.fork} chain, ${plainCount} plain and ` +
      `${distributedPubkeys.length} distributed validators, ${options.slotMs} ms slots, ` +
      (packFrom === "all"
        ? "blocks pack SINGLE ATTESTATIONS TOO (packFrom=all): a missing aggregate does not show"
        : "blocks pack published aggregates only"),
    stop: async () => {
      stopping.abort();
      await running;
      await Promise.all([control.close(), ...listeners.map((listener) => listener.close())]);
    },
  };
}

function checkPubkeys(
  pubkeys: readonly Uint8Array[],
  taken: readonly Uint8Array[],
): readonly Uint8Array[] {
  const seen = new Set(taken.map(toHex));
  for (const [index, pubkey] of pubkeys.entries()) {
    const text = toHex(pubkey);
    if (seen.has(text)) throw new RangeError(`public key ${text} appears twice`);
    seen.add(text);
    try {
      PublicKey.fromBytes(pubkey, true);
    } catch (cause) {
      throw new RangeError(`public key ${index} (${text}) is no BLS12-381 key`, { cause });
    }
  }
  return pubkeys;
}
