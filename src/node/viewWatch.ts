/**
 * Whether our beacon node sees what the cluster agrees on. A late block makes it differ once in a
 * while; one that lies, lags or does not answer differs every time, and nothing else here would
 * tell: the peers carry the duties all the same (OPS-6).
 */
import type { UnsignedData } from "../domain/data.ts";
import { type DutyId, dutyId } from "../domain/duty.ts";
import type { Root } from "../domain/keys.ts";
import type { Logger } from "../ports/logger.ts";
import type { Counter, Metrics } from "../ports/metrics.ts";

/** Duties in a row without agreement that are no coincidence: blocks are late in a few percent. */
const DUTIES_AT_ODDS = 4;
/** Own values remembered: every duty type of the slots in which a duty is decided. */
const MAX_REMEMBERED = 32;

type Decision = { readonly id: DutyId; readonly root: Root };

export class ViewWatch {
  readonly #logger: Logger;
  readonly #decisions: Counter;
  readonly #own = new Map<DutyId, Root>();
  /** The last ones, oldest first. */
  #decided: readonly Decision[] = [];
  #wasAtOdds = false;

  constructor({ logger, metrics }: { readonly logger: Logger; readonly metrics: Metrics }) {
    this.#logger = logger;
    this.#decisions = metrics.counter({
      name: "consensus_decisions_total",
      help: "Decided values by what our beacon node had proposed: same, other or nothing yet",
      labels: ["duty", "own"],
    });
  }

  /** Why our beacon node should be looked at; null while it agrees with the cluster. */
  get problem(): string | null {
    const last = this.#settled();
    const values = last.map(({ id }) => this.#own.get(id));
    const isAtOdds = values.every((own, i) => own !== last[i]?.root);
    if (last.length < DUTIES_AT_ODDS || !isAtOdds) return null;
    return values.every((own) => own === undefined)
      ? `the beacon node gave no usable data for the last ${DUTIES_AT_ODDS} duties`
      : `the beacon node contradicted the cluster in the last ${DUTIES_AT_ODDS} duties`;
  }

  fetched({ duty, root }: UnsignedData): void {
    this.#own.set(dutyId(duty), root);
    const [oldest] = this.#own.keys();
    if (this.#own.size > MAX_REMEMBERED && oldest !== undefined) this.#own.delete(oldest);
  }

  decided({ duty, root }: UnsignedData): void {
    const id = dutyId(duty);
    const own = this.#own.get(id);
    const outcome = own === undefined ? "none" : own === root ? "same" : "other";
    this.#decisions.add(1, { duty: duty.type, own: outcome });
    this.#decided = [...this.#decided, { id, root }].slice(-DUTIES_AT_ODDS - 1);
    if (outcome === "other") {
      this.#logger.info("The cluster decided otherwise than this beacon node proposed.", { duty });
    }
    this.#tell();
  }

  /** Without the newest while our beacon node may still answer for it. */
  #settled(): readonly Decision[] {
    const newest = this.#decided.length - 1;
    return this.#decided
      .filter(({ id }, i) => i < newest || this.#own.has(id))
      .slice(-DUTIES_AT_ODDS);
  }

  #tell(): void {
    const { problem } = this;
    const isAtOdds = problem !== null;
    if (isAtOdds === this.#wasAtOdds) return;
    this.#wasAtOdds = isAtOdds;
    if (isAtOdds) this.#logger.warn("This beacon node should be looked at.", { reason: problem });
    else this.#logger.info("This beacon node agrees with the cluster again.");
  }
}
