import "../../support/minimalPreset.ts";
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { CheckContext, Checker } from "../../../sim/checkers/checker.ts";
import { CALM } from "../../../sim/scenario.ts";
import type { PartialSignatureSet, SigningTask } from "../../../src/domain/data.ts";
import type { PubKey, Root } from "../../../src/domain/keys.ts";
import { encodeAttestationData } from "../../../src/eth2/attestationData.ts";
import type { AttestationData } from "../../../src/eth2/types.ts";
import { testChain } from "../../support/testChain.ts";

const { createAgreement } = await import("../../../sim/checkers/agreement.ts");
const { createBounds } = await import("../../../sim/checkers/bounds.ts");
const { createForeign } = await import("../../../sim/checkers/foreign.ts");
const { createLiveness } = await import("../../../sim/checkers/liveness.ts");
const { createLeaks } = await import("../../../sim/checkers/leaks.ts");
const { createSlashing } = await import("../../../sim/checkers/slashing.ts");
const { createStanding } = await import("../../../sim/checkers/standing.ts");
const { createValidity } = await import("../../../sim/checkers/validity.ts");

const rootNamed = (name: string): Root => `0x${name.repeat(64)}` as Root;
const facts = testChain();
const attesterOf = (slot: number) => ({ slot, type: "attester" as const });

function watch(create: (context: CheckContext) => Checker, parts: Partial<CheckContext> = {}) {
  const reports: string[] = [];
  const context = {
    scenario: CALM,
    facts,
    machines: [],
    byzantine: new Set([3]),
    report: (message: string) => reports.push(message),
    ...parts,
  };
  return { checker: create(context as unknown as CheckContext), reports };
}

describe("CHECK-1: the agreement checker", () => {
  const decided = (name: string) => ({
    duty: attesterOf(3),
    value: new Uint8Array(),
    root: rootNamed(name),
  });

  it("reports two honest nodes that decide two values, and one that decides twice", () => {
    const { checker, reports } = watch(createAgreement);
    checker.decided?.(0, decided("a"));
    checker.decided?.(1, decided("a"));
    assert.deepEqual(reports, []);
    checker.decided?.(2, decided("b"));
    checker.decided?.(0, decided("c"));
    assert.equal(reports.length, 2);
  });

  it("does not mind what a Byzantine node's own code decides", () => {
    const { checker, reports } = watch(createAgreement);
    checker.decided?.(0, decided("a"));
    checker.decided?.(3, decided("b"));
    assert.deepEqual(reports, []);
  });
});

describe("CHECK-4: the liveness checker, after a reorganisation", () => {
  const reorg = { kind: "reorg", at: 9, depth: 9, for: 1 } as const;
  /** Validator 0 has a seat in slot 14, and `voters` vote for it in slot 9 of the same epoch. */
  const reportsOf = (voters: readonly number[], faults: readonly object[], votes = 9): number => {
    const { checker, reports } = watch(createLiveness, {
      scenario: { ...CALM, nodes: 4, threshold: 3, faults } as unknown as CheckContext["scenario"],
      byzantine: new Set(),
      ledger: { includedAt: () => null } as unknown as CheckContext["ledger"],
      ground: {
        seatedIn: (slot: number) => (slot === 14 ? [0] : []),
        proposerIn: () => null,
      } as unknown as CheckContext["ground"],
    });
    for (const node of voters) {
      const signatures = [
        { validator: 0, messageRoot: rootNamed("a"), signature: new Uint8Array() },
      ];
      checker.released?.(node, { duty: attesterOf(votes), shareIndex: node + 1, signatures });
    }
    for (let slot = 10; slot < 20; slot++) checker.enterSlot?.(slot);
    return reports.length;
  };

  it("wants no second vote of one epoch, once a former seat has taken too many shares", () => {
    assert.equal(reportsOf([0, 1], [reorg]), 0);
    assert.equal(reportsOf([0], [reorg]), 1, "three shares are left");
    assert.equal(reportsOf([], [reorg]), 1);
    assert.equal(reportsOf([0, 1], [reorg], 7), 1, "an epoch before");
  });

  it("wants every vote where nothing moves seats", () => {
    assert.equal(reportsOf([0, 1], []), 1);
  });
});

