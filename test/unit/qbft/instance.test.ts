import assert from "node:assert/strict";
import { test } from "node:test";
import type { Root } from "../../../src/domain/keys.ts";
import { MAX_MESSAGES_PER_PEER } from "../../../src/domain/limits.ts";
import type { Round } from "../../../src/domain/units.ts";
import type { QbftEvent } from "../../../src/qbft/messages.ts";
import { Bug } from "../../../src/util/assert.ts";
import {
  A,
  B,
  CERTIFICATE,
  CLAIM,
  machine,
  only,
  reasons,
  receive,
  roundChange,
  SELF,
  started,
  stepAll,
  vote,
  votes,
} from "../../support/qbftMessages.ts";

const PROPOSAL = receive(vote("PRE-PREPARE", { source: 0, round: 1, value: A }));
const BYTES: QbftEvent = { kind: "value", value: A };
const ACCEPTED: QbftEvent = {
  kind: "validated",
  value: A,
  round: 1,
  verdict: { accepted: true },
};

test("the bytes of a proposal may arrive before or after it (QBFT-6)", () => {
  const expected = [{ kind: "validate", value: A, round: 1, certified: false }];
  assert.deepEqual(stepAll(started(), [BYTES, PROPOSAL]), expected);
  assert.deepEqual(stepAll(started(), [PROPOSAL, BYTES]), expected);
});

test("a proposal is validated once however often its bytes are announced (QBFT-6)", () => {
  const effects = stepAll(started(), [BYTES, PROPOSAL, BYTES, BYTES]);
  assert.equal(only(effects, "validate").length, 1);
});

test("a verdict for another round, another value or nobody's question is ignored (QBFT-7)", () => {
  const instance = started();
  assert.deepEqual(instance.step(ACCEPTED), []);
  stepAll(instance, [BYTES, PROPOSAL]);
  assert.deepEqual(instance.step({ ...ACCEPTED, round: 2 }), []);
  assert.deepEqual(instance.step({ ...ACCEPTED, value: B }), []);
  assert.equal(only(instance.step(ACCEPTED), "broadcast").length, 1);
});

test("a verdict that arrives after its round has no effect (QBFT-7)", () => {
  const instance = started();
  stepAll(instance, [BYTES, PROPOSAL, { kind: "timeout", round: 1 }]);
  assert.deepEqual(instance.step(ACCEPTED), []);
});

test("the first verdict of a round stays (QBFT-7)", () => {
  const instance = started();
  const refused = { ...ACCEPTED, verdict: { accepted: false, reason: "test" } } as const;
  assert.deepEqual(stepAll(instance, [BYTES, PROPOSAL, refused, ACCEPTED]).slice(1), []);
});

test("a value refused in round 1 is judged anew when it is proposed again (QBFT-6)", () => {
  const instance = started();
  const refused = { ...ACCEPTED, verdict: { accepted: false, reason: "test" } } as const;
  stepAll(instance, [BYTES, PROPOSAL, refused]);
  const certificate = votes("PREPARE", { round: 1, value: A }, [0, 1, 2]);
  const claim = { round: 1, value: A };
  const justification = [roundChange(0, 2, claim), roundChange(1, 2), roundChange(2, 2)];
  const again = receive(vote("PRE-PREPARE", { source: 1, round: 2, value: A }), [
    ...justification,
    ...certificate,
  ]);
  assert.deepEqual(only(instance.step(again), "validate"), [
    { kind: "validate", value: A, round: 2, certified: true },
  ]);
});

test("the first input stays and is proposed once (QBFT-4, QBFT-5)", () => {
  const leader = started({ self: 0 });
  const effects = stepAll(leader, [
    { kind: "propose", value: A },
    { kind: "propose", value: B },
  ]);
  const proposals = only(effects, "broadcast");
  assert.deepEqual(
    proposals.map(({ statement }) => statement.value),
    [A],
  );
});

