/**
 * SIM-7, `--chain real`: the world stands on the dev chain's state transition, on virtual time.
 * What the cluster submits counts once a block holds it that the state transition took, and the
 * rest of the chain's validators do their duties with real signatures. The chain has one head and
 * no fork choice: beacon nodes answer late or not at all, and never differ in what they know.
 */
import { bytesOf, type LockIndex, type PeerIndex, type Root } from "../src/domain/keys.ts";
import type { Millis, Slot, ValidatorIndex } from "../src/domain/units.ts";
import type { SignedBlock, SubmittedBlock } from "../src/eth2/blocks.ts";
import type { Chain } from "../src/eth2/chain.ts";
import { FORKS } from "../src/eth2/forks.ts";
import type { SignedAttestation } from "../src/eth2/types.ts";
import type { HeadEvent } from "../src/ports/beaconNode.ts";
import { assert } from "../src/util/assert.ts";
import { chainOf, type VirtualFacts } from "./facts.ts";
import type {
  BeaconPortOptions,
  CreateGround,
  Ground,
  GroundParts,
  MachineBeacon,
  ViewOptions,
} from "./ground.ts";
import { type ChainJudge, type Claim, FIRST_INDEX } from "./ledger.ts";
import type { SeededRandom } from "./random.ts";
import { RealBeaconNode } from "./realBeaconNode.ts";
import { RealBeaconPort } from "./realBeaconPort.ts";
import {
  type ImportedBlock,
  type InProcessChain,
  loadDevchain,
  type OpenChain,
  parseRoot,
  Seats,
} from "./realChain.ts";
import type { ChainFault, Fault } from "./scenario.ts";
import { shortRoot } from "./trace.ts";
import { PUBLISHED_AT_SHARE, PUBLISHED_SPREAD } from "./virtualChain.ts";

/** Of the slot: when everybody attests and aggregates before Gloas. */
const ATTEST_SHARE = 1 / 3;
const AGGREGATE_SHARE = 2 / 3;
const SECOND_MS = 1_000;

/** What a chain without forks of its own cannot show. */
const UNKNOWN_FAULTS: readonly Fault["kind"][] = [
  "beacon-lag",
  "beacon-lies",
  "beacon-fork",
  "foreign-signer",
  "reorg",
];

/** Loads the dev chain; throws UsageError where it is not installed. */
export async function realGround(): Promise<CreateGround> {
  const { openInProcess } = await loadDevchain();
  return (parts) => new RealGround(parts, openInProcess);
}

/** What is wrong with a scenario on the real chain, with the fix; null when nothing is. */
export function flawOnRealChain(
  { faults, slotMs }: GroundParts["scenario"],
  bls: string,
): string | null {
  if (bls !== "blst") return "its signatures are real: add --bls blst";
  if (slotMs % SECOND_MS !== 0) return "its slots are whole seconds: change --slot-ms";
  const unknown = faults.find(({ kind }) => UNKNOWN_FAULTS.includes(kind));
  return unknown === undefined ? null : `it has one head for all: leave out ${unknown.kind}`;
}

class RealGround implements Ground {
  readonly facts: VirtualFacts;
  readonly chain: Chain;
  readonly judge: RealJudge;
  readonly #parts: GroundParts;
  readonly #real: InProcessChain;
  readonly #seats: Seats;
  readonly #random: SeededRandom;
  readonly #views: RealBeaconNode[] = [];
  readonly #faults = new Set<ChainFault>();

