/**
 * One identity in two live processes, in whole clusters of real nodes in virtual time: a copied
 * data directory with live signers on both copies.
 */
import assert from "node:assert/strict";
import { afterEach, describe, test } from "node:test";
import type { PeerIndex } from "../../../src/domain/keys.ts";
import type { Slot } from "../../../src/domain/units.ts";
import { openSlashingStore } from "../../../src/safety/openSlashingStore.ts";
import { FakeBeacon } from "../../support/fakeBeacon.ts";
import { loadMutant, type Patch } from "../../support/mutant.ts";
import { type Member, NodeCluster } from "../../support/nodeCluster.ts";
import { SLOTS_PER_EPOCH } from "../../support/testChain.ts";

type NodeModule = typeof import("../../../src/node/node.ts");

const TOLD = /another process signs with this operator's identity right now/;
const COPIED: PeerIndex = 1;

let cluster: NodeCluster;
afterEach(() => cluster.stop());

async function runEpoch(epoch: number): Promise<void> {
  const first: Slot = epoch * SLOTS_PER_EPOCH;
  for (let slot = first; slot < first + SLOTS_PER_EPOCH; slot++) await cluster.runSlot(slot);
}

/** Runs two epochs, after which node 1 has signed, and starts a copy of it beside it. */
async function startCopy(options: ConstructorParameters<typeof NodeCluster>[0] = {}) {
  cluster = new NodeCluster(options);
  await cluster.start();
  const early = cluster.member(COPIED).disk.copy();
  await runEpoch(0);
  await runEpoch(1);
  return early;
}

/** A process whose node broke stops; resolves with whether it had to. */
async function stopsWithin(member: Member, ms: number): Promise<boolean> {
  const { node } = member;
  assert(node !== null);
  let failure: unknown = null;
  void node.failure.then((reason) => {
    failure = reason;
    node.stop();
  });
  await cluster.clock.runUntil(cluster.clock.now() + ms);
  return failure !== null && TOLD.test(String(failure));
}

function hasBeenTold({ log }: Member): boolean {
  return log.some(({ level, message }) => level === "error" && TOLD.test(message));
}

/** Whether a process's own share signed validator 0's vote for the target. */
async function hasSigned({ disk }: Member, target: number): Promise<boolean> {
  const store = await openSlashingStore(disk.open(), cluster.chain.genesisValidatorsRoot);
  const records = store.snapshot().flatMap(([, history]) => history.attestations);
  return records.some((record) => record.target === target && record.origin === "own");
}

describe("a copied data directory with live signers on both copies", () => {
  test("TWIN-3: both are told within two seconds, and the copy stops", async () => {
    const early = await startCopy();
    const copy = await cluster.startTwin(COPIED, early);
    const [copyStops, originalStops] = await Promise.all([
      stopsWithin(copy, 2_000),
      stopsWithin(cluster.member(COPIED), 2_000),
    ]);
    assert.deepEqual({ copyStops, originalStops }, { copyStops: true, originalStops: false });
    assert.ok(hasBeenTold(copy) && hasBeenTold(cluster.member(COPIED)));
    await runEpoch(2);
    const { submitted } = cluster.member(COPIED).beacon;
    assert.equal(submitted.filter(({ data }) => data.slot === FakeBeacon.slotOf(2, 0)).length, 1);
  });

  test("TWIN-3: with a peer offline, too, yesterday's copy stops, the original never", async () => {
    const early = await startCopy();
    cluster.crash(3);
    const copy = await cluster.startTwin(COPIED, early);
    const stops = await Promise.all([
      stopsWithin(copy, 2_000),
      stopsWithin(cluster.member(COPIED), 2_000),
    ]);
    assert.deepEqual(stops, [true, false]);
    await runEpoch(2);
    // Three of four are left, and the original is one of them.
    const { submitted } = cluster.member(0).beacon;
    assert.equal(submitted.filter(({ data }) => data.slot === FakeBeacon.slotOf(2, 0)).length, 1);
    assert.equal(await hasSigned(copy, 2), false);
  });

  test("TWIN-3: of two level copies the newer one stops", async () => {
    await startCopy();
    const copy = await cluster.startTwin(COPIED, cluster.member(COPIED).disk.copy());
    const stops = await Promise.all([
      stopsWithin(copy, 2_000),
      stopsWithin(cluster.member(COPIED), 2_000),
    ]);
    assert.deepEqual(stops, [true, false]);
  });

  test("WITNESS-2: peers answer one live session only, so that the copy never signs", async () => {
    await startCopy();
    const copy = await cluster.startTwin(COPIED, cluster.member(COPIED).disk.copy());
    // Left running: even if it did not stop, it would not sign.
    await runEpoch(2);
    assert.match(copy.node?.health().reasons.join() ?? "", /0 of 2 needed peers/);
    assert.deepEqual(
      [await hasSigned(cluster.member(COPIED), 2), await hasSigned(copy, 2)],
      [true, false],
    );
  });

  test("TWIN-2: a dead session is no twin: a restart stops nobody", async () => {
    await startCopy();
    // As a kill -9: nothing that it says at its end arrives, and its peers have not noticed yet.
    cluster.hub.lose(({ from }) => from === COPIED);
    cluster.member(COPIED).node?.stop();
    await cluster.clock.runUntil(cluster.clock.now() + 10);
    cluster.hub.lose(() => false);
    const restarted = await cluster.startTwin(COPIED, cluster.member(COPIED).disk);
    assert.equal(await stopsWithin(restarted, 1_000), false);
    assert.match(restarted.node?.health().reasons.join() ?? "", /0 of 2 needed peers/);
    assert.equal(await stopsWithin(restarted, 9_000), false);
    assert.ok(!hasBeenTold(restarted));
    assert.deepEqual(restarted.node?.health().reasons, []);
  });
});

