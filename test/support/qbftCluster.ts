/**
 * A cluster of QBFT machines around a bag of undelivered events, for tests that choose what happens
 * next. Signatures are a register of who stated what: an honest node's statement cannot be forged,
 * a Byzantine one's is free. The part around each machine does what the driver does and no more.
 */
import assert from "node:assert/strict";
import type { PeerIndex, Root } from "../../src/domain/keys.ts";
import type { Round } from "../../src/domain/units.ts";
import { QbftInstance } from "../../src/qbft/instance.ts";
import type {
  Message,
  QbftEffect,
  QbftEvent,
  SignedStatement,
  Statement,
  Verdict,
} from "../../src/qbft/messages.ts";
import type { QbftConfig } from "../../src/qbft/state.ts";

/** The machine under test; a mutant has the same shape. */
export type Machine = Pick<QbftInstance, "step" | "round" | "isDecided">;
export type MachineClass = new (config: QbftConfig) => Machine;

export type ClusterOptions = {
  readonly nodes: number;
  readonly maxRound?: Round;
  readonly byzantine?: readonly PeerIndex[];
  readonly quarantined?: readonly PeerIndex[];
  readonly Instance?: MachineClass;
  readonly judge?: (question: Question) => Verdict;
};
export type Question = {
  readonly node: PeerIndex;
  readonly value: Root;
  readonly round: Round;
  readonly certified: boolean;
};

/** Something on its way to an honest node. What goes over no network is never lost. */
export type Delivery = { readonly to: PeerIndex; readonly from: PeerIndex } & (
  | { readonly kind: "message"; readonly message: Message; readonly hasBytes: boolean }
  | { readonly kind: "pull"; readonly value: Root }
  | { readonly kind: "bytes"; readonly value: Root }
  | { readonly kind: "verdict"; readonly question: Question; readonly verdict: Verdict }
);
export type Decided = { readonly value: Root; readonly round: Round };
export type Observer = (node: PeerIndex, event: QbftEvent, effects: readonly QbftEffect[]) => void;

type Node = { machine: Machine; readonly bytes: Set<Root>; timer: Round; input: Root | null };

export class QbftCluster {
  readonly options: ClusterOptions;
  readonly maxRound: Round;
  readonly honest: readonly PeerIndex[];
  readonly byzantine: readonly PeerIndex[];
  readonly pending: Delivery[] = [];
  /** Everything that any node ever signed, first to last, with the justification it had then. */
  readonly signed: Message[] = [];
  readonly decisions = new Map<PeerIndex, Decided>();
  /** `node/value` that an honest node's driver accepted. */
  readonly accepted = new Set<string>();
  readonly timedOut = new Set<PeerIndex>();
  readonly violations: string[] = [];
  observer: Observer = () => undefined;
  readonly #nodes = new Map<PeerIndex, Node>();
  readonly #register = new Set<string>();
  readonly #silent = new Set<PeerIndex>();
  /** What was decided first, also by a node that has forgotten it since. */
  #decided: Root | null = null;

  constructor(options: ClusterOptions) {
    this.options = options;
    this.maxRound = options.maxRound ?? 6;
    this.byzantine = options.byzantine ?? [];
    const all = Array.from({ length: options.nodes }, (_, index) => index);
    this.honest = all.filter((index) => !this.byzantine.includes(index));
    for (const self of this.honest) {
      const isQuarantined = options.quarantined?.includes(self) ?? false;
      if (isQuarantined) this.#silent.add(self);
      const machine = this.#machine(self, !isQuarantined);
      this.#nodes.set(self, { machine, bytes: new Set(), timer: 1, input: null });
    }
  }

  leaderOf(round: Round): PeerIndex {
    return (round - 1) % this.options.nodes;
  }

  start(node: PeerIndex): void {
    this.step(node, { kind: "start" });
  }

  propose(node: PeerIndex, value: Root): void {
    this.#node(node).input = value;
    this.#node(node).bytes.add(value);
    this.step(node, { kind: "propose", value });
  }

