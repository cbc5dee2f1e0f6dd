/** Imported blocks by root, and the ways the Beacon API names a block. */
import * as params from "@lodestar/params";
import { processSlots } from "@lodestar/state-transition";
import { toHex } from "../../src/util/bytes.ts";
import { asChainState, type ChainNode, type ChainState } from "./chainTypes.ts";

/** Post states older than this many epochs are dropped; their blocks stay. */
const KEPT_STATE_EPOCHS = 3;

export class BlockStore {
  readonly genesis: ChainNode;
  readonly #byRoot = new Map<string, ChainNode>();

  constructor(genesis: ChainNode) {
    this.genesis = genesis;
    this.add(genesis);
  }

  add(node: ChainNode): void {
    this.#byRoot.set(toHex(node.root), node);
  }

  delete(node: ChainNode): void {
    this.#byRoot.delete(toHex(node.root));
  }

  find(root: Uint8Array): ChainNode | undefined {
    return this.#byRoot.get(toHex(root));
  }

  findChild(parentRoot: string): ChainNode | undefined {
    const wanted = parentRoot.toLowerCase();
    return [...this.#byRoot.values()].find((node) => toHex(node.header.parentRoot) === wanted);
  }

  /** `id` as in `/eth/v1/beacon/blocks/{block_id}`, on the chain that ends in `head`. */
  findById(head: ChainNode, id: string | number): ChainNode | undefined {
    const name = String(id);
    if (name === "head") return head;
    if (name === "genesis") return this.genesis;
    if (name === "finalized") return this.#checkpoint(head.state?.finalizedCheckpoint);
    if (name === "justified") return this.#checkpoint(head.state?.currentJustifiedCheckpoint);
    if (name.startsWith("0x")) return this.#byRoot.get(name.toLowerCase());
    const node = ancestorAt(head, Number(name));
    return node?.slot === Number(name) ? node : undefined;
  }

  /** Post state of the block with this state root, if it is still kept. */
  findState(stateRoot: string): ChainState | undefined {
    const wanted = stateRoot.toLowerCase();
    for (const node of this.#byRoot.values()) {
      if (toHex(node.header.stateRoot) === wanted) return node.state ?? undefined;
    }
    return undefined;
  }

  /** Drops the one state that falls out of the window when `head` was just added. */
  pruneBehind(head: ChainNode): void {
    let node: ChainNode | null = head;
    for (let depth = 0; node && depth < KEPT_STATE_EPOCHS * params.SLOTS_PER_EPOCH; depth++) {
      node = node.parent;
    }
    if (node && node !== this.genesis) node.state = null;
  }

  #checkpoint(checkpoint: ChainState["finalizedCheckpoint"] | undefined): ChainNode | undefined {
    if (!checkpoint || checkpoint.epoch === 0) return this.genesis;
    return this.find(checkpoint.root);
  }
}

/** The last block at or before `slot` on the chain that ends in `head`. */
export function ancestorAt(head: ChainNode, slot: number): ChainNode | undefined {
  let node: ChainNode | null = head;
  while (node && node.slot > slot) node = node.parent;
  return node ?? undefined;
}

/** The state of `node` at `slot`, or undefined once it was dropped. */
export function stateOfNode(node: ChainNode, slot: number): ChainState | undefined {
  if (!node.state) return undefined;
  if (slot <= node.state.slot) return node.state;
  return asChainState(processSlots(node.state, slot, { dontTransferCache: true }));
}
