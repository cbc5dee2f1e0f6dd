/** Nodes that restart within a slot, in whole clusters of real nodes in virtual time. */
import assert from "node:assert/strict";
import { afterEach, describe, test } from "node:test";
import { messageIn } from "../../../sim/byzantine/frames.ts";
import type { Slot } from "../../../src/domain/units.ts";
import { FakeBeacon } from "../../support/fakeBeacon.ts";
import { loadMutant, type Patch } from "../../support/mutant.ts";
import { NodeCluster } from "../../support/nodeCluster.ts";
import { VirtualClock } from "../../support/virtualClock.ts";

type NodeModule = typeof import("../../../src/node/node.ts");

let cluster: NodeCluster;
afterEach(() => cluster.stop());

/** Validator 0 attests in slot 9, validator 1 in slot 10. */
const SLOT: Slot = FakeBeacon.slotOf(1, 0);
const NEXT: Slot = FakeBeacon.slotOf(1, 1);
/** After the decision, a third into the slot, and within the time that partials are of use. */
const AFTER_DECISION_MS = 5_000;

function submittedFor(slot: Slot): number {
  const all = cluster.members.flatMap(({ beacon }) => beacon.submitted);
  return all.filter(({ data }) => data.slot === slot).length;
}

/**
 * Node 3 is down. The slot is decided, but no partial signature arrives; then node 0 starts again,
 * in the same slot or the next: without it there is no group signature.
 */
async function restartAfterDecision(
  restartIn: Slot,
  options: ConstructorParameters<typeof NodeCluster>[0] = {},
): Promise<void> {
  cluster = new NodeCluster({ validators: 2, ...options });
  await cluster.start();
  cluster.crash(3);
  for (let slot = 0; slot < SLOT; slot++) await cluster.runSlot(slot);
  cluster.hub.lose(({ channel }) => channel === "partials");
  const { clock, chain } = cluster;
  await clock.runUntil(chain.slotStart(SLOT) + 500);
  for (const { beacon } of cluster.members) beacon.emitHead(SLOT);
  await clock.runUntil(chain.slotStart(SLOT) + AFTER_DECISION_MS);
  assert.equal(submittedFor(SLOT), 0, "the danger: decided, and one share short");
  assert.ok(cluster.member(1).metrics.total("consensus_decisions_total", { duty: "attester" }) > 0);
  cluster.hub.lose(() => false);
  cluster.crash(0);
  if (restartIn > SLOT) await clock.runUntil(chain.slotStart(restartIn) + 100);
  await cluster.start([0]);
  for (let slot = restartIn; slot <= NEXT; slot++) {
    if (slot > SLOT) await cluster.runSlot(slot);
    else await clock.runUntil(chain.slotStart(SLOT + 1) - 1);
  }
}

describe("a node that restarts", () => {
  test("CERT-3: in the slot of its restart it signs what was decided before", async () => {
    await restartAfterDecision(SLOT);
    assert.ok(submittedFor(SLOT) > 0);
    assert.ok(submittedFor(NEXT) > 0, "the next slot is complete");
  });

  test("CERT-3: a slot later, too, the decision is asked for and signed", async () => {
    await restartAfterDecision(SLOT + 1);
    assert.ok(submittedFor(SLOT) > 0);
  });

  test("VOTE-2: what was not decided before is missed, and the reason says so", async () => {
    cluster = new NodeCluster({ validators: 2 });
    await cluster.start();
    cluster.crash(3);
    for (let slot = 0; slot < SLOT; slot++) await cluster.runSlot(slot);
    cluster.crash(0);
    await cluster.clock.runUntil(cluster.chain.slotStart(SLOT) + 100);
    await cluster.start([0]);
    for (let slot = SLOT; slot <= NEXT + 1; slot++) await cluster.runSlot(slot);
    assert.equal(submittedFor(SLOT), 0, "three live nodes, of which one may not vote");
    assert.ok(submittedFor(NEXT) > 0, "the next slot is complete");
    const told = cluster.member(0).log.map(({ fields }) => JSON.stringify(fields));
    assert.ok(told.some((text) => /"slot":9.*restarted in this slot and did not vote/.test(text)));
  });
});