describe("a liar who repeats what a dead session said", () => {
  const [RESTARTED, LIAR]: readonly [PeerIndex, PeerIndex] = [0, 3];

  /** All but the liar restart; to two of them it shows the third one's former life. */
  async function replayFormerLife(options: ConstructorParameters<typeof NodeCluster>[0] = {}) {
    cluster = new NodeCluster(options);
    await cluster.start();
    const { hub, clock } = cluster;
    const recorded: Uint8Array[] = [];
    hub.cut(RESTARTED, LIAR);
    hub.lose(({ via }) => via === "gossip");
    hub.tap(RESTARTED, ({ channel, via, to, bytes }) => {
      if (channel === "status" && via === "gossip" && to === 1) recorded.push(bytes);
      return [bytes];
    });
    await runEpoch(0);
    assert.ok(recorded.length > 60, "the danger: whoever has no path hears it by gossip");
    hub.tap(RESTARTED, ({ bytes }) => [bytes]);
    hub.tap(LIAR, () => []);
    hub.lose(() => false);
    hub.heal(RESTARTED, LIAR);
    for (const node of [0, 1, 2]) cluster.crash(node);
    await clock.runUntil(clock.now() + 5_000);
    await cluster.start([1, 2]);
    for (let second = 0; second < 20; second++) {
      const bytes = recorded.shift() ?? assert.fail("there are enough of them");
      for (const to of [1, 2]) {
        hub.carry({ channel: "status", from: LIAR, to, via: "gossip", bytes });
      }
      await clock.runUntil(clock.now() + 1_000);
      if (second === 2) await cluster.start([RESTARTED]);
    }
    return cluster.member(RESTARTED).node?.health().reasons.join() ?? "";
  }

  test("WITNESS-2: keeps nobody's new life from being answered", async () => {
    assert.doesNotMatch(await replayFormerLife(), /needed peers/);
  });

  test("WITNESS-2: mutant: the one who was first keeps its place, and nobody signs", async () => {
    const { createNode } = await loadMutant<NodeModule>("src/node/node.ts", [
      {
        file: "src/core/sessions.ts",
        find: "(isDirect && !rival.isDirect && !isClosing)",
        replace: "false",
      },
    ]);
    assert.match(await replayFormerLife({ createNode }), /0 of 2 needed peers/);
  });
});

type Mutant = {
  readonly name: string;
  readonly patches: readonly Patch[];
  readonly claim: "stops" | "signs";
};
const MUTANTS: readonly Mutant[] = [
  {
    name: "a twin that is ahead is not given way to",
    patches: [
      {
        file: "src/core/sessions.ts",
        find: "return own.progress < twin.progress;",
        replace: "return false;",
      },
    ],
    claim: "stops",
  },
  {
    name: "peers do not introduce the two",
    patches: [
      {
        file: "src/core/heartbeats.ts",
        find: "this.#introduce(signed, heard.other);",
        replace: "return null;",
      },
    ],
    claim: "stops",
  },
  {
    name: "peers answer whoever asks, and who gave way signs on",
    patches: [
      {
        file: "src/core/heartbeats.ts",
        find: "if (live?.session === signed.heartbeat.session) this",
        replace: "this",
      },
      {
        file: "src/node/peerSafety.ts",
        find: "this.#heartbeats?.isLost === true ? GAVE_WAY : null",
        replace: "null",
      },
    ],
    claim: "signs",
  },
];

describe("mutants of the guards against twins", () => {
  for (const { name, patches, claim } of MUTANTS) {
    test(`TWIN-3: killed: ${name}`, async () => {
      const { createNode } = await loadMutant<NodeModule>("src/node/node.ts", patches);
      const early = await startCopy({ createNode });
      // A level copy has no gap that would make it wait.
      const level = cluster.member(COPIED).disk.copy();
      const copy = await cluster.startTwin(COPIED, claim === "stops" ? early : level);
      if (claim === "stops") assert.equal(await stopsWithin(copy, 2_000), false);
      else {
        await runEpoch(2);
        assert.equal(await hasSigned(copy, 2), true, "both copies sign");
      }
    });
  }
});
