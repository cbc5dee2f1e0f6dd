/**
 * Operators at one table: real runners and machines over a network, clock and disks in memory.
 * A disk keeps what was written before a crash, and nothing else survives one.
 */
import assert from "node:assert/strict";
import type { ClusterDefinition } from "../../src/cluster/definition.ts";
import { type NewDefinition, newDefinition } from "../../src/cluster/newDefinition.ts";
import { encodeEnr } from "../../src/crypto/enr.ts";
import { createIdentity } from "../../src/crypto/identity.ts";
import { k1PublicKey } from "../../src/crypto/k1.ts";
import type { CeremonyEnd, CeremonyReport, CeremonyRun } from "../../src/dkg/ceremonyRun.ts";
import type { CeremonyShares } from "../../src/dkg/messages.ts";
import type { OutputFile } from "../../src/dkg/outputs.ts";
import { runCeremony } from "../../src/dkg/runner.ts";
import type { CeremonyStorage, EndedAttempt } from "../../src/dkg/storage.ts";
import { MAX_CEREMONY_ATTEMPTS } from "../../src/domain/limits.ts";
import type { CeremonyChannel } from "../../src/ports/network.ts";
import { MemoryHub } from "./memoryNetwork.ts";
import { seededRandom } from "./random.ts";
import { VirtualClock } from "./virtualClock.ts";

export const PHASE_TIMEOUT_MS = 60_000;
const ADDRESS = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed";

/** What a crash throws in the middle of whatever ran. */
class Crash extends Error {}

export class MemoryDisk implements CeremonyStorage {
  readonly journals = new Map<number, Uint8Array[]>();
  readonly shares = new Map<number, CeremonyShares>();
  readonly blames: Uint8Array[] = [];
  files: readonly OutputFile[] | null = null;
  published: CeremonyShares | null = null;
  #rows: readonly EndedAttempt[] = [];
  #current = 0;
  /** Appends until the machine under it dies; null: it lives. */
  crashAfter: number | null = null;
  onCrash: () => void = () => undefined;

  ended = (): readonly EndedAttempt[] => this.#rows;
  current = (): number => this.#current;
  isPublished = (): boolean => this.files !== null;

  open(attempt: number): Promise<readonly Uint8Array[]> {
    this.#current = attempt;
    const journal = this.journals.get(attempt) ?? [];
    this.journals.set(attempt, journal);
    return Promise.resolve([...journal]);
  }

