/**
 * Drives one QBFT machine: turns its effects into signatures, frames, timers, pulls and
 * validations, and feeds their outcomes back as events, one at a time.
 */
import type { UnsignedData } from "../domain/data.ts";
import type { Duty } from "../domain/duty.ts";
import type { PeerIndex, Root } from "../domain/keys.ts";
import { MAX_PULLS_PER_PEER, MAX_ROUND } from "../domain/limits.ts";
import type { Millis, Round } from "../domain/units.ts";
import type { Clock, Timer } from "../ports/clock.ts";
import { QbftInstance } from "../qbft/instance.ts";
import type {
  Message,
  QbftEffect,
  QbftEvent,
  SignedStatement,
  Statement,
  Verdict,
} from "../qbft/messages.ts";
import type { ConsensusFrame } from "../wire/profile.ts";
import { ValuePulls } from "./valuePulls.ts";

export type InstanceParts = {
  readonly duty: Duty;
  readonly nodes: number;
  readonly self: PeerIndex;
  readonly maySend: boolean;
  readonly leaderOf: (round: Round) => PeerIndex;
  /** When the round's timer fires. */
  readonly roundEndsAt: (round: Round) => Millis;
  /**
   * VALUE-3: how long a missing value is given to arrive by itself before a peer is asked for it,
   * and then before the next peer is asked.
   */
  readonly pullPatienceMs: Millis;
  readonly clock: Clock;
  readonly sign: (statement: Statement) => SignedStatement;
  /** Calls `send` once votes of this slot may leave; at once when they may already. */
  readonly whenRecorded: (send: () => void) => void;
  /** `holders` have the bytes of the frame's value already. */
  readonly broadcast: (frame: MessageFrame, holders: ReadonlySet<PeerIndex>) => void;
  readonly sendTo: (peer: PeerIndex, frame: ConsensusFrame) => void;
  readonly judge: (data: UnsignedData, round: Round, certified: boolean) => Promise<Verdict>;
  readonly background: (work: () => Promise<void>) => void;
  readonly onRefused: (round: Round, reason: string) => void;
  /** `from` handed the message over; null for what this node made itself. */
  readonly onRejected: (effect: RejectEffect, from: PeerIndex | null) => void;
  readonly onRound: (round: Round) => void;
  readonly onDecided: (data: UnsignedData, proof: DecisionProof) => void;
};
/** A quorum of COMMITs of one round. */
export type DecisionProof = {
  readonly round: Round;
  readonly commits: readonly SignedStatement[];
};
type MessageFrame = ConsensusFrame & { readonly kind: "message" };
type RejectEffect = QbftEffect & { readonly kind: "reject" };
type DecideEffect = QbftEffect & { readonly kind: "decide" };
/** A message on its way into the machine, with who brought it and what came along. */
type Delivery = {
  readonly message: Message;
  readonly from: PeerIndex;
  readonly data: UnsignedData | null;
};
type Queued = { readonly event: QbftEvent; readonly delivery: Delivery | null };

const NOBODY: ReadonlySet<PeerIndex> = new Set();

export class ConsensusInstance {
  readonly #parts: InstanceParts;
  readonly #machine: QbftInstance;
  readonly #values = new Map<Root, UnsignedData>();
  /** The PRE-PREPARE of each round that the machine took: what a pull is answered with. */
  readonly #proposals = new Map<Round, Message>();
  readonly #pulls: ValuePulls;
  /** Who showed to have a value's bytes. */
  readonly #holders = new Map<Root, Set<PeerIndex>>();
  readonly #served = new Map<PeerIndex, number>();
  readonly #queue: Queued[] = [];
  #isStepping = false;
  #isStopped = false;
  #timer: Timer | null = null;
  #undelivered: DecideEffect | null = null;
  #decision: DecideEffect | null = null;

