/**
 * What really got on chain for given validators, read from block bodies over HTTP. An accepted POST
 * proves nothing, so nothing here looks at one. Duties are captured while their epoch runs, because
 * a beacon node forgets the committees of old epochs and a late reader would expect too little.
 */
import { fromHex } from "../../src/util/bytes.ts";

/** One attestation a watched validator owed. */
export interface AttestationRow {
  readonly slot: number;
  readonly validatorIndex: number;
  readonly committeeIndex: number;
  /** Committee members that are not watched: without one, nobody else could have aggregated. */
  readonly otherMembers: number;
  readonly isIncluded: boolean;
  /** Slots from the duty to the first block that holds it; null when not included. */
  readonly distance: number | null;
  readonly isHeadCorrect: boolean;
  readonly isTargetCorrect: boolean;
  readonly isSourceCorrect: boolean;
}

export interface ProposalRow {
  readonly slot: number;
  readonly validatorIndex: number;
  readonly isProposed: boolean;
  /** Root of the slot's canonical block; null without one. */
  readonly root: string | null;
}

export interface InclusionReport {
  readonly attestations: readonly AttestationRow[];
  readonly proposals: readonly ProposalRow[];
  readonly headSlot: number;
  readonly justifiedEpoch: number;
  readonly finalizedEpoch: number;
  /** Epochs in the range of which no duty was captured: the report is incomplete for them. */
  readonly missedEpochs: readonly number[];
}

export interface SlotRange {
  readonly fromSlot: number;
  /** Inclusive. A duty of this slot needs a later block to be included. */
  readonly toSlot: number;
}

interface Committee {
  readonly slot: number;
  readonly index: number;
  readonly members: readonly number[];
}

interface Checkpoint {
  readonly epoch: number;
  readonly root: string;
}

interface EpochDuties {
  readonly committees: readonly Committee[];
  readonly proposers: ReadonlyMap<number, number>;
  readonly source: Checkpoint;
}

interface OnChainAttestation {
  readonly slot: number;
  readonly headRoot: string;
  readonly source: Checkpoint;
  readonly target: Checkpoint;
  readonly committeeBits: Uint8Array;
  readonly aggregationBits: Uint8Array;
}

interface CanonicalBlock {
  readonly slot: number;
  readonly root: string;
  readonly parentRoot: string;
  readonly attestations: readonly OnChainAttestation[];
}

export class InclusionReader {
  readonly #baseUrl: string;
  readonly #watched: ReadonlySet<number>;
  readonly #dutiesByEpoch = new Map<number, EpochDuties>();
  /** Canonical blocks by slot; a reorg replaces them. */
  readonly #blocks = new Map<number, CanonicalBlock>();
  #slotsPerEpoch: number | null = null;

  constructor(baseUrl: string, validatorIndices: Iterable<number>) {
    this.#baseUrl = baseUrl;
    this.#watched = new Set(validatorIndices);
  }

  /** Call at least once per epoch: captures the epoch's duties and reads the new blocks. */
  async update(): Promise<void> {
    await this.#captureDuties();
    await this.#readBlocks();
  }

