/**
 * One operator is down and another one's machine restarts within a slot, at many instants of it:
 * what the others had decided is saved, what nobody had is missed and says why, and the next slot
 * is complete. The old process's session is still alive at the peers then (BEAT-2). Asked of the
 * trace, run by run.
 */
import "../../support/minimalPreset.ts";
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { CALM, type Fault, type Scenario } from "../../../sim/scenario.ts";
import type { TraceEvent } from "../../../sim/trace.ts";
import type { Violation } from "../../../sim/world.ts";
import { SESSION_SILENCE_MS } from "../../../src/domain/limits.ts";
import type { Slot } from "../../../src/domain/units.ts";
import { loadMutant } from "../../support/mutant.ts";

const { createWorld } = await import("../../../sim/world.ts");

type NodeModule = typeof import("../../../src/node/node.ts");

const DOWN = 3;
const STRUCK = 1;
const SLOT: Slot = 4;
const SEED = 5;
const DOWN_MS = 600;
const NOT_VOTED = "this node was restarted in this slot and did not vote in it";
/** Votes take long enough that a restart meets each of them. */
const network = { ...CALM.network, latencyMs: { "eu/eu": 200 }, noticeMs: 50, reconnectMs: 50 };

/** Nobody's machine restarts where no instant is given. */
function scenarioOf(instant?: number): Scenario {
  const crash = { kind: "crash", nodes: [STRUCK], for: DOWN_MS / CALM.slotMs } as const;
  const faults: readonly Fault[] = [
    { kind: "crash", nodes: [DOWN], at: 0 },
    ...(instant === undefined ? [] : [{ ...crash, at: SLOT + instant }]),
  ];
  return { ...CALM, validators: 24, proposals: 1, slots: 8, network, faults };
}

class Run {
  readonly events: readonly TraceEvent[];
  readonly violations: readonly Violation[];
  readonly backAt: number;
  readonly goneAt: number;

  constructor(events: readonly TraceEvent[], violations: readonly Violation[]) {
    this.events = events;
    this.violations = violations;
    this.goneAt = this.first((event) => event.kind === "crash" && event.node === STRUCK) ?? 0;
    this.backAt =
      this.first((event) => event.kind === "up" && event.node === STRUCK && event.restarts === 1) ??
      0;
  }

  static async of(scenario: Scenario, createNode?: NodeModule["createNode"]): Promise<Run> {
    const events: TraceEvent[] = [];
    const { violations } = await createWorld({
      seed: SEED,
      scenario,
      ...(createNode !== undefined && { createNode }),
      onTrace: (line) => void events.push(JSON.parse(line)),
    }).run();
    return new Run(events, violations);
  }

  /** When the first such event came. */
  first(is: (event: TraceEvent) => boolean): number | null {
    return this.events.find(is)?.at ?? null;
  }

  decidedAt(node: number, duty: string): number | null {
    return this.first(
      (event) => event.kind === "decided" && event.node === node && event.duty === duty,
    );
  }

  included(duty: string): number {
    return this.events.filter((event) => event.kind === "included" && event.duty === duty).length;
  }

  /** When the struck node, in its second life, first sent or was sent such a frame. */
  frameAt(type: string, duty: string, direction: "from" | "to"): number | null {
    return this.first(
      (event) =>
        event.kind === "send" &&
        event.at >= this.backAt &&
        event[direction] === STRUCK &&
        event.frame.type === type &&
        "duty" in event.frame &&
        event.frame.duty === duty,
    );
  }

  /** Slot and type of each vote that the struck node itself cast in its second life. */
  get votes(): readonly (readonly [Slot, string])[] {
    return this.events.flatMap((event) => {
      if (event.kind !== "send" || event.from !== STRUCK || event.at < this.backAt) return [];
      const { frame } = event;
      if (!("source" in frame) || frame.source !== STRUCK || frame.type === "DECIDED") return [];
      return [[Number(frame.duty.split("/")[0]), frame.type] as const];
    });
  }

  /** It had not signed when the power went, and the others had decided or were about to. */
  get wasDecidedWithoutIt(): boolean {
    const mine = this.decidedAt(STRUCK, DUTY);
    return (mine === null || mine > this.backAt) && this.decidedAt(0, DUTY) !== null;
  }
}

const DUTY = `${SLOT}/attester`;
const NEXT = [`${SLOT + 1}/attester`, `${SLOT + 1}/proposer`];

const decidedAt = (await Run.of(scenarioOf())).decidedAt(0, DUTY) ?? assert.fail("decided");
const decision = decidedAt / CALM.slotMs - SLOT;
/** In slots: most of them while the votes travel; the last ones reach into the next slot. */
const INSTANTS = [
  ...[-0.06, -0.035, -0.02, -0.013, -0.009, -0.004, 0.004].map((offset) => decision + offset),
  ...[0.01, 0.7, 0.9],
];
const RUNS = new Map<number, Run>();
for (const instant of INSTANTS) RUNS.set(instant, await Run.of(scenarioOf(instant)));
const runs = [...RUNS.values()];

