import type { BeaconConfig } from "@lodestar/config";
import type { ChainEvent, ChainNode, ChainSszTypes, ChainState } from "./chainTypes.ts";
import type { Signatures } from "./signatures.ts";
import type { SlashingWatcher } from "./slashingWatcher.ts";

/** Where blocks take their votes from; "all" includes messages nobody aggregated. */
export type PackFrom = "aggregates" | "all";

/** What the pools and the producer need of the chain. */
export interface ChainContext {
  readonly config: BeaconConfig;
  readonly genesisTime: number;
  readonly packFrom: PackFrom;
  readonly signatures: Signatures;
  readonly watcher: SlashingWatcher;
  readonly head: ChainNode;
  currentSlot(): number;
  typesAt(slot: number): ChainSszTypes;
  /** The head state advanced through empty slots to `slot`. Callers must not change it. */
  stateAt(slot: number): ChainState;
  /** The canonical block root at or before `slot`. */
  rootAt(slot: number): Uint8Array;
  findBlock(root: Uint8Array): ChainNode | undefined;
  noteLive(epoch: number, validatorIndex: number): void;
  publish(event: ChainEvent): void;
}
