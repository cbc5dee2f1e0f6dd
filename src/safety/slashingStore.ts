/**
 * The slashing store: every message that this node's validators signed, in memory for the rules and
 * on disk for the next start. Memory is never behind the disk: a message is remembered before its
 * write begins, and whatever becomes of the write it stays remembered (STORE-6).
 */
import type { SlashingInput } from "../domain/data.ts";
import type { PubKey, Root, ShareIndex } from "../domain/keys.ts";
import {
  SLASHING_PRUNE_BATCH,
  SLASHING_RECORDS_KEPT,
  SLASHING_RECORDS_SLACK,
} from "../domain/limits.ts";
import type { KeyValueStore, StoreOperation } from "../ports/keyValueStore.ts";
import { assert } from "../util/assert.ts";
import { err, ok, type Result } from "../util/result.ts";
import { SerialQueue } from "../util/serialQueue.ts";
import {
  type AttestationWatermark,
  type BlockWatermark,
  type Origin,
  positionOf,
  type SignedMessage,
  ValidatorHistory,
} from "./history.ts";
import {
  encodeHead,
  encodeMessage,
  encodeWatermarks,
  HEAD_KEY,
  messageKey,
  type Provenance,
  SLASHING_SCHEMA,
  type Watermarks,
  watermarkKey,
} from "./records.ts";
import { type Candidate, checkSlashing, type Verdict } from "./rules.ts";

/** A message that a share is to sign, or that the cluster signed. */
export type RecordRequest = Candidate & {
  readonly pubKey: PubKey;
  readonly origin: Extract<Origin, "own" | "combined">;
  /** Share that signs; null for a combined signature. */
  readonly shareIndex: ShareIndex | null;
  /** Absent for a combined signature. */
  readonly signed?: Provenance;
};

export type ImportedMessage = SlashingInput & { readonly signingRoot: Root | null };

/**
 * Something else that has to be as durable as the records, and rides in their batches: the audit
 * log, decided roots, witnesses. Both calls are synchronous, so that nothing comes between what a
 * batch carries and what its member believes of it.
 */
export interface BatchMember {
  /** What the batch that is being put together carries of it; all of it again after a failure. */
  operations(): readonly StoreOperation[];
  /** What {@link operations} said last is on the disk. */
  committed(): void;
}

/** What {@link SlashingStore.transact} permits; valid only while its `decide` runs. */
export interface SlashingTransaction {
  /** Applies the rules, and remembers the message if they approve. */
  record(request: RecordRequest): Verdict;
  /**
   * SLASH-13: remembers what the group's key signed, whether the rules approve of it or not; it
   * binds from then on, and is not repeatable where it contradicts. For verified signatures only.
   */
  witness(
    pubKey: PubKey,
    message: SlashingInput & { readonly signingRoot: Root },
    origin: Extract<Origin, "combined" | "seen">,
  ): void;
  /** Adds a foreign history of the validator; returns how many messages were new (SLASH-8). */
  merge(pubKey: PubKey, messages: readonly ImportedMessage[]): number;
  /**
   * Adds a message that the validator's share signed and these records lost, and raises the low
   * watermark to it: whatever was signed between is lost as well (WITNESS-4).
   */
  adopt(pubKey: PubKey, candidate: Candidate): void;
}

/** What is remembered of one validator, as far as others may read it. */
export type HistorySnapshot = Pick<
  ValidatorHistory,
  "attestations" | "blocks" | "attestationWatermark" | "blockWatermark"
>;

/** What `openSlashingStore` read from the disk. */
export type LoadedRecords = {
  readonly genesisValidatorsRoot: Root;
  readonly histories: Map<PubKey, ValidatorHistory>;
  /** Entries on disk beside the head. */
  readonly entries: number;
};

type Job = (transaction: SlashingTransaction) => unknown;
type Outcome = { readonly result: Result<unknown, unknown>; readonly needsWrite: boolean };

/** Records nothing, and has the batch written all the same. */
const FLUSH: Job = () => undefined;
const NO_HISTORY = new ValidatorHistory();

