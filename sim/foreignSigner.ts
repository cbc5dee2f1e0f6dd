/**
 * Somebody who holds a validator's whole key and does its duties as well, each time with another
 * message than the cluster's: what no operator may ever have running.
 */
import { sha256 } from "../src/crypto/sha256.ts";
import { bytesOf, type LockIndex, rootOf } from "../src/domain/keys.ts";
import type { Slot } from "../src/domain/units.ts";
import { attestationDataRoot } from "../src/eth2/attestationData.ts";
import { decodeProposal, encodeProposal } from "../src/eth2/blocks.ts";
import { attesterDomain, computeSigningRoot, proposerDomain } from "../src/eth2/signing.ts";
import { assert } from "../src/util/assert.ts";
import type { BlockContents } from "./blockContents.ts";
import type { GroundParts } from "./ground.ts";
import { FIRST_INDEX } from "./ledger.ts";
import type { ForeignSignerFault } from "./scenario.ts";
import type { VirtualBeaconNode } from "./virtualBeaconNode.ts";
import { virtualBlock } from "./virtualBlocks.ts";
import type { VirtualChain } from "./virtualChain.ts";

type SignerOptions = Pick<GroundParts, "loop" | "signAs" | "onForeign"> & {
  readonly chain: VirtualChain;
  readonly contents: BlockContents;
  readonly views: readonly VirtualBeaconNode[];
};

/** When in its slot it signs, as a share of it: after the cluster began and before it is done. */
const VOTES_AT_SHARE = 0.4;
const PROPOSES_AT_SHARE = 0.1;

export class ForeignSigner {
  readonly #options: SignerOptions;
  readonly #faults = new Set<ForeignSignerFault>();

  constructor(options: SignerOptions) {
    this.#options = options;
  }

  /** Begins to sign; the result ends it. */
  impose(fault: ForeignSignerFault): () => void {
    this.#faults.add(fault);
    return () => {
      this.#faults.delete(fault);
    };
  }

  enterSlot(slot: Slot): void {
    const { chain, loop } = this.#options;
    const { slotDurationMs } = chain.chain.spec;
    for (const fault of this.#faults) {
      const { validator } = fault;
      const { slots } = chain.seatsOf(chain.chain.epochOf(slot), chain.head);
      if (slots[validator] === slot) {
        loop.at(loop.now + VOTES_AT_SHARE * slotDurationMs, () => this.#vote(slot, fault));
      }
      if (chain.proposerOf(slot, chain.head) === validator) {
        loop.at(loop.now + PROPOSES_AT_SHARE * slotDurationMs, () =>
          this.#propose(slot, validator),
        );
      }
    }
  }

  #vote(slot: Slot, { validator, isAggregated = false }: ForeignSignerFault): void {
    const { views, contents, chain, signAs, onForeign } = this.#options;
    const [view] = views;
    assert(view !== undefined, "there is a beacon node");
    const name = new TextEncoder().encode(`foreign head of slot ${slot}`);
    const data = { ...view.attestationData(slot), beaconBlockRoot: rootOf(sha256(name)) };
    const domain = attesterDomain(chain.chain, data.target.epoch);
    const signature = signAs(validator, computeSigningRoot(attestationDataRoot(data), domain));
    const beside = isAggregated ? "a stranger" : "nobody";
    contents.attested(data, { validator, signature }, beside);
    onForeign({ validator, slot, what: "attestation" });
  }

  /** A block that no chain takes; all beacon nodes hear of it. */
  #propose(slot: Slot, validator: LockIndex): void {
    const { chain, contents, views, signAs, onForeign } = this.#options;
    const produced = virtualBlock({
      slot,
      proposerIndex: FIRST_INDEX + validator,
      parentRoot: bytesOf(chain.ancestor(chain.head, slot - 1).root),
      graffiti: new Uint8Array(32).fill(0xff),
    });
    const { fork } = chain.chain.forkAt(chain.chain.epochOf(slot));
    const proposal = decodeProposal(fork, encodeProposal(produced));
    assert(proposal !== null, "a virtual block is a block");
    const { root } = proposal;
    const domain = proposerDomain(chain.chain, chain.chain.epochOf(slot));
    const signature = signAs(validator, computeSigningRoot(root, domain));
    contents.proposed(root, slot, { header: proposal.header(), signature });
    for (const view of views) view.announceBlock({ slot, block: root });
    onForeign({ validator, slot, what: "block" });
  }
}
