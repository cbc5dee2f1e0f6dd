/** What every checker is: it watches a run from outside and says when an invariant breaks. */
import type { PartialSignatureSet, SigningTask, UnsignedData } from "../../src/domain/data.ts";
import type { PeerIndex, PubKey } from "../../src/domain/keys.ts";
import type { Slot } from "../../src/domain/units.ts";
import type { Chain } from "../../src/eth2/chain.ts";
import type { ForeignSigned, Ground } from "../ground.ts";
import type { GroupSigned, Ledger } from "../ledger.ts";
import type { Machine } from "../machine.ts";
import type { Scenario } from "../scenario.ts";

/** Broken correctness is exit code 129, broken liveness 128. */
export type CheckKind = "correctness" | "liveness";

export type CheckContext = {
  readonly scenario: Scenario;
  readonly facts: Chain;
  readonly ground: Ground;
  readonly ledger: Ledger;
  readonly machines: readonly Machine[];
  /** The validators' group keys, in lock order. */
  readonly pubKeys: readonly PubKey[];
  /** Operators that are Byzantine at any time of the run: what they say binds nobody. */
  readonly byzantine: ReadonlySet<PeerIndex>;
  /** The invariant is broken; `message` says by what. */
  readonly report: (message: string) => void;
};

export interface Checker {
  /** How many facts it has looked at: a checker that saw nothing proves nothing. */
  readonly checked: () => number;
  /** A node decided. */
  decided?(node: PeerIndex, data: UnsignedData): void;
  /** The key shares of an operator signed, in its node or in its client. */
  signed?(node: PeerIndex, tasks: readonly SigningTask[]): void;
  /** A node handed partial signatures to the network: once for each frame and receiver. */
  released?(node: PeerIndex, set: PartialSignatureSet): void;
  /** A group key signed, as a beacon node was shown. */
  groupSigned?(message: GroupSigned): void;
  /** Somebody who is not the cluster signed with a whole key. */
  foreignSigned?(signed: ForeignSigned): void;
  penalised?(node: PeerIndex, peer: PeerIndex, code: string): void;
  enterSlot?(slot: Slot): void;
  /** The run is over; the nodes still run. */
  finish?(): void;
  /** The nodes were stopped in order, and everything that was ready has run. */
  stopped?(): void;
}
