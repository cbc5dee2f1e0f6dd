import "../support/minimalPreset.ts";
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { DevFork, ForkEpochs } from "../../sim/devchain/chainConfig.ts";
import { InclusionReader } from "../../sim/devchain/inclusion.ts";
import { startVirtualDevchain, type VirtualDevchain } from "../support/virtualDevchain.ts";

const SLOTS_PER_EPOCH = 8;
/** Epochs 2 and 3 justify, which finalizes epoch 2: the earliest finality the spec allows. */
const LAST_SLOT = 4 * SLOTS_PER_EPOCH;

interface Run {
  readonly fork: DevFork;
  readonly forkEpochs?: ForkEpochs;
  readonly lastFork: DevFork;
}

const RUNS: readonly Run[] = [
  { fork: "gloas", lastFork: "gloas" },
  { fork: "electra", forkEpochs: { fulu: 1, gloas: 2 }, lastFork: "gloas" },
];

describe("dev chain, minimal preset, all plain", () => {
  for (const { fork, forkEpochs = {}, lastFork } of RUNS) {
    const schedule = [fork, ...Object.entries(forkEpochs).map((pair) => pair.join("@"))].join("→");
    it(`finalizes on ${schedule} with a block in every slot`, async () => {
      const devchain = await startVirtualDevchain({ fork, forkEpochs });
      const { chain, validators } = devchain;
      try {
        devchain.runTo(LAST_SLOT);
        assert.deepEqual(validators.failures, []);
        assert.equal(chain.head.slot, LAST_SLOT);
        assert.equal(chain.forkAt(chain.head.slot), lastFork);
        assert.equal(chain.headState.currentJustifiedCheckpoint.epoch, 3);
        assert.equal(chain.headState.finalizedCheckpoint.epoch, 2);
        assert.deepEqual(devchain.slashings(), []);
      } finally {
        await devchain.stop();
      }
    });
  }

  it("includes every attestation in the next block, as read from block bodies", async () => {
    const devchain = await startVirtualDevchain({ fork: "fulu" });
    try {
      const reader = new InclusionReader(
        devchain.url,
        Array.from({ length: 64 }, (_, i) => i),
      );
      for (let slot = 1; slot <= LAST_SLOT; slot++) {
        devchain.runTo(slot);
        if (slot % SLOTS_PER_EPOCH === 1) await reader.update();
      }
      const report = await reader.report({ fromSlot: 1, toSlot: LAST_SLOT - 1 });
      assert.deepEqual(report.missedEpochs, []);
      // 64 a whole epoch; epoch 0 lacks slot 0, where nobody attested in this run.
      assert.equal(report.attestations.length, 64 * 4 - 8);
      for (const row of report.attestations) {
        assert.equal(row.distance, 1, `validator ${row.validatorIndex} at slot ${row.slot}`);
        assert.ok(row.isIncluded && row.isHeadCorrect && row.isTargetCorrect);
        assert.ok(row.isSourceCorrect);
      }
      assert.equal(report.proposals.filter(({ isProposed }) => isProposed).length, LAST_SLOT - 1);
      assert.equal(report.finalizedEpoch, 2);
    } finally {
      await devchain.stop();
    }
  });
});

describe("dev chain with validators nobody runs", () => {
  it("shows their attestations as missing and their proposals as empty slots", async () => {
    const devchain = await startVirtualDevchain({ fork: "fulu", distributedCount: 16 });
    const { chain, distributedIndices } = devchain;
    try {
      const reader = new InclusionReader(devchain.url, distributedIndices);
      const lastSlot = LAST_SLOT + SLOTS_PER_EPOCH;
      for (let slot = 1; slot <= lastSlot; slot++) {
        devchain.runTo(slot);
        await reader.update();
      }
      const report = await reader.report({ fromSlot: 8, toSlot: lastSlot - 1 });
      assert.equal(report.attestations.length, 16 * 4);
      assert.ok(report.attestations.every((row) => !row.isIncluded && row.distance === null));
      assert.ok(report.proposals.length > 0, "sixteen of eighty validators propose some slot");
      assert.ok(report.proposals.every(({ isProposed }) => !isProposed));
      assert.ok(chain.headState.finalizedCheckpoint.epoch >= 2, "the others finalize alone");
    } finally {
      await devchain.stop();
    }
  });
});

describe("packing", () => {
  it("leaves out an attestation nobody aggregated, by default", async () => {
    assert.equal(await includesUnaggregated("aggregates"), false);
  });

  it("takes it with packFrom=all, and says so", async () => {
    assert.equal(await includesUnaggregated("all"), true);
  });
});

describe("rewind", () => {
  it("announces the reorg, and the reader forgets the orphan", async () => {
    const devchain = await startVirtualDevchain({ fork: "fulu" });
    const { chain } = devchain;
    const reorgs: unknown[] = [];
    chain.subscribe((event) => {
      if (event.type === "chain_reorg") reorgs.push(event.message.depth);
    });
    try {
      devchain.runTo(10);
      const reader = new InclusionReader(devchain.url, [...Array(64).keys()]);
      await reader.update();
      chain.rewind(2);
      assert.equal(chain.head.slot, 8);
      assert.deepEqual(reorgs, [2]);
      const orphaned = await reader.report({ fromSlot: 9, toSlot: 9 });
      assert.equal(orphaned.headSlot, 8);
      assert.ok(orphaned.attestations.every(({ isIncluded }) => !isIncluded));
      devchain.runTo(12);
      const report = await reader.report({ fromSlot: 8, toSlot: 12 });
      const proposed = report.proposals.filter(({ isProposed }) => isProposed);
      assert.deepEqual(
        proposed.map(({ slot }) => slot),
        [8, 11, 12],
      );
    } finally {
      await devchain.stop();
    }
  });
});

/** Has one distributed validator attest without any aggregate that covers it. */
async function includesUnaggregated(packFrom: "aggregates" | "all"): Promise<boolean> {
  const devchain = await startVirtualDevchain({ fork: "fulu", distributedCount: 4, packFrom });
  const { chain, validators } = devchain;
  try {
    assert.equal(devchain.describe().includes("SINGLE ATTESTATIONS"), packFrom === "all");
    const { slot, validatorIndex } = attestLate(devchain);
    const reader = new InclusionReader(devchain.url, [validatorIndex]);
    devchain.runTo(slot + 3);
    const { attestations } = await reader.report({ fromSlot: slot, toSlot: slot });
    assert.equal(attestations.length, 1);
    assert.deepEqual(validators.failures, []);
    assert.ok(chain.isLive(Math.floor(slot / SLOTS_PER_EPOCH), validatorIndex));
    return attestations[0]?.isIncluded ?? false;
  } finally {
    await devchain.stop();
  }
}

/** A valid single attestation that arrives after the plain validators aggregated the slot. */
function attestLate(devchain: VirtualDevchain): { slot: number; validatorIndex: number } {
  const { chain } = devchain;
  const [validatorIndex = 0] = devchain.distributedIndices;
  const { slot, committeeIndex } =
    chain.dutyState(0).epochCtx.getCommitteeAssignments(1, [validatorIndex]).get(validatorIndex) ??
    assert.fail("every validator has a duty in every epoch");
  devchain.runTo(slot);
  const data = chain.attestationData(slot);
  const root = chain.signatures.roots.attestation(data);
  const signature = devchain.keyOf(validatorIndex).sign(root).toBytes();
  const [rejection] = chain.attestations.add([
    { committeeIndex, attesterIndex: validatorIndex, data, signature },
  ]);
  assert.equal(rejection, null);
  return { slot, validatorIndex };
}
