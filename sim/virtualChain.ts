/**
 * One beacon chain's truth, cheap: a tree of blocks without states, duties that follow from the
 * block they depend on, and a count of what was done. Beacon nodes are views of it, which know a
 * block some time after it was published and may follow a branch of their own.
 */
import { sha256 } from "../src/crypto/sha256.ts";
import { type LockIndex, type Root, rootOf } from "../src/domain/keys.ts";
import type { Epoch, Slot } from "../src/domain/units.ts";
import type { Chain } from "../src/eth2/chain.ts";
import { assert } from "../src/util/assert.ts";
import type { EventLoop } from "./loop.ts";
import { SeededRandom } from "./random.ts";
import type { ChainFault } from "./scenario.ts";

export type Block = {
  readonly root: Root;
  readonly slot: Slot;
  /** Null for genesis, and for blocks whose past is forgotten. */
  parent: Block | null;
  /** Blocks of a higher branch win over all of a lower one. */
  readonly branch: number;
  /** The branch is one beacon node group's own, and the chain never takes it. */
  readonly isPrivate: boolean;
};

export type EpochSeats = {
  /** Which slot of the epoch each validator of the cluster attests in, by lock index. */
  readonly slots: readonly Slot[];
};

type ChainOptions = {
  readonly loop: EventLoop;
  readonly chain: Chain;
  readonly random: SeededRandom;
  readonly validators: number;
  /** Probability that a slot's proposer is one of the cluster's validators. */
  readonly proposals: number;
  readonly onBlock: (block: Block, proposer: LockIndex | null) => void;
};

/** When in its slot somebody else's block is published: the median, and its spread. */
export const PUBLISHED_AT_SHARE = 0.06;
export const PUBLISHED_SPREAD = 0.4;
/** Blocks are kept for as long as any duty or reorg looks back. */
const KEPT_EPOCHS = 4;
const KEPT_SEATS = 16;

export class VirtualChain {
  readonly chain: Chain;
  readonly #options: ChainOptions;
  readonly #genesis: Block;
  readonly #blocks = new Map<Root, Block>();
  readonly #seats = new Map<string, EpochSeats>();
  readonly #salt: string;
  #head: Block;
  #branches = 0;
  readonly #faults = new Set<ChainFault>();

  constructor(options: ChainOptions) {
    this.#options = options;
    this.chain = options.chain;
    this.#salt = String(options.random.next());
    this.#genesis = this.#blockOf(0, { parent: null, branch: 0, isPrivate: false });
    this.#head = this.#genesis;
    this.#blocks.set(this.#genesis.root, this.#genesis);
  }

  get genesis(): Block {
    return this.#genesis;
  }

  get head(): Block {
    return this.#head;
  }

  /** Imposes a fault; the result ends it. */
  impose(fault: ChainFault): () => void {
    if (fault.kind === "reorg") this.#reorganise(fault.depth);
    this.#faults.add(fault);
    return () => {
      this.#faults.delete(fault);
    };
  }

  block(root: Root): Block | undefined {
    return this.#blocks.get(root);
  }