  constructor(parts: GroundParts, open: OpenChain) {
    const { loop, scenario, genesisTime, slotsPerEpoch, validators } = parts;
    this.#parts = parts;
    this.#random = parts.random.fork("chain");
    this.#real = open({
      slotMs: scenario.slotMs,
      genesisTime,
      plainCount: FIRST_INDEX,
      distributedPubkeys: validators.map(({ pubKey }) => bytesOf(pubKey)),
      nowMs: () => loop.now,
    });
    const genesisValidatorsRoot = parseRoot(this.#real.genesisValidatorsRoot);
    this.facts = { slotMs: scenario.slotMs, slotsPerEpoch, genesisTime, genesisValidatorsRoot };
    this.chain = chainOf(this.facts);
    this.judge = new RealJudge(this.#real);
    this.#seats = new Seats(this.#real, this.chain, validators.length);
    this.#real.onImport((block) => this.#imported(block));
  }

  enterSlot(slot: Slot): void {
    const { loop, scenario } = this.#parts;
    const { failures } = this.#real;
    assert(failures.length === 0, `the plain validators do well: ${failures[0]}`);
    this.#seats.enterSlot(slot);
    if (slot === 0) return;
    const stream = this.#random.fork(`slot/${slot}`);
    let lateMs = 0;
    let isEmpty = false;
    for (const fault of this.#faults) {
      if (fault.kind === "late-blocks") lateMs += fault.byMs;
      if (fault.kind === "empty-slots" && stream.chance(fault.rate)) isEmpty = true;
    }
    const share = stream.logNormal(PUBLISHED_AT_SHARE, PUBLISHED_SPREAD);
    const after = (ms: Millis, act: () => void): void => void loop.at(loop.now + ms, act);
    if (!isEmpty) after(share * scenario.slotMs + lateMs, () => this.#real.propose(slot));
    after(ATTEST_SHARE * scenario.slotMs, () => this.#real.attest(slot));
    after(AGGREGATE_SHARE * scenario.slotMs, () => this.#real.aggregate(slot));
  }

  impose(fault: ChainFault): () => void {
    this.#faults.add(fault);
    return () => {
      this.#faults.delete(fault);
    };
  }

  seatedIn(slot: Slot): readonly LockIndex[] {
    return this.#seats.attestersIn(slot);
  }

  proposerIn(slot: Slot): LockIndex | null {
    return this.#seats.proposerIn(slot);
  }

  createView(options: ViewOptions): RealBeaconNode {
    const { self } = options;
    const { loop, scenario, emit } = this.#parts;
    const view = new RealBeaconNode({
      ...options,
      loop,
      seats: this.#seats,
      answerMs: scenario.beaconMs,
      onHead: ({ slot, block }) => emit({ kind: "head", node: self, slot, root: shortRoot(block) }),
    });
    this.#views.push(view);
    return view;
  }

  openPort(self: PeerIndex, options: BeaconPortOptions): MachineBeacon {
    const view = this.#views[self];
    assert(view !== undefined, "every operator has a beacon node");
    return new RealBeaconPort({ ...options, view, real: this.#real, judge: this.judge });
  }

  /** The state transition took a block, and with it the duties that it shows. */
  #imported({ slot, root, proposerIndex, votes, ...dependentRoots }: ImportedBlock): void {
    const { validators, emit, include } = this.#parts;
    const ofCluster = (index: ValidatorIndex): LockIndex | null =>
      validators[index - FIRST_INDEX]?.lockIndex ?? null;
    const proposer = ofCluster(proposerIndex);
    emit({ kind: "block", slot, root: shortRoot(root), branch: 0, proposer });
    if (proposer !== null) include("proposer", slot, proposer);
    for (const vote of votes) {
      for (const attester of vote.attesters) {
        const validator = ofCluster(attester);
        if (validator !== null) include("attester", vote.slot, validator);
      }
    }
    const head: HeadEvent = {
      slot,
      block: parseRoot(root),
      previousDutyDependentRoot: parseRoot(dependentRoots.previousDutyDependentRoot),
      currentDutyDependentRoot: parseRoot(dependentRoots.currentDutyDependentRoot),
    };
    for (const view of this.#views) view.hear(head);
  }
}

/** What the dev chain takes; a duty is done when a block shows it. */
class RealJudge implements ChainJudge {
  readonly #real: InProcessChain;
  /** Signed blocks whole, as they were handed over. */
  readonly #offered = new Map<Root, SignedBlock>();

  constructor(real: InProcessChain) {
    this.#real = real;
  }

  /** A block that is about to be judged. */
  offer(block: SignedBlock): void {
    this.#offered.set(block.root, block);
  }

  async attest(attestation: SignedAttestation, claim: Claim): Promise<string | null> {
    if (!claim.isOnChain) return null;
    return this.#real.addAttestation(FORKS[attestation.fork].attestationJson(attestation));
  }

  async propose({ root }: SubmittedBlock, claim: Claim): Promise<string | null> {
    const block = this.#offered.get(root);
    assert(block !== undefined, "a block is offered before it is judged");
    this.#offered.delete(root);
    if (!claim.isOnChain) return null;
    try {
      this.#real.publish(block.ssz());
      return null;
    } catch (error) {
      const refusal = this.#real.refusalIn(error);
      if (refusal === null) throw error;
      return refusal;
    }
  }

  enterSlot(): void {
    this.#offered.clear();
  }
}