test("own votes count only when they come back (QBFT-4)", () => {
  const instance = started();
  const others = votes("PREPARE", { round: 1, value: A }, [0, 1]).map((each) => receive(each));
  const effects = stepAll(instance, [BYTES, PROPOSAL, ACCEPTED, ...others]);
  const types = only(effects, "broadcast").map(({ statement }) => statement.type);
  assert.deepEqual(types, ["PREPARE"]);
  const back = receive(vote("PREPARE", { source: SELF, round: 1, value: A }));
  assert.equal(only(instance.step(back), "broadcast")[0]?.statement.type, "COMMIT");
});

test("what an earlier run of this node stated is not contradicted (QBFT-4)", () => {
  const instance = started();
  const earlier = receive(vote("PREPARE", { source: SELF, round: 1, value: B }));
  const effects = stepAll(instance, [earlier, BYTES, PROPOSAL, ACCEPTED]);
  assert.deepEqual(only(effects, "broadcast"), []);
  const left = receive(roundChange(SELF, 2));
  assert.deepEqual(only(stepAll(instance, [left, { kind: "timeout", round: 1 }]), "broadcast"), []);
  assert.equal(instance.round, 2);
});

test("a PREPARE quorum of a round left gives no COMMIT but binds later (QBFT-8, QBFT-11)", () => {
  const instance = started();
  const prepares = votes("PREPARE", { round: 1, value: A }, [0, 1, 2]).map((each) => receive(each));
  const effects = stepAll(instance, [{ kind: "timeout", round: 1 }, ...prepares]);
  const types = only(effects, "broadcast").map(({ statement }) => statement.type);
  assert.deepEqual(types, ["ROUND-CHANGE"]);
  const [next] = only(instance.step({ kind: "timeout", round: 2 }), "broadcast");
  assert.deepEqual([next?.statement.preparedRound, next?.statement.preparedValue], [1, A]);
  assert.deepEqual(
    next?.justification.map(({ source }) => source),
    [0, 1, 2],
  );
});

test("of two prepared rounds the higher one is carried on (QBFT-11)", () => {
  const instance = started({ maySend: true });
  const first = votes("PREPARE", { round: 1, value: A }, [0, 1, 2]).map((each) => receive(each));
  const second = votes("PREPARE", { round: 2, value: B }, [0, 1, 2]).map((each) => receive(each));
  stepAll(instance, [...second, ...first, { kind: "timeout", round: 1 }]);
  const [next] = only(instance.step({ kind: "timeout", round: 2 }), "broadcast");
  assert.deepEqual([next?.statement.preparedRound, next?.statement.preparedValue], [2, B]);
});

test("a quorum of PREPAREs for different values prepares nothing (QBFT-8)", () => {
  const split = [
    vote("PREPARE", { source: 0, round: 1, value: A }),
    vote("PREPARE", { source: 1, round: 1, value: A }),
    vote("PREPARE", { source: 2, round: 1, value: B }),
    vote("PREPARE", { source: SELF, round: 1, value: B }),
  ];
  const effects = stepAll(
    started(),
    split.map((each) => receive(each)),
  );
  assert.deepEqual(only(effects, "broadcast"), []);
});

test("f+1 peers lead to the smallest of the f+1 furthest rounds at once (QBFT-12)", () => {
  const instance = started({ nodes: 7, self: 6, leaderOf: (round) => (round - 1) % 7 });
  const early = [
    receive(roundChange(0, 5)),
    receive(roundChange(1, 2)),
    receive(roundChange(1, 4)),
    receive(roundChange(2, 3)),
  ];
  const effects = stepAll(instance, early);
  assert.equal(instance.round, 3);
  assert.deepEqual(only(effects, "setTimer"), [{ kind: "setTimer", round: 3 }]);
  stepAll(instance, [receive(roundChange(3, 6))]);
  assert.equal(instance.round, 4);
});