  /** Starts a slot: unless it stays empty or is the cluster's, somebody's block comes. */
  enterSlot(slot: Slot): void {
    const { loop, random, chain } = this.#options;
    const stream = random.fork(`slot/${slot}`);
    this.#forget(slot);
    let lateMs = 0;
    let isEmpty = false;
    for (const fault of this.#faults) {
      if (fault.kind === "late-blocks") lateMs += fault.byMs;
      if (fault.kind === "empty-slots" && stream.chance(fault.rate)) isEmpty = true;
    }
    if (slot === 0 || isEmpty || this.proposerOf(slot, this.#head) !== null) return;
    const share = stream.logNormal(PUBLISHED_AT_SHARE, PUBLISHED_SPREAD);
    const delay = share * chain.spec.slotDurationMs + lateMs;
    loop.at(loop.now + delay, () => this.#extend(slot));
  }

  /** A block of one of the cluster's validators; null when its parent is not known. */
  publish(block: {
    readonly root: Root;
    readonly slot: Slot;
    readonly parent: Root;
  }): Block | null {
    const known = this.#blocks.get(block.root);
    if (known !== undefined) return known;
    const parent = this.#blocks.get(block.parent);
    if (parent === undefined || parent.slot >= block.slot) return null;
    const { branch, isPrivate } = parent;
    const proposer = this.proposerOf(block.slot, parent);
    if (proposer === null) return null;
    const added = { root: block.root, slot: block.slot, parent, branch, isPrivate };
    this.#add(added, proposer);
    return added;
  }

  /** Replaces the last `depth` slots of the chain by blocks that nobody had seen. */
  #reorganise(depth: number): void {
    const tip = this.#head;
    const base = this.ancestor(tip, Math.max(0, tip.slot - depth));
    const branch = ++this.#branches;
    let parent = base;
    for (let slot = base.slot + 1; slot <= tip.slot; slot++) {
      parent = this.#blockOf(slot, { parent, branch, isPrivate: false });
      this.#add(parent, null);
    }
  }

  /** A branch for some beacon nodes alone, leaving `from` some slots back; see {@link grow}. */
  startPrivateBranch(
    from: Block,
    depth: number,
  ): { readonly base: Block; readonly branch: number } {
    const base = this.ancestor(from, Math.max(0, from.slot - depth));
    return { base, branch: ++this.#branches };
  }

  /** The next block of a private branch. */
  grow(parent: Block, slot: Slot, branch: number): Block {
    const block = this.#blockOf(slot, { parent, branch, isPrivate: true });
    this.#add(block, null);
    return block;
  }

  /** The last block of `tip`'s past at `slot` or before it. */
  ancestor(tip: Block, slot: Slot): Block {
    let block = tip;
    while (block.slot > slot && block.parent !== null) block = block.parent;
    return block;
  }

  isAncestor(block: Block, tip: Block): boolean {
    return this.ancestor(tip, block.slot) === block;
  }

  /** The root that an epoch's committees hang on, as the branch of `tip` has it. */
  attesterDependency(epoch: Epoch, tip: Block): Root {
    return this.#lastBefore(epoch - 1, tip).root;
  }

  proposerDependency(epoch: Epoch, tip: Block): Root {
    return this.#lastBefore(epoch, tip).root;
  }

  seatsOf(epoch: Epoch, tip: Block): EpochSeats {
    const dependency = this.attesterDependency(epoch, tip);
    const name = `${epoch}/${dependency}`;
    const known = this.#seats.get(name);
    if (known !== undefined) return known;
    const { validators } = this.#options;
    const { slotsPerEpoch } = this.chain.spec;
    const random = new SeededRandom(`${this.#salt}/seats/${name}`);
    const first = this.chain.firstSlot(epoch);
    const slots = Array.from(
      { length: validators },
      () => first + random.integer(0, slotsPerEpoch - 1),
    );
    const [oldest] = this.#seats.keys();
    if (this.#seats.size >= KEPT_SEATS && oldest !== undefined) this.#seats.delete(oldest);
    this.#seats.set(name, { slots });
    return { slots };
  }

  /** Validators of the cluster that attest in the slot, as the branch of `tip` has it. */
  seatedIn(slot: Slot, tip: Block): readonly LockIndex[] {
    const { slots } = this.seatsOf(this.chain.epochOf(slot), tip);
    return slots.flatMap((seat, validator) => (seat === slot ? [validator] : []));
  }

  /**
   * The validator of the cluster that proposes in `slot` on the branch of `tip`, or null. Proposers
   * are fixed an epoch ahead (EIP-7917), although the route still names the later dependency.
   */
  proposerOf(slot: Slot, tip: Block): LockIndex | null {
    const { proposals, validators } = this.#options;
    if (slot === 0 || validators === 0) return null;
    const dependency = this.attesterDependency(this.chain.epochOf(slot), tip);
    const random = new SeededRandom(`${this.#salt}/proposer/${slot}/${dependency}`);
    return random.chance(proposals) ? random.integer(0, validators - 1) : null;
  }

  /** Highest epoch that the branch of `tip` has justified by the start of `epoch`. */
  justified(epoch: Epoch, tip: Block): Epoch {
    const voters = this.isOwn(tip) ? this.#branchPoint(tip) : tip;
    for (let candidate = epoch - 1; candidate > 0; candidate--) {
      const enough = this.chain.firstSlot(candidate) + (2 * this.chain.spec.slotsPerEpoch) / 3;
      if (voters.slot >= enough) return candidate;
    }
    return 0;
  }

  isOwn(tip: Block): boolean {
    return tip.isPrivate;
  }

  #branchPoint(tip: Block): Block {
    let block = tip;
    while (block.isPrivate && block.parent !== null) block = block.parent;
    return block;
  }

  #lastBefore(epoch: Epoch, tip: Block): Block {
    return this.ancestor(tip, Math.max(0, this.chain.firstSlot(epoch) - 1));
  }

  #extend(slot: Slot): void {
    const parent = this.#head;
    if (parent.slot >= slot) return;
    this.#add(this.#blockOf(slot, { parent, branch: parent.branch, isPrivate: false }), null);
  }

  #add(block: Block, proposer: LockIndex | null): void {
    this.#blocks.set(block.root, block);
    if (!block.isPrivate && isBetter(block, this.#head)) this.#head = block;
    this.#options.onBlock(block, proposer);
  }

  #blockOf(slot: Slot, rest: Pick<Block, "parent" | "branch" | "isPrivate">): Block {
    const name = `${this.#salt}/${slot}/${rest.branch}/${rest.parent?.root ?? "genesis"}`;
    return { root: rootOf(sha256(new TextEncoder().encode(name))), slot, ...rest };
  }

  /** Old blocks lose their past, so that it can be collected. */
  #forget(slot: Slot): void {
    const oldest = slot - KEPT_EPOCHS * this.chain.spec.slotsPerEpoch;
    for (const [root, block] of this.#blocks) {
      if (block.slot >= oldest) break;
      if (block !== this.#genesis) this.#blocks.delete(root);
    }
    const last = this.ancestor(this.#head, Math.max(0, oldest));
    last.parent = null;
  }
}

/** What a fork choice does with two blocks: a later branch wins, then the later slot. */
export function isBetter(block: Block, other: Block): boolean {
  assert(block.root !== other.root || block === other, "a root names one block");
  if (block.branch !== other.branch) return block.branch > other.branch;
  return block.slot > other.slot;
}