describe("CHECK-2: the slashing checker", () => {
  const vote = (name: string, source: number, target: number): SigningTask => ({
    validator: 0,
    pubKey: "0x" as PubKey,
    messageRoot: rootNamed(name),
    signingRoot: rootNamed(name),
    slashing: { kind: "attestation", source, target },
  });
  const releasing = (node: number, messageRoot: Root): PartialSignatureSet => ({
    duty: attesterOf(3),
    shareIndex: node + 1,
    signatures: [{ validator: 0, messageRoot, signature: new Uint8Array() }],
  });
  const play = (...steps: readonly (readonly [number, SigningTask])[]): readonly string[] => {
    const { checker, reports } = watch(createSlashing);
    for (const [node, task] of steps) {
      checker.signed?.(node, [task]);
      checker.released?.(node, releasing(node, task.messageRoot));
    }
    return reports;
  };

  it("reports a share that signs two votes for one target, or one around another", () => {
    assert.equal(play([0, vote("a", 1, 2)], [0, vote("b", 1, 2)]).length, 1);
    assert.equal(play([0, vote("a", 1, 4)], [0, vote("b", 2, 3)]).length, 1);
    assert.equal(play([0, vote("a", 2, 3)], [0, vote("b", 1, 4)]).length, 1);
    assert.deepEqual(play([0, vote("a", 1, 2)], [0, vote("b", 2, 3)]), []);
    assert.deepEqual(play([0, vote("a", 1, 2)], [0, vote("a", 1, 2)]), []);
  });

  it("reports conflicting votes that may each reach t shares, the Byzantine counted twice", () => {
    // Two honest shares and the Byzantine one are three on either side only with four honest.
    const { checker, reports } = watch(createSlashing, {
      scenario: { ...CALM, nodes: 5, threshold: 3 },
      byzantine: new Set([4]),
    });
    const sides = [
      [0, "a"],
      [1, "a"],
      [2, "b"],
    ] as const;
    for (const [node, name] of sides) {
      checker.signed?.(node, [vote(name, 1, 2)]);
      checker.released?.(node, releasing(node, rootNamed(name)));
    }
    assert.deepEqual(reports, []);
    checker.released?.(3, releasing(3, rootNamed("b")));
    assert.equal(reports.length, 1);
    assert.match(reports[0] ?? "", /t shares can exist for both/);
  });

  it("reports group signatures that are slashable together", () => {
    const { checker, reports } = watch(createSlashing);
    const block = { kind: "block", validator: 0, slot: 5 } as const;
    checker.groupSigned?.({ ...block, root: rootNamed("a") });
    checker.groupSigned?.({ ...block, root: rootNamed("a") });
    assert.deepEqual(reports, []);
    checker.groupSigned?.({ ...block, root: rootNamed("b") });
    assert.equal(reports.length, 1);
  });

  it("reports a signature that was released and that no share made", () => {
    const { checker, reports } = watch(createSlashing);
    checker.released?.(0, releasing(0, rootNamed("a")));
    assert.equal(reports.length, 1);
  });
});

describe("CHECK-3: the validity checker", () => {
  const data: AttestationData = {
    slot: 20,
    index: 0,
    beaconBlockRoot: rootNamed("1"),
    source: { epoch: 1, root: rootNamed("2") },
    target: { epoch: 2, root: rootNamed("3") },
  };
  const judge = (changed: Partial<AttestationData>): readonly string[] => {
    const { checker, reports } = watch(createValidity);
    const value = encodeAttestationData({ ...data, ...changed });
    checker.decided?.(0, { duty: attesterOf(20), value, root: rootNamed("f") });
    return reports;
  };

  it("reports votes of another slot, epoch or index, or with a source at the target", () => {
    assert.deepEqual(judge({}), []);
    assert.equal(judge({ slot: 21 }).length, 1);
    assert.equal(judge({ index: 1 }).length, 1);
    assert.equal(judge({ target: { epoch: 3, root: rootNamed("3") } }).length, 1);
    assert.equal(judge({ source: { epoch: 2, root: rootNamed("2") } }).length, 1);
  });
});

describe("what the other checkers watch", () => {
  const machines = (pending: number) =>
    [{ self: 0, clock: { pending } }] as unknown as CheckContext["machines"];

  it("CHECK-5: reports a node whose timers grow beyond what its duties need", () => {
    const calm = watch(createBounds, { machines: machines(50) });
    calm.checker.enterSlot?.(1);
    assert.deepEqual(calm.reports, []);
    const grown = watch(createBounds, { machines: machines(5_000) });
    grown.checker.enterSlot?.(1);
    assert.equal(grown.reports.length, 1);
  });

  it("CHECK-6: reports timers that a stopped node left behind", () => {
    const tidy = watch(createLeaks, { machines: machines(0) });
    tidy.checker.stopped?.();
    assert.deepEqual(tidy.reports, []);
    const leaking = watch(createLeaks, { machines: machines(1) });
    leaking.checker.stopped?.();
    assert.equal(leaking.reports.length, 1);
  });

  it("CHECK-7: reports an honest node that penalises another honest node", () => {
    const { checker, reports } = watch(createStanding);
    checker.penalised?.(0, 3, "bad_signature");
    checker.penalised?.(3, 0, "bad_signature");
    assert.deepEqual(reports, []);
    checker.penalised?.(0, 1, "bad_signature");
    assert.equal(reports.length, 1);
  });
});

describe("CHECK-9: the foreign signer checker", () => {
  const keys = ["0xaa", "0xbb"] as unknown as readonly PubKey[];
  const frozen = (key: PubKey | undefined, reason = "somebody else signed") => ({
    self: 0,
    node: { control: { freezes: () => (key === undefined ? [] : [{ validator: key, reason }]) } },
  });
  const play = (
    machines: readonly ReturnType<typeof frozen>[],
    signed: readonly number[],
    scenario = CALM,
  ): readonly string[] => {
    const parts = { machines, pubKeys: keys, scenario } as unknown as Partial<CheckContext>;
    const { checker, reports } = watch(createForeign, parts);
    for (const validator of signed) {
      checker.foreignSigned?.({ validator, slot: 4, what: "attestation" });
    }
    for (let slot = 4; slot < 20; slot++) checker.enterSlot?.(slot);
    checker.finish?.();
    return reports;
  };

  it("reports a node that did not freeze whom a stranger signs for", () => {
    assert.deepEqual(play([frozen(keys[1])], [1]), []);
    assert.match(play([frozen(undefined)], [1]).join(), /node 0 did not freeze validator 1/);
  });

  it("reports a node that froze somebody else, or holds him though nothing is wrong", () => {
    assert.equal(play([frozen(keys[0])], []).length, 1);
    const held = frozen(keys[0], "it was seen to sign what no peer has explained yet");
    assert.equal(play([held], []).length, 1);
    const groups = [[0], [1]];
    const lasting = { ...CALM, faults: [{ kind: "partition", groups, at: 1 }] } as const;
    assert.deepEqual(play([held], [], lasting), []);
  });
});
