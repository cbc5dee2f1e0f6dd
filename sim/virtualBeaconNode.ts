/**
 * One operator's beacon node: a view of the virtual chain that is late, forked, offline or wrong
 * when a fault says so. The node reaches it through a port of its own for each of its lives.
 */
import { sha256 } from "../src/crypto/sha256.ts";
import { type LockIndex, type PeerIndex, type Root, rootOf } from "../src/domain/keys.ts";
import type { Epoch, Millis, Slot } from "../src/domain/units.ts";
import type { AttestationData, Checkpoint } from "../src/eth2/types.ts";
import type { HeadEvent } from "../src/ports/beaconNode.ts";
import type { BlockEvent } from "../src/ports/chainSightings.ts";
import { BeaconWeather } from "./beaconWeather.ts";
import type { BlockContents } from "./blockContents.ts";
import type { BeaconView } from "./ground.ts";
import type { Ledger } from "./ledger.ts";
import type { EventLoop } from "./loop.ts";
import type { SeededRandom } from "./random.ts";
import type { BeaconFault, BeaconLie } from "./scenario.ts";
import { type Block, isBetter, type VirtualChain } from "./virtualChain.ts";
import type { VirtualJudge } from "./virtualJudge.ts";

export type BeaconNodeOptions = {
  readonly self: PeerIndex;
  readonly loop: EventLoop;
  readonly chain: VirtualChain;
  readonly judge: VirtualJudge;
  readonly ledger: Ledger;
  readonly contents: BlockContents;
  readonly random: SeededRandom;
  /** Median time of an answer. */
  readonly answerMs: Millis;
  /** BYZ-3: false for a Byzantine operator's: what it is handed goes no further. */
  readonly isRelied: boolean;
  readonly onHead: (block: Block) => void;
};

/** Median time from a block's publication until a beacon node has imported it, and its spread. */
export const IMPORT_MS = 150;
export const IMPORT_SPREAD = 0.5;
/** How far back a beacon node looks that attests an old head. */
const OLD_HEAD_SLOTS = 3;

export class VirtualBeaconNode implements BeaconView {
  readonly options: BeaconNodeOptions;
  readonly weather: BeaconWeather;
  readonly #imports: SeededRandom;
  readonly #known = new Set<Block>();
  readonly #listeners = new Set<(event: HeadEvent) => void>();
  readonly #blockListeners = new Set<(event: BlockEvent) => void>();
  #head: Block;
  /** The branch of its own that it follows while a fault lasts. */
  #fork: { readonly branch: number; tip: Block } | null = null;

  constructor(options: BeaconNodeOptions) {
    this.options = options;
    this.#head = options.chain.genesis;
    this.#known.add(this.#head);
    this.#imports = options.random.fork("imports");
    this.weather = new BeaconWeather(options.random.fork("answers"), options.answerMs);
  }

  get head(): Block {
    return this.#fork?.tip ?? this.#head;
  }

  /**
   * Whether what it is handed reaches the others: on a fork of its own it talks to itself, and the
   * cluster's duties must not hang on what a Byzantine operator does with its beacon node.
   */
  get isOnChain(): boolean {
    return this.#fork === null && this.options.isRelied;
  }

  /** Imposes a fault; the result ends it. */
  impose(fault: BeaconFault): () => void {
    const end = this.weather.impose(fault);
    if (fault.kind === "beacon-fork") this.#leave(fault.depth);
    return () => {
      end();
      if (fault.kind === "beacon-fork") this.#return();
    };
  }

  /** A block was published: it is imported a while later. */
  hear(block: Block): void {
    const { loop } = this.options;
    const delay = this.#imports.logNormal(IMPORT_MS, IMPORT_SPREAD) + this.#lagMs();
    loop.at(loop.now + delay, () => this.import(block));
  }

