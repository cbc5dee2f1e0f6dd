/**
 * A data directory that was set back, in whole clusters of real nodes in virtual time: the peers
 * prove what its shares signed, so it never signs against what it has forgotten.
 */
import assert from "node:assert/strict";
import { afterEach, describe, test } from "node:test";
import type { VirtualDisk } from "../../../sim/virtualStore.ts";
import type { PeerIndex, Root } from "../../../src/domain/keys.ts";
import { SESSION_SILENCE_MS } from "../../../src/domain/limits.ts";
import type { Slot } from "../../../src/domain/units.ts";
import { openSlashingStore } from "../../../src/safety/openSlashingStore.ts";
import { nativeProfile as profile } from "../../../src/wire/nativeProfile.ts";
import { FakeBeacon } from "../../support/fakeBeacon.ts";
import { loadMutant, type Patch } from "../../support/mutant.ts";
import { NodeCluster } from "../../support/nodeCluster.ts";
import { SLOTS_PER_EPOCH } from "../../support/testChain.ts";
import { heartbeatOf } from "../../support/wireFrames.ts";

type NodeModule = typeof import("../../../src/node/node.ts");

const LIAR: PeerIndex = 3;

let cluster: NodeCluster;
afterEach(() => cluster.stop());

/** Validator 0 attests once in each epoch. */
const slotIn = (epoch: number): Slot => FakeBeacon.slotOf(epoch, 0);
const lastSlotOf = (epoch: number): Slot => (epoch + 1) * SLOTS_PER_EPOCH - 1;

async function runSlots(from: Slot, to: Slot): Promise<void> {
  for (let slot = from; slot <= to; slot++) await cluster.runSlot(slot);
}

function submittedBy(self: number, epoch: number): number {
  const { submitted } = cluster.member(self).beacon;
  return submitted.filter(({ data }) => data.slot === slotIn(epoch)).length;
}

/** Whether node 0's records would let it sign another vote for `target` than it once did. */
async function wouldSignAgain(target: number): Promise<boolean> {
  const { disk } = cluster.member(0);
  const slashing = await openSlashingStore(disk.open(), cluster.chain.genesisValidatorsRoot);
  const [validator] = cluster.cluster.validators;
  assert(validator !== undefined);
  const other = `0x${"77".repeat(32)}` as Root;
  const vote = { kind: "attestation", source: target - 1, target } as const;
  return slashing.check(validator.pubKey, { slashing: vote, signingRoot: other }).isApproved;
}

/** Signs in epochs 1 to 3, sets node 0 back to the end of epoch 1, and starts it in epoch 4. */
async function setBack(options: ConstructorParameters<typeof NodeCluster>[0] = {}) {
  cluster = new NodeCluster(options);
  await cluster.start();
  await runSlots(0, lastSlotOf(1));
  const yesterday: VirtualDisk = cluster.member(0).disk.copy();
  await runSlots(lastSlotOf(1) + 1, lastSlotOf(3));
  assert.equal(await wouldSignAgain(3), false, "its own records forbid it");
  cluster.crash(0);
  cluster.member(0).disk.restore(yesterday);
  assert.equal(await wouldSignAgain(3), true, "the danger: the records are gone");
}

describe("a data directory that was set back", () => {
  test("WITNESS-4: what a peer proves binds at once; it says why and until when", async () => {
    await setBack();
    await cluster.start([0]);
    await cluster.runSlot(lastSlotOf(3) + 1);
    assert.equal(await wouldSignAgain(3), false);
    const reasons = cluster.member(0).node?.health().reasons ?? [];
    const reason = reasons.find((text) => /signing resumes in/.test(text)) ?? "";
    assert.match(reason, /signing resumes in \d+m\d\ds \(2 epochs, at slot \d+\)/);
    assert.match(reason, /its records lack the attestation 2 → 3, which peer \d proved/);
    const told = cluster.member(0).log.find(({ message }) => /was set back/.test(message));
    assert.equal(told?.level, "error");
  });

  test("WAIT-2: with one peer offline it waits two epochs, says so, and then works", async () => {
    await setBack();
    cluster.crash(3);
    await cluster.start([0]);
    await runSlots(lastSlotOf(3) + 1, lastSlotOf(7));
    // Three of four are live, so without node 0 there is no group signature.
    assert.deepEqual(
      [4, 5, 6, 7].map((epoch) => submittedBy(1, epoch)),
      [0, 0, 1, 1],
    );
    assert.equal(cluster.member(0).node?.health().reasons.length, 0);
  });

  test("WITNESS-3: before t−1 peers have answered nothing is signed", async () => {
    cluster = new NodeCluster();
    // No answer arrives: heartbeats do, and consensus goes on.
    for (const peer of [1, 2, 3]) {
      cluster.hub.tap(peer, (hop) => (isWitness(hop.bytes, hop.channel) ? [] : [hop.bytes]));
    }
    await cluster.start();
    await runSlots(0, lastSlotOf(1));
    const { node, metrics } = cluster.member(0);
    assert.equal(metrics.total("gate_refusals_total"), 0, "it was not even asked");
    assert.match(
      node?.health().reasons.join() ?? "",
      /0 of 2 needed peers have said what they saw/,
    );
  });
});

