import assert from "node:assert/strict";
import { test } from "node:test";
import type { SlashingInput } from "../../../src/domain/data.ts";
import { type SignedMessage, ValidatorHistory } from "../../../src/safety/history.ts";
import { checkSlashing } from "../../../src/safety/rules.ts";
import { block, outcomeOf, root, vote } from "../../support/slashing.ts";

/** A history of own messages; their roots count up from 1. */
function historyOf(...messages: readonly SlashingInput[]): ValidatorHistory {
  const history = new ValidatorHistory();
  for (const [index, message] of messages.entries()) {
    history.insert(recordOf(message, index + 1));
  }
  return history;
}

function recordOf(message: SlashingInput, number: number): SignedMessage {
  const signingRoot = root(number);
  return { ...message, signingRoot, origin: "own", shareIndex: 2, isRepeatable: true };
}

function decide(history: ValidatorHistory, message: SlashingInput, number = 99): string {
  return outcomeOf(checkSlashing(history, { slashing: message, signingRoot: root(number) }));
}

test("SLASH-1: the same message again is approved, whatever else is recorded", () => {
  const history = historyOf(vote(3, 9), vote(4, 8), block(7));
  history.raiseAttestationWatermark({ source: 100, target: 100 });
  assert.equal(decide(history, vote(3, 9), 1), "repeat");
  assert.equal(decide(history, block(7), 3), "repeat");
});

test("SLASH-2: one vote per target epoch, whatever its source", () => {
  const history = historyOf(vote(3, 9));
  for (const source of [2, 3, 4, 9]) {
    assert.equal(decide(history, vote(source, 9)), "slashable_double_vote");
  }
  assert.equal(decide(history, vote(3, 10)), "approved");
});

test("SLASH-3: a vote that surrounds or is surrounded is refused; one that touches is not", () => {
  const history = historyOf(vote(10, 20));
  assert.equal(decide(history, vote(9, 21)), "slashable_surrounding");
  assert.equal(decide(history, vote(11, 19)), "slashable_surrounded");
  for (const [source, target] of [
    [10, 21],
    [10, 19],
    [9, 19],
    [11, 21],
    [20, 30],
    [0, 10],
  ] as const) {
    assert.equal(decide(history, vote(source, target)), "approved", `${source} → ${target}`);
  }
});

test("SLASH-3: an imported vote with its source after its target convicts like any other", () => {
  const history = historyOf(vote(30, 8));
  assert.equal(decide(history, vote(29, 40)), "slashable_surrounding");
  assert.equal(decide(history, vote(30, 40)), "approved");
});

test("SLASH-4: one block per slot", () => {
  const history = historyOf(block(7));
  assert.equal(decide(history, block(7)), "slashable_double_proposal");
  assert.equal(decide(history, block(6)), "approved");
  assert.equal(decide(history, block(8)), "approved");
});

test("SLASH-5: a source after its target, and numbers no record can hold, are refused", () => {
  const history = historyOf();
  assert.equal(decide(history, vote(5, 4)), "slashable_source_after_target");
  assert.equal(decide(history, vote(0, 0)), "approved");
  for (const odd of [-1, 0.5, 2 ** 53, Number.POSITIVE_INFINITY, Number.NaN]) {
    assert.equal(decide(history, vote(0, odd)), "slashing_unrecordable", `target ${odd}`);
    assert.equal(decide(history, vote(odd, 4)), "slashing_unrecordable", `source ${odd}`);
    assert.equal(decide(history, block(odd)), "slashing_unrecordable", `slot ${odd}`);
  }
});

test("SLASH-6: under the low watermarks nothing new is approved", () => {
  const history = historyOf();
  history.raiseAttestationWatermark({ source: 4, target: 9 });
  history.raiseBlockWatermark({ slot: 70 });
  assert.equal(decide(history, vote(4, 9)), "below_watermark");
  assert.equal(decide(history, vote(3, 10)), "below_watermark");
  assert.equal(decide(history, vote(4, 10)), "approved");
  assert.equal(decide(history, block(70)), "below_watermark");
  assert.equal(decide(history, block(71)), "approved");
});

test("watermarks only rise", () => {
  const history = historyOf();
  history.raiseAttestationWatermark({ source: 4, target: 9 });
  assert.equal(history.raiseAttestationWatermark({ source: 3, target: 9 }), false);
  assert.equal(history.raiseAttestationWatermark({ source: 5, target: 8 }), true);
  assert.deepEqual(history.attestationWatermark, { source: 5, target: 9 });
  assert.equal(history.raiseBlockWatermark({ slot: 2 }), true);
  assert.equal(history.raiseBlockWatermark({ slot: 1 }), false);
  assert.deepEqual(history.blockWatermark, { slot: 2 });
});

test("a refusal names the rule's message, the stored record, who signed it and the remedy", () => {
  const verdict = checkSlashing(historyOf(vote(3, 9)), {
    slashing: vote(2, 9),
    signingRoot: root(99),
  });
  assert(!verdict.isApproved);
  const { detail } = verdict.reason;
  for (const part of ["2 → 9", root(99), "3 → 9", root(1), "share 2", "second signer"]) {
    assert(detail.includes(part), `${part} is missing in: ${detail}`);
  }
});
