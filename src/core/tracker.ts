/**
 * Follows every duty through its steps. A duty that does not reach the last one is reported with
 * the step where it stopped and the reasons that were noted on the way (FLOW-9).
 */
import type { Duty, DutyId } from "../domain/duty.ts";
import { dutyId } from "../domain/duty.ts";
import type { Millis } from "../domain/units.ts";
import type { Chain } from "../eth2/chain.ts";
import type { Clock, Timer } from "../ports/clock.ts";
import type { Logger } from "../ports/logger.ts";
import type { Counter, Histogram, Metrics } from "../ports/metrics.ts";
import { BoundedCache } from "../util/boundedCache.ts";
import type { Deadlines } from "./deadlines.ts";
import type { DutyReport, Step, Tracker } from "./interfaces.ts";
import { STEPS } from "./interfaces.ts";

/** Slots after its own at whose start a duty counts as missed: it may still be completed late. */
const MISSED_AFTER_SLOTS = 2;

type TrackerParts = {
  readonly chain: Chain;
  readonly clock: Clock;
  readonly deadlines: Deadlines;
  readonly logger: Logger;
  readonly metrics: Metrics;
};
type Track = {
  readonly at: Map<Step, Millis>;
  readonly reasons: Set<string>;
  readonly timer: Timer;
  isMissed: boolean;
};

/** Duties that are remembered for whoever asks: some minutes of a busy cluster's. */
const MAX_RECENT = 32;
/** Reasons kept per duty: each is a line in the report of a missed duty. */
const MAX_REASONS = 8;
const LATENCY_BUCKETS_S = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 4, 8, 12];

export class DutyTracker implements Tracker {
  readonly #parts: TrackerParts;
  readonly #tracks = new Map<DutyId, Track>();
  /** Those that began here, oldest first. */
  readonly #recent = new BoundedCache<DutyId, { readonly duty: Duty; readonly track: Track }>(
    MAX_RECENT,
  );
  readonly #outcomes: Counter;
  readonly #latency: Histogram;

  constructor(parts: TrackerParts) {
    this.#parts = parts;
    this.#outcomes = parts.metrics.counter({
      name: "duties_total",
      help: "Duties by outcome: completed, or the step after which they stopped",
      labels: ["duty", "outcome"],
    });
    this.#latency = parts.metrics.histogram({
      name: "duty_step_seconds",
      help: "Time from the duty's due instant to each step",
      labels: ["duty", "step"],
      buckets: LATENCY_BUCKETS_S,
    });
    parts.deadlines.onExpired((duty) => {
      this.#tracks.get(dutyId(duty))?.timer.cancel();
      this.#tracks.delete(dutyId(duty));
    });
  }

  stop(): void {
    for (const { timer } of this.#tracks.values()) timer.cancel();
    this.#tracks.clear();
  }

  reached(duty: Duty, step: Step): void {
    const track = this.#trackOf(duty);
    if (track === null || track.at.has(step)) return;
    const now = this.#parts.clock.now();
    const first = Math.min(now, ...track.at.values());
    track.at.set(step, now);
    if (step === "scheduled") this.#recent.set(dutyId(duty), { duty, track });
    this.#latency.observe((now - first) / 1_000, { duty: duty.type, step });
    if (step === "broadcast") this.#complete(duty, track);
  }

  noted(duty: Duty, reason: string): void {
    const track = this.#trackOf(duty);
    if (track === null || track.reasons.has(reason)) return;
    if (track.reasons.size < MAX_REASONS) track.reasons.add(reason);
    this.#parts.logger.debug("A duty met an obstacle.", { duty, reason });
  }

  explain(duty: Duty): string {
    const track = this.#tracks.get(dutyId(duty));
    const last = STEPS.findLast((step) => track?.at.has(step) === true);
    const steps = last === undefined ? "it has not started on this node" : `it is ${last}`;
    return [steps, ...(track?.reasons ?? [])].join("; ");
  }

  recent(): readonly DutyReport[] {
    return this.#recent.values().map(({ duty, track: { at, reasons, isMissed } }) => {
      const step = STEPS.findLast((each) => at.has(each)) ?? "scheduled";
      return { duty, step, isMissed, reasons: [...reasons] };
    });
  }

  #trackOf(duty: Duty): Track | null {
    const { deadlines, clock, chain } = this.#parts;
    const known = this.#tracks.get(dutyId(duty));
    if (known !== undefined) return known;
    if (deadlines.signalOf(duty).aborted) return null;
    const missedAt = chain.slotStart(duty.slot + MISSED_AFTER_SLOTS);
    const timer = clock.at(missedAt, () => this.#miss(duty));
    const track: Track = { at: new Map(), reasons: new Set(), timer, isMissed: false };
    this.#tracks.set(dutyId(duty), track);
    return track;
  }

  #complete(duty: Duty, track: Track): void {
    track.timer.cancel();
    this.#outcomes.add(1, { duty: duty.type, outcome: "completed" });
    this.#parts.logger.info("A duty is complete.", { duty, ms: this.#elapsed(track) });
  }

  #miss(duty: Duty): void {
    const track = this.#tracks.get(dutyId(duty));
    // A duty that was never ours to start (a peer's message about it came first) is not missed.
    if (track === undefined || !track.at.has("scheduled")) return;
    const last = STEPS.findLast((step) => track.at.has(step)) ?? "scheduled";
    track.isMissed = true;
    this.#outcomes.add(1, { duty: duty.type, outcome: `stopped_after_${last}` });
    this.#parts.logger.warn("This node did not complete a duty; the others may have.", {
      duty,
      stoppedAfter: last,
      reasons: [...track.reasons],
      ms: this.#elapsed(track),
    });
  }

  /** Milliseconds from the first step to each step reached. */
  #elapsed({ at }: Track): Readonly<Record<string, number>> {
    const first = Math.min(...at.values());
    return Object.fromEntries([...at].map(([step, instant]) => [step, instant - first]));
  }
}
