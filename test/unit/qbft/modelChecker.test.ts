/**
 * The model checker over the machine itself: nothing is found with two rounds and the liar in the
 * seats that take least time (`npm run modelcheck` visits all), and each guard that is taken out is
 * found. What stalls a cluster without endangering it is the swarm's to find (mutants.test.ts).
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { explore } from "../../../sim/modelChecker/explore.ts";
import type { MachineClass } from "../../../sim/modelChecker/localStates.ts";
import { loadMutant, type Patch } from "../../support/mutant.ts";
import { Dice } from "../../support/qbftAdversary.ts";
import { QbftWalk } from "../../support/qbftWalk.ts";

const INSTANCE = "src/qbft/instance.ts";
const JUSTIFICATION = "src/qbft/justification.ts";
const RULES = "src/qbft/rules.ts";
const STATE = "src/qbft/state.ts";

type Mutant = {
  readonly name: string;
  readonly patches: readonly Patch[];
  readonly expect: RegExp;
  readonly seat?: number;
  readonly restarts?: boolean;
};

const MUTANTS: readonly Mutant[] = [
  {
    name: "one vote less is a quorum",
    patches: [
      {
        file: STATE,
        find: "same.length < quorum(config.nodes)",
        replace: "same.length < quorum(config.nodes) - 1",
      },
    ],
    expect: /with 1 honest PREPARE 1 A behind it/,
  },
  {
    name: "a proposal of a later round needs no justification",
    patches: [
      {
        file: JUSTIFICATION,
        find: "if (round === 1) return justification.length === 0;",
        replace: "if (round >= 1) return true;",
      },
    ],
    expect: /decide differently/,
  },
  {
    name: "the highest prepared value does not bind the leader",
    patches: [
      {
        file: JUSTIFICATION,
        find: "if (highest === 0) return others.length === 0;",
        replace: "if (highest >= 0) return true;",
      },
    ],
    expect: /decide differently/,
  },
  {
    name: "a certificate may count one author several times",
    patches: [
      { file: JUSTIFICATION, find: "sources.size === votes.length &&", replace: "" },
      {
        file: JUSTIFICATION,
        find: "sources.size >= quorum(nodes)",
        replace: "votes.length >= quorum(nodes)",
      },
    ],
    expect: /decide differently/,
  },
  {
    name: "a certificate's votes are not compared with what they shall prove",
    patches: [
      {
        file: JUSTIFICATION,
        find: "type === expected.type && round === expected.round && value === expected.value,",
        replace: "type === expected.type && round === expected.round,",
      },
    ],
    expect: /decide differently/,
  },
  {
    name: "a node forgets what it prepared when it changes the round",
    patches: [
      {
        file: RULES,
        find: "const prepared = preparedBelow(state, round);",
        replace: "const prepared = preparedBelow(state, 0);",
      },
    ],
    expect: /decide differently/,
  },
  {
    name: "a node commits to a round that it has left",
    patches: [
      {
        file: RULES,
        find: 'if (!isStepOpen(state, "COMMIT")) return null;',
        replace: [
          "for (let r = 1; r < state.round && maySend(state); r++) {",
          '  const late = certificateOf(state, "PREPARE", r);',
          '  const isOpen = !state.sent.has(stepKey({ type: "COMMIT", round: r }));',
          '  if (late && isOpen) return voteFor("COMMIT", r, late.value);',
          "}",
          'if (!isStepOpen(state, "COMMIT")) return null;',
        ].join("\n"),
      },
      {
        file: INSTANCE,
        find: 'assert(statement.round === round, "a node speaks for its current round only");',
        replace: "void round;",
      },
    ],
    expect: /decide differently/,
  },
  {
    name: "a node commits without a quorum of PREPAREs",
    patches: [
      {
        file: RULES,
        find: "return prepared && voteFor(",
        replace: [
          "const proposed = proposalOf(state, state.round)?.value;",
          'const isAccepted = state.validations.get(state.round) === "accepted";',
          'if (proposed && isAccepted) return voteFor("COMMIT", state.round, proposed);',
          "return prepared && voteFor(",
        ].join("\n"),
      },
    ],
    expect: /with [01] honest PREPARE 1 A behind it/,
  },
  {
    name: "a second proposal of a round replaces the first",
    patches: [
      {
        file: INSTANCE,
        find: "if (first !== undefined) return",
        replace: 'if (first !== undefined && type !== "PRE-PREPARE") return',
      },
      {
        file: STATE,
        find: 'assert(!said.has(source), "the first statement of a step stays");',
        replace: "",
      },
      {
        file: INSTANCE,
        find: "log.add(message);",
        replace: "log.add(message); this.#state.validations.clear();",
      },
      {
        file: RULES,
        find: 'if (!isStepOpen(state, "PREPARE") || !proposal?.value) return null;',
        replace: [
          "const key = `PREPARE/${proposal?.value}` as never;",
          "if (!maySend(state) || !proposal?.value || state.sent.has(key)) return null;",
        ].join("\n"),
      },
      {
        file: INSTANCE,
        find: 'assert(!sent.has(stepKey(statement)), "a node takes each step once");',
        replace: "sent.add(`${statement.type}/${statement.value}` as never);",
      },
    ],
    expect: /says PREPARE 1 twice/,
    seat: 0,
  },
  {
    name: "a value is prepared before its verdict",
    patches: [
      {
        file: RULES,
        find: 'if (state.validations.get(round) !== "accepted") return null;',
        replace: "",
      },
    ],
    expect: /without having accepted it/,
  },
  {
    name: "a node speaks after a restart",
    patches: [
      {
        file: RULES,
        find: "return state.config.maySend && !state.isExhausted;",
        replace: "return !state.isExhausted;",
      },
      {
        file: INSTANCE,
        find: 'assert(config.maySend, "a quarantined node is silent");',
        replace: "void config;",
      },
    ],
    expect: /speaks in quarantine/,
    restarts: true,
  },
  {
    name: "the leader ignores what others prepared",
    patches: [
      {
        file: RULES,
        find: "const highest = highestPrepared(roundChanges);",
        replace: "const highest = highestPrepared(roundChanges.slice(0, 0));",
      },
    ],
    expect: /says PRE-PREPARE 2 [AB] without its justification/,
    seat: 0,
  },
  {
    name: "a prepared ROUND-CHANGE needs no certificate",
    patches: [
      {
        file: JUSTIFICATION,
        find: "return isQuorum(justification, nodes, expected);",
        replace: "return expected.round > 0;",
      },
    ],
    expect: /without its justification/,
    seat: 0,
  },
];

for (const seat of [1, 2]) {
  test(`MODEL-1: nothing goes wrong in two rounds with the liar in seat ${seat}`, (t) => {
    const reached = new Set<string>();
    const onState = (said: readonly string[]): unknown => reached.add(said.join(" / "));
    const result = explore({ maxRound: 2, byzantine: seat, onState });
    t.diagnostic(JSON.stringify(result));
    assert.equal(result.violation, null);
    assert.ok(result.isComplete, "every state was visited");
    assert.ok(result.states > 10_000, "there is something to visit");

    // MODEL-2: what a walk without the savings reaches was reached.
    const walked = new Set<string>();
    for (let seed = 0; seed < 600; seed++) {
      const walk = new QbftWalk(seat, new Dice(seed));
      for (let move = 0; move < 80; move++) {
        walk.move();
        const said = walk.said.join(" / ");
        walked.add(said);
        assert.ok(reached.has(said), `seed ${seed} said what was not reached: ${said}`);
      }
    }
    t.diagnostic(`${walked.size} of ${reached.size} ways to have spoken were walked`);
    assert.ok(walked.size > 200, "the walks went somewhere");
  });
}

test("MODEL-1: nodes that restart say nothing more, and nothing goes wrong", () => {
  const result = explore({ maxRound: 1, byzantine: 1, restarts: true });
  assert.equal(result.violation, null);
  assert.ok(result.isComplete);
});

for (const { name, patches, expect, seat = 1, restarts = false } of MUTANTS) {
  test(`the model checker finds a mutant: ${name}`, async (t) => {
    const { QbftInstance } = await loadMutant<{ readonly QbftInstance: MachineClass }>(
      INSTANCE,
      patches,
    );
    const result = explore({
      maxRound: 2,
      byzantine: seat,
      restarts,
      Machine: QbftInstance,
      maxStates: 60_000,
    });
    t.diagnostic(`${result.states} states, ${result.violation?.path.length} steps`);
    assert.match(result.violation?.what ?? "nothing found", expect);
  });
}
