// Freeze and the age check at the socket, in whole nodes: frames are counted where they leave.
import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, test } from "node:test";
import type { PeerIndex } from "../../../src/domain/keys.ts";
import type { createNode } from "../../../src/node/node.ts";
import { FakeBeacon } from "../../support/fakeBeacon.ts";
import { loadMutant } from "../../support/mutant.ts";
import { NodeCluster } from "../../support/nodeCluster.ts";

const SLOT = FakeBeacon.slotOf(1, 0);
const ALL = { scope: "all", validator: null, reason: "drill", by: "test" } as const;

let cluster: NodeCluster;
let left: Map<PeerIndex, number>;
const frames = (node: PeerIndex): number => left.get(node) ?? 0;

/** Twelve validators attest in the twelve slots from SLOT on: every slot has its duty. */
function build(options: ConstructorParameters<typeof NodeCluster>[0] = {}): void {
  left = new Map();
  cluster = new NodeCluster({ validators: 12, ...options });
  for (const node of [0, 1, 2, 3]) {
    cluster.hub.tap(node, ({ channel, bytes }) => {
      if (channel === "partials") left.set(node, frames(node) + 1);
      return [bytes];
    });
  }
}
beforeEach(() => build());
afterEach(() => cluster.stop());

async function runTo(slot: number): Promise<void> {
  await cluster.start();
  for (let each = 0; each < slot; each++) await cluster.runSlot(each);
}

function control(node: PeerIndex) {
  const found = cluster.member(node).node?.control;
  assert(found !== undefined, "the node runs");
  return found;
}

const submittedFor = (slot: number): number =>
  cluster.members.filter(({ beacon }) => beacon.submitted.some(({ data }) => data.slot === slot))
    .length;

describe("freeze", () => {
  test("FREEZE-4: nothing leaves after it returned; others' signatures are combined", async () => {
    await runTo(SLOT + 1);
    const before = frames(0);
    assert(before > 0, "the node signed until now");
    await control(0).freeze(ALL);
    for (const slot of [SLOT + 1, SLOT + 2]) await cluster.runSlot(slot);
    assert.equal(frames(0), before, "not one partial signature");
    assert.equal(submittedFor(SLOT + 2), 4, "three others sign, and this node submits");
    assert(cluster.member(0).metrics.total("gate_refusals_total") >= 2, "each refusal is told");
  });

  test("FREEZE-4: a peer that comes back is told nothing again", async () => {
    await runTo(SLOT + 1);
    await control(0).freeze(ALL);
    const before = frames(0);
    cluster.hub.cut(0, 1);
    cluster.hub.heal(0, 1);
    await cluster.runSlot(SLOT + 1);
    assert.equal(frames(0), before);
  });

  test("FREEZE-4: unfreezing resumes within the slot", async () => {
    await runTo(SLOT);
    for (const node of [0, 1]) await control(node).freeze(ALL);
    await cluster.clock.runUntil(cluster.chain.slotStart(SLOT + 1) - 3_000);
    assert.equal(submittedFor(SLOT), 0, "two of four sign nothing");
    assert.equal(await control(0).unfreeze(ALL, "test"), true);
    await cluster.clock.runUntil(cluster.chain.slotStart(SLOT + 1) - 1_000);
    assert(submittedFor(SLOT) >= 3, "the duty of the same slot is complete");
  });

  test("FREEZE-1: it holds after a restart", async () => {
    await runTo(SLOT);
    await control(0).freeze(ALL);
    cluster.crash(0);
    await cluster.start([0]);
    const before = frames(0);
    for (const slot of [SLOT, SLOT + 1]) await cluster.runSlot(slot);
    assert.equal(frames(0), before);
    assert.deepEqual(control(0).freezes(), [ALL]);
  });

  test("FREEZE-5: what the FREEZE file says holds while the file is there", async () => {
    await runTo(SLOT);
    await control(0).followFile("storage is replaced");
    const before = frames(0);
    await cluster.runSlot(SLOT);
    assert.equal(frames(0), before);
    await control(0).followFile(null);
    await cluster.runSlot(SLOT + 1);
    assert(frames(0) > before);
  });
});

describe("the socket", () => {
  /** A node whose lock is as fresh as the test says. */
  function withLock(isFresh: () => boolean, mutant?: typeof createNode): void {
    cluster.stop();
    build({
      adapt: (ports, node) =>
        node === 0 ? { ...ports, lock: { isHeld: () => true, isFresh } } : ports,
      ...(mutant === undefined ? {} : { createNode: mutant }),
    });
  }

  async function checkPausedSender(mutant?: typeof createNode): Promise<void> {
    let isFresh = true;
    withLock(() => isFresh, mutant);
    await runTo(SLOT + 1);
    const before = frames(0);
    assert(before > 0, "the node signed until now");
    isFresh = false;
    // The peer is back and asks for what was sent: it was admitted long ago.
    cluster.hub.cut(0, 1);
    cluster.hub.heal(0, 1);
    await cluster.runSlot(SLOT + 1);
    assert.equal(frames(0), before);
  }

  test("GATE-9: a machine that stood still for ten seconds sends nothing admitted before", () =>
    checkPausedSender());

  test("GATE-9: without the age check at the socket it would", async () => {
    const { createNode: mutant } = await loadMutant<{ createNode: typeof createNode }>(
      "src/node/node.ts",
      [
        {
          file: "src/safety/gate.ts",
          find: "if (!this.#parts.lock.isFresh()) return null;",
          replace: "",
        },
      ],
    );
    await assert.rejects(checkPausedSender(mutant), { name: "AssertionError" });
  });
});
