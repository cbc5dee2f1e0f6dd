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
  readonly broadcast: (frame: MessageFrame) => void;
  readonly sendTo: (peer: PeerIndex, frame: ConsensusFrame) => void;
  readonly judge: (data: UnsignedData, round: Round, certified: boolean) => Promise<Verdict>;
  readonly background: (work: () => Promise<void>) => void;
  readonly onRefused: (round: Round, reason: string) => void;
  readonly onRejected: (effect: QbftEffect & { readonly kind: "reject" }) => void;
  readonly onRound: (round: Round) => void;
  readonly onDecided: (data: UnsignedData, round: Round) => void;
};
type MessageFrame = ConsensusFrame & { readonly kind: "message" };
type Pull = { readonly peers: PeerIndex[]; asked: number; timer: Timer };

export class ConsensusInstance {
  readonly #parts: InstanceParts;
  readonly #machine: QbftInstance;
  readonly #values = new Map<Root, UnsignedData>();
  /** The leader's first PRE-PREPARE of each round: what a pull is answered with. */
  readonly #proposals = new Map<Round, Message>();
  readonly #pulls = new Map<Root, Pull>();
  readonly #served = new Map<PeerIndex, number>();
  readonly #queue: QbftEvent[] = [];
  #isStepping = false;
  #isStopped = false;
  #timer: Timer | null = null;
  #undelivered: { readonly value: Root; readonly round: Round } | null = null;

  constructor(parts: InstanceParts) {
    this.#parts = parts;
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

  /**
   * Takes an authenticated message. The bytes that came with a PRE-PREPARE are kept only for the
   * leader's first proposal of a round, so that nobody fills the memory with values.
   */
  receive(message: Message, value: UnsignedData | null): void {
    if (message.type === "PRE-PREPARE" && message.source === this.#parts.leaderOf(message.round)) {
      const known = this.#proposals.get(message.round);
      if (known === undefined) this.#proposals.set(message.round, message);
      if (value !== null && (known === undefined || known.value === message.value)) {
        this.#keep(value);
      }
    }
    this.#enqueue({ kind: "receive", message });
  }

  /** Takes the bytes of a value that a former life of this node saw decided, to serve peers. */
  restore(data: UnsignedData): void {
    this.#keep(data);
  }

  /** Takes the bytes of a value that this node asked for; anything else is dropped. */
  receiveValue(data: UnsignedData): boolean {
    if (!this.#pulls.has(data.root)) return false;
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

  stop(): void {
    this.#isStopped = true;
    this.#timer?.cancel();
    for (const { timer } of this.#pulls.values()) timer.cancel();
    this.#pulls.clear();
  }

  #keep(data: UnsignedData): void {
    if (this.#values.has(data.root)) return;
    this.#values.set(data.root, data);
    this.#pulls.get(data.root)?.timer.cancel();
    this.#pulls.delete(data.root);
    this.#enqueue({ kind: "value", value: data.root });
    this.#deliver();
  }

  #enqueue(event: QbftEvent): void {
    if (this.#isStopped) return;
    this.#queue.push(event);
    if (this.#isStepping) return;
    this.#isStepping = true;
    try {
      for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) {
        for (const effect of this.#machine.step(next)) this.#perform(effect);
      }
    } finally {
      this.#isStepping = false;
    }
  }

  #perform(effect: QbftEffect): void {
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
        this.#pull(effect.value, effect.peers);
        return;
      case "validate":
        this.#validate(effect.value, effect.round, effect.certified);
        return;
      case "decide":
        this.#undelivered = { value: effect.value, round: effect.round };
        this.#timer?.cancel();
        this.#deliver();
        return;
      case "reject":
        parts.onRejected(effect);
        return;
    }
  }

  #broadcast(statement: Statement, justification: readonly SignedStatement[]): void {
    if (this.#isStopped) return;
    const message: Message = { ...this.#parts.sign(statement), justification };
    const isProposal = message.type === "PRE-PREPARE" && message.value !== null;
    const data = isProposal ? this.#values.get(message.value) : undefined;
    if (isProposal) this.#proposals.set(message.round, message);
    this.#parts.broadcast(this.#frameOf(message, data?.value ?? null));
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

  #pull(value: Root, peers: readonly PeerIndex[]): void {
    const known = this.#pulls.get(value);
    const others = peers.filter((peer) => peer !== this.#parts.self);
    if (known !== undefined) known.peers.push(...others);
    else this.#pulls.set(value, { peers: [...others], asked: 0, timer: this.#pullLater(value) });
  }

  #pullLater(value: Root): Timer {
    const { clock, pullPatienceMs } = this.#parts;
    return clock.at(clock.now() + pullPatienceMs, () => this.#askNext(value));
  }

  /** One peer at a time: a value can be megabytes. */
  #askNext(value: Root): void {
    const pull = this.#pulls.get(value);
    if (pull === undefined || this.#isStopped) return;
    const peer = pull.peers[pull.asked];
    if (peer !== undefined) {
      pull.asked += 1;
      this.#parts.sendTo(peer, { kind: "pull", duty: this.#parts.duty, value });
    }
    pull.timer = this.#pullLater(value);
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
    const { round } = this.#undelivered;
    this.#undelivered = null;
    this.#parts.onDecided(data, round);
  }
}