/** Made by `openSlashingStore` only. */
export class SlashingStore {
  readonly genesisValidatorsRoot: Root;
  readonly #store: KeyValueStore;
  readonly #histories: Map<PubKey, ValidatorHistory>;
  /** Asked for each second, over thousands of validators: null when a record changed since. */
  #progress: number | null = null;
  readonly #queue: SerialQueue<Job, unknown>;
  /** What the disk may lack, in order; part of every write until one succeeds (STORE-6). */
  #unwritten: StoreOperation[] = [];
  /** Messages that are remembered and may not be on the disk. */
  readonly #unwrittenMessages = new Set<SignedMessage>();
  /** Validators with more messages than are kept. */
  readonly #overdue = new Set<PubKey>();
  readonly #members: BatchMember[] = [];
  #entries: number;

  constructor(store: KeyValueStore, loaded: LoadedRecords) {
    this.genesisValidatorsRoot = loaded.genesisValidatorsRoot;
    this.#store = store;
    this.#histories = loaded.histories;
    this.#entries = loaded.entries;
    this.#queue = new SerialQueue((jobs) => this.#commit(jobs));
    for (const pubKey of this.#histories.keys()) this.#noteSize(pubKey);
  }

  /** What the rules say now; nothing is remembered. */
  check(pubKey: PubKey, candidate: Candidate): Verdict {
    return checkSlashing(this.#histories.get(pubKey) ?? NO_HISTORY, candidate);
  }

  /**
   * Runs `decide` alone and at once with its batch, and resolves with what it returned as soon as
   * everything that it recorded is durable (STORE-1); what others wait for is written in the same
   * batch. Throws what `decide` throws, and `FaultError` when the write failed.
   */
  async transact<R>(decide: (transaction: SlashingTransaction) => R): Promise<R> {
    return (await this.#queue.run(decide)) as R;
  }

  /** Whether a message that was signed is neither recorded nor under the low watermark. */
  isMissing(pubKey: PubKey, { slashing, signingRoot }: Candidate): boolean {
    const history = this.#histories.get(pubKey) ?? NO_HISTORY;
    if (history.find(slashing, signingRoot) !== undefined) return false;
    const { attestationWatermark: attestation, blockWatermark: block } = history;
    if (slashing.kind === "block") return block === null || slashing.slot > block.slot;
    if (attestation === null) return true;
    return slashing.target > attestation.target || slashing.source > attestation.source;
  }

  /** Whether the cluster is known to have signed it, or an import says so. */
  isOwn(pubKey: PubKey, signingRoot: Root): boolean {
    return this.#histories.get(pubKey)?.isOwn(signingRoot) ?? false;
  }

  /**
   * How far the records reach, as one number that never falls and rises with each message: of two
   * copies of one directory the one that signed more has the higher one (TWIN-3).
   */
  progress(): number {
    if (this.#progress === null) {
      this.#progress = 0;
      for (const history of this.#histories.values()) this.#progress += history.reach;
      // An import may name any number, and a heartbeat says none beyond (WIRE-14).
      this.#progress = Math.min(this.#progress, Number.MAX_SAFE_INTEGER);
    }
    return this.#progress;
  }

  /** STORE-12: from now on every batch carries the member's operations too. */
  join(member: BatchMember): void {
    this.#members.push(member);
  }

  /** Writes what the members have pending, with whatever else waits. */
  async flush(): Promise<void> {
    await this.#queue.run(FLUSH);
  }

  /** All validators with records, in the order of their keys. */
  snapshot(): readonly (readonly [PubKey, HistorySnapshot])[] {
    return [...this.#histories].sort(([a], [b]) => (a < b ? -1 : 1));
  }

  async #commit(jobs: readonly Job[]): Promise<readonly Result<unknown, unknown>[]> {
    const outcomes = jobs.map((job) => this.#decide(job));
    // SLASH-1: a repeat costs no write, and goes on while the disk is out of order.
    if (!outcomes.some(({ needsWrite }) => needsWrite)) return outcomes.map(({ result }) => result);
    try {
      this.#prune();
      await this.#write();
    } catch (error) {
      return outcomes.map(({ result, needsWrite }) => (needsWrite ? err(error) : result));
    }
    return outcomes.map(({ result }) => result);
  }

  /** Decides within memory; whatever the job approved is remembered from here on (GATE-5). */
  #decide(job: Job): Outcome {
    let isOpen = true;
    let needsWrite = job === FLUSH;
    const transaction: SlashingTransaction = {
      record: (request) => {
        assert(isOpen, "a transaction decides before it returns");
        const verdict = this.#record(request);
        needsWrite ||= verdict.isApproved && !(verdict.isRepeat && this.#isWritten(request));
        return verdict;
      },
      witness: (pubKey, message, origin) => {
        assert(isOpen, "a transaction decides before it returns");
        needsWrite = this.#witness(pubKey, message, origin) || needsWrite;
      },
      merge: (pubKey, messages) => {
        assert(isOpen, "a transaction decides before it returns");
        needsWrite = true;
        return this.#merge(pubKey, messages);
      },
      adopt: (pubKey, { slashing, signingRoot }) => {
        assert(isOpen, "a transaction decides before it returns");
        needsWrite = true;
        this.#merge(pubKey, [{ ...slashing, signingRoot }]);
        const isBlock = slashing.kind === "block";
        this.#raiseWatermarks(pubKey, {
          attestation: isBlock ? null : slashing,
          block: isBlock ? slashing : null,
        });
      },
    };
    try {
      return { result: ok(job(transaction)), needsWrite };
    } catch (error) {
      return { result: err(error), needsWrite };
    } finally {
      isOpen = false;
    }
  }

  /** False where it was known. */
  #witness(
    pubKey: PubKey,
    message: SlashingInput & { readonly signingRoot: Root },
    origin: Extract<Origin, "combined" | "seen">,
  ): boolean {
    const { signingRoot } = message;
    const history = this.#historyOf(pubKey);
    if (history.find(message, signingRoot) !== undefined) return false;
    const { isApproved: isRepeatable } = this.check(pubKey, { slashing: message, signingRoot });
    this.#insert(pubKey, { ...message, origin, shareIndex: null, isRepeatable });
    return true;
  }

  #record({ pubKey, slashing, signingRoot, origin, shareIndex, signed }: RecordRequest): Verdict {
    const verdict = this.check(pubKey, { slashing, signingRoot });
    if (!verdict.isApproved || verdict.isRepeat) return verdict;
    const message = { ...slashing, signingRoot, origin, shareIndex, isRepeatable: true };
    this.#insert(pubKey, message, signed);
    // SLASH-6: a history begins with its first message.
    const { attestationWatermark, blockWatermark } = this.#historyOf(pubKey);
    if (slashing.kind === "attestation" && attestationWatermark === null) {
      this.#raiseWatermarks(pubKey, { attestation: slashing, block: null });
    } else if (slashing.kind === "block" && blockWatermark === null) {
      this.#raiseWatermarks(pubKey, { attestation: null, block: slashing });
    }
    return verdict;
  }

  #merge(pubKey: PubKey, messages: readonly ImportedMessage[]): number {
    const history = this.#historyOf(pubKey);
    const before: Watermarks = {
      attestation: history.attestationWatermark,
      block: history.blockWatermark,
    };
    let added = 0;
    // From the lowest on, as they were signed: a file may have any order, and years of history.
    const ordered = messages.toSorted((a, b) => positionOf(a) - positionOf(b));
    for (const message of ordered) {
      if (this.#foldUnderWatermark(pubKey, message, before)) continue;
      const { signingRoot } = message;
      if (history.find(message, signingRoot) !== undefined) continue;
      // SLASH-9: what contradicts the records before it is remembered, but never signed again.
      const isRepeatable =
        signingRoot !== null &&
        checkSlashing(history, { slashing: message, signingRoot }).isApproved;
      this.#insert(pubKey, { ...message, origin: "imported", shareIndex: null, isRepeatable });
      added++;
    }
    // SLASH-6: a file says nothing of what lies under its lowest message.
    const lowest = { attestation: lowestAttestation(messages), block: lowestBlock(messages) };
    this.#raiseWatermarks(pubKey, lowest);
    return added;
  }

  /**
   * A message under the watermark only matters to candidates above it, which it can convict only by
   * being surrounded: its source raises the watermark, and that is all (SLASH-8).
   */
  #foldUnderWatermark(pubKey: PubKey, message: SlashingInput, watermarks: Watermarks): boolean {
    const { attestation, block } = watermarks;
    if (message.kind === "block") return block !== null && message.slot < block.slot;
    if (attestation === null || message.target >= attestation.target) return false;
    const { target } = attestation;
    this.#raiseWatermarks(pubKey, { attestation: { source: message.source, target }, block: null });
    return true;
  }

