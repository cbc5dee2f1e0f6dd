/**
 * Looks at what the chain and the pools show of our validators' signatures, and hands it to whoever
 * judges it (FOREIGN-1). Each head's block and those before it that were missed, every imported
 * block of a slot in which we propose, and the pool of the slot before: some three small requests
 * in a slot, and the slot's committees only where a vote differs from what was decided.
 */
import type { Background } from "../core/background.ts";
import type { ForeignSigners } from "../core/foreignSigners.ts";
import type { HeadFeed } from "../core/headFeed.ts";
import type { Scheduler } from "../core/interfaces.ts";
import type { AttesterDefinition } from "../domain/data.ts";
import { FaultError } from "../domain/errors.ts";
import { type Root, rootOf } from "../domain/keys.ts";
import { MAX_BLOCKS_BEHIND } from "../domain/limits.ts";
import type { BasisPoints, CommitteeIndex, Slot, ValidatorIndex } from "../domain/units.ts";
import { encodeAttestationData } from "../eth2/attestationData.ts";
import { decodeBlockHeader } from "../eth2/blockHeader.ts";
import type { Chain } from "../eth2/chain.ts";
import type { HeadEvent } from "../ports/beaconNode.ts";
import type { ChainSightings, SeenAttestation, SignedHeader } from "../ports/chainSightings.ts";
import type { Clock } from "../ports/clock.ts";
import type { Logger } from "../ports/logger.ts";
import { BoundedCache } from "../util/boundedCache.ts";

export type SightingWatchParts = {
  readonly beacon: ChainSightings;
  readonly heads: HeadFeed;
  readonly scheduler: Pick<Scheduler, "definitions">;
  readonly foreign: ForeignSigners;
  readonly chain: Pick<Chain, "dueAt" | "slotAt">;
  readonly clock: Pick<Clock, "now" | "sleep">;
  readonly logger: Logger;
  readonly background: Background;
  readonly signal: AbortSignal;
};
type Source = "blocks" | "the pool";
type Committees = ReadonlyMap<CommitteeIndex, readonly ValidatorIndex[]>;

/** Blocks and committees remembered: two epochs of the longest. */
const REMEMBERED = 64;
/** When the slot's own duties are done: a head comes just when they need the beacon node. */
const QUIET: BasisPoints = 7_500;

export class SightingWatch {
  readonly #parts: SightingWatchParts;
  readonly #examined = new BoundedCache<Root, true>(REMEMBERED);
  #committees = new BoundedCache<Slot, Committees>(REMEMBERED);
  /** What the committees in memory hang on. */
  #dependency = "";
  #hasMisfit = false;
  /** What cannot be read for now. */
  readonly #blind = new Set<Source>();
  #isFirst = true;
  #newest: HeadEvent | null = null;
  #isRunning = false;

  constructor(parts: SightingWatchParts) {
    this.#parts = parts;
  }

  start(): void {
    const { heads, beacon, signal } = this.#parts;
    heads.onHead((event) => {
      this.#newest = event;
      if (!this.#isRunning) this.#parts.background.run(() => this.#follow());
    });
    beacon.onBlock(({ slot, block }) => {
      // A block that the chain does not take convicts as well.
      if (this.#proposers(slot).length === 0) return;
      this.#parts.background.run(() => this.#look("blocks", () => this.#lookAtBlock(block)));
    }, signal);
  }

  /** One head at a time; of those that come meanwhile the newest leads to the others. */
  async #follow(): Promise<void> {
    this.#isRunning = true;
    try {
      for (let next = this.#newest; next !== null; next = this.#newest) {
        await this.#untilQuiet(next.slot);
        const head: HeadEvent = this.#newest ?? next;
        this.#newest = null;
        this.#forgetCommittees(head);
        await this.#look("blocks", () => this.#lookAtChain(head.block));
        await this.#look("the pool", () => this.#lookAtPool(head.slot - 1));
      }
    } finally {
      this.#isRunning = false;
    }
  }

  /** A head that is said to be of a later slot is no reason to look away until then. */
  async #untilQuiet(head: Slot): Promise<void> {
    const { chain, clock, signal } = this.#parts;
    const slot = Math.min(head, chain.slotAt(clock.now()));
    const waitMs = chain.dueAt(slot, QUIET) - clock.now();
    if (waitMs > 0) await clock.sleep(waitMs, signal);
  }

  /** A reorg across epochs seats everybody anew. */
  #forgetCommittees({ previousDutyDependentRoot, currentDutyDependentRoot }: HeadEvent): void {
    const dependency = `${previousDutyDependentRoot}/${currentDutyDependentRoot}`;
    if (dependency === this.#dependency) return;
    this.#dependency = dependency;
    this.#committees = new BoundedCache(REMEMBERED);
  }