  /** Expected against found, for the duties of a range of slots. */
  async report({ fromSlot, toSlot }: SlotRange): Promise<InclusionReport> {
    await this.update();
    const slotsPerEpoch = await this.#readSlotsPerEpoch();
    const attestations: AttestationRow[] = [];
    const proposals: ProposalRow[] = [];
    const missedEpochs: number[] = [];
    const inRange = (slot: number): boolean => slot >= fromSlot && slot <= toSlot;
    const firstEpoch = Math.floor(fromSlot / slotsPerEpoch);
    for (let epoch = firstEpoch; epoch * slotsPerEpoch <= toSlot; epoch++) {
      const duties = this.#dutiesByEpoch.get(epoch);
      if (!duties) {
        missedEpochs.push(epoch);
        continue;
      }
      for (const committee of duties.committees) {
        if (inRange(committee.slot)) attestations.push(...this.#judge(committee, duties));
      }
      for (const [slot, validatorIndex] of duties.proposers) {
        // Slot 0 is genesis: it has a proposer on paper, and nobody can propose it.
        if (slot === 0 || !inRange(slot) || !this.#watched.has(validatorIndex)) continue;
        const root = this.#blocks.get(slot)?.root ?? null;
        proposals.push({ slot, validatorIndex, isProposed: root !== null, root });
      }
    }
    const checkpoints = await this.#readCheckpoints("head");
    return {
      attestations: attestations.sort((a, b) => a.slot - b.slot),
      proposals: proposals.sort((a, b) => a.slot - b.slot),
      headSlot: Math.max(0, ...this.#blocks.keys()),
      justifiedEpoch: checkpoints.justified.epoch,
      finalizedEpoch: checkpoints.finalized.epoch,
      missedEpochs,
    };
  }

  async #captureDuties(): Promise<void> {
    const slotsPerEpoch = await this.#readSlotsPerEpoch();
    const syncing = await this.#get<SyncingJson>("/eth/v1/node/syncing");
    const clockSlot = Number(syncing.head_slot) + Number(syncing.sync_distance);
    const current = Math.floor(clockSlot / slotsPerEpoch);
    for (const epoch of [current - 1, current]) {
      if (epoch < 0 || this.#dutiesByEpoch.has(epoch)) continue;
      this.#dutiesByEpoch.set(epoch, await this.#readDuties(epoch, epoch * slotsPerEpoch));
    }
  }

  async #readDuties(epoch: number, firstSlot: number): Promise<EpochDuties> {
    const committees = await this.#get<CommitteeJson[]>(
      `/eth/v1/beacon/states/head/committees?epoch=${epoch}`,
    );
    const proposers = await this.#get<ProposerJson[]>(`/eth/v1/validator/duties/proposer/${epoch}`);
    const { justified } = await this.#readCheckpoints(String(firstSlot));
    return {
      committees: committees.map(({ slot, index, validators }) => ({
        slot: Number(slot),
        index: Number(index),
        members: validators.map(Number),
      })),
      proposers: new Map(
        proposers.map(({ slot, validator_index }) => [Number(slot), Number(validator_index)]),
      ),
      source: justified,
    };
  }

  /** Walks back from the head to a block already known; what lies above that one is orphaned. */
  async #readBlocks(): Promise<void> {
    const fresh: CanonicalBlock[] = [];
    let id = "head";
    let sharedSlot: number | null = null;
    while (sharedSlot === null) {
      const header = await this.#get<HeaderJson>(`/eth/v1/beacon/headers/${id}`);
      const slot = Number(header.header.message.slot);
      if (slot === 0 || this.#blocks.get(slot)?.root === header.root) sharedSlot = slot;
      else fresh.push(await this.#readBlock(header));
      id = header.header.message.parent_root;
    }
    for (const slot of this.#blocks.keys()) if (slot > sharedSlot) this.#blocks.delete(slot);
    for (const block of fresh) this.#blocks.set(block.slot, block);
  }

  async #readBlock({ root, header }: HeaderJson): Promise<CanonicalBlock> {
    const attestations = await this.#get<AttestationJson[]>(
      `/eth/v2/beacon/blocks/${root}/attestations`,
    );
    return {
      slot: Number(header.message.slot),
      root,
      parentRoot: header.message.parent_root,
      attestations: attestations.map(parseAttestation),
    };
  }

  #judge(committee: Committee, { committees, source }: EpochDuties): AttestationRow[] {
    const owed = committee.members.filter((member) => this.#watched.has(member));
    const otherMembers = committee.members.length - owed.length;
    const lengths = new Map(
      committees
        .filter(({ slot }) => slot === committee.slot)
        .map(({ index, members }) => [index, members.length]),
    );
    return owed.map((validatorIndex) => {
      const seat = { committee, position: committee.members.indexOf(validatorIndex), lengths };
      const found = this.#findInclusion(seat);
      const { slot } = committee;
      return {
        slot,
        validatorIndex,
        committeeIndex: committee.index,
        otherMembers,
        isIncluded: found !== null,
        distance: found && found.blockSlot - slot,
        isHeadCorrect: found?.vote.headRoot === this.#rootAt(slot),
        isTargetCorrect: found !== null && this.#isTargetCorrect(found.vote.target),
        isSourceCorrect:
          found?.vote.source.epoch === source.epoch && found.vote.source.root === source.root,
      };
    });
  }

  /** The earliest canonical block that holds the vote of one committee seat. */
  #findInclusion(seat: Seat): { blockSlot: number; vote: OnChainAttestation } | null {
    const later = [...this.#blocks.values()]
      .filter(({ slot }) => slot > seat.committee.slot)
      .sort((a, b) => a.slot - b.slot);
    for (const block of later) {
      const vote = block.attestations.find((attestation) => holdsVote(attestation, seat));
      if (vote) return { blockSlot: block.slot, vote };
    }
    return null;
  }

  #isTargetCorrect({ epoch, root }: Checkpoint): boolean {
    return root === this.#rootAt(epoch * (this.#slotsPerEpoch ?? 0));
  }

