/** When certificates are made of what consensus decided (CERT-1): never in a signature's way. */
import type { UnsignedData } from "../domain/data.ts";
import type { Duty } from "../domain/duty.ts";
import { MAX_CERTIFICATES_WAITING, WITNESS_DELAY_BPS } from "../domain/limits.ts";
import { BASIS_POINTS } from "../domain/units.ts";
import { compactFormOf, type DutyKind } from "../duties/kind.ts";
import type { Chain } from "../eth2/chain.ts";
import type { Clock } from "../ports/clock.ts";
import type { Logger } from "../ports/logger.ts";
import type { SlashingStore } from "../safety/slashingStore.ts";
import type { Background } from "./background.ts";
import type { CertificateArchive } from "./certificateArchive.ts";
import type { QbftConsensus } from "./consensus.ts";
import type { DecisionProof } from "./consensusInstance.ts";

type KeepingParts = {
  readonly certificates: CertificateArchive;
  readonly slashing: Pick<SlashingStore, "flush">;
  readonly kindOf: (duty: Duty) => DutyKind;
  readonly chain: Chain;
  readonly clock: Clock;
  readonly background: Background;
  readonly logger: Logger;
  readonly signal: AbortSignal;
};

export function keepCertificates(
  consensus: Pick<QbftConsensus, "onProved">,
  parts: KeepingParts,
): void {
  const { certificates, slashing, kindOf, background, logger } = parts;
  const keep = async (data: UnsignedData, proof: DecisionProof): Promise<void> => {
    certificates.keep(data, proof);
    // A node that records nothing has no batch for them to ride in.
    if (certificates.waiting > MAX_CERTIFICATES_WAITING) await slashing.flush();
  };
  const tell = ({ message }: Error): void =>
    logger.warn("Certificates could not be written yet.", { reason: message });
  consensus.onProved((data, proof) => {
    const isCheap = compactFormOf(kindOf(data.duty))?.isWhole === true;
    background.run(async () => {
      // To find a block's header means to hash all of it.
      if (!isCheap) await parts.clock.sleep(delayMs(parts), parts.signal);
      await keep(data, proof);
    }, tell);
  });
}

function delayMs({ chain }: KeepingParts): number {
  return (chain.spec.slotDurationMs * WITNESS_DELAY_BPS) / BASIS_POINTS;
}