test("a leader's justification is exactly a quorum and names the highest prepared (QBFT-5)", () => {
  const instance = started({ self: 1 });
  const certificate = (round: Round, value: Root) =>
    votes("PREPARE", { round, value }, [3, 2, 1, 0]);
  const effects = stepAll(instance, [
    { kind: "propose", value: B },
    { kind: "value", value: A },
    receive(roundChange(2, 6), []),
    receive(roundChange(0, 6, { round: 1, value: B }), certificate(1, B)),
    receive(roundChange(3, 6, { round: 4, value: A }), certificate(4, A)),
  ]);
  const [proposal] = only(effects, "broadcast").filter(
    ({ statement }) => statement.type === "PRE-PREPARE",
  );
  assert.equal(proposal?.statement.value, A);
  const named = proposal?.justification.map(({ type, source }) => `${type} ${source}`);
  assert.deepEqual(named, [
    "ROUND-CHANGE 3",
    "ROUND-CHANGE 0",
    "ROUND-CHANGE 2",
    "PREPARE 0",
    "PREPARE 1",
    "PREPARE 2",
  ]);
});

test("one peer's messages are bounded (QBFT-3)", () => {
  const instance = started({ maxRound: MAX_MESSAGES_PER_PEER + 1 });
  const commits = Array.from({ length: MAX_MESSAGES_PER_PEER + 1 }, (_, index) =>
    receive(vote("COMMIT", { source: 0, round: index + 1, value: A })),
  );
  assert.deepEqual(reasons(stepAll(instance, commits)), ["over_limit"]);
  const other = receive(vote("COMMIT", { source: 1, round: 1, value: A }));
  assert.deepEqual(reasons(instance.step(other)), []);
});

test("a rejected message leaves no trace: the good copy is taken later (QBFT-3)", () => {
  const instance = started();
  const statement = roundChange(0, 2, CLAIM);
  assert.deepEqual(reasons(instance.step(receive(statement))), ["unjustified"]);
  assert.deepEqual(reasons(instance.step(receive(statement, CERTIFICATE))), []);
  assert.deepEqual(reasons(instance.step(receive(statement, CERTIFICATE))), ["duplicate"]);
});

test("two claims of one ROUND-CHANGE are equivocation, with the first as proof (QBFT-3)", () => {
  const instance = started();
  const honest = roundChange(0, 3, CLAIM);
  stepAll(instance, [receive(honest, CERTIFICATE)]);
  for (const other of [roundChange(0, 3), roundChange(0, 3, { round: 2, value: A })]) {
    const [effect] = only(instance.step(receive(other, CERTIFICATE)), "reject");
    assert.equal(effect?.reason, "equivocation");
    assert.deepEqual(effect?.conflicting, honest);
  }
});

test("a DECIDED decides also before the start, and no timer runs then (QBFT-9)", () => {
  const instance = machine();
  const commits = votes("COMMIT", { round: 2, value: A }, [3, 2, 1, 0]);
  const decided = receive(vote("DECIDED", { source: 1, round: 2, value: A }), commits);
  const [effect] = only(instance.step(decided), "decide");
  assert.deepEqual(
    effect?.certificate.map(({ source }) => source),
    [0, 1, 2],
  );
  assert.ok(instance.isDecided);
  assert.deepEqual(instance.step({ kind: "start" }), []);
});

test("a decision is final: another certificate is proof of more than f liars (QBFT-9)", () => {
  const instance = started();
  const certificate = (value: Root) => votes("COMMIT", { round: 1, value }, [0, 1, 2]);
  const decided = (value: Root) =>
    receive(vote("DECIDED", { source: 1, round: 1, value }), certificate(value));
  instance.step(decided(A));
  assert.deepEqual(reasons(instance.step(decided(A))), ["duplicate"]);
  assert.deepEqual(reasons(instance.step(decided(B))), ["equivocation"]);
});

test("each late message of a peer is answered once for its round, a COMMIT never (QBFT-10)", () => {
  const instance = started();
  const commits = votes("COMMIT", { round: 1, value: A }, [0, 1, 2]);
  stepAll(instance, [receive(vote("DECIDED", { source: 1, round: 1, value: A }), commits)]);
  const late = [
    receive(vote("PRE-PREPARE", { source: 0, round: 1, value: A })),
    receive(vote("PREPARE", { source: 0, round: 1, value: A })),
    receive(vote("COMMIT", { source: 0, round: 2, value: A })),
    receive(roundChange(0, 2)),
    receive(vote("PREPARE", { source: 2, round: 1, value: A })),
    receive(vote("PREPARE", { source: SELF, round: 1, value: A })),
  ];
  const answers = only(stepAll(instance, late), "answer");
  assert.deepEqual(
    answers.map(({ peer }) => peer),
    [0, 0, 2],
  );
  assert.deepEqual(answers[0]?.justification, commits);
  assert.equal(answers[0]?.statement.type, "DECIDED");
});

