/**
 * A cluster of four with one liar that is played message by message, in no order and without the
 * model checker's savings: what such a walk reaches, the model checker has to reach too.
 */
import {
  claimsOf,
  message,
  proposalsOf,
  signed,
  VALUES,
  wordOf,
} from "../../sim/modelChecker/vocabulary.ts";
import type { PeerIndex, Root } from "../../src/domain/keys.ts";
import { QbftInstance } from "../../src/qbft/instance.ts";
import type { Message, QbftEvent } from "../../src/qbft/messages.ts";
import { statementOf } from "../../src/qbft/rules.ts";
import type { Dice } from "./qbftAdversary.ts";

const NODES = [0, 1, 2, 3];
const MAX_ROUND = 2;

export class QbftWalk {
  readonly #byzantine: PeerIndex;
  readonly #honest: readonly PeerIndex[];
  readonly #dice: Dice;
  readonly #machines = new Map<PeerIndex, QbftInstance>();
  readonly #voices = new Map<PeerIndex, Message[]>();

  constructor(byzantine: PeerIndex, dice: Dice) {
    this.#byzantine = byzantine;
    this.#dice = dice;
    this.#honest = NODES.filter((node) => node !== byzantine);
    for (const self of this.#honest) {
      const leaderOf = (round: number): PeerIndex => (round - 1) % NODES.length;
      const config = { nodes: NODES.length, self, leaderOf, maxRound: MAX_ROUND, maySend: true };
      this.#machines.set(self, new QbftInstance(config));
      this.#voices.set(self, []);
      for (const value of VALUES) this.#step(self, { kind: "value", value });
      this.#step(self, { kind: "start" });
      // The leader of the first round proposes A: the two values are alike.
      const isFirst = leaderOf(1) === self;
      this.#step(self, { kind: "propose", value: isFirst ? (VALUES[0] as Root) : this.#value() });
    }
  }

  /** What each honest node has said, as the model checker words it. */
  get said(): readonly string[] {
    return this.#honest.map((node) => this.#voice(node).map(wordOf).sort().join(", "));
  }

  /** Lets one thing happen to one node. */
  move(): void {
    const node = this.#dice.pick(this.#honest) ?? 0;
    if (this.#dice.chance(40)) {
      this.#step(node, { kind: "timeout", round: this.#machine(node).round });
      return;
    }
    const all = this.#honest.flatMap((each) => this.#voice(each));
    const lie = this.#dice.chance(400) ? this.#lie() : undefined;
    const received = lie ?? this.#dice.pick(all);
    if (received !== undefined) this.#step(node, { kind: "receive", message: received });
  }

  #lie(): Message | undefined {
    const soup = this.#honest.map((node) => this.#voice(node));
    const world = { soup, byzantine: this.#byzantine };
    const round = 1 + this.#dice.below(MAX_ROUND);
    const value = this.#value();
    const type = this.#dice.pick(["PREPARE", "COMMIT", "ROUND-CHANGE", "PRE-PREPARE"] as const);
    if (type === "ROUND-CHANGE") return this.#dice.pick(claimsOf(2, world));
    if (type === "PRE-PREPARE") {
      const known = [...proposalsOf({ round, value }, world)];
      // Half of the time one of the largest, which are the likeliest to be accepted.
      return this.#dice.pick(this.#dice.chance(500) ? known.slice(0, 30) : known);
    }
    return message(signed(statementOf(type ?? "PREPARE", round, value), this.#byzantine));
  }

  #step(node: PeerIndex, event: QbftEvent): void {
    for (const effect of this.#machine(node).step(event)) {
      if (effect.kind === "broadcast") {
        this.#voice(node).push(message(signed(effect.statement, node), effect.justification));
      }
      if (effect.kind === "validate") {
        const verdict = this.#dice.chance(800)
          ? ({ accepted: true } as const)
          : ({ accepted: false, reason: "at random" } as const);
        const { value, round } = effect;
        this.#step(node, { kind: "validated", value, round, verdict });
      }
    }
  }

  #value(): Root {
    return VALUES[this.#dice.below(2)] as Root;
  }

  #machine(node: PeerIndex): QbftInstance {
    return this.#machines.get(node) as QbftInstance;
  }

  #voice(node: PeerIndex): Message[] {
    return this.#voices.get(node) as Message[];
  }
}