  append(record: Uint8Array): Promise<void> {
    this.#die();
    this.journals.get(this.#current)?.push(record);
    return Promise.resolve();
  }

  storeShares(shares: CeremonyShares): Promise<readonly Uint8Array[]> {
    this.#die();
    const copy = { ...shares, secrets: shares.secrets.map((secret) => Uint8Array.from(secret)) };
    this.shares.set(this.#current, copy);
    return Promise.resolve(copy.secrets.map((secret) => Uint8Array.from(secret)));
  }

  end(attempt: EndedAttempt, blame: Uint8Array | null): Promise<void> {
    this.#die();
    if (blame !== null) this.blames.push(blame);
    this.#rows = [...this.#rows, attempt];
    if (!attempt.keepsShares) this.#forget();
    this.#current = 0;
    return Promise.resolve();
  }

  reopen(attempt: number): Promise<boolean> {
    const isKept = (row: EndedAttempt): boolean => row.attempt === attempt && row.keepsShares;
    if (!this.#rows.some(isKept)) return Promise.resolve(false);
    this.#rows = this.#rows.filter((row) => !isKept(row));
    this.#current = attempt;
    return Promise.resolve(true);
  }

  publish(files: readonly OutputFile[]): Promise<void> {
    this.#die();
    this.files = files;
    this.published = this.shares.get(this.#current) ?? this.published;
    return Promise.resolve();
  }

  erase(): Promise<void> {
    this.#die();
    this.#forget();
    this.#current = 0;
    return Promise.resolve();
  }

  close = (): Promise<void> => Promise.resolve();

  /** What a new disk in the place of this one holds. */
  forget(): void {
    this.journals.clear();
    this.shares.clear();
    this.#rows = [];
    this.#current = 0;
  }

  #forget(): void {
    this.journals.delete(this.#current);
    this.shares.delete(this.#current);
  }

  #die(): void {
    if (this.crashAfter === null || this.crashAfter-- > 0) return;
    this.crashAfter = null;
    this.onCrash();
    throw new Crash("the machine lost power");
  }
}

export type TableOptions = {
  readonly nodes?: number;
  readonly threshold?: number;
  readonly validators?: number;
  readonly lingerMs?: number;
  /** How far wall clocks of nodes are ahead of true time. */
  readonly clockOffsets?: Readonly<Record<number, number>>;
  /** A mutant in the place of the runner. */
  readonly run?: typeof runCeremony;
};

type WrongClock = ReturnType<VirtualClock["beside"]>;

export class CeremonyTable {
  readonly hub: MemoryHub<CeremonyChannel>;
  readonly clock = new VirtualClock(1_800_000_000_000);
  readonly disks: readonly MemoryDisk[];
  readonly reports: { readonly node: number; readonly report: CeremonyReport }[] = [];
  readonly ends = new Map<number, CeremonyEnd>();
  readonly failures = new Map<number, unknown>();
  readonly definition: ClusterDefinition;
  readonly secretKeys: readonly Uint8Array[];
  /** Of nodes whose wall clock is wrong. */
  readonly clocks: ReadonlyMap<number, WrongClock>;
  readonly #random = seededRandom("ceremony");
  readonly #lingerMs: number;
  readonly #runCeremony: typeof runCeremony;
  readonly #running = new Map<number, { abort: AbortController; done: Promise<void> }>();

  constructor(options: TableOptions = {}) {
    const { nodes = 4, threshold = 3, validators = 1, lingerMs = 600_000 } = options;
    this.#runCeremony = options.run ?? runCeremony;
    this.hub = new MemoryHub({ nodes, turn: "macrotask" });
    this.#lingerMs = lingerMs;
    this.clocks = new Map(
      Object.entries(options.clockOffsets ?? {}).map(([node, offset]) => [
        Number(node),
        this.clock.beside(offset),
      ]),
    );
    this.disks = Array.from({ length: nodes }, () => new MemoryDisk());
    this.secretKeys = this.disks.map((_, i) => new Uint8Array(32).fill(i + 1));
    this.definition = definitionFor(this.secretKeys, { threshold, validators });
    for (const node of this.disks.keys()) this.hub.stop(node);
  }

  /** Starts the node's process, on the disk that an earlier one left. */
  start(node: number, overrides: Partial<CeremonyRun> = {}): void {
    const disk = this.disks[node];
    const secretKey = this.secretKeys[node];
    assert(disk !== undefined && secretKey !== undefined, `there is no node ${node}`);
    const identity = createIdentity({ secretKey, operators: this.secretKeys.map(k1PublicKey) });
    assert(identity !== null);
    const abort = new AbortController();
    disk.onCrash = () => this.hub.stop(node);
    const done = this.#runCeremony(
      {
        definition: this.definition,
        self: node,
        version: "1.2.3",
        maxAttempt: MAX_CEREMONY_ATTEMPTS,
        phaseTimeoutMs: () => PHASE_TIMEOUT_MS,
        lingerMs: this.#lingerMs,
        contractWallets: new Set(),
        ...overrides,
      },
      {
        clock: this.clocks.get(node) ?? this.clock,
        random: this.#random,
        identity,
        network: this.hub.network(node),
        storage: disk,
        report: (report) => this.reports.push({ node, report }),
      },
      abort.signal,
    ).then(
      (end) => void this.ends.set(node, end),
      (error: unknown) => {
        if (!(error instanceof Crash)) this.failures.set(node, error);
      },
    );
    this.#running.set(node, { abort, done });
    this.hub.start(node);
  }

  /** Ends the node's process without a word. */
  async kill(node: number): Promise<void> {
    this.hub.stop(node);
    this.#running.get(node)?.abort.abort(new Crash("killed"));
    await this.#running.get(node)?.done;
  }

  async run(ms: number): Promise<void> {
    await this.clock.runUntil(this.clock.now() + ms);
  }

  /** Runs until every node's process has ended, within `ms`. */
  async runToEnd(ms = 300_000): Promise<void> {
    const until = this.clock.now() + ms;
    while (this.clock.now() < until && this.ends.size + this.failures.size < this.disks.length) {
      await this.run(500);
    }
  }

  async stop(): Promise<void> {
    for (const node of this.#running.keys()) await this.kill(node);
  }

  of<Kind extends CeremonyReport["kind"]>(node: number, kind: Kind) {
    return this.reports.flatMap(({ node: author, report }) =>
      author === node && report.kind === kind
        ? [report as Extract<CeremonyReport, { kind: Kind }>]
        : [],
    );
  }

  lockHashes(): readonly (string | null)[] {
    return this.disks.map(({ files }) => {
      const lock = files?.find(({ name }) => name === "cluster-lock.json");
      return lock === undefined ? null : JSON.parse(lock.text).lock_hash;
    });
  }
}

export function definitionFor(
  secretKeys: readonly Uint8Array[],
  changes: Partial<Omit<NewDefinition, "validators">> & {
    readonly threshold: number;
    readonly validators: number;
  },
): ClusterDefinition {
  const { validators, ...rest } = changes;
  return newDefinition({
    name: "squad",
    enrs: secretKeys.map((secretKey) => encodeEnr({ secretKey })),
    forkVersion: "0x10000910",
    createdAt: "2026-01-02T03:04:05Z",
    uuid: "6e2f9a4e-0000-4000-8000-000000000001",
    depositAmounts: [1_000_000_000n, 31_000_000_000n],
    targetGasLimit: 60_000_000,
    isCompounding: false,
    ...rest,
    validators: Array.from({ length: validators }, () => ({
      feeRecipient: ADDRESS,
      withdrawalAddress: ADDRESS,
    })),
  });
}