test("a quarantined node answers, pulls and decides but never votes (QBFT-13)", () => {
  const instance = started({ self: 0, maySend: false });
  const prepares = votes("PREPARE", { round: 1, value: A }, [1, 2, 3]).map((each) => receive(each));
  const commits = votes("COMMIT", { round: 1, value: A }, [1, 2, 3]).map((each) => receive(each));
  const effects = stepAll(instance, [
    { kind: "propose", value: B },
    PROPOSAL,
    ...prepares,
    { kind: "timeout", round: 1 },
    ...commits,
    receive(roundChange(2, 3)),
  ]);
  const kinds = [...new Set(effects.map(({ kind }) => kind))];
  assert.deepEqual(kinds, ["pull", "setTimer", "decide", "answer"]);
});

test("after the timer of the last round nothing is said, COMMITs still decide (QBFT-14)", () => {
  const instance = started({ maxRound: 1 });
  const prepares = votes("PREPARE", { round: 1, value: A }, [0, 1, 2]).map((each) => receive(each));
  const commits = votes("COMMIT", { round: 1, value: A }, [0, 1, 2]).map((each) => receive(each));
  const silent = [{ kind: "timeout", round: 1 } as const, BYTES, PROPOSAL, ACCEPTED, ...prepares];
  assert.deepEqual(stepAll(instance, silent), []);
  assert.equal(only(stepAll(instance, commits), "decide").length, 1);
});

test("timers of other rounds, of a decided and of an unstarted node do nothing (QBFT-11)", () => {
  assert.deepEqual(machine().step({ kind: "timeout", round: 1 }), []);
  const instance = started();
  assert.deepEqual(instance.step({ kind: "timeout", round: 2 }), []);
  const commits = votes("COMMIT", { round: 1, value: A }, [0, 1, 2]);
  instance.step(receive(vote("DECIDED", { source: 1, round: 1, value: A }), commits));
  assert.deepEqual(instance.step({ kind: "timeout", round: 1 }), []);
  assert.equal(instance.round, 1);
});

test("each peer is named once for a value, this node never, none once it is here (QBFT-15)", () => {
  const instance = started();
  const certificate = votes("PREPARE", { round: 1, value: A }, [0, 1, SELF]);
  const events = [
    receive(vote("PREPARE", { source: 0, round: 1, value: A })),
    receive(roundChange(2, 2, CLAIM), certificate),
    receive(vote("COMMIT", { source: 0, round: 1, value: A })),
  ];
  const pulls = only(stepAll(instance, events), "pull");
  assert.deepEqual(
    pulls.map(({ peers }) => peers),
    [[0], [1], [2]],
  );
  const more = [BYTES, receive(vote("PREPARE", { source: 1, round: 1, value: A }))];
  assert.deepEqual(only(stepAll(instance, more), "pull"), []);
});

test("a decided node pulls what was decided and nothing else (QBFT-15)", () => {
  const instance = started();
  const commits = votes("COMMIT", { round: 1, value: A }, [0, 1, 2]);
  const decided = instance.step(
    receive(vote("DECIDED", { source: 1, round: 1, value: A }), commits),
  );
  assert.deepEqual(only(decided, "pull"), [{ kind: "pull", value: A, peers: [0, 1, 2] }]);
  const other = instance.step(receive(vote("PREPARE", { source: 2, round: 2, value: B })));
  assert.deepEqual(only(other, "pull"), []);
});

test("misuse by the driver is a bug, not a state", () => {
  assert.throws(() => started().step({ kind: "start" }), Bug);
  assert.throws(() => started().step({ kind: "unheard-of" } as unknown as QbftEvent), Bug);
  assert.throws(() => machine({ self: 4 }), Bug);
  assert.throws(() => machine({ maxRound: 0 }), Bug);
});
