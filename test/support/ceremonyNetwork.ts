/**
 * Operators of one ceremony in one process: the machines, a network that delivers in any order, and
 * disks that keep what was persisted. Deterministic in its seed.
 */
import assert from "node:assert/strict";
import { type Misdeeds, type RogueFrame, RogueOperator } from "../../sim/ceremony/rogueOperator.ts";
import { newDefinition } from "../../src/cluster/newDefinition.ts";
import { encodeEnr } from "../../src/crypto/enr.ts";
import { generateK1SecretKey, k1Sign } from "../../src/crypto/k1.ts";
import { seededRandom } from "../../src/crypto/seededRandom.ts";
import { Ceremony } from "../../src/dkg/ceremony.ts";
import { type CeremonyFacts, ceremonyFacts } from "../../src/dkg/facts.ts";
import { SEED_BYTES } from "../../src/dkg/journal.ts";
import type {
  CeremonyAbort,
  CeremonyEffect,
  CeremonyEvent,
  CeremonyOutcome,
  CeremonyShares,
  JournalEntry,
} from "../../src/dkg/messages.ts";
import type { PeerIndex } from "../../src/domain/keys.ts";
import type { CeremonyPhase } from "../../src/wire/ceremony.ts";

export type CeremonyClass = typeof Ceremony;

export type Delivery = {
  readonly from: PeerIndex;
  readonly to: PeerIndex;
  readonly frame: Uint8Array;
};

/** What may be done to a frame on its way: other frames in its place, none to lose it. */
export type Tamper = (delivery: Delivery) => readonly Delivery[];

export type Operator = {
  readonly secretKey: Uint8Array;
  /** In the place of the machine, for an operator who keeps to no rule. */
  readonly rogue: RogueOperator | null;
  machine: Ceremony;
  journal: JournalEntry[];
  shares: CeremonyShares | null;
  outcome: CeremonyOutcome | null;
  abort: CeremonyAbort | null;
  /** Whether the process runs. */
  isUp: boolean;
  readonly effects: CeremonyEffect[];
};

export type CeremonyNetworkOptions = {
  readonly nodes?: number;
  readonly threshold?: number;
  readonly validators?: number;
  readonly attempt?: number;
  readonly seed?: string;
  readonly depositAmounts?: readonly bigint[];
  readonly tamper?: Tamper;
  /** Picks the next delivery of those under way; the oldest where absent. */
  readonly pick?: (count: number) => number;
  readonly Machine?: CeremonyClass;
  /** Operators who keep to no rule, by index. */
  readonly rogues?: ReadonlyMap<PeerIndex, Misdeeds>;
};

const GWEI = 1_000_000_000n;

export function testFacts(options: CeremonyNetworkOptions = {}): {
  readonly facts: CeremonyFacts;
  readonly secretKeys: readonly Uint8Array[];
} {
  const { nodes = 4, threshold = 3, validators = 2, attempt = 1, seed = "ceremony" } = options;
  const random = seededRandom(Buffer.from(seed), Buffer.from("identities"));
  const secretKeys = Array.from({ length: nodes }, () => generateK1SecretKey(random));
  const definition = newDefinition({
    name: "test",
    enrs: secretKeys.map((secretKey) => encodeEnr({ secretKey })),
    threshold,
    forkVersion: "0x10000910",
    validators: Array.from({ length: validators }, (_, v) => ({
      feeRecipient: `0x${"11".repeat(19)}${v.toString(16).padStart(4, "0").slice(2)}`,
      withdrawalAddress: `0x${"22".repeat(20)}`,
    })),
    createdAt: "2026-01-01T00:00:00Z",
    uuid: "0194fdc2-fa2f-4cc0-81d3-ff12045b73c8",
    depositAmounts: options.depositAmounts ?? [32n * GWEI],
    targetGasLimit: 60_000_000,
    isCompounding: false,
  });
  const facts = ceremonyFacts(definition, attempt);
  assert(facts.ok, JSON.stringify(facts));
  return { facts: facts.value, secretKeys };
}

export class CeremonyNetwork {
  readonly facts: CeremonyFacts;
  readonly operators: readonly Operator[];
  readonly queue: Delivery[] = [];
  /** Whether the disks answer `storeShares`. */
  storesShares = true;
  tamper: Tamper;
  readonly #options: CeremonyNetworkOptions;

  constructor(options: CeremonyNetworkOptions = {}) {
    this.#options = options;
    this.tamper = options.tamper ?? ((delivery) => [delivery]);
    const { facts, secretKeys } = testFacts(options);
    this.facts = facts;
    this.operators = secretKeys.map((secretKey, self) => ({
      secretKey,
      rogue: this.#rogueOf(self, secretKey),
      machine: this.#machineOf(self, secretKey),
      journal: [],
      shares: null,
      outcome: null,
      abort: null,
      isUp: true,
      effects: [],
    }));
  }

  operator(index: PeerIndex): Operator {
    const operator = this.operators[index];
    assert(operator !== undefined, `there is an operator ${index}`);
    return operator;
  }

  /** Begins the attempt of all operators, or of those named. */
  start(who: readonly PeerIndex[] = [...this.operators.keys()]): void {
    for (const self of who) {
      const { rogue } = this.operator(self);
      if (rogue !== null) this.#sendAll(self, rogue.start());
      else this.step(self, { kind: "entropy", seed: this.seedOf(self) });
    }
  }

  seedOf(self: PeerIndex): Uint8Array {
    const { seed = "ceremony" } = this.#options;
    return seededRandom(Buffer.from(seed), Buffer.from(`entropy ${self}`)).bytes(SEED_BYTES);
  }

