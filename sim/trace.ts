/**
 * The trace of a run: one event per line as JSON, and a running SHA-256 over the lines, by which
 * two runs are compared (SIM-3). Instants are milliseconds of true time since genesis, whatever the
 * nodes' clocks say; roots are cut to their first eight hex digits where they only name a value.
 *
 * The columns of each kind are the types below; all of them together are {@link TraceEvent}.
 * `coterie sim diff` finds the first line that differs, the report draws its pages from the lines.
 */

import { createHash, type Hash } from "node:crypto";
import type { Step } from "../src/core/interfaces.ts";
import type { DutyId } from "../src/domain/duty.ts";
import type { LockIndex, PeerIndex } from "../src/domain/keys.ts";
import type { Epoch, Millis, Round, Slot, ValidatorIndex } from "../src/domain/units.ts";
import type { Path } from "../src/ports/network.ts";
import type { MessageType } from "../src/qbft/messages.ts";
import type { Fault } from "./scenario.ts";

/** The first eight hex digits of a root. */
export type ShortRoot = string;

/** What a frame on the wire says. */
export type FrameSummary =
  | {
      /** One QBFT message of `source`, whoever carries it. */
      readonly type: MessageType;
      readonly duty: DutyId;
      readonly source: PeerIndex;
      readonly round: Round;
      readonly value: ShortRoot | null;
      /** ROUND-CHANGE only, 0 for none. */
      readonly preparedRound: Round;
      readonly preparedValue: ShortRoot | null;
      /** Statements in its justification. */
      readonly justification: number;
    }
  | { readonly type: "pull" | "value"; readonly duty: DutyId; readonly value: ShortRoot }
  /** A restarted node asks what was decided. */
  | { readonly type: "decision"; readonly duty: DutyId }
  | {
      readonly type: "partials";
      readonly duty: DutyId;
      /** How many validators' signatures, and the different roots they are over. */
      readonly validators: number;
      readonly roots: readonly ShortRoot[];
    }
  /** Does not decode, or is of a channel that has no summary: its length in bytes. */
  | { readonly type: "other"; readonly channel: string; readonly bytes: number };

export type DropReason = "loss" | "partition" | "down" | "no-path" | "queue-full" | "byzantine";