  import(block: Block): void {
    if (block.isPrivate) return;
    if (!this.#known.has(block)) this.announceBlock({ slot: block.slot, block: block.root });
    this.#known.add(block);
    if (!isBetter(block, this.#head)) return;
    this.#head = block;
    if (this.#fork === null) this.#announce();
  }

  enterSlot(slot: Slot): void {
    const { chain } = this.options;
    this.#forget(slot);
    if (this.#fork === null || slot <= this.#fork.tip.slot) return;
    this.#fork.tip = chain.grow(this.#fork.tip, slot, this.#fork.branch);
    this.#announce();
  }

  /** By its own clock, which is right. */
  get currentSlot(): Slot {
    return this.options.chain.chain.slotAt(this.options.loop.now);
  }

  subscribe(listener: (event: HeadEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  subscribeBlocks(listener: (event: BlockEvent) => void): () => void {
    this.#blockListeners.add(listener);
    return () => this.#blockListeners.delete(listener);
  }

  /** A block was imported, whether the chain takes it or not. */
  announceBlock(event: BlockEvent): void {
    if (this.weather.isOffline) return;
    for (const listener of [...this.#blockListeners]) listener(event);
  }

  tells(what: BeaconLie): boolean {
    return this.weather.each("beacon-lies").some((fault) => fault.what === what);
  }

  seatedIn(slot: Slot): readonly LockIndex[] {
    return this.options.chain.seatedIn(slot, this.head);
  }

  proposerIn(slot: Slot): LockIndex | null {
    return this.options.chain.proposerOf(slot, this.head);
  }

  knows(root: Root): Block | undefined {
    const block = this.options.chain.block(root);
    if (block === undefined) return undefined;
    const isKnown = this.#known.has(block) || this.options.chain.isAncestor(block, this.head);
    return isKnown ? block : undefined;
  }

  attestationData(slot: Slot): AttestationData {
    const { chain } = this.options;
    const lookBack = this.tells("old-head") ? OLD_HEAD_SLOTS : 0;
    const head = chain.ancestor(this.head, Math.max(0, slot - lookBack));
    const epoch = chain.chain.epochOf(slot);
    const source = chain.justified(epoch, this.head);
    const target = this.#checkpoint(epoch, head);
    return {
      slot: this.tells("wrong-slot") ? slot + 1 : slot,
      index: 0,
      beaconBlockRoot: this.tells("unknown-head") ? this.#inventedRoot(`head/${slot}`) : head.root,
      source: this.#sourceOf(source, { head, epoch }),
      target: this.tells("wrong-target")
        ? { epoch, root: this.#inventedRoot(`target/${epoch}`) }
        : target,
    };
  }

  /** A root that nobody else knows; the same for the same question. */
  inventedRoot(name: string): Root {
    return this.#inventedRoot(name);
  }

  #sourceOf(source: Epoch, { head, epoch }: { head: Block; epoch: Epoch }): Checkpoint {
    if (this.tells("future-source")) {
      const future = Math.max(0, epoch - 1);
      return { epoch: future, root: this.#inventedRoot(`source/${future}`) };
    }
    if (this.tells("wrong-source-root")) {
      return { epoch: source, root: this.#inventedRoot(`source/${source}`) };
    }
    return this.#checkpoint(source, head);
  }

  #checkpoint(epoch: Epoch, head: Block): Checkpoint {
    const { chain } = this.options;
    return { epoch, root: chain.ancestor(head, chain.chain.firstSlot(epoch)).root };
  }

  #inventedRoot(name: string): Root {
    const text = `${this.options.self}/${name}`;
    return rootOf(sha256(new TextEncoder().encode(text)));
  }

  #announce(): void {
    const { chain, onHead } = this.options;
    const block = this.head;
    onHead(block);
    if (this.weather.isOffline) return;
    const epoch = chain.chain.epochOf(block.slot);
    const event: HeadEvent = {
      slot: block.slot,
      block: block.root,
      previousDutyDependentRoot: chain.attesterDependency(epoch, block),
      currentDutyDependentRoot: chain.proposerDependency(epoch, block),
    };
    for (const listener of [...this.#listeners]) listener(event);
  }

  #leave(depth: number): void {
    const { chain } = this.options;
    const { base, branch } = chain.startPrivateBranch(this.head, depth);
    let tip = base;
    for (let slot = base.slot + 1; slot <= this.#head.slot; slot++) {
      tip = chain.grow(tip, slot, branch);
    }
    this.#fork = { branch, tip };
    this.#announce();
  }

  #return(): void {
    if (this.weather.each("beacon-fork").length > 0) return;
    this.#fork = null;
    this.#announce();
  }

  #lagMs(): Millis {
    return this.weather.each("beacon-lag").reduce((sum, { byMs }) => sum + byMs, 0);
  }

  #forget(slot: Slot): void {
    const oldest = slot - 4 * this.options.chain.chain.spec.slotsPerEpoch;
    for (const block of this.#known) {
      if (block.slot >= oldest) break;
      this.#known.delete(block);
    }
  }
}