  step(self: PeerIndex, event: CeremonyEvent): void {
    const operator = this.operator(self);
    if (!operator.isUp) return;
    if (operator.rogue === null) this.#perform(self, operator.machine.step(event));
    else if (event.kind === "receive") {
      this.#sendAll(self, operator.rogue.receive(event.from, event.frame));
    }
  }

  /** Delivers until nothing is under way any more, or `until` says so. */
  run(until: () => boolean = () => false): void {
    const { pick = () => 0 } = this.#options;
    for (let count = 0; this.queue.length > 0 && !until(); count++) {
      assert(count < 100_000, "the ceremony comes to rest");
      const [delivery] = this.queue.splice(pick(this.queue.length), 1);
      assert(delivery !== undefined, "the picked delivery is one of those under way");
      const { from, to, frame } = delivery;
      this.step(to, { kind: "receive", from, frame });
    }
  }

  /** Lets every operator ask for what it lacks, until all are done or nothing helps. */
  settle(rounds = 100): void {
    for (let round = 0; round < rounds && this.operators.some(isWaiting); round++) {
      for (const self of this.operators.keys()) this.step(self, { kind: "nudge" });
      this.run();
    }
  }

  deadline(phase: CeremonyPhase): void {
    for (const self of this.operators.keys()) this.step(self, { kind: "deadline", phase });
    this.run();
  }

  /** The process ends; what was persisted stays. */
  kill(self: PeerIndex): void {
    this.operator(self).isUp = false;
  }

  /** A new process takes up the journal, and everybody connects again. */
  restart(self: PeerIndex): void {
    const operator = this.operator(self);
    operator.isUp = true;
    operator.abort = null;
    operator.machine = this.#machineOf(self, operator.secretKey);
    const { journal } = operator;
    this.#perform(self, operator.machine.resume(journal));
    const isNew = !journal.some(({ kind }) => kind === "entropy");
    if (isNew) this.step(self, { kind: "entropy", seed: this.seedOf(self) });
    for (const peer of this.operators.keys()) {
      if (peer === self) continue;
      this.step(self, { kind: "connected", peer });
      this.step(peer, { kind: "connected", peer: self });
    }
  }

  inject(delivery: Delivery): void {
    this.queue.push(delivery);
  }

  /** Operators who keep to the rules. */
  honest(): readonly Operator[] {
    return this.operators.filter(({ rogue }) => rogue === null);
  }

  #rogueOf(self: PeerIndex, secretKey: Uint8Array): RogueOperator | null {
    const misdeeds = this.#options.rogues?.get(self);
    if (misdeeds === undefined) return null;
    return new RogueOperator(
      { facts: this.facts, self, secretKey, seed: this.seedOf(self) },
      misdeeds,
    );
  }

  #sendAll(from: PeerIndex, frames: readonly RogueFrame[]): void {
    for (const { to, frame } of frames) this.#send({ from, to, frame });
  }

  #machineOf(self: PeerIndex, secretKey: Uint8Array): Ceremony {
    const { Machine = Ceremony } = this.#options;
    const sign = (digest: Uint8Array): Uint8Array => k1Sign(digest, secretKey);
    return new Machine({ facts: this.facts, self, version: "test", sign });
  }

  #perform(self: PeerIndex, effects: readonly CeremonyEffect[]): void {
    const operator = this.operator(self);
    operator.effects.push(...effects);
    for (const effect of effects) {
      switch (effect.kind) {
        case "persist":
          operator.journal.push(effect.entry);
          break;
        case "send":
          this.#send({ from: self, to: effect.peer, frame: effect.frame });
          break;
        case "broadcast":
          for (const to of this.operators.keys()) {
            if (to !== self) this.#send({ from: self, to, frame: effect.frame });
          }
          break;
        case "storeShares":
          operator.shares = effect.shares;
          if (!this.storesShares) break;
          this.step(self, { kind: "sharesStored", secrets: effect.shares.secrets.map(copy) });
          break;
        case "abort":
          operator.abort = effect.abort;
          break;
        case "finish":
          operator.outcome = effect.outcome;
          break;
        case "setTimer":
        case "progress":
        case "reject":
          break;
      }
    }
  }

  #send(delivery: Delivery): void {
    if (this.operator(delivery.from).isUp) this.queue.push(...this.tamper(delivery));
  }
}

function isWaiting({ isUp, rogue, outcome, abort }: Operator): boolean {
  return isUp && rogue === null && outcome === null && abort === null;
}

function copy(bytes: Uint8Array): Uint8Array {
  return Uint8Array.from(bytes);
}

/** All operators ended with one lock and one transcript; gives the lock's hash. */
export function completed(network: CeremonyNetwork): string {
  const hashes = network.operators.map(({ outcome, abort }) => {
    assert(outcome !== null, `every operator finishes: ${abort?.reason}`);
    return outcome.lock.lock_hash;
  });
  assert.equal(new Set(hashes).size, 1, "with one lock");
  const transcripts = network.operators.map(({ outcome }) => JSON.stringify(outcome?.transcript));
  // Echoes carry each author's own witnesses: the operators hold the same ones.
  assert.equal(new Set(transcripts).size, 1, "and one transcript");
  return hashes[0] ?? "";
}

/** Runs the ceremony to its end, operators asking for what got lost. */
export function finish(network: CeremonyNetwork): CeremonyNetwork {
  network.start();
  network.run();
  network.settle();
  return network;
}