type Body =
  /** A slot begins. */
  | { readonly kind: "slot"; readonly slot: Slot; readonly epoch: Epoch }
  /** A node reached a step of a duty for the first time: the duty waterfall. */
  | { readonly kind: "step"; readonly node: PeerIndex; readonly duty: DutyId; readonly step: Step }
  /** A node noted an obstacle of a duty. */
  | {
      readonly kind: "obstacle";
      readonly node: PeerIndex;
      readonly duty: DutyId;
      readonly reason: string;
    }
  /** A node did not complete a duty in time. */
  | {
      readonly kind: "miss";
      readonly node: PeerIndex;
      readonly duty: DutyId;
      readonly stoppedAfter: string;
    }
  /** A node handed a frame to the network; `id` is repeated by its arrival or loss. */
  | {
      readonly kind: "send";
      readonly id: number;
      readonly from: PeerIndex;
      readonly to: PeerIndex;
      readonly via: "direct" | "gossip";
      readonly frame: FrameSummary;
    }
  /** A copy of frame `id` arrived. */
  | {
      readonly kind: "receive";
      readonly id: number;
      readonly from: PeerIndex;
      readonly to: PeerIndex;
    }
  | {
      readonly kind: "drop";
      readonly id: number;
      readonly from: PeerIndex;
      readonly to: PeerIndex;
      readonly reason: DropReason;
    }
  /** The direct path between two nodes appears or goes, as `node` sees it. */
  | {
      readonly kind: "path";
      readonly node: PeerIndex;
      readonly peer: PeerIndex;
      readonly path: Path;
    }
  | {
      readonly kind: "penalty";
      readonly node: PeerIndex;
      readonly peer: PeerIndex;
      readonly code: string;
    }
  | {
      readonly kind: "decided";
      readonly node: PeerIndex;
      readonly duty: DutyId;
      readonly value: ShortRoot;
    }
  /** Partial signatures of an operator's share were made, by the node or by its client. */
  | {
      readonly kind: "signed";
      readonly node: PeerIndex;
      readonly validators: readonly LockIndex[];
      readonly roots: readonly ShortRoot[];
    }
  /** Group signatures reached a beacon node, which took or refused them. */
  | {
      readonly kind: "submitted";
      readonly node: PeerIndex;
      readonly duty: DutyId;
      readonly validators: readonly ValidatorIndex[];
      readonly taken: number;
    }
  /** The chain counts a duty of a validator as done, once. */
  | {
      readonly kind: "included";
      readonly duty: DutyId;
      readonly validator: LockIndex;
    }
  /** A block of the true chain, or of a branch of it, was published. */
  | {
      readonly kind: "block";
      readonly slot: Slot;
      readonly root: ShortRoot;
      readonly branch: number;
      /** Null for a proposer outside of the cluster. */
      readonly proposer: LockIndex | null;
    }
  /** A node's beacon node has a new head. */
  | {
      readonly kind: "head";
      readonly node: PeerIndex;
      readonly slot: Slot;
      readonly root: ShortRoot;
    }
  /** A fault of the schedule begins or ends: the bands of the report. `id` is its position. */
  | { readonly kind: "fault"; readonly id: number; readonly phase: "begin"; readonly fault: Fault }
  | { readonly kind: "fault"; readonly id: number; readonly phase: "end" }
  | { readonly kind: "crash"; readonly node: PeerIndex; readonly lostWrites: number }
  /** The node object exists and runs; `restarts` counts its lives before this one. */
  | { readonly kind: "up"; readonly node: PeerIndex; readonly restarts: number }
  /** An invariant of the node's own broke: it stops signing. */
  | { readonly kind: "bug"; readonly node: PeerIndex; readonly message: string }
  /** A Byzantine operator did something that an honest one does not. */
  | {
      readonly kind: "byzantine";
      readonly node: PeerIndex;
      readonly behaviour: string;
      readonly detail: string;
    }
  /** Somebody who is not the cluster signed with a validator's whole key. */
  | {
      readonly kind: "foreign";
      readonly validator: LockIndex;
      readonly slot: Slot;
      readonly what: "attestation" | "block";
    }
  /** A scripted validator client did, or was told, something worth a line. */
  | { readonly kind: "client"; readonly node: PeerIndex; readonly message: string }
  /** A line of a node's log that an operator would be shown. */
  | {
      readonly kind: "log";
      readonly node: PeerIndex;
      readonly level: "warn" | "error";
      readonly message: string;
    }
  /** A checker's invariant is broken; the run fails. */
  | { readonly kind: "violation"; readonly checker: string; readonly message: string }
  /** What each checker says at the end; `checked` counts what it looked at. */
  | {
      readonly kind: "verdict";
      readonly checker: string;
      readonly passed: boolean;
      readonly checked: number;
    };

export type TraceEvent = { readonly at: Millis } & Body;
export type TraceBody = Body;

/** Text that is hashed at once: many short lines cost more than few long ones. */
const HASHED_LENGTH = 1 << 16;

/** Keeps the hash of everything emitted; lines go to `write` where somebody wants them. */
export class Trace {
  /** False where nobody asks for lines or hash: events are counted only. */
  readonly isKept: boolean;
  readonly #hash: Hash = createHash("sha256");
  readonly #write: ((line: string) => void) | null;
  readonly #now: () => Millis;
  #events = 0;
  /** What the hash has not seen yet. */
  #text = "";

  constructor(
    now: () => Millis,
    { write = null, isKept = true }: { write?: ((line: string) => void) | null; isKept?: boolean },
  ) {
    this.#now = now;
    this.#write = write;
    this.isKept = isKept;
  }

  /** An event that nobody writes down. */
  count(): void {
    this.#events++;
  }

  emit(body: TraceBody): void {
    this.count();
    if (!this.isKept) return;
    // As JSON.stringify({ at, ...body }) has it, without a copy of every event.
    const line = `{"at":${this.#now()},${JSON.stringify(body).slice(1)}\n`;
    this.#text += line;
    if (this.#text.length >= HASHED_LENGTH) this.#hashText();
    this.#write?.(line);
  }

  get events(): number {
    return this.#events;
  }

  /** SHA-256 over the lines so far, as hex; empty where they are not kept. */
  digest(): string {
    if (!this.isKept) return "";
    this.#hashText();
    return this.#hash.copy().digest("hex");
  }

  #hashText(): void {
    this.#hash.update(this.#text);
    this.#text = "";
  }
}

export function shortRoot(root: string): ShortRoot {
  return root.slice(2, 10);
}
