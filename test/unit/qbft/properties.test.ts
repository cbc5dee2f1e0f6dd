import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { QbftInstance } from "../../../src/qbft/instance.ts";
import {
  roundsWithoutTimeouts,
  trials,
  undecidedAfterRecovery,
  violationsUnderAttack,
  violationsUnderRestarts,
} from "../../support/qbftProperties.ts";

const PROPERTIES = [
  {
    name: "agreement, validity and one vote per step hold under f liars, loss and reordering",
    check: violationsUnderAttack,
    actions: 200,
    runs: 500,
  },
  {
    name: "they hold when nodes crash, forget and come back in quarantine (QBFT-13)",
    check: violationsUnderRestarts,
    actions: 200,
    runs: 300,
  },
  {
    name: "everybody decides once messages flow and rounds are left",
    check: undecidedAfterRecovery,
    actions: 80,
    runs: 500,
  },
  {
    name: "f liars alone take nobody out of round 1 (QBFT-12)",
    check: roundsWithoutTimeouts,
    actions: 80,
    runs: 100,
  },
];

for (const { name, check, actions, runs } of PROPERTIES) {
  test(name, (context) => {
    const seed = Number(process.env["FC_SEED"] ?? Date.now() % 2 ** 31);
    context.diagnostic(`seed ${seed}`);
    const property = fc.property(trials({ actions }), (trial) => {
      assert.deepEqual(check(trial, QbftInstance), []);
    });
    fc.assert(property, { seed, numRuns: runs });
  });
}
