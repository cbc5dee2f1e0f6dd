/** What the virtual chain takes: it knows seats, sources and parents, and no states. */
import type { Root } from "../src/domain/keys.ts";
import type { Slot } from "../src/domain/units.ts";
import type { Proposal, SubmittedBlock } from "../src/eth2/blocks.ts";
import type { SignedAttestation } from "../src/eth2/types.ts";
import type { ChainJudge, Claim } from "./ledger.ts";
import type { VirtualChain } from "./virtualChain.ts";

export class VirtualJudge implements ChainJudge {
  readonly #chain: VirtualChain;
  /** What blocks that were built, and perhaps never published, stand on. */
  readonly #parents = new Map<Slot, Map<Root, Root>>();

  constructor(chain: VirtualChain) {
    this.#chain = chain;
  }

  /** A beacon node built the block: what it stands on is remembered until it is published. */
  produced({ slot, root, parentRoot }: Proposal): void {
    this.#parents.set(slot, (this.#parents.get(slot) ?? new Map()).set(root, parentRoot));
  }

  async attest({ data }: SignedAttestation, claim: Claim): Promise<string | null> {
    const chain = this.#chain;
    const epoch = chain.chain.epochOf(data.slot);
    if (chain.seatsOf(epoch, chain.head).slots[claim.validator] !== data.slot) {
      return "the validator has no seat in this slot";
    }
    if (!claim.isOnChain) return null;
    if (data.source.epoch !== chain.justified(epoch, chain.head)) return "another source";
    claim.done();
    return null;
  }

  async propose({ slot, root }: SubmittedBlock, claim: Claim): Promise<string | null> {
    const parent = this.#parents.get(slot)?.get(root);
    if (parent === undefined) return "no beacon node built this block";
    if (!claim.isOnChain) return null;
    const added = this.#chain.publish({ slot, root, parent });
    if (added === null) return "the parent or the proposer is wrong";
    claim.done();
    return null;
  }

  enterSlot(oldest: Slot): void {
    for (const old of this.#parents.keys()) if (old < oldest) this.#parents.delete(old);
  }
}