/** The body field of a status frame: 3 is a witness part. */
function isWitness(bytes: Uint8Array, channel: string): boolean {
  return channel === "status" && bytes[2] === 0x1a;
}

const MUTANTS: Readonly<Record<string, Patch>> = {
  "an unproved gap is not looked for": {
    file: "src/core/rollbackGuard.ts",
    find: "if (first === undefined) return;",
    replace: "return;",
  },
  "the watermark is not raised": {
    file: "src/safety/slashingStore.ts",
    find: "this.#merge(pubKey, [{ ...slashing, signingRoot }]);",
    replace: "if (pubKey.length > 0) return;",
  },
  "peers keep no witnesses (WITNESS-1)": {
    file: "src/core/witnessKeeper.ts",
    find: "if (operations.length > 0) await",
    replace: "this.#highest.clear(); if (operations.length > 0) await",
  },
};

describe("mutants of the anti-rollback guard", () => {
  for (const [name, patch] of Object.entries(MUTANTS)) {
    test(`WITNESS-4: killed: ${name}`, async () => {
      const { createNode } = await loadMutant<NodeModule>("src/node/node.ts", [patch]);
      await setBack({ createNode });
      await cluster.start([0]);
      await cluster.runSlot(lastSlotOf(3) + 1);
      assert.equal(await wouldSignAgain(3), true, "the mutant would sign against what it forgot");
    });
  }
});

describe("a liar that names one session after the other", () => {
  /** How often node 0 answers it, of fifty sessions that each ask and end at once. */
  async function answersToFifty(options: ConstructorParameters<typeof NodeCluster>[0] = {}) {
    cluster = new NodeCluster(options);
    await cluster.start();
    await runSlots(0, lastSlotOf(1));
    const { hub, chain, clock } = cluster;
    const { identity } = cluster.member(LIAR).ports;
    const { genesisValidatorsRoot } = chain;
    const scope = { genesisValidatorsRoot, lockHash: cluster.cluster.lockHash };
    let answers = 0;
    hub.tap(LIAR, () => []);
    hub.tap(0, ({ channel, to, bytes }) => {
      const frame = channel === "status" && to === LIAR ? profile.decodeStatus(bytes) : null;
      if (frame?.ok && frame.value.kind === "witnesses") answers++;
      return [bytes];
    });
    await clock.runUntil(clock.now() + SESSION_SILENCE_MS);
    for (let i = 0; i < 50; i++) {
      const session = `0x${i.toString(16).padStart(32, "0")}` as const;
      for (const change of [
        { number: 1, asks: [0] },
        { number: 2, isClosing: true },
      ]) {
        const signed = profile.signHeartbeat(scope, heartbeatOf({ session, ...change }), identity);
        const bytes = profile.encodeStatus({ kind: "heartbeat", signed });
        hub.carry({ channel: "status", from: LIAR, to: 0, via: "direct", bytes });
      }
      await clock.runUntil(clock.now() + 10);
    }
    return answers;
  }

  test("WITNESS-2: is answered at an operator's pace", async () => {
    assert.equal(await answersToFifty(), 1);
  });

  test("WITNESS-2: mutant: each session has the whole testimony made for it", async () => {
    const { createNode } = await loadMutant<NodeModule>("src/node/node.ts", [
      {
        file: "src/core/rollbackGuard.ts",
        find: "this.#lastAnswer.set(author, now);",
        replace: "",
      },
    ]);
    assert.equal(await answersToFifty({ createNode }), 50);
  });
});
