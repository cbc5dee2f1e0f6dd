import assert from "node:assert/strict";
import { test } from "node:test";
import type { Root } from "../../../src/domain/keys.ts";
import { MAX_JUSTIFICATIONS } from "../../../src/domain/limits.ts";
import type { SignedStatement } from "../../../src/qbft/messages.ts";
import {
  A,
  B,
  CERTIFICATE,
  CLAIM,
  reasons,
  receive,
  roundChange,
  started,
  stepAll,
  vote,
  votes,
} from "../../support/qbftMessages.ts";

const PROPOSALS: readonly {
  readonly name: string;
  readonly value: Root;
  readonly votes: readonly SignedStatement[];
  readonly isJustified: boolean;
}[] = [
  {
    name: "a quorum, none prepared",
    value: B,
    votes: [0, 1, 2].map((source) => roundChange(source, 3)),
    isJustified: true,
  },
  {
    name: "less than a quorum",
    value: B,
    votes: [0, 1].map((source) => roundChange(source, 3)),
    isJustified: false,
  },
  {
    name: "one author twice",
    value: B,
    votes: [0, 1, 1].map((source) => roundChange(source, 3)),
    isJustified: false,
  },
  {
    name: "ROUND-CHANGEs of another round",
    value: B,
    votes: [0, 1, 2].map((source) => roundChange(source, 2)),
    isJustified: false,
  },
  {
    name: "the highest prepared value with its certificate",
    value: A,
    votes: [roundChange(0, 3, CLAIM), roundChange(1, 3), roundChange(2, 3), ...CERTIFICATE],
    isJustified: true,
  },
  {
    name: "the highest prepared value without its certificate",
    value: A,
    votes: [roundChange(0, 3, CLAIM), roundChange(1, 3), roundChange(2, 3)],
    isJustified: false,
  },
  {
    name: "another value than the highest prepared one",
    value: B,
    votes: [roundChange(0, 3, CLAIM), roundChange(1, 3), roundChange(2, 3), ...CERTIFICATE],
    isJustified: false,
  },
  {
    name: "a certified value below the highest claim",
    value: A,
    votes: [
      roundChange(0, 3, CLAIM),
      roundChange(1, 3, { round: 2, value: B }),
      roundChange(2, 3),
      ...CERTIFICATE,
    ],
    isJustified: false,
  },
  {
    name: "the certified value of the highest round beside an unproved lower claim",
    value: A,
    votes: [
      roundChange(0, 3, { round: 2, value: A }),
      roundChange(1, 3, { round: 1, value: B }),
      roundChange(2, 3),
      ...votes("PREPARE", { round: 2, value: A }, [0, 1, 2]),
    ],
    isJustified: true,
  },
  {
    name: "PREPAREs that nobody claims",
    value: A,
    votes: [roundChange(0, 3), roundChange(1, 3), roundChange(2, 3), ...CERTIFICATE],
    isJustified: false,
  },
  {
    name: "a COMMIT among the PREPAREs",
    value: A,
    votes: [
      roundChange(0, 3, CLAIM),
      roundChange(1, 3),
      roundChange(2, 3),
      ...CERTIFICATE,
      vote("COMMIT", { source: 3, ...CLAIM }),
    ],
    isJustified: false,
  },
];

for (const { name, value, votes: justification, isJustified } of PROPOSALS) {
  const verb = isJustified ? "is justified" : "is rejected";
  test(`a PRE-PREPARE of a later round with ${name} ${verb} (QBFT-5)`, () => {
    const proposal = vote("PRE-PREPARE", { source: 2, round: 3, value });
    const instance = started();
    const effects = instance.step(receive(proposal, justification));
    assert.deepEqual(reasons(effects), isJustified ? [] : ["unjustified"]);
    assert.equal(instance.round, isJustified ? 3 : 1);
  });
}

test("votes where none belong make a message unjustified (QBFT-1)", () => {
  const stray = [vote("COMMIT", { source: 1, round: 1, value: A })];
  const bare = [
    vote("PREPARE", { source: 0, round: 1, value: A }),
    vote("COMMIT", { source: 0, round: 1, value: A }),
    vote("PRE-PREPARE", { source: 0, round: 1, value: A }),
    roundChange(0, 2),
  ];
  const effects = stepAll(
    started(),
    bare.map((each) => receive(each, stray)),
  );
  assert.deepEqual(
    reasons(effects),
    bare.map(() => "unjustified"),
  );
});

test("fields that do not fit the type make a message malformed (QBFT-1)", () => {
  const prepare = vote("PREPARE", { source: 0, round: 1, value: A });
  const malformed: readonly SignedStatement[] = [
    { ...prepare, source: 4 },
    { ...prepare, source: -1 },
    { ...prepare, source: 0.5 },
    { ...prepare, round: 0 },
    { ...prepare, round: 1.5 },
    { ...prepare, value: null },
    { ...prepare, preparedRound: 1 },
    { ...prepare, preparedValue: A },
    roundChange(0, 1),
    roundChange(0, 2, { round: 2, value: A }),
    roundChange(0, 3, { round: -1, value: A }),
    roundChange(0, 3, { round: 1.5, value: A }),
    { ...roundChange(0, 3), value: A },
    { ...roundChange(0, 3), preparedRound: 1 },
    { ...roundChange(0, 3), preparedValue: A },
  ];
  const effects = stepAll(
    started(),
    malformed.map((each) => receive(each)),
  );
  assert.deepEqual(
    reasons(effects),
    malformed.map(() => "malformed"),
  );
});

test("a malformed vote spoils the justification that holds it (QBFT-1)", () => {
  const [first, second, third] = CERTIFICATE;
  assert.ok(first && second && third);
  const claim = receive(roundChange(0, 2, CLAIM), [first, second, { ...third, source: 9 }]);
  assert.deepEqual(reasons(started().step(claim)), ["malformed"]);
});

test("a justification longer than two quorums is not even looked at (QBFT-1)", () => {
  const many = Array.from({ length: MAX_JUSTIFICATIONS + 1 }, () => roundChange(0, 2));
  const proposal = receive(vote("PRE-PREPARE", { source: 1, round: 2, value: A }), many);
  assert.deepEqual(reasons(started().step(proposal)), ["malformed"]);
});
