/** Learns the chain from the beacon node, and refuses one that the cluster was not made for. */
import type { Cluster } from "../cluster/cluster.ts";
import { FaultError, UsageError } from "../domain/errors.ts";
import type { Millis } from "../domain/units.ts";
import { Chain } from "../eth2/chain.ts";
import { parseChainSpec } from "../eth2/chainSpec.ts";
import { assertPreset } from "../eth2/preset.ts";
import type { BeaconNode } from "../ports/beaconNode.ts";
import type { Clock } from "../ports/clock.ts";
import type { Logger } from "../ports/logger.ts";
import { toHex } from "../util/bytes.ts";

const RETRY_MS: Millis = 1_000;
/** Between two lines of the log that say the same: nobody is told only once in a night. */
const REMIND_MS: Millis = 60_000;

type ConnectionParts = {
  readonly cluster: Cluster;
  readonly onWaiting: ((reason: string) => void) | undefined;
  readonly beacon: BeaconNode;
  readonly clock: Clock;
  readonly logger: Logger;
};

/** Asks until the beacon node answers; throws a UsageError when it is on another chain. */
export async function connectChain(
  { cluster, onWaiting, beacon, clock, logger }: ConnectionParts,
  signal: AbortSignal,
): Promise<Chain> {
  let toldAt = -Infinity;
  for (;;) {
    try {
      const spec = parseChainSpec(await beacon.spec(signal));
      assertPreset(spec.presetBase);
      const chain = new Chain(spec, await beacon.genesis(signal));
      assertSameChain(cluster, chain);
      return chain;
    } catch (error) {
      if (!(error instanceof FaultError && error.retryable)) throw error;
      onWaiting?.(error.message);
      if (clock.monotonic() - toldAt >= REMIND_MS) {
        toldAt = clock.monotonic();
        logger.warn("The node waits for its beacon node, and starts when it answers.", {
          reason: error.message,
        });
      }
    }
    await clock.sleep(RETRY_MS, signal);
  }
}

/** The genesis fork version is what the cluster lock names its chain by. */
function assertSameChain(cluster: Cluster, chain: Chain): void {
  const version = toHex(chain.spec.forks[0].version);
  if (version === cluster.forkVersion) return;
  throw new UsageError(
    `the cluster lock is for the chain with genesis fork version ${cluster.forkVersion}, but the ` +
      `beacon node is on "${chain.spec.configName}" (${version}); point --beacon-node-endpoints ` +
      "at a beacon node of the cluster's network",
  );
}