const MUTANTS: Readonly<Record<string, Patch>> = {
  "nobody asks what was decided": {
    file: "src/core/consensus.ts",
    find: "this.#decisions.want(duty);",
    replace: "",
  },
  "nobody answers what was decided": {
    file: "src/core/consensus.ts",
    find: "instance.serveDecision(from);",
    replace: "",
  },
};

describe("mutants of the restart", () => {
  for (const [name, patch] of Object.entries(MUTANTS)) {
    test(`CERT-3: killed: ${name}`, async () => {
      const { createNode } = await loadMutant<NodeModule>("src/node/node.ts", [patch]);
      await restartAfterDecision(SLOT, { createNode });
      assert.equal(submittedFor(SLOT), 0);
    });
  }
});

/** Whether the cluster, in need of node 0, attests although that one's clock was an hour ahead. */
async function attestsWithClockAhead(patches: readonly Patch[] = []): Promise<boolean> {
  const module = await loadMutant<NodeModule>("src/node/node.ts", patches);
  let clock: ReturnType<VirtualClock["beside"]> | undefined;
  cluster = new NodeCluster({
    validators: 2,
    createNode: module.createNode,
    adapt: (ports, self) => {
      if (self !== 0) return ports;
      clock = (ports.clock as VirtualClock).beside(3_600_000);
      return { ...ports, clock };
    },
  });
  await cluster.start();
  cluster.crash(3);
  for (let slot = 0; slot < 3; slot++) await cluster.runSlot(slot);
  clock?.setOffset(0);
  // Beyond the two epochs that a new data directory waits.
  const last = FakeBeacon.slotOf(3, 0);
  for (let slot = 3; slot <= last; slot++) await cluster.runSlot(slot);
  return submittedFor(last) > 0;
}

describe("a node whose clock is ahead at its start", () => {
  test("VOTE-3: votes again once the clock is set back", async () => {
    assert.ok(await attestsWithClockAhead());
  });

  test("mutant: without the guard VOTE-3 it stays silent until that slot", async () => {
    const file = "src/node/components.ts";
    const find = "parts.votes.clockSetBack(slot)";
    assert.ok(!(await attestsWithClockAhead([{ file, find, replace: "void slot" }])));
  });
});

describe("a clock that is far ahead for a moment", () => {
  /** What node 0 says in a slot in which it voted before its clock was ahead, and is back. */
  async function saidAfterwards(patches: readonly Patch[] = []) {
    const file = "src/node/node.ts";
    const mutant = patches.length > 0 ? await loadMutant<NodeModule>(file, patches) : null;
    let own: ReturnType<VirtualClock["beside"]> | null = null;
    cluster = new NodeCluster({
      validators: 2,
      ...mutant,
      adapt: (ports, self) => {
        if (self !== 0 || !(ports.clock instanceof VirtualClock)) return ports;
        own = ports.clock.beside(0);
        return { ...ports, clock: own };
      },
    });
    const { hub, clock, chain } = cluster;
    const at = (ms: number) => clock.runUntil(chain.slotStart(SLOT) + ms);
    const setAhead = (slots: number): void => own?.setOffset(slots * chain.spec.slotDurationMs);
    const said = { before: 0, afterwards: 0 };
    let life: keyof typeof said = "before";
    await cluster.start();
    for (let slot = 0; slot < SLOT; slot++) await cluster.runSlot(slot);
    hub.lose(({ channel, from }) => channel === "consensus" && from !== 0);
    hub.tap(0, (sent) => {
      if (messageIn(sent)?.duty.slot === SLOT) said[life]++;
      return [sent.bytes];
    });
    await at(5_100);
    setAhead(20);
    await at(5_200);
    setAhead(0);
    life = "afterwards";
    hub.lose(() => false);
    for (let slot = SLOT; slot <= NEXT; slot++) await cluster.runSlot(slot);
    return said;
  }

  test("VOTE-4: makes no node vote again where it has voted", async () => {
    const { before, afterwards } = await saidAfterwards();
    assert.ok(before > 0, "it voted");
    assert.equal(afterwards, 0);
    assert.ok(submittedFor(NEXT) > 0, "the next slot is complete");
  });

  test("VOTE-4: mutant: a duty that was over begins anew", async () => {
    const patch = {
      file: "src/core/consensus.ts",
      find: "this.#over.get(dutyId(duty)) === undefined",
      replace: "true",
    };
    const { afterwards } = await saidAfterwards([patch]);
    assert.ok(afterwards > 0);
  });
});
