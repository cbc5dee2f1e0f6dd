/**
 * Whole nodes on disks of their own: the n-th write of a slot with duties fails or the machine
 * dies at it, for every n, and with either outcome on the platter. Whatever becomes of it, nothing
 * conflicting leaves, and what left is not forgotten (STORE-1, STORE-6, CHECK-2, CHECK-8).
 */
import "../../support/minimalPreset.ts";
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { CALM, type Fault, type Scenario } from "../../../sim/scenario.ts";
import type { TraceEvent } from "../../../sim/trace.ts";
import type { Violation } from "../../../sim/world.ts";
import { loadMutant, type Patch } from "../../support/mutant.ts";

const { createWorld } = await import("../../../sim/world.ts");

type NodeModule = typeof import("../../../src/node/node.ts");
type CreateNode = NodeModule["createNode"];

const STRUCK = 1;
/** A slot with attestations and a proposal, whose writes are counted. */
const FROM = 2;
const TO = 3;
/** The machine is back within the slot (VOTE-2, CERT-3). */
const DOWN_MS = 500;
/** Another head for who comes back: what it would sign by itself is another vote. */
const FORK: Fault = { kind: "beacon-fork", nodes: [STRUCK], depth: 1, at: FROM, for: TO - FROM };

function scenarioOf(fault: Fault | null): Scenario {
  const faults = fault === null ? [FORK] : [FORK, fault];
  return { ...CALM, validators: 8, slots: 6, proposals: 1, faults };
}

type Run = {
  readonly violations: readonly Violation[];
  readonly events: readonly TraceEvent[];
  /** Of the struck machine, by the slot that begins. */
  readonly writes: ReadonlyMap<number, number>;
};

async function run(fault: Fault | null, createNode?: CreateNode): Promise<Run> {
  const events: TraceEvent[] = [];
  const writes = new Map<number, number>();
  const world = createWorld({
    seed: 11,
    scenario: scenarioOf(fault),
    ...(createNode !== undefined && { createNode }),
    onTrace: (line) => void events.push(JSON.parse(line)),
    onSlot: (slot) => void writes.set(slot, world.machines[STRUCK]?.disk.writes ?? 0),
  });
  const { violations } = await world.run();
  return { violations, events, writes };
}

const calm = await run(null);
const WRITES = (calm.writes.get(TO) ?? 0) - (calm.writes.get(FROM) ?? 0);

/** What a run of each n violates, one list for all of them. */
async function runAll(
  faultOf: (n: number) => Fault,
  check: (events: readonly TraceEvent[], n: number) => void = () => undefined,
): Promise<readonly string[]> {
  const found: string[] = [];
  for (let n = 1; n <= WRITES; n++) {
    const { violations, events } = await run(faultOf(n));
    check(events, n);
    found.push(...violations.map(({ checker, message }) => `${checker}, n = ${n}: ${message}`));
  }
  return found;
}

const failing =
  (lands: boolean) =>
  (write: number): Fault => {
    return { kind: "write-fails", write, lands, nodes: [STRUCK], at: FROM, for: TO - FROM };
  };
const dying =
  (lands: boolean) =>
  (write: number): Fault => {
    const fault = { kind: "crash-at-write", write, lands, downMs: DOWN_MS } as const;
    return { ...fault, nodes: [STRUCK], at: FROM, for: TO - FROM };
  };

function assertDied(events: readonly TraceEvent[], n: number): void {
  const deaths = events.filter((event) => event.kind === "crash" && event.node === STRUCK);
  assert.equal(deaths.length, 1, `n = ${n}: the power went at that write`);
  const lives = events.filter((event) => event.kind === "up" && event.node === STRUCK);
  assert.equal(lives.length, 2, `n = ${n}: and came back`);
}

describe("the n-th write of a duty, for every n", () => {
  it("has something to fail: records, votes, decisions and witnesses of two duties", () => {
    assert.deepEqual(calm.violations, []);
    assert(WRITES >= 5, `${WRITES} writes`);
  });

  for (const lands of [true, false]) {
    const outcome = lands ? "lands" : "is lost";

    it(`STORE-6: fails and ${outcome}: nothing conflicts, nothing is forgotten`, async () => {
      assert.deepEqual(await runAll(failing(lands)), []);
    });

    it(`STORE-1: the machine dies at it, which ${outcome}: the same`, async () => {
      assert.deepEqual(await runAll(dying(lands), assertDied), []);
    });
  }
});

/** Whether some n has the mutant release what its disk does not hold. */
async function forgets(faultOf: (n: number) => Fault, patch: Patch): Promise<boolean> {
  const { createNode } = await loadMutant<NodeModule>("src/node/node.ts", [patch]);
  for (let n = 1; n <= WRITES; n++) {
    const { violations } = await run(faultOf(n), createNode);
    const isForgotten = ({ checker, message }: Violation): boolean =>
      checker === "durability" && /released what is not on its disk/.test(message);
    if (violations.some(isForgotten)) return true;
  }
  return false;
}

describe("mutants of the store, on the same disks", () => {
  it("GATE-1: without waiting for the sync a power cut makes it forget", async () => {
    const isForgotten = await forgets(dying(false), {
      file: "src/safety/slashingStore.ts",
      find: "await this.#store.batch([...this.#unwritten, put, ...joined]);",
      replace: "void this.#store.batch([...this.#unwritten, put, ...joined]);",
    });
    assert(isForgotten);
  });

  it("GATE-4: if failed writes count, it releases what it never wrote", async () => {
    const isForgotten = await forgets(failing(false), {
      file: "src/safety/slashingStore.ts",
      find: "needsWrite ? err(error) : result",
      replace: "needsWrite && error ? result : result",
    });
    assert(isForgotten);
  });
});
