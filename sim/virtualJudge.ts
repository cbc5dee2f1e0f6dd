/** What the virtual chain takes: it knows seats, sources and parents, and no states. */
import type { Root } from "../src/domain/keys.ts";
import type { Epoch, Slot } from "../src/domain/units.ts";
import type { Proposal, SubmittedBlock } from "../src/eth2/blocks.ts";
import type { SignedAttestation } from "../src/eth2/types.ts";
import type { BlockContents } from "./blockContents.ts";
import type { ChainJudge, Claim } from "./ledger.ts";
import type { Block, EpochSeats, VirtualChain } from "./virtualChain.ts";

export class VirtualJudge implements ChainJudge {
  readonly #chain: VirtualChain;
  readonly #contents: BlockContents;
  /** Blocks that were built, and perhaps never published. */
  readonly #built = new Map<Slot, Map<Root, Proposal>>();

  #seats: { readonly epoch: Epoch; readonly head: Block; readonly seats: EpochSeats } | null = null;

  constructor(chain: VirtualChain, contents: BlockContents) {
    this.#chain = chain;
    this.#contents = contents;
  }

  /** A beacon node built the block: it is remembered until it is published. */
  produced(proposal: Proposal): void {
    const { slot, root } = proposal;
    this.#built.set(slot, (this.#built.get(slot) ?? new Map()).set(root, proposal));
  }

  async attest({ data, signature }: SignedAttestation, claim: Claim): Promise<string | null> {
    const chain = this.#chain;
    const epoch = chain.chain.epochOf(data.slot);
    if (this.#seatsOf(epoch).slots[claim.validator] !== data.slot) {
      return "the validator has no seat in this slot";
    }
    if (!claim.isOnChain) return null;
    if (data.source.epoch !== chain.justified(epoch, chain.head)) return "another source";
    this.#contents.attested(data, { validator: claim.validator, signature });
    claim.done();
    return null;
  }

  /** A slot's votes ask for the same seats, over a past that takes a while to walk. */
  #seatsOf(epoch: Epoch): EpochSeats {
    const { head } = this.#chain;
    if (this.#seats?.epoch !== epoch || this.#seats.head !== head) {
      this.#seats = { epoch, head, seats: this.#chain.seatsOf(epoch, head) };
    }
    return this.#seats.seats;
  }

  async propose(block: SubmittedBlock, claim: Claim): Promise<string | null> {
    const { slot, root, signature } = block;
    const proposal = this.#built.get(slot)?.get(root);
    if (proposal === undefined) return "no beacon node built this block";
    if (!claim.isOnChain) return null;
    const added = this.#chain.publish({ slot, root, parent: proposal.parentRoot });
    if (added === null) return "the parent or the proposer is wrong";
    this.#contents.proposed(root, slot, { header: proposal.header(), signature });
    claim.done();
    return null;
  }

  enterSlot(oldest: Slot): void {
    for (const old of this.#built.keys()) if (old < oldest) this.#built.delete(old);
    this.#contents.forget(oldest);
  }
}
