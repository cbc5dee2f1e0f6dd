/**
 * What the virtual chain's blocks show: headers with their signatures, and the attestations that
 * were handed in since the block before. Everybody of the slot's one committee has a seat in it,
 * the cluster's validators first and a stranger last.
 */
import type { LockIndex, Root, Signature } from "../src/domain/keys.ts";
import { bytesOf } from "../src/domain/keys.ts";
import type { Epoch, Slot, ValidatorIndex } from "../src/domain/units.ts";
import { encodeBlockHeader } from "../src/eth2/blockHeader.ts";
import type { AttestationData } from "../src/eth2/types.ts";
import type { SeenAttestation, SignedHeader } from "../src/ports/chainSightings.ts";
import { FIRST_INDEX } from "./ledger.ts";
import type { Block } from "./virtualChain.ts";
import { voteRoot } from "./voteRoots.ts";

type Vote = {
  readonly data: AttestationData;
  /** Positions in the committee, with the signature of whoever is there alone. */
  readonly signatures: Map<number, Signature>;
};
type Contents = { header: SignedHeader; readonly attestations: readonly SeenAttestation[] };

const NO_SIGNATURE: Signature = new Uint8Array(96);
const KEPT_EPOCHS = 8;
const NO_ROOT = new Uint8Array(32);

export class BlockContents {
  readonly #validators: number;
  readonly #pool = new Map<Root, Vote>();
  readonly #blocks = new Map<Root, Contents & { readonly slot: Slot }>();

  /** Votes that were handed in, so that n copies of one are one. */
  readonly #known = new Map<Slot, Set<string>>();
  readonly #live = new Map<Epoch, Set<LockIndex>>();

  constructor(validators: number) {
    this.#validators = validators;
  }

  /** The one committee of any slot. */
  get committee(): readonly ValidatorIndex[] {
    return Array.from({ length: this.#validators + 1 }, (_, position) => FIRST_INDEX + position);
  }

  /** A vote reached the chain; `beside` a stranger's it cannot be told from it. */
  attested(
    data: AttestationData,
    vote: { readonly validator: LockIndex; readonly signature: Signature },
    beside: "nobody" | "a stranger" = "nobody",
  ): void {
    const seen = this.#known.get(data.slot) ?? new Set();
    const root = voteRoot(data);
    const name = `${root}/${vote.validator}`;
    if (seen.has(name)) return;
    this.#known.set(data.slot, seen.add(name));
    const { epoch } = data.target;
    this.#live.set(epoch, (this.#live.get(epoch) ?? new Set()).add(vote.validator));
    const known = this.#pool.get(root) ?? { data, signatures: new Map() };
    known.signatures.set(vote.validator, vote.signature);
    if (beside === "a stranger") known.signatures.set(this.#validators, NO_SIGNATURE);
    this.#pool.set(root, known);
  }

  /** Whether a vote of the validator for the epoch was seen, whoever made it. */
  isLive(epoch: Epoch, validator: LockIndex): boolean {
    return this.#live.get(epoch)?.has(validator) ?? false;
  }

  /** A block was published: it takes what the pool holds of the slots before it. */
  built(block: Block): void {
    const votes = block.isPrivate
      ? []
      : [...this.#pool].filter(([, { data }]) => data.slot < block.slot);
    for (const [root] of votes) this.#pool.delete(root);
    const header = encodeBlockHeader({
      slot: block.slot,
      proposerIndex: 0,
      parentRoot: block.parent === null ? NO_ROOT : bytesOf(block.parent.root),
      stateRoot: NO_ROOT,
      bodyRoot: NO_ROOT,
    });
    this.#blocks.set(block.root, {
      slot: block.slot,
      header: { header, signature: NO_SIGNATURE },
      attestations: votes.map(([, vote]) => this.#seen(vote)),
    });
  }

  /** Who proposed the block signed it; a block that is on no chain holds no votes. */
  proposed(root: Root, slot: Slot, header: SignedHeader): void {
    const known = this.#blocks.get(root);
    if (known === undefined) this.#blocks.set(root, { slot, header, attestations: [] });
    else known.header = header;
  }

  headerOf(root: Root): SignedHeader | null {
    return this.#blocks.get(root)?.header ?? null;
  }

  attestationsIn(root: Root): readonly SeenAttestation[] {
    return this.#blocks.get(root)?.attestations ?? [];
  }

  attestationsOf(slot: Slot): readonly SeenAttestation[] {
    const votes = [...this.#pool.values()].filter(({ data }) => data.slot === slot);
    return votes.map((vote) => this.#seen(vote));
  }

  /** Drops what is older than `oldest`. */
  forget(oldest: Slot): void {
    for (const slot of this.#known.keys()) if (slot < oldest) this.#known.delete(slot);
    for (const [root, { data }] of this.#pool) if (data.slot < oldest) this.#pool.delete(root);
    const [eldest] = this.#live.keys();
    if (this.#live.size > KEPT_EPOCHS && eldest !== undefined) this.#live.delete(eldest);
    for (const [root, { slot }] of this.#blocks) if (slot < oldest) this.#blocks.delete(root);
  }

  #seen({ data, signatures }: Vote): SeenAttestation {
    const [only] = signatures.values();
    const positions = new Set(signatures.keys());
    return {
      data,
      committees: [0],
      bits: {
        length: this.#validators + 1,
        set: positions.size,
        has: (position) => positions.has(position),
      },
      // Adding signatures up is somebody else's concern: nobody here can check the sum.
      signature: positions.size === 1 && only !== undefined ? only : NO_SIGNATURE,
    };
  }
}
