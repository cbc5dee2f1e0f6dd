/**
 * A beacon chain in one object: head state, pools, production and import. Lodestar's state
 * transition judges every block with all signatures checked. There is no fork choice: a block must
 * build on the head, and a reorg is made by `rewind`.
 */
import "./hasher.ts";
import { routes } from "@lodestar/api";
import { type BeaconConfig, type ChainForkConfig, createBeaconConfig } from "@lodestar/config";
import * as params from "@lodestar/params";
import {
  createCachedBeaconState,
  createPubkeyCache,
  getBlockRootAtSlot,
  getVoluntaryExitValidity,
  processSlots,
  stateTransition,
} from "@lodestar/state-transition";
import { type phase0, ssz, sszTypesFor } from "@lodestar/types";
import { toHex } from "../../src/util/bytes.ts";
import { AttestationPool } from "./attestationPool.ts";
import {
  EXTERNAL_DATA,
  type ProducedBlock,
  type ProduceRequest,
  produceBlock,
} from "./blockProducer.ts";
import { ancestorAt, BlockStore, stateOfNode } from "./blockStore.ts";
import type { ChainContext, PackFrom } from "./chainContext.ts";
import {
  asChainState,
  type ChainEvent,
  type ChainNode,
  type ChainSszTypes,
  type ChainState,
  type DevForkName,
  type SignedChainBlock,
} from "./chainTypes.ts";
import type { ChainClock } from "./clock.ts";
import { buildGenesisState } from "./genesis.ts";
import { PayloadPool } from "./payloads.ts";
import { refuse } from "./rejection.ts";
import { epochAtSlot, Signatures } from "./signatures.ts";
import { SlashingWatcher } from "./slashingWatcher.ts";
import { SyncCommitteePool } from "./syncCommitteePool.ts";

const { EventType } = routes.events;

export interface DevChainOptions {
  readonly config: ChainForkConfig;
  /** Validator i of the registry is the i-th key. All are active from genesis. */
  readonly pubkeys: readonly Uint8Array[];
  /** Unix seconds. */
  readonly genesisTime: number;
  /** Wall length of a slot; the state machine itself counts whole seconds. */
  readonly slotMs: number;
  readonly packFrom: PackFrom;
  readonly clock: ChainClock;
}

export class DevChain implements ChainContext {
  readonly config: BeaconConfig;
  readonly genesisTime: number;
  readonly slotMs: number;
  readonly packFrom: PackFrom;
  readonly clock: ChainClock;
  readonly blocks: BlockStore;
  readonly signatures: Signatures;
  readonly watcher = new SlashingWatcher();
  readonly attestations = new AttestationPool(this);
  readonly syncCommittee = new SyncCommitteePool(this);
  readonly payloads = new PayloadPool(this);
  readonly voluntaryExits: phase0.SignedVoluntaryExit[] = [];
  /** Fee recipients by validator, as `prepare_beacon_proposer` announced them. */
  readonly feeRecipients = new Map<number, Uint8Array>();
  readonly #listeners = new Set<(event: ChainEvent) => void>();
  readonly #liveByEpoch = new Map<number, Set<number>>();
  #head: ChainNode;
  #advanced: { readonly root: Uint8Array; state: ChainState } | null = null;