  async #lookAtChain(head: Root): Promise<void> {
    const { beacon, signal } = this.#parts;
    const missed: Root[] = [];
    let block: Root | null = head;
    while (block !== null && this.#examined.get(block) === undefined) {
      const signed: SignedHeader | null = await beacon.signedHeader(block, signal);
      if (signed === null || missed.length >= MAX_BLOCKS_BEHIND) break;
      missed.push(block);
      await this.#judgeHeader(signed);
      block = this.#isFirst ? null : parentOf(signed);
    }
    this.#isFirst = false;
    for (const root of missed.reverse()) {
      for (const seen of await beacon.blockAttestations(root, signal)) {
        await this.#judgeAttestation(seen, `in block ${root}`);
      }
      this.#examined.set(root, true);
    }
  }

  async #lookAtPool(slot: Slot): Promise<void> {
    if (slot < 0 || this.#seats(slot).length === 0) return;
    const { beacon, signal } = this.#parts;
    for (const seen of await beacon.poolAttestations(slot, signal)) {
      await this.#judgeAttestation(seen, "in the beacon node's pool");
    }
  }

  async #lookAtBlock(block: Root): Promise<void> {
    const signed = await this.#parts.beacon.signedHeader(block, this.#parts.signal);
    if (signed !== null) await this.#judgeHeader(signed);
  }

  async #judgeHeader({ header, signature }: SignedHeader): Promise<void> {
    const block = decodeBlockHeader(header);
    if (block === null) return;
    const { slot, proposerIndex } = block;
    const ours = this.#proposers(slot).find((each) => each.validatorIndex === proposerIndex);
    if (ours === undefined) return;
    const { validator } = ours;
    const duty = { slot, type: "proposer" as const };
    await this.#parts.foreign.see({
      duty,
      validator,
      data: header,
      signature,
      where: "as a block",
    });
  }

  async #judgeAttestation(seen: SeenAttestation, where: string): Promise<void> {
    const { foreign } = this.#parts;
    const { slot } = seen.data;
    const seats = this.#seats(slot).filter((s) => seen.committees.includes(s.committeeIndex));
    if (seats.length === 0) return;
    const duty = { slot, type: "attester" as const };
    const data = encodeAttestationData(seen.data);
    // Whoever of ours signed it signed what was decided.
    if (await foreign.isExplained(duty, data)) return;
    const members = await this.#membersOf(seen);
    if (members === null) return;
    const signature = seen.bits.set === 1 ? seen.signature : null;
    for (const { validator, validatorIndex } of seats) {
      const position = members.indexOf(validatorIndex);
      if (position < 0 || !seen.bits.has(position)) continue;
      await foreign.see({ duty, validator, data, signature, where });
    }
  }

  /** Validators in the order of the attestation's bits; null when they do not fit them. */
  async #membersOf({ data, committees, bits }: SeenAttestation) {
    const { beacon, signal, logger } = this.#parts;
    const known = this.#committees.get(data.slot) ?? (await beacon.committees(data.slot, signal));
    if (known.size > 0) this.#committees.set(data.slot, known);
    const members = committees.flatMap((index) => known.get(index) ?? []);
    if (members.length === bits.length) return members;
    // After a reorg across epochs an old vote is of other committees; told once, for a beacon node
    // whose committees never fit would blind this node.
    if (!this.#hasMisfit) {
      logger.warn("An attestation does not fit its slot's committees.", { slot: data.slot });
    }
    this.#hasMisfit = true;
    return null;
  }

  #seats(slot: Slot): readonly AttesterDefinition[] {
    const definitions = this.#parts.scheduler.definitions({ slot, type: "attester" });
    return definitions as readonly AttesterDefinition[];
  }

  #proposers(slot: Slot) {
    return this.#parts.scheduler.definitions({ slot, type: "proposer" });
  }

  /** What cannot be read is told once, until it can be read again. */
  async #look(source: Source, look: () => Promise<void>): Promise<void> {
    const { logger } = this.#parts;
    try {
      await look();
      if (this.#blind.delete(source)) {
        logger.info("Foreign signers are looked for again.", { source });
      }
    } catch (error) {
      if (!(error instanceof FaultError)) throw error;
      const text = "Foreign signers cannot be looked for here; the next block is tried.";
      if (!this.#blind.has(source)) logger.warn(text, { source, reason: error.message });
      this.#blind.add(source);
    }
  }
}

function parentOf({ header }: SignedHeader): Root | null {
  const parent = decodeBlockHeader(header)?.parentRoot;
  return parent === undefined ? null : rootOf(parent);
}
