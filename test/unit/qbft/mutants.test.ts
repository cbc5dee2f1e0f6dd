/** Each guard of the machine taken out by itself: the property that watches it must fail. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { loadMutant, type Patch } from "../../support/mutant.ts";
import type { MachineClass } from "../../support/qbftCluster.ts";
import {
  roundsWithoutTimeouts,
  type Trial,
  trials,
  undecidedAfterRecovery,
  violationsUnderAttack,
  violationsUnderRestarts,
} from "../../support/qbftProperties.ts";

const INSTANCE = "src/qbft/instance.ts";
const JUSTIFICATION = "src/qbft/justification.ts";
const RULES = "src/qbft/rules.ts";
const STATE = "src/qbft/state.ts";

type Mutant = {
  readonly name: string;
  readonly patches: readonly Patch[];
  readonly check: (trial: Trial, Instance: MachineClass) => readonly string[];
  readonly expect: RegExp;
};

const MUTANTS: readonly Mutant[] = [
  {
    name: "one vote less than a quorum decides or prepares",
    patches: [
      {
        file: STATE,
        find: "same.length < quorum(config.nodes)",
        replace: "same.length < quorum(config.nodes) - 1",
      },
    ],
    check: violationsUnderAttack,
    expect: /decides differently|without a quorum/,
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
    check: violationsUnderAttack,
    expect: /decides differently/,
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
    check: violationsUnderAttack,
    expect: /decides differently/,
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
    check: violationsUnderAttack,
    expect: /without a quorum|decides differently/,
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
    check: violationsUnderAttack,
    expect: /without a quorum|decides differently/,
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
    check: violationsUnderAttack,
    expect: /decides differently/,
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
    check: violationsUnderAttack,
    expect: /decides differently/,
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
    check: violationsUnderAttack,
    expect: /twice/,
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
    check: violationsUnderAttack,
    expect: /prepares what it did not accept|decides what/,
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
    check: violationsUnderRestarts,
    expect: /speaks in quarantine|twice/,
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
    check: undecidedAfterRecovery,
    expect: /not everybody decided|Bug|round/,
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
    check: undecidedAfterRecovery,
    expect: /not everybody decided/,
  },
  {
    name: "one peer is enough to change the round",
    patches: [{ file: RULES, find: "[faulty(state.config.nodes)] ?? 0", replace: "[0] ?? 0" }],
    check: roundsWithoutTimeouts,
    expect: /lured/,
  },
  {
    name: "a decided node does not answer late peers",
    patches: [
      {
        file: INSTANCE,
        find: "if (decision === null || peer === config.self) return;",
        replace: "if (config.nodes > 0 || decision === null) return;",
      },
    ],
    check: undecidedAfterRecovery,
    expect: /not everybody decided/,
  },
  {
    name: "nobody pulls a value that is missing",
    patches: [
      {
        file: INSTANCE,
        find: "if (available.has(value) || isMoot) return;",
        replace: "if (config.nodes > 0 || available.has(value) || isMoot) return;",
      },
    ],
    check: undecidedAfterRecovery,
    expect: /bytes did not arrive|not everybody decided/,
  },
];

for (const { name, patches, check, expect } of MUTANTS) {
  test(`a mutant is caught: ${name}`, async (context) => {
    const mutant = await loadMutant<{ readonly QbftInstance: MachineClass }>(INSTANCE, patches);
    const property = fc.property(trials({ actions: 200 }), (trial) => {
      assert.deepEqual(check(trial, mutant.QbftInstance), []);
    });
    const outcome = fc.check(property, { seed: 22, numRuns: 3_000, endOnFailure: true });
    assert.ok(outcome.failed, "no trial noticed the mutant");
    context.diagnostic(`caught in trial ${outcome.numRuns}`);
    assert.match(String(outcome.errorInstance), expect);
  });
}