  constructor(options: DevChainOptions) {
    const { config, pubkeys, genesisTime } = options;
    const pubkeyCache = createPubkeyCache();
    const anchor = buildGenesisState(config, { pubkeys, genesisTime, pubkeyCache });
    this.config = createBeaconConfig(config, anchor.genesisValidatorsRoot);
    this.genesisTime = genesisTime;
    this.slotMs = options.slotMs;
    this.packFrom = options.packFrom;
    this.clock = options.clock;
    this.signatures = new Signatures(this.config, pubkeyCache);
    const state = createCachedBeaconState(anchor, { config: this.config, pubkeyCache });
    this.#head = genesisNode(state);
    this.blocks = new BlockStore(this.#head);
  }

  get head(): ChainNode {
    return this.#head;
  }

  get headState(): ChainState {
    return this.#head.state ?? refuse("the head has no state");
  }

  /** The wall clock's slot; 0 before genesis. */
  currentSlot(): number {
    const sinceGenesisMs = this.clock.nowMs() - this.genesisTime * 1000;
    return Math.max(0, Math.floor(sinceGenesisMs / this.slotMs));
  }

  slotStartMs(slot: number): number {
    return this.genesisTime * 1000 + slot * this.slotMs;
  }

  forkAt(slot: number): DevForkName {
    return this.config.getForkName(slot) as DevForkName;
  }

  typesAt(slot: number): ChainSszTypes {
    return sszTypesFor(this.forkAt(slot));
  }

  stateAt(slot: number): ChainState {
    const { state } = this.#head;
    if (!state) refuse("the head has no state");
    if (slot <= state.slot) return state;
    if (!this.#advanced || this.#advanced.root !== this.#head.root) {
      this.#advanced = { root: this.#head.root, state: asChainState(processSlots(state, slot)) };
    } else if (this.#advanced.state.slot < slot) {
      this.#advanced.state = asChainState(processSlots(this.#advanced.state, slot));
    } else if (this.#advanced.state.slot > slot) {
      return asChainState(processSlots(state, slot, { dontTransferCache: true }));
    }
    return this.#advanced.state;
  }

  /** A state that knows the duties of `epoch`: the previous, the current or the next one. */
  dutyState(epoch: number): ChainState {
    const current = epochAtSlot(this.currentSlot());
    if (Math.abs(epoch - current) > 1) {
      refuse(`epoch ${epoch} is not within one epoch of the current epoch ${current}`);
    }
    return this.stateAt(this.currentSlot());
  }

  rootAt(slot: number): Uint8Array {
    return this.rootAtFrom(this.#head, slot);
  }

  /** The block root at or before `slot` on the chain that ends in `node`. */
  rootAtFrom(node: ChainNode, slot: number): Uint8Array {
    if (slot >= node.slot) return node.root;
    return getBlockRootAtSlot(node.state ?? refuse("state no longer kept"), slot);
  }

  /** The AttestationData an honest attester of `slot` votes when `node` is its head. */
  attestationData(slot: number, node: ChainNode = this.#head): phase0.AttestationData {
    const now = this.currentSlot();
    if (slot > now + 1 || slot + params.SLOTS_PER_EPOCH < now) {
      refuse(`slot ${slot} is out of range at slot ${now}`);
    }
    const epoch = epochAtSlot(slot);
    const at = Math.max(slot, node.slot);
    const state = node === this.#head ? this.stateAt(at) : stateOfNode(node, at);
    const beaconBlockRoot = this.rootAtFrom(node, slot);
    return {
      slot,
      index: this.#payloadIndex(slot, beaconBlockRoot),
      beaconBlockRoot,
      source: (state ?? refuse("state no longer kept")).currentJustifiedCheckpoint.toValue(),
      target: { epoch, root: this.rootAtFrom(node, epoch * params.SLOTS_PER_EPOCH) },
    };
  }

  findBlock(root: Uint8Array): ChainNode | undefined {
    return this.blocks.find(root);
  }

  /** `id` as in `/eth/v1/beacon/states/{state_id}`; "head" is advanced to the clock's slot. */
  findState(id: string | number): ChainState | undefined {
    const name = String(id);
    if (name === "head") return this.stateAt(Math.max(this.currentSlot(), this.#head.slot));
    if (name.startsWith("0x")) return this.blocks.findState(name);
    if (/^\d+$/.test(name)) return this.#stateAtSlot(Number(name));
    return this.blocks.findById(this.#head, name)?.state ?? undefined;
  }

  produce(request: ProduceRequest): ProducedBlock {
    const { slot } = request;
    if (slot <= this.#head.slot) refuse(`slot ${slot} is not after the head ${this.#head.slot}`);
    if (slot > this.currentSlot() + 1) refuse(`slot ${slot} is in the future`);
    const proposer = this.stateAt(slot).epochCtx.getBeaconProposer(slot);
    const feeRecipient =
      request.feeRecipient ?? this.feeRecipients.get(proposer) ?? new Uint8Array(20);
    return produceBlock(this, this, { ...request, feeRecipient });
  }

  /** Imports a signed block. One already known is accepted again: n operators publish it. */
  importBlock(signed: SignedChainBlock): void {
    const { message: block } = signed;
    const root = this.typesAt(block.slot).BeaconBlock.hashTreeRoot(block);
    if (this.findBlock(root)) return;
    this.#noteProposal(signed, root);
    if (block.slot > this.currentSlot()) refuse(`block slot ${block.slot} is in the future`);
    if (block.slot <= this.#head.slot) refuse(`block slot ${block.slot} is not after the head`);
    if (!ssz.Root.equals(block.parentRoot, this.#head.root)) {
      refuse(`parent ${toHex(block.parentRoot)} is not the head ${toHex(this.#head.root)}`);
    }
    const previous = this.#head;
    const post = this.#transition(signed);
    const bodyRoot = this.typesAt(block.slot).BeaconBlockBody.hashTreeRoot(block.body);
    const { slot, proposerIndex, parentRoot, stateRoot } = block;
    const header = { slot, proposerIndex, parentRoot, stateRoot, bodyRoot };
    this.#head = { root, slot, header, signed, parent: previous, state: post, envelope: null };
    this.blocks.add(this.#head);
    this.#noteVotes(block.body.attestations, post);
    this.noteLive(epochAtSlot(slot), proposerIndex);
    this.#publishImport(previous);
    this.attestations.prune(slot);
    this.syncCommittee.prune(slot);
    this.payloads.prune(slot);
    this.blocks.pruneBehind(this.#head);
  }

  /** Drops up to `depth` blocks from the head and announces the reorg. */
  rewind(depth: number): void {
    const old = this.#head;
    let dropped = 0;
    while (dropped < depth && this.#head.parent?.state) {
      this.blocks.delete(this.#head);
      this.#head = this.#head.parent;
      dropped++;
    }
    this.#advanced = null;
    this.publish({
      type: EventType.chainReorg,
      message: {
        slot: this.currentSlot(),
        depth: dropped,
        oldHeadBlock: toHex(old.root),
        newHeadBlock: toHex(this.#head.root),
        oldHeadState: toHex(old.header.stateRoot),
        newHeadState: toHex(this.#head.header.stateRoot),
        epoch: epochAtSlot(this.currentSlot()),
        executionOptimistic: false,
      },
    });
  }

  addVoluntaryExit(exit: phase0.SignedVoluntaryExit): void {
    const state = this.stateAt(this.currentSlot());
    const validity = getVoluntaryExitValidity(
      this.config.getForkSeq(state.slot),
      state,
      exit,
      true,
    );
    if (validity !== "valid") refuse(`voluntary exit refused: ${validity}`);
    this.voluntaryExits.push(exit);
    this.publish({ type: EventType.voluntaryExit, message: exit });
  }

  isLive(epoch: number, validatorIndex: number): boolean {
    return this.#liveByEpoch.get(epoch)?.has(validatorIndex) ?? false;
  }

  noteLive(epoch: number, validatorIndex: number): void {
    const live = this.#liveByEpoch.get(epoch) ?? new Set<number>();
    live.add(validatorIndex);
    this.#liveByEpoch.set(epoch, live);
  }

  /** Calls `listener` for every event until the returned function is called. */
  subscribe(listener: (event: ChainEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  publish(event: ChainEvent): void {
    for (const listener of this.#listeners) listener(event);
  }

  /** Gloas: an attestation of an older block says with index 1 that its payload was revealed. */
  #payloadIndex(slot: number, beaconBlockRoot: Uint8Array): number {
    if (this.config.getForkSeq(slot) < params.ForkSeq.gloas) return 0;
    const node = this.findBlock(beaconBlockRoot);
    return node && node.slot !== slot && node.envelope ? 1 : 0;
  }

  #stateAtSlot(slot: number): ChainState | undefined {
    const node = ancestorAt(this.#head, slot);
    return node && stateOfNode(node, slot);
  }

  #transition(signed: SignedChainBlock): ChainState {
    const { slot } = signed.message;
    const options = { verifyStateRoot: true, verifyProposer: true, verifySignatures: true };
    try {
      return asChainState(
        stateTransition(this.stateAt(slot), signed, { ...EXTERNAL_DATA, ...options }),
      );
    } catch (error) {
      return refuse(`block rejected: ${error instanceof Error ? error.message : String(error)}`);
    }
  }

  /** A signed block counts as a proposal even when the chain refuses it. */
  #noteProposal({ message, signature }: SignedChainBlock, root: Uint8Array): void {
    const { proposerIndex, slot } = message;
    if (!this.signatures.isKnown(proposerIndex)) return;
    if (!this.signatures.isSignedBy(proposerIndex, this.signatures.roots.block(message), signature))
      return;
    this.watcher.noteBlock(proposerIndex, { slot, blockRoot: toHex(root) });
  }

  #noteVotes(attestations: SignedChainBlock["message"]["body"]["attestations"], post: ChainState) {
    for (const attestation of attestations) {
      const seq = this.config.getForkSeq(post.slot);
      const attesters = post.epochCtx.getAttestingIndices(seq, attestation);
      this.watcher.noteVote(attesters, attestation.data);
    }
  }

  #publishImport(previous: ChainNode): void {
    const { slot, root, header } = this.#head;
    const epoch = epochAtSlot(slot);
    const block = toHex(root);
    this.publish({ type: EventType.block, message: { slot, block, executionOptimistic: false } });
    this.publish({
      type: EventType.head,
      message: {
        slot,
        block,
        state: toHex(header.stateRoot),
        epochTransition: epochAtSlot(previous.slot) !== epoch,
        previousDutyDependentRoot: this.dependentRoot(epoch - 1),
        currentDutyDependentRoot: this.dependentRoot(epoch),
        executionOptimistic: false,
      },
    });
    const { epoch: finalized, root: finalizedRoot } = this.headState.finalizedCheckpoint;
    if (finalized <= (previous.state?.finalizedCheckpoint.epoch ?? 0)) return;
    const stateRoot = this.findBlock(finalizedRoot)?.header.stateRoot ?? new Uint8Array(32);
    this.publish({
      type: EventType.finalizedCheckpoint,
      message: {
        block: toHex(finalizedRoot),
        state: toHex(stateRoot),
        epoch: finalized,
        executionOptimistic: false,
      },
    });
  }

  /** The root of the last block before `epoch`, or of genesis. */
  dependentRoot(epoch: number): string {
    return toHex(this.rootAt(Math.max(0, epoch * params.SLOTS_PER_EPOCH - 1)));
  }
}

function genesisNode(state: ChainState): ChainNode {
  const header = state.latestBlockHeader.toValue();
  header.stateRoot = state.hashTreeRoot();
  const root = ssz.phase0.BeaconBlockHeader.hashTreeRoot(header);
  return { root, slot: 0, header, signed: null, parent: null, state, envelope: null };
}
