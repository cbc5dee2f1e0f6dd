/** Takes what a beacon node is handed to the ledger, whatever chain judges it. */
import { FaultError } from "../src/domain/errors.ts";
import { readSubmittedBlock, type SignedBlock, type SubmittedBlock } from "../src/eth2/blocks.ts";
import type { SignedAttestation } from "../src/eth2/types.ts";
import type { ItemFailure } from "../src/ports/beaconNode.ts";
import type { BeaconLife } from "./beaconLife.ts";
import type { BeaconWeather } from "./beaconWeather.ts";
import type { BeaconPortOptions } from "./ground.ts";
import type { Ledger } from "./ledger.ts";

type DeskOptions = Pick<BeaconPortOptions, "onSubmitted"> & {
  readonly life: BeaconLife;
  readonly weather: Pick<BeaconWeather, "refuses">;
  readonly ledger: Ledger;
  /** False while what is handed in reaches nobody else. */
  readonly isOnChain: () => boolean;
  /** A block is about to be judged. */
  readonly onOffered?: (block: SignedBlock) => void;
  /** A block was taken. */
  readonly onTaken?: (block: SubmittedBlock) => void;
};

export class SubmissionDesk {
  readonly #options: DeskOptions;

  constructor(options: DeskOptions) {
    this.#options = options;
  }

  async attest(
    attestations: readonly SignedAttestation[],
    signal: AbortSignal,
  ): Promise<readonly ItemFailure[]> {
    const { life, weather, ledger, isOnChain, onSubmitted } = this.#options;
    await life.answer(signal);
    const failures: ItemFailure[] = [];
    for (const [index, attestation] of attestations.entries()) {
      const message = weather.refuses ? "refused" : await ledger.attest(attestation, isOnChain());
      if (message !== null) failures.push({ index, message });
    }
    const slot = attestations[0]?.data.slot ?? 0;
    const validators = attestations.map(({ validatorIndex }) => validatorIndex);
    const taken = attestations.length - failures.length;
    onSubmitted({ type: "attester", slot, validators, taken });
    return failures;
  }

  /** Throws FaultError where the block is refused. */
  async publish(block: SignedBlock, signal: AbortSignal): Promise<void> {
    const { life, weather, ledger, isOnChain, ...on } = this.#options;
    await life.answer(signal);
    const submitted = readSubmittedBlock(block, { ssz: block.ssz() });
    on.onOffered?.(block);
    const refusal = weather.refuses ? "refused" : await ledger.propose(submitted, isOnChain());
    const { slot, proposerIndex } = submitted;
    const taken = refusal === null ? 1 : 0;
    on.onSubmitted({ type: "proposer", slot, validators: [proposerIndex], taken });
    if (refusal !== null) throw new FaultError("beacon_rejected", refusal);
    on.onTaken?.(submitted);
  }
}
