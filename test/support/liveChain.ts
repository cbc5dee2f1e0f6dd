/** A dev chain in a process of its own: its clock, its faults, and what got into its blocks. */
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { type RunningChain, startChain } from "../../scripts/demo/cluster.ts";
import type { Faults } from "../../sim/devchain/faults.ts";
import { type AttestationRow, InclusionReader } from "../../sim/devchain/inclusion.ts";

/** Blocks after a duty that may hold it: the next one does unless it was late. */
const INCLUSION_SLOTS = 2;
const SLOTS_PER_EPOCH = 8;

export type LiveChainOptions = {
  readonly dir: string;
  readonly pubKeys: readonly string[];
  readonly endpoints: number;
  readonly slotMs: number;
  readonly genesisDelayS: number;
};

/**
 * A pause of this process, in parts of a slot, after which the others' timers are late as well: a
 * consensus round takes 0.08 slots, and all six of them less than half of one.
 */
const STALL = 0.05;
/** Slots that may be excused so; with more of them nothing is proved. */
const MAX_STALLED = 1 / 2;
const STALL_POLL_MS = 10;

export class LiveChain {
  readonly slotMs: number;
  readonly #running: RunningChain;
  readonly #reader: InclusionReader;
  readonly #watching: Promise<void>;
  readonly #closing = new AbortController();
  #watchFailure: unknown = null;
  /** Slots in which this machine gave this process no time when it was due. */
  readonly #stalled = new Set<number>();

  private constructor(running: RunningChain, slotMs: number, readFrom: string) {
    this.#running = running;
    this.slotMs = slotMs;
    this.#reader = new InclusionReader(readFrom, running.validators);
    this.#watching = this.#watch().catch((error: unknown) => {
      // Closing the chain is what ends the watch; an epoch missed otherwise fails the judgement.
      if (!this.#closing.signal.aborted) this.#watchFailure = error;
    });
    this.#watchStalls();
  }

  /** One endpoint more than asked for is kept for reading, so that no fault blinds the judge. */
  static async start(options: LiveChainOptions): Promise<LiveChain> {
    const { dir, pubKeys, endpoints, slotMs, genesisDelayS } = options;
    const running = await startChain(dir, pubKeys, {
      preset: "minimal",
      fork: "fulu",
      slotMs,
      ports: Array.from({ length: endpoints + 1 }, () => 0),
      genesisDelayS,
    });
    return new LiveChain(running, slotMs, running.urls[endpoints] ?? "");
  }

  url(endpoint: number): string {
    return this.#running.urls[endpoint] ?? assert.fail(`endpoint ${endpoint} was asked for`);
  }

  /** Of the clock; negative before genesis. */
  get slot(): number {
    return Math.floor((Date.now() - this.#running.genesisTimeMs) / this.slotMs);
  }

  get validators(): readonly number[] {
    return this.#running.validators;
  }

  /** Resolves when the slot begins. */
  untilSlot(slot: number): Promise<void> {
    return this.#untilSlot(slot);
  }

  /** Resolves with the next slot at its begin. */
  async nextSlot(): Promise<number> {
    const next = Math.max(0, this.slot + 1);
    await this.untilSlot(next);
    return next;
  }

  async setFaults(endpoint: number, faults: Partial<Faults>): Promise<void> {
    const port = Number(new URL(this.url(endpoint)).port);
    const response = await fetch(`${this.#running.controlUrl}/dev/faults`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ port, faults }),
    });
    assert.equal(response.status, 200, await response.text());
  }

  async genesisValidatorsRoot(): Promise<string> {
    const response = await fetch(`${this.url(0)}/eth/v1/beacon/genesis`);
    const { data } = (await response.json()) as { data: { genesis_validators_root: string } };
    return data.genesis_validators_root;
  }

  async slashings(): Promise<readonly unknown[]> {
    const response = await fetch(`${this.#running.controlUrl}/dev/slashings`);
    return (await response.json()) as readonly unknown[];
  }

  /**
   * What became of the cluster's duties of these slots, read from block bodies; waits until the
   * blocks that may hold them are there.
   */
  async duties(fromSlot: number, toSlot: number): Promise<readonly AttestationRow[]> {
    await this.untilSlot(toSlot + INCLUSION_SLOTS + 1);
    assert.equal(this.#watchFailure, null);
    const report = await this.#reader.report({ fromSlot, toSlot });
    assert.deepEqual(report.missedEpochs, [], "every epoch of the range was watched");
    return report.attestations;
  }

  /**
   * Fails unless each duty of these slots is on chain and right; resolves with their number. What
   * an overloaded machine made late is not held against the cluster, up to a limit.
   */
  async assertAllDone(fromSlot: number, toSlot: number): Promise<number> {
    const rows = await this.duties(fromSlot, toSlot);
    assert(rows.length > 0, "no duty was due: nothing is proved");
    const missed = rows.filter(isWrong);
    const missedSlots = new Set(missed.map(({ slot }) => slot));
    const excused = new Set([...missedSlots].filter((slot) => this.#stalled.has(slot)));
    const slots = toSlot - fromSlot + 1;
    assert(excused.size <= slots * MAX_STALLED, `the machine stalled in ${[...excused]}`);
    const left = missed.filter(({ slot }) => !excused.has(slot));
    assert.deepEqual(left, [], `of ${rows.length} duties`);
    return rows.length;
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await this.#watching;
    await this.#running.child.stop();
  }

  /** Duties have to be read while their epoch runs. Never resolves. */
  async #watch(): Promise<void> {
    for (let slot = 0; ; slot += SLOTS_PER_EPOCH / 4) {
      await this.#untilSlot(slot, this.#closing.signal);
      await this.#reader.update();
    }
  }

  #watchStalls(): void {
    let last = performance.now();
    const timer = setInterval(() => {
      const now = performance.now();
      if (now - last > STALL_POLL_MS + STALL * this.slotMs) this.#stalled.add(this.slot);
      last = now;
    }, STALL_POLL_MS);
    this.#closing.signal.addEventListener("abort", () => clearInterval(timer), { once: true });
  }

  async #untilSlot(slot: number, signal?: AbortSignal): Promise<void> {
    const startsAt = this.#running.genesisTimeMs + slot * this.slotMs;
    const delayMs = Math.max(0, startsAt - Date.now());
    await sleep(delayMs, undefined, signal && { signal });
  }
}

export function isWrong(row: AttestationRow): boolean {
  return !(row.isIncluded && row.isHeadCorrect && row.isTargetCorrect && row.isSourceCorrect);
}
