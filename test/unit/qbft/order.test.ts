/** QBFT-2: what a node ends with does not depend on the order in which the same messages arrive. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { PeerIndex } from "../../../src/domain/keys.ts";
import { QbftInstance } from "../../../src/qbft/instance.ts";
import type { Message, QbftEffect, QbftEvent } from "../../../src/qbft/messages.ts";
import { loadMutant } from "../../support/mutant.ts";
import { Dice, inputOf, play, startWithInputs } from "../../support/qbftAdversary.ts";
import { letterOf, type MachineClass, QbftCluster } from "../../support/qbftCluster.ts";

const NODES = 4;
const OBSERVER: PeerIndex = 3;

/** What three nodes, one of them Byzantine, said in some run: each step's first statement. */
function conversation(seed: number): readonly Message[] {
  const cluster = new QbftCluster({ nodes: NODES, byzantine: [2, OBSERVER] });
  startWithInputs(cluster);
  const dice = new Dice(seed);
  const numbers = Array.from({ length: 150 }, () => dice.below(2 ** 31));
  play(cluster, { ...SCHEME, timeout: dice.chance(500) ? 40 : 5 }, numbers);
  const first = new Map<string, Message>();
  for (const message of cluster.signed) {
    const step = `${message.source}/${message.type}/${message.round}`;
    const isFull = message.type !== "DECIDED" && message.source !== OBSERVER;
    if (isFull && !first.has(step)) first.set(step, message);
  }
  return [...first.values()];
}

const SCHEME = {
  duplicate: 0,
  drop: 0,
  timeout: 5,
  restart: 0,
  byzantine: 150,
  maxTimeoutRound: 3,
  favourite: null,
};

/** A node falls silent and stays in its round once it has decided: only the value counts then. */
type Ending =
  | { readonly decided: string }
  | { readonly round: number; readonly said: readonly string[] };

/** Steps a machine through `events`; its votes come back at once and every value is accepted. */
function run(Instance: MachineClass, maySend: boolean, events: readonly QbftEvent[]): Ending {
  const machine = new Instance({
    nodes: NODES,
    self: OBSERVER,
    leaderOf: (round) => (round - 1) % NODES,
    maxRound: 6,
    maySend,
  });
  const said: string[] = [];
  let decided = null as string | null;
  const queue = [...events];
  for (let event = queue.shift(); event !== undefined; event = queue.shift()) {
    queue.unshift(...machine.step(event).flatMap((effect) => answersTo(effect)));
  }
  return decided === null ? { round: machine.round, said: said.sort() } : { decided };

  function answersTo(effect: QbftEffect): readonly QbftEvent[] {
    if (effect.kind === "decide") decided = letterOf(effect.value);
    if (effect.kind === "validate") {
      const { value, round } = effect;
      return [{ kind: "validated", value, round, verdict: { accepted: true } }];
    }
    if (effect.kind !== "broadcast") return [];
    const { statement, justification } = effect;
    said.push(`${statement.type} ${statement.round} ${letterOf(statement.value)}`);
    const signature = new Uint8Array();
    return [
      { kind: "receive", message: { ...statement, source: OBSERVER, signature, justification } },
    ];
  }
}

/** Everything that reaches the node from outside, the bytes of each value included. */
function eventsOf(messages: readonly Message[]): readonly QbftEvent[] {
  const values = new Set(messages.map(({ value }) => value).filter((value) => value !== null));
  return [
    { kind: "start" },
    { kind: "propose", value: inputOf(OBSERVER) },
    ...[...values].map((value): QbftEvent => ({ kind: "value", value })),
    ...messages.map((message): QbftEvent => ({ kind: "receive", message })),
  ];
}

/** A silent node's ending in all orders; a speaking node's too while no peer leaves round 1. */
function differencesBetweenOrders(seed: number, Instance: MachineClass): readonly string[] {
  const messages = conversation(seed);
  const firstRound = messages.filter(({ round }) => round === 1);
  const dice = new Dice(seed + 1);
  const cases = [
    { maySend: false, events: eventsOf(messages) },
    { maySend: true, events: eventsOf(firstRound) },
  ];
  return cases.flatMap(({ maySend, events }) => {
    const inOrder = JSON.stringify(run(Instance, maySend, events));
    const shuffled = JSON.stringify(run(Instance, maySend, dice.shuffled(events)));
    return inOrder === shuffled ? [] : [`${inOrder} but ${shuffled}`];
  });
}

test("the same messages in any order end in the same round, votes and decision", (context) => {
  const seed = Number(process.env["FC_SEED"] ?? Date.now() % 2 ** 31);
  context.diagnostic(`seed ${seed}`);
  const property = fc.property(fc.nat(), (number) => {
    assert.deepEqual(differencesBetweenOrders(number, QbftInstance), []);
  });
  fc.assert(property, { seed, numRuns: 500 });
});

test("the conversations are worth shuffling: some decide, some change the round", () => {
  const endings = Array.from({ length: 200 }, (_, seed) =>
    run(QbftInstance, false, eventsOf(conversation(seed))),
  );
  assert.ok(endings.filter((ending) => "decided" in ending).length > 20);
  assert.ok(endings.filter((ending) => "round" in ending && ending.round > 1).length > 20);
});

const MUTANTS = [
  {
    name: "COMMITs count only in the current round",
    file: "src/qbft/rules.ts",
    find: "for (let round = 1; round <= state.config.maxRound; round++) {\n    const certificate",
    replace:
      "for (let round = state.round; round <= state.round; round++) {\n    const certificate",
  },
  {
    name: "PREPAREs that overtake the proposal are lost",
    file: "src/qbft/instance.ts",
    find: "log.add(message);",
    replace: [
      'if (type === "PREPARE" && !proposalOf(this.#state, round)) return;',
      "log.add(message);",
    ].join("\n"),
  },
];

for (const { name, ...patch } of MUTANTS) {
  test(`a mutant is caught: ${name}`, async () => {
    const { QbftInstance: Mutant } = await loadMutant<{ readonly QbftInstance: MachineClass }>(
      "src/qbft/instance.ts",
      [patch],
    );
    const property = fc.property(fc.nat(), (number) => {
      assert.deepEqual(differencesBetweenOrders(number, Mutant), []);
    });
    assert.ok(fc.check(property, { seed: 22, numRuns: 500, endOnFailure: true }).failed);
  });
}
