/** The ground by default: one tree of blocks without states, and views of it that may be wrong. */
import { type LockIndex, type PeerIndex, rootOf } from "../src/domain/keys.ts";
import type { Slot } from "../src/domain/units.ts";
import type { Chain } from "../src/eth2/chain.ts";
import { assert } from "../src/util/assert.ts";
import { BeaconPort } from "./beaconPort.ts";
import { BlockContents } from "./blockContents.ts";
import { chainOf, type VirtualFacts } from "./facts.ts";
import { ForeignSigner } from "./foreignSigner.ts";
import type {
  BeaconPortOptions,
  Ground,
  GroundParts,
  MachineBeacon,
  ViewOptions,
} from "./ground.ts";
import type { ChainFault } from "./scenario.ts";
import { shortRoot } from "./trace.ts";
import { VirtualBeaconNode } from "./virtualBeaconNode.ts";
import { VirtualChain } from "./virtualChain.ts";
import { VirtualJudge } from "./virtualJudge.ts";

export function createVirtualGround(parts: GroundParts): Ground {
  return new VirtualGround(parts);
}

class VirtualGround implements Ground {
  readonly facts: VirtualFacts;
  readonly chain: Chain;
  readonly judge: VirtualJudge;
  readonly #parts: GroundParts;
  readonly #blocks: VirtualChain;
  readonly #views: VirtualBeaconNode[] = [];
  readonly #contents: BlockContents;
  readonly #stranger: ForeignSigner;

  constructor(parts: GroundParts) {
    const { loop, scenario, random, emit, slotsPerEpoch, genesisTime } = parts;
    this.#parts = parts;
    this.#contents = new BlockContents(scenario.validators);
    this.facts = {
      slotMs: scenario.slotMs,
      slotsPerEpoch,
      genesisTime,
      genesisValidatorsRoot: rootOf(random.fork("genesis").bytes(32)),
    };
    this.chain = chainOf(this.facts);
    this.#blocks = new VirtualChain({
      loop,
      chain: this.chain,
      random: random.fork("chain"),
      validators: scenario.validators,
      proposals: scenario.proposals,
      onBlock: (block, proposer) => {
        const { slot, branch } = block;
        emit({ kind: "block", slot, root: shortRoot(block.root), branch, proposer });
        this.#contents.built(block);
        for (const view of this.#views) view.hear(block);
      },
    });
    this.judge = new VirtualJudge(this.#blocks, this.#contents);
    this.#stranger = new ForeignSigner({
      ...parts,
      chain: this.#blocks,
      contents: this.#contents,
      views: this.#views,
    });
  }

  enterSlot(slot: Slot): void {
    this.#blocks.enterSlot(slot);
    this.#stranger.enterSlot(slot);
  }

  impose(fault: ChainFault): () => void {
    if (fault.kind === "foreign-signer") return this.#stranger.impose(fault);
    return this.#blocks.impose(fault);
  }

  seatedIn(slot: Slot): readonly LockIndex[] {
    return this.#blocks.seatedIn(slot, this.#blocks.head);
  }

  proposerIn(slot: Slot): LockIndex | null {
    const { head } = this.#blocks;
    return this.#blocks.proposerOf(slot, this.#blocks.ancestor(head, slot - 1));
  }

  createView({ self, ...options }: ViewOptions): VirtualBeaconNode {
    const { loop, scenario, emit } = this.#parts;
    const view = new VirtualBeaconNode({
      ...options,
      self,
      loop,
      chain: this.#blocks,
      judge: this.judge,
      contents: this.#contents,
      answerMs: scenario.beaconMs,
      onHead: ({ slot, root }) => emit({ kind: "head", node: self, slot, root: shortRoot(root) }),
    });
    this.#views.push(view);
    return view;
  }

  openPort(self: PeerIndex, options: BeaconPortOptions): MachineBeacon {
    const view = this.#views[self];
    assert(view !== undefined, "every operator has a beacon node");
    return new BeaconPort({ ...options, view });
  }
}
