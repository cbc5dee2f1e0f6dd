/**
 * This node's own proposal for a duty: asked of the beacon node until it answers or the deadline
 * passes. Consensus never waits for it; a node without data still votes on the others' values.
 */
import type { DutyDefinitions, UnsignedData } from "../domain/data.ts";
import type { Duty, DutyId } from "../domain/duty.ts";
import { dutyId } from "../domain/duty.ts";
import { Cancelled, FaultError } from "../domain/errors.ts";
import type { Root } from "../domain/keys.ts";
import { MAX_VALUE_BYTES } from "../domain/limits.ts";
import type { Millis } from "../domain/units.ts";
import type { AwaitSignature, DutyKind } from "../duties/kind.ts";
import type { Chain } from "../eth2/chain.ts";
import type { BeaconNode } from "../ports/beaconNode.ts";
import type { Clock } from "../ports/clock.ts";
import { Listeners } from "../util/listeners.ts";
import type { Background } from "./background.ts";
import type { Deadlines } from "./deadlines.ts";
import type { Fetcher, Tracker } from "./interfaces.ts";

/** Pause before a failed fetch is tried again: well below a round, well above a busy loop. */
const RETRY_DELAY_MS: Millis = 100;

type FetcherParts = {
  readonly chain: Chain;
  readonly beacon: BeaconNode;
  readonly clock: Clock;
  readonly deadlines: Deadlines;
  readonly background: Background;
  readonly kindOf: (duty: Duty) => DutyKind;
  readonly valueRoot: (value: Uint8Array) => Root;
  readonly awaitSignature: AwaitSignature;
  readonly tracker: Tracker;
};
type Entry = { readonly definitions: DutyDefinitions; data: UnsignedData | null };

export class BeaconFetcher implements Fetcher {
  readonly #parts: FetcherParts;
  readonly #fetched = new Listeners<[UnsignedData]>();
  readonly #entries = new Map<DutyId, Entry>();
  /** Called at the first answer; some wait before the duty is even due. */
  readonly #waiting = new Map<DutyId, Set<() => void>>();

  constructor(parts: FetcherParts) {
    this.#parts = parts;
    parts.deadlines.onExpired((duty) => this.#entries.delete(dutyId(duty)));
  }

  onFetched(handler: (data: UnsignedData) => void): void {
    this.#fetched.add(handler);
  }

  fetch(duty: Duty, definitions: DutyDefinitions): void {
    if (this.#entries.has(dutyId(duty))) return;
    const entry: Entry = { definitions, data: null };
    this.#entries.set(dutyId(duty), entry);
    this.#parts.background.run(
      async () => this.#fetched.emit(await this.#fetchUntilAnswered(duty, entry)),
      (fault) => this.#parts.tracker.noted(duty, fault.code),
    );
  }

  async latest(duty: Duty, signal: AbortSignal): Promise<UnsignedData | null> {
    const answered = this.#entries.get(dutyId(duty))?.data ?? null;
    if (answered !== null || signal.aborted) return answered;
    await new Promise<void>((resolve) => {
      const waiting = this.#waiting.get(dutyId(duty)) ?? new Set();
      const wake = (): void => {
        waiting.delete(wake);
        if (waiting.size === 0) this.#waiting.delete(dutyId(duty));
        signal.removeEventListener("abort", wake);
        resolve();
      };
      this.#waiting.set(dutyId(duty), waiting.add(wake));
      signal.addEventListener("abort", wake, { once: true });
    });
    return this.#entries.get(dutyId(duty))?.data ?? null;
  }

  async refresh(duty: Duty, signal: AbortSignal): Promise<UnsignedData | null> {
    const entry = this.#entries.get(dutyId(duty));
    if (entry === undefined) return null;
    try {
      return await this.#fetchOnce(duty, entry, signal);
    } catch (error) {
      if (error instanceof Cancelled || error instanceof FaultError) return entry.data;
      throw error;
    }
  }

  async #fetchUntilAnswered(duty: Duty, entry: Entry): Promise<UnsignedData> {
    const signal = this.#parts.deadlines.signalOf(duty);
    for (;;) {
      try {
        return await this.#fetchOnce(duty, entry, signal);
      } catch (error) {
        if (!(error instanceof FaultError && error.retryable)) throw error;
        this.#parts.tracker.noted(duty, error.code);
        // The last round has ended by the next slot: data that comes later serves nobody.
        if (this.#parts.clock.now() >= this.#parts.chain.slotStart(duty.slot + 1)) throw error;
        await this.#parts.clock.sleep(RETRY_DELAY_MS, signal);
      }
    }
  }

  async #fetchOnce(duty: Duty, entry: Entry, signal: AbortSignal): Promise<UnsignedData> {
    const { chain, beacon, kindOf, valueRoot, awaitSignature } = this.#parts;
    const { definitions } = entry;
    const options = { duty, definitions, chain, beacon, awaitSignature, signal };
    const value = await kindOf(duty).fetch(options);
    // No frame could carry it.
    if (value.length > MAX_VALUE_BYTES) {
      const detail = `${value.length} bytes for ${dutyId(duty)}, at most ${MAX_VALUE_BYTES} fit`;
      throw new FaultError("beacon_bad_response", detail);
    }
    entry.data = { duty, value, root: valueRoot(value) };
    for (const wake of [...(this.#waiting.get(dutyId(duty)) ?? [])]) wake();
    return entry.data;
  }
}
