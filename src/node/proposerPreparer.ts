/**
 * Tells the beacon node each epoch whom the cluster's blocks pay, so that the blocks it builds pass
 * BLOCK-4 on every node; beacon nodes forget it when they restart.
 */
import type { Cluster } from "../cluster/cluster.ts";
import type { Background } from "../core/background.ts";
import { FaultError } from "../domain/errors.ts";
import type { Millis } from "../domain/units.ts";
import type { Chain } from "../eth2/chain.ts";
import type { BeaconNode } from "../ports/beaconNode.ts";
import type { Clock } from "../ports/clock.ts";
import type { Logger } from "../ports/logger.ts";

/** Pause before a beacon node that did not take it is told again. */
const RETRY_MS: Millis = 2_000;

type PreparerParts = {
  readonly cluster: Cluster;
  readonly chain: Chain;
  readonly beacon: BeaconNode;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly background: Background;
  readonly signal: AbortSignal;
};

export function startProposerPreparer(parts: PreparerParts): void {
  parts.background.run(() => prepareEachEpoch(parts));
}

async function prepareEachEpoch(parts: PreparerParts): Promise<void> {
  const { chain, clock, logger, signal } = parts;
  let hasWarned = false;
  for (;;) {
    const epoch = chain.epochOf(Math.max(0, chain.slotAt(clock.now())));
    try {
      await prepareOnce(parts);
      hasWarned = false;
      // The middle of the next epoch: its start is when beacon nodes are busiest.
      const next = chain.firstSlot(epoch + 1) + Math.floor(chain.spec.slotsPerEpoch / 2);
      await clock.sleep(chain.slotStart(next) - clock.now(), signal);
    } catch (error) {
      if (!(error instanceof FaultError)) throw error;
      if (!hasWarned) {
        const { message: reason } = error;
        logger.warn("The beacon node was not told the fee recipients yet.", { reason });
      }
      hasWarned = true;
      await clock.sleep(RETRY_MS, signal);
    }
  }
}

/** Validators that the chain does not know yet cannot propose. */
async function prepareOnce({ cluster, beacon, signal }: PreparerParts): Promise<void> {
  const known = await beacon.validators(
    cluster.validators.map(({ pubKey }) => pubKey),
    signal,
  );
  const preparations = known.flatMap(({ pubKey, index }) => {
    const validator = cluster.validator(pubKey);
    if (validator === undefined) return [];
    return [{ validatorIndex: index, feeRecipient: validator.feeRecipient }];
  });
  await beacon.prepareProposers(preparations, signal);
}