  #insert(pubKey: PubKey, message: SignedMessage, signed?: Provenance): void {
    const key = messageKey(pubKey, message);
    this.#historyOf(pubKey).insert(message);
    this.#progress = null;
    this.#unwritten.push({ type: "put", key, value: encodeMessage(key, message, signed) });
    this.#unwrittenMessages.add(message);
    this.#entries++;
    this.#noteSize(pubKey);
  }

  #raiseWatermarks(pubKey: PubKey, { attestation, block }: Watermarks): void {
    const history = this.#historyOf(pubKey);
    const isFirst = !history.hasWatermark;
    const rose = [
      attestation !== null && history.raiseAttestationWatermark(attestation),
      block !== null && history.raiseBlockWatermark(block),
    ];
    if (!rose.includes(true)) return;
    this.#progress = null;
    if (isFirst) this.#entries++;
    this.#putWatermarks(pubKey);
  }

  #putWatermarks(pubKey: PubKey): void {
    const { attestationWatermark, blockWatermark } = this.#historyOf(pubKey);
    const watermarks = { attestation: attestationWatermark, block: blockWatermark };
    const key = watermarkKey(pubKey);
    this.#unwritten.push({ type: "put", key, value: encodeWatermarks(key, watermarks) });
  }

  /**
   * Forgets what the watermarks stand for, a bounded number of messages per batch, and in the same
   * batch as the watermarks that replace them (STORE-5).
   */
  #prune(): void {
    const budget = this.#unwritten.length + SLASHING_PRUNE_BATCH;
    let pruned = 0;
    for (const pubKey of this.#overdue) {
      this.#progress = null;
      const history = this.#historyOf(pubKey);
      // What was only seen sets no watermark (SLASH-13), so this may be the first.
      if (!history.hasWatermark) this.#entries++;
      for (const message of history.prune(SLASHING_RECORDS_KEPT)) {
        this.#unwritten.push({ type: "del", key: messageKey(pubKey, message) });
        this.#entries--;
        pruned++;
      }
      this.#putWatermarks(pubKey);
      this.#overdue.delete(pubKey);
      if (pruned >= budget) return;
    }
  }

  async #write(): Promise<void> {
    const head = {
      schema: SLASHING_SCHEMA,
      genesisValidatorsRoot: this.genesisValidatorsRoot,
      entries: this.#entries,
    };
    const put: StoreOperation = { type: "put", key: HEAD_KEY, value: encodeHead(head) };
    const joined = this.#members.flatMap((member) => member.operations());
    await this.#store.batch([...this.#unwritten, put, ...joined]);
    this.#unwritten = [];
    this.#unwrittenMessages.clear();
    for (const member of this.#members) member.committed();
  }

  /** Whether a remembered message is on the disk, too: its write may have failed (STORE-6). */
  #isWritten({ pubKey, slashing, signingRoot }: RecordRequest): boolean {
    const message = this.#historyOf(pubKey).find(slashing, signingRoot);
    assert(message !== undefined, "a repeat is remembered");
    return !this.#unwrittenMessages.has(message);
  }

  #historyOf(pubKey: PubKey): ValidatorHistory {
    const existing = this.#histories.get(pubKey);
    if (existing !== undefined) return existing;
    const created = new ValidatorHistory();
    this.#histories.set(pubKey, created);
    return created;
  }

  #noteSize(pubKey: PubKey): void {
    const { attestations, blocks } = this.#historyOf(pubKey);
    const most = SLASHING_RECORDS_KEPT + SLASHING_RECORDS_SLACK;
    if (attestations.length > most || blocks.length > most) this.#overdue.add(pubKey);
  }
}

function lowestAttestation(messages: readonly ImportedMessage[]): AttestationWatermark | null {
  const attestations = messages.filter((message) => message.kind === "attestation");
  if (attestations.length === 0) return null;
  return {
    source: attestations.reduce((lowest, { source }) => Math.min(lowest, source), Infinity),
    target: attestations.reduce((lowest, { target }) => Math.min(lowest, target), Infinity),
  };
}

function lowestBlock(messages: readonly ImportedMessage[]): BlockWatermark | null {
  const blocks = messages.filter((message) => message.kind === "block");
  if (blocks.length === 0) return null;
  return { slot: blocks.reduce((lowest, { slot }) => Math.min(lowest, slot), Infinity) };
}
