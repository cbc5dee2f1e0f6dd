import "../support/mainnetPreset.ts";
import assert from "node:assert/strict";
import { it } from "node:test";
import { InclusionReader } from "../../sim/devchain/inclusion.ts";
import { startVirtualDevchain } from "../support/virtualDevchain.ts";

const SLOTS_PER_EPOCH = 32;

it("finalizes on the mainnet preset with every attestation in the next block", async () => {
  const devchain = await startVirtualDevchain({ fork: "fulu" });
  const { chain, validators } = devchain;
  const lastSlot = 4 * SLOTS_PER_EPOCH;
  try {
    const reader = new InclusionReader(devchain.url, [...Array(64).keys()]);
    for (let epoch = 0; epoch < 4; epoch++) {
      devchain.runTo(epoch * SLOTS_PER_EPOCH + 1);
      await reader.update();
    }
    devchain.runTo(lastSlot);
    assert.deepEqual(validators.failures, []);
    assert.equal(chain.headState.finalizedCheckpoint.epoch, 2);
    const { attestations } = await reader.report({ fromSlot: 1, toSlot: lastSlot - 1 });
    // Two of the 64 attest in each of the 32 slots of an epoch; nobody attested in slot 0.
    assert.equal(attestations.length, 2 * (lastSlot - 1));
    assert.ok(attestations.every((row) => row.distance === 1 && row.isHeadCorrect));
    const aggregate = chain.head.signed?.message.body.syncAggregate;
    assert.equal(aggregate?.syncCommitteeBits.getTrueBitIndexes().length, 512);
  } finally {
    await devchain.stop();
  }
});