  constructor(parts: InstanceParts) {
    this.#parts = parts;
    const { duty, clock, pullPatienceMs, sendTo } = parts;
    const ask = (peer: PeerIndex, value: Root): void => sendTo(peer, { kind: "pull", duty, value });
    this.#pulls = new ValuePulls({ clock, patienceMs: pullPatienceMs, ask });
    this.#machine = new QbftInstance({
      nodes: parts.nodes,
      self: parts.self,
      leaderOf: parts.leaderOf,
      maxRound: MAX_ROUND,
      maySend: parts.maySend,
    });
    this.#enqueue({ kind: "start" });
  }

  propose(data: UnsignedData): void {
    this.#keep(data);
    this.#enqueue({ kind: "propose", value: data.root });
  }

  /** Takes an authenticated message that `from` handed over, which need not be its author. */
  receive(message: Message, from: PeerIndex, data: UnsignedData | null): void {
    this.#enqueue({ kind: "receive", message }, { message, from, data });
  }

  /** Takes the bytes of a value that a former life of this node saw decided, to serve peers. */
  restore(data: UnsignedData): void {
    this.#keep(data);
  }

  /** Takes the bytes of a value that this node asked for; anything else is dropped. */
  receiveValue(data: UnsignedData): boolean {
    if (!this.#pulls.isWanted(data.root)) return false;
    this.#keep(data);
    return true;
  }

  /** Answers a peer's pull with the proposal or the bare value, within the peer's limit. */
  servePull(peer: PeerIndex, value: Root): void {
    const data = this.#values.get(value);
    const served = this.#served.get(peer) ?? 0;
    if (data === undefined || served >= MAX_PULLS_PER_PEER) return;
    this.#served.set(peer, served + 1);
    const { duty, sendTo } = this.#parts;
    const message = [...this.#proposals.values()].find((m) => m.value === value);
    if (message === undefined) sendTo(peer, { kind: "value", duty, value: data.value });
    else sendTo(peer, { kind: "message", duty, message, value: data.value });
  }

  /** Answers a restarted peer's question what was decided, within the limit of its pulls. */
  serveDecision(peer: PeerIndex): void {
    const served = this.#served.get(peer) ?? 0;
    const data = this.#decision === null ? undefined : this.#values.get(this.#decision.value);
    if (this.#decision === null || data === undefined || served >= MAX_PULLS_PER_PEER) return;
    this.#served.set(peer, served + 1);
    const { value, round, certificate } = this.#decision;
    const statement: Statement = {
      type: "DECIDED",
      round,
      value,
      preparedRound: 0,
      preparedValue: null,
    };
    const message: Message = { ...this.#parts.sign(statement), justification: certificate };
    this.#parts.sendTo(peer, this.#frameOf(message, data.value));
  }

  stop(): void {
    this.#isStopped = true;
    this.#timer?.cancel();
    this.#pulls.stop();
  }

  #keep(data: UnsignedData): void {
    if (this.#values.has(data.root)) return;
    this.#values.set(data.root, data);
    this.#pulls.settle(data.root);
    this.#enqueue({ kind: "value", value: data.root });
    this.#deliver();
  }

  #enqueue(event: QbftEvent, delivery: Delivery | null = null): void {
    if (this.#isStopped) return;
    this.#queue.push({ event, delivery });
    if (this.#isStepping) return;
    this.#isStepping = true;
    try {
      for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) {
        this.#step(next);
      }
    } finally {
      this.#isStepping = false;
    }
  }

  #step({ event, delivery }: Queued): void {
    const effects = this.#machine.step(event);
    const from = delivery?.from ?? null;
    for (const effect of effects) {
      if (effect.kind === "reject") this.#parts.onRejected(effect, from);
      else this.#perform(effect);
    }
    if (delivery === null) return;
    const isRejected = effects.some(({ kind }) => kind === "reject");
    if (!isRejected) this.#noteHolder(delivery);
    this.#takeProposal(delivery, isRejected);
  }

  /**
   * Keeps a proposal that the machine took, and the bytes that came with it. Whoever relays a
   * proposal may have spoiled its justification, so a rejected copy is neither kept nor served; the
   * bytes of a second copy are welcome when the first came without them.
   */
  #takeProposal({ message, data }: Delivery, isRejected: boolean): void {
    if (message.type === "PRE-PREPARE" && !isRejected) {
      this.#proposals.set(message.round, message);
    }
    if (data === null) return;
    const isProposed = this.#proposals.get(message.round)?.value === data.root;
    if (isProposed || this.#pulls.isWanted(data.root)) this.#keep(data);
  }

  /** VALUE-5: whoever proposes or PREPAREs a value has its bytes; a liar goes without. */
  #noteHolder({ message: { type, value, source } }: Delivery): void {
    if (value === null || (type !== "PRE-PREPARE" && type !== "PREPARE")) return;
    const holders = this.#holders.get(value) ?? new Set();
    this.#holders.set(value, holders.add(source));
  }

  #perform(effect: Exclude<QbftEffect, RejectEffect>): void {
    const parts = this.#parts;
    switch (effect.kind) {
      case "broadcast":
        parts.whenRecorded(() => this.#broadcast(effect.statement, effect.justification));
        return;
      case "answer":
        this.#answer(effect.peer, effect.statement, effect.justification);
        return;
      case "setTimer":
        this.#setTimer(effect.round);
        return;
      case "pull":
        this.#pulls.want(
          effect.value,
          effect.peers.filter((peer) => peer !== parts.self),
        );
        return;
      case "validate":
        this.#validate(effect.value, effect.round, effect.certified);
        return;
      case "decide":
        this.#decision = effect;
        this.#undelivered = effect;
        this.#timer?.cancel();
        this.#deliver();
        return;
    }
  }

  #broadcast(statement: Statement, justification: readonly SignedStatement[]): void {
    if (this.#isStopped) return;
    const message: Message = { ...this.#parts.sign(statement), justification };
    const isProposal = message.type === "PRE-PREPARE" && message.value !== null;
    const data = isProposal ? this.#values.get(message.value) : undefined;
    if (isProposal) this.#proposals.set(message.round, message);
    const holders = (message.value && this.#holders.get(message.value)) || NOBODY;
    this.#parts.broadcast(this.#frameOf(message, data?.value ?? null), holders);
    this.#enqueue({ kind: "receive", message });
  }

  #answer(peer: PeerIndex, statement: Statement, justification: readonly SignedStatement[]): void {
    const message: Message = { ...this.#parts.sign(statement), justification };
    this.#parts.sendTo(peer, this.#frameOf(message, null));
  }

  #frameOf(message: Message, value: Uint8Array | null): MessageFrame {
    return { kind: "message", duty: this.#parts.duty, message, value };
  }

  #setTimer(round: Round): void {
    this.#parts.onRound(round);
    this.#timer?.cancel();
    this.#timer = this.#parts.clock.at(this.#parts.roundEndsAt(round), () =>
      this.#enqueue({ kind: "timeout", round }),
    );
  }

  #validate(value: Root, round: Round, certified: boolean): void {
    const data = this.#values.get(value);
    if (data === undefined) return;
    this.#parts.background(async () => {
      const verdict = await this.#parts.judge(data, round, certified);
      if (!verdict.accepted) this.#parts.onRefused(round, verdict.reason);
      this.#enqueue({ kind: "validated", value, round, verdict });
    });
  }

  /** A decision is handed on once its bytes are here: they may have to be pulled first. */
  #deliver(): void {
    if (this.#undelivered === null) return;
    const data = this.#values.get(this.#undelivered.value);
    if (data === undefined) return;
    const { round, certificate } = this.#undelivered;
    this.#undelivered = null;
    this.#parts.onDecided(data, { round, commits: certificate });
  }
}