describe("a restart within a slot, one operator being down", () => {
  it("never has it sign twice, stop as a twin, or miss the next slot", () => {
    for (const [instant, run] of RUNS) {
      assert.deepEqual(run.violations, [], `at ${instant}`);
      assert(!run.events.some(({ kind }) => kind === "bug"), `at ${instant}: no process ended`);
      const isAlarm = (event: TraceEvent): boolean =>
        event.kind === "log" && /Two processes|another process/.test(event.message);
      assert(!run.events.some(isAlarm), `at ${instant}: nobody is told of a twin`);
      for (const duty of NEXT) assert(run.included(duty) > 0, `at ${instant}: ${duty} is done`);
    }
  });

  it("CERT-3: saves what was decided without it: certificate pulled, partial made", (t) => {
    const saved = runs.filter((run) => run.wasDecidedWithoutIt);
    assert(saved.length > 0, "some restart came between the votes and the decision");
    for (const run of saved) {
      const asked = run.frameAt("decision", DUTY, "from");
      const told = run.frameAt("DECIDED", DUTY, "to");
      const decided = run.decidedAt(STRUCK, DUTY);
      const signed = run.frameAt("partials", DUTY, "from");
      assert(asked && told && decided && signed, `after ${run.goneAt}: asked, told and signed`);
      assert(asked <= told && told <= decided && decided <= signed);
      assert(run.included(DUTY) > 0, "without its partial there is no group signature");
    }
    t.diagnostic(`${saved.length} of ${runs.length} restarts`);
  });

  it("VOTE-2: misses what nobody had decided, with that reason, and votes for nothing", (t) => {
    const missed = runs.filter((run) => run.decidedAt(0, DUTY) === null);
    assert(missed.length > 0, "some restart came before the votes");
    for (const run of missed) {
      assert.equal(run.included(DUTY), 0);
      const reasons = run.events.flatMap((event) =>
        event.kind === "obstacle" && event.node === STRUCK && event.duty === DUTY
          ? [event.reason]
          : [],
      );
      assert(reasons.includes(NOT_VOTED), reasons.join("; "));
      assert.deepEqual(
        run.votes.filter(([slot]) => slot === SLOT),
        [],
      );
      const isMissed = run.events.some(
        (event) => event.kind === "miss" && event.node === STRUCK && event.duty === DUTY,
      );
      assert(isMissed, "and its tracker says that it was missed");
    }
    t.diagnostic(`${missed.length} of ${runs.length} restarts`);
  });

  it("BEAT-2: signs as soon as its former session is silent for long enough", () => {
    for (const run of runs.filter((each) => each.wasDecidedWithoutIt)) {
      const signed = run.frameAt("partials", DUTY, "from") ?? Infinity;
      assert(signed > run.goneAt, "not before");
      // A heartbeat later at most, and what the network takes.
      assert(signed - run.goneAt < SESSION_SILENCE_MS + 1_000 + 1_500, `${signed - run.goneAt} ms`);
    }
  });

  it("CERT-3: without asking what was decided the same duties are lost", async () => {
    const { createNode } = await loadMutant<NodeModule>("src/node/node.ts", [
      { file: "src/core/consensus.ts", find: "this.#decisions.want(duty);", replace: "" },
    ]);
    const [instant] = [...RUNS].find(([, run]) => run.wasDecidedWithoutIt) ?? [];
    assert(instant !== undefined);
    const run = await Run.of(scenarioOf(instant), createNode);
    assert.equal(run.included(DUTY), 0);
  });
});

describe("a clock that stands two slots back at the start", () => {
  const faults: readonly Fault[] = [
    { kind: "crash", nodes: [STRUCK], at: SLOT + 0.34, for: 0.3 },
    { kind: "clock-skew", byMs: -2 * CALM.slotMs, nodes: [STRUCK], at: SLOT + 0.5, for: 6 },
  ];
  const scenario: Scenario = { ...CALM, validators: 24, slots: 16, proposals: 0.5, faults };

  it("VOTE-2: votes in no slot of its former life, and in the slots after it is set", async () => {
    const run = await Run.of(scenario);
    assert.deepEqual(run.violations, []);
    const voted = run.votes.map(([slot]) => slot);
    assert(voted.length > 0);
    assert(
      Math.min(...voted) > SLOT,
      `the first slot that it votes in again: ${Math.min(...voted)}`,
    );
  });

  it("VOTE-2: without the quarantine it votes again in a slot that it voted in", async () => {
    const { createNode } = await loadMutant<NodeModule>("src/node/node.ts", [
      {
        file: "src/core/voteGuard.ts",
        find: "return slot > this.quarantinedUntil;",
        replace: "return slot >= 0;",
      },
    ]);
    const run = await Run.of(scenario, createNode);
    const again = run.votes.some(([slot]) => slot <= SLOT);
    assert(again);
  });
});

describe("a disk that is slow, and one that fails", () => {
  it("STORE-6, CHECK-8: refuses to sign instead of signing unrecorded", async () => {
    const { findScenario } = await import("../../../sim/scenarioFiles.ts");
    const { scenario } = await findScenario("failing-disk");
    const { violations, events } = await Run.of(scenario);
    assert.deepEqual(violations, []);
    const refusals = events.filter(
      (event) => event.kind === "obstacle" && /write \d+ was told to fail/.test(event.reason),
    );
    assert(refusals.length > 5, `the danger is present: ${refusals.length} refusals`);
    const late = events.filter(
      (event) => event.kind === "step" && event.node === STRUCK && event.step === "admitted",
    );
    assert(late.length > 0);
  });
});
