/** The beacon client over HTTP, with a dev chain on a virtual clock behind it. */
import { createBeaconClient } from "../../src/adapters/beacon/client.ts";
import { systemClock } from "../../src/adapters/system/clock.ts";
import { bytesOf, pubKeyOf } from "../../src/domain/keys.ts";
import { assert } from "../../src/util/assert.ts";
import { toHex } from "../../src/util/bytes.ts";
import type { BeaconBench } from "../contract/beaconNode.ts";
import { countingMetrics, recordingLogger } from "./quiet.ts";
import { startVirtualDevchain } from "./virtualDevchain.ts";

const VALIDATORS = 24;

export async function httpBeaconBench(): Promise<BeaconBench> {
  const devchain = await startVirtualDevchain({ fork: "fulu", distributedCount: VALIDATORS });
  const { chain, distributedIndices, keyOf, listeners } = devchain;
  const beacon = createBeaconClient({
    endpoints: [devchain.url],
    genesisForkVersion: toHex(chain.config.GENESIS_FORK_VERSION),
    clock: systemClock,
    logger: recordingLogger(),
    metrics: countingMetrics(),
  });
  return {
    beacon,
    validators: distributedIndices.map((index) => {
      return { index, pubKey: pubKeyOf(keyOf(index).toPublicKey().toBytes()) };
    }),
    sign: (index, signingRoot) => keyOf(index).sign(bytesOf(signingRoot)).toBytes(),
    async nextSlot() {
      const slot = chain.currentSlot() + 1;
      devchain.enterSlot(slot);
      devchain.validators.propose(slot);
      return slot;
    },
    async setReachable(isReachable) {
      const [listener] = listeners;
      assert(listener !== undefined, "the dev chain listens");
      await listener.setFaults({ offline: isReachable ? "no" : "refuse" });
    },
    async close() {
      await beacon.close();
      await devchain.stop();
    },
  };
}