  /** Root of the last canonical block at or before `slot`; genesis is the first block's parent. */
  #rootAt(slot: number): string {
    const blocks = [...this.#blocks.values()].sort((a, b) => a.slot - b.slot);
    const last = blocks.findLast((block) => block.slot <= slot);
    return last?.root ?? blocks[0]?.parentRoot ?? "";
  }

  async #readSlotsPerEpoch(): Promise<number> {
    if (this.#slotsPerEpoch === null) {
      const spec = await this.#get<{ readonly SLOTS_PER_EPOCH: string }>("/eth/v1/config/spec");
      this.#slotsPerEpoch = Number(spec.SLOTS_PER_EPOCH);
    }
    return this.#slotsPerEpoch;
  }

  async #readCheckpoints(
    stateId: string,
  ): Promise<{ justified: Checkpoint; finalized: Checkpoint }> {
    const path = `/eth/v1/beacon/states/${stateId}/finality_checkpoints`;
    const json = await this.#get<FinalityJson>(path);
    return {
      justified: parseCheckpoint(json.current_justified),
      finalized: parseCheckpoint(json.finalized),
    };
  }

  async #get<T>(path: string): Promise<T> {
    const response = await fetch(`${this.#baseUrl}${path}`);
    if (!response.ok) throw new Error(`GET ${path}: ${response.status} ${await response.text()}`);
    const { data } = (await response.json()) as { readonly data: T };
    return data;
  }
}

interface Seat {
  readonly committee: Committee;
  readonly position: number;
  /** Committee lengths of the slot by committee index. */
  readonly lengths: ReadonlyMap<number, number>;
}

/** EIP-7549: aggregation bits are those of the named committees, one after the other. */
function holdsVote(
  attestation: OnChainAttestation,
  { committee, position, lengths }: Seat,
): boolean {
  if (attestation.slot !== committee.slot) return false;
  if (!isBitSet(attestation.committeeBits, committee.index)) return false;
  let offset = 0;
  for (let index = 0; index < committee.index; index++) {
    if (isBitSet(attestation.committeeBits, index)) offset += lengths.get(index) ?? 0;
  }
  return isBitSet(attestation.aggregationBits, offset + position);
}

function isBitSet(bits: Uint8Array, index: number): boolean {
  return (((bits[index >> 3] ?? 0) >> (index & 7)) & 1) === 1;
}

interface CheckpointJson {
  readonly epoch: string;
  readonly root: string;
}

interface SyncingJson {
  readonly head_slot: string;
  readonly sync_distance: string;
}

interface CommitteeJson {
  readonly slot: string;
  readonly index: string;
  readonly validators: readonly string[];
}

interface ProposerJson {
  readonly slot: string;
  readonly validator_index: string;
}

interface FinalityJson {
  readonly current_justified: CheckpointJson;
  readonly finalized: CheckpointJson;
}

interface HeaderJson {
  readonly root: string;
  readonly header: {
    readonly message: {
      readonly slot: string;
      readonly parent_root: string;
    };
  };
}

interface AttestationJson {
  readonly aggregation_bits: string;
  readonly committee_bits: string;
  readonly data: {
    readonly slot: string;
    readonly beacon_block_root: string;
    readonly source: CheckpointJson;
    readonly target: CheckpointJson;
  };
}

function parseAttestation({ data, ...bits }: AttestationJson): OnChainAttestation {
  return {
    slot: Number(data.slot),
    headRoot: data.beacon_block_root,
    source: parseCheckpoint(data.source),
    target: parseCheckpoint(data.target),
    committeeBits: parseBits(bits.committee_bits),
    aggregationBits: parseBits(bits.aggregation_bits),
  };
}

function parseCheckpoint({ epoch, root }: CheckpointJson): Checkpoint {
  return { epoch: Number(epoch), root };
}

function parseBits(text: string): Uint8Array {
  const bits = fromHex(text);
  if (!bits) throw new Error(`not a bit field: ${text}`);
  return bits;
}