  /** Fires the node's timer, if it runs. */
  timeout(node: PeerIndex): void {
    if (this.isDecided(node)) return;
    this.timedOut.add(node);
    this.step(node, { kind: "timeout", round: this.#node(node).timer });
  }

  /** A crash with a new start: nothing is remembered but the quarantine (DESIGN §6, Restart). */
  restart(node: PeerIndex): void {
    this.#silent.add(node);
    this.decisions.delete(node);
    this.#node(node).machine = this.#machine(node, false);
    this.#node(node).bytes.clear();
    this.start(node);
  }

  roundOf(node: PeerIndex): Round {
    return this.#node(node).machine.round;
  }

  isDecided(node: PeerIndex): boolean {
    return this.#node(node).machine.isDecided;
  }

  hasBytes(node: PeerIndex, value: Root): boolean {
    return this.#node(node).bytes.has(value);
  }

  /** Takes the delivery at `index` out of the bag and to its node. */
  deliver(index: number): void {
    const [delivery] = this.pending.splice(index, 1);
    assert(delivery !== undefined, "there is something to deliver");
    const node = this.#node(delivery.to);
    switch (delivery.kind) {
      case "message":
        if (delivery.hasBytes && delivery.message.value !== null) {
          this.#keep(delivery.to, delivery.message.value);
        }
        this.step(delivery.to, { kind: "receive", message: delivery.message });
        return;
      case "pull":
        if (!node.bytes.has(delivery.value) || !this.#nodes.has(delivery.from)) return;
        this.pending.push({ ...delivery, kind: "bytes", to: delivery.from, from: delivery.to });
        return;
      case "bytes":
        this.#keep(delivery.to, delivery.value);
        return;
      case "verdict": {
        const { value, round } = delivery.question;
        this.step(delivery.to, { kind: "validated", value, round, verdict: delivery.verdict });
        return;
      }
    }
  }

  /** Whether the network may lose this: pulls are repeated by the driver, the rest is local. */
  isLossy(delivery: Delivery): boolean {
    return delivery.kind === "message" && delivery.from !== delivery.to;
  }

  /** Delivers everything, first in first out, until nothing is on its way. */
  flush(): void {
    for (let steps = 0; this.pending.length > 0; steps++) {
      assert(steps < 100_000, "the cluster comes to rest");
      this.deliver(0);
    }
  }

  /** Signs as a Byzantine node. Its justification may hold only what its authors really signed. */
  forge(statement: Statement & { readonly source: PeerIndex }): SignedStatement {
    assert(this.byzantine.includes(statement.source), "honest nodes' signatures are not forged");
    return this.#sign(statement, []);
  }

  inject(message: Message, to: readonly PeerIndex[], hasBytes: boolean): void {
    for (const vote of [message, ...message.justification]) {
      assert(this.#register.has(textOf(vote)), `nobody signed ${textOf(vote)}`);
    }
    for (const node of to) {
      if (!this.#nodes.has(node)) continue;
      this.pending.push({ kind: "message", to: node, from: message.source, message, hasBytes });
    }
  }

  /** Steps a node and does what its driver would do with the effects. */
  step(self: PeerIndex, event: QbftEvent): void {
    const node = this.#node(self);
    const effects = node.machine.step(event);
    this.observer(self, event, effects);
    for (const effect of effects) this.#perform(self, effect);
  }

  #perform(self: PeerIndex, effect: QbftEffect): void {
    switch (effect.kind) {
      case "broadcast":
        this.#broadcast(self, effect.statement, effect.justification);
        return;
      case "answer": {
        const { statement, justification } = effect;
        const message = this.#sign({ ...statement, source: self }, justification);
        this.inject(message, [effect.peer], false);
        return;
      }
      case "setTimer":
        this.#node(self).timer = effect.round;
        return;
      case "pull":
        for (const to of effect.peers) {
          if (!this.#nodes.has(to)) continue;
          this.pending.push({ kind: "pull", to, from: self, value: effect.value });
        }
        return;
      case "validate":
        this.#judge({ node: self, ...effect });
        return;
      case "decide":
        this.#decide(self, effect);
        return;
      case "reject":
        return;
    }
  }

  #broadcast(
    self: PeerIndex,
    statement: Statement,
    justification: readonly SignedStatement[],
  ): void {
    const { type, round } = statement;
    if (this.#silent.has(self)) this.violations.push(`${self} speaks in quarantine`);
    const earlier = this.signed.find(
      (m) => m.source === self && m.type === type && m.round === round,
    );
    if (earlier !== undefined) this.violations.push(`${self} states ${type} ${round} twice`);
    if (type === "PREPARE" && !this.accepted.has(`${self}/${statement.value}`)) {
      this.violations.push(`${self} prepares what it did not accept`);
    }
    const message = this.#sign({ ...statement, source: self }, justification);
    const hasBytes = type === "PRE-PREPARE";
    if (hasBytes && !this.#node(self).bytes.has(statement.value as Root)) {
      this.violations.push(`${self} proposes without the bytes`);
    }
    this.inject(message, [self, ...this.honest.filter((peer) => peer !== self)], hasBytes);
  }

  #judge(question: Question): void {
    const { node, value } = question;
    const isHere = this.#node(node).bytes.has(value);
    if (!isHere) this.violations.push(`${node} validates without the bytes`);
    const verdict = this.options.judge?.(question) ?? { accepted: true };
    if (verdict.accepted) this.accepted.add(`${node}/${value}`);
    this.pending.push({ kind: "verdict", to: node, from: node, question, verdict });
  }

  #decide(self: PeerIndex, { value, round, certificate }: QbftEffect & { kind: "decide" }): void {
    if (this.decisions.has(self)) this.violations.push(`${self} decides twice`);
    this.#decided ??= value;
    if (this.#decided !== value) this.violations.push(`${self} decides differently`);
    const authors = new Set(certificate.map((vote) => vote.source));
    const isProof = certificate.every(
      (vote) => vote.type === "COMMIT" && vote.round === round && vote.value === value,
    );
    const needed = Math.ceil((2 * this.options.nodes) / 3);
    if (!isProof || authors.size !== needed || certificate.length !== needed) {
      this.violations.push(`${self} decides without a quorum of COMMITs`);
    }
    if (!this.honest.some((node) => this.accepted.has(`${node}/${value}`))) {
      this.violations.push(`${self} decides what no honest node accepted`);
    }
    this.decisions.set(self, { value, round });
  }

  #keep(node: PeerIndex, value: Root): void {
    if (this.#node(node).bytes.has(value)) return;
    this.#node(node).bytes.add(value);
    this.step(node, { kind: "value", value });
  }

  #sign(
    statement: Statement & { readonly source: PeerIndex },
    justification: readonly SignedStatement[],
  ): Message {
    const message = { ...statement, signature: new Uint8Array([statement.source]), justification };
    this.#register.add(textOf(message));
    this.signed.push(message);
    return message;
  }

  #machine(self: PeerIndex, maySend: boolean): Machine {
    const Instance = this.options.Instance ?? QbftInstance;
    return new Instance({
      nodes: this.options.nodes,
      self,
      leaderOf: (round) => this.leaderOf(round),
      maxRound: this.maxRound,
      maySend,
    });
  }

  #node(index: PeerIndex): Node {
    const node = this.#nodes.get(index);
    assert(node !== undefined, `${index} is an honest node`);
    return node;
  }
}

/** A value named by one letter. */
export function rootNamed(letter: string): Root {
  return `0x${Buffer.from(letter).toString("hex").repeat(32)}` as Root;
}

export function letterOf(value: Root | null): string {
  return value === null ? "none" : Buffer.from(value.slice(2, 4), "hex").toString();
}

function textOf(statement: Statement & { readonly source: PeerIndex }): string {
  const { source, type, round, value, preparedRound, preparedValue } = statement;
  return [source, type, round, value, preparedRound, preparedValue].join("/");
}
