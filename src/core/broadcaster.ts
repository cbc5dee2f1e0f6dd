/**
 * Hands group signatures to the beacon node until it takes them or the duty's deadline passes.
 * Every operator's node does so: the chain takes the first and ignores the others (FLOW-7).
 */
import type {
  AggregatedSet,
  AggregatedSignature,
  DutyDefinitions,
  Verified,
} from "../domain/data.ts";
import type { Duty } from "../domain/duty.ts";
import { FaultError } from "../domain/errors.ts";
import type { LockIndex } from "../domain/keys.ts";
import type { Millis } from "../domain/units.ts";
import type { DutyKind } from "../duties/kind.ts";
import type { Chain } from "../eth2/chain.ts";
import type { BeaconNode } from "../ports/beaconNode.ts";
import type { Clock } from "../ports/clock.ts";
import type { Logger } from "../ports/logger.ts";
import { Listeners } from "../util/listeners.ts";
import type { Background } from "./background.ts";
import type { Deadlines } from "./deadlines.ts";
import type { Broadcaster, DutyStore, Scheduler, Tracker } from "./interfaces.ts";

/** First pause before a failed submission is repeated; doubles up to the largest. */
const RETRY_DELAY_MIN_MS: Millis = 50;
const RETRY_DELAY_MAX_MS: Millis = 2_000;

/** Before EIP-7549 each committee's attestation has a root of its own. */
const MAX_LOGGED_ROOTS = 8;

type BroadcasterParts = {
  readonly chain: Chain;
  readonly beacon: BeaconNode;
  readonly clock: Clock;
  readonly dutyStore: DutyStore;
  readonly scheduler: Scheduler;
  readonly deadlines: Deadlines;
  readonly background: Background;
  readonly kindOf: (duty: Duty) => DutyKind;
  readonly logger: Logger;
  readonly tracker: Tracker;
};

type Submission = {
  readonly duty: Duty;
  readonly signatures: readonly AggregatedSignature[];
  readonly definitions: DutyDefinitions;
  readonly signal: AbortSignal;
};

export class BeaconBroadcaster implements Broadcaster {
  readonly #parts: BroadcasterParts;
  readonly #broadcast = new Listeners<[Duty, readonly LockIndex[]]>();

  constructor(parts: BroadcasterParts) {
    this.#parts = parts;
  }

  onBroadcast(handler: (duty: Duty, validators: readonly LockIndex[]) => void): void {
    this.#broadcast.add(handler);
  }

  broadcast(set: Verified<AggregatedSet>): void {
    const { background, tracker } = this.#parts;
    background.run(
      () => this.#submitUntilTaken(set),
      (fault) => tracker.noted(set.duty, fault.code),
    );
  }

  async #submitUntilTaken({ duty, signatures }: Verified<AggregatedSet>): Promise<void> {
    const { clock, deadlines, tracker, scheduler } = this.#parts;
    // ATT-9: as they were when it was signed, whatever the beacon node says of the epoch meanwhile.
    const definitions = scheduler.definitions(duty);
    const signal = deadlines.signalOf(duty);
    for (let delayMs = RETRY_DELAY_MIN_MS; ; delayMs = Math.min(2 * delayMs, RETRY_DELAY_MAX_MS)) {
      try {
        await this.#submitOnce({ duty, signatures, definitions, signal });
        return;
      } catch (error) {
        if (!(error instanceof FaultError && error.retryable)) throw error;
        tracker.noted(duty, error.code);
      }
      await clock.sleep(delayMs, signal);
    }
  }

  async #submitOnce({ duty, signatures, definitions, signal }: Submission): Promise<void> {
    const { chain, beacon, dutyStore, kindOf, tracker } = this.#parts;
    const kind = kindOf(duty);
    if (kind.consensus === "none") {
      // Its signatures serve this node's other duties: there is nobody to hand them to.
      this.#tell(duty, signatures);
      return;
    }
    const data = await dutyStore.awaitData(duty, signal);
    const failures = await kind.submit({
      data,
      signatures,
      definitions,
      chain,
      beacon,
      signal,
    });
    for (const { message } of failures) tracker.noted(duty, `beacon_rejected: ${message}`);
    const failed = new Set(failures.map(({ index }) => index));
    this.#tell(
      duty,
      signatures.filter((_, index) => !failed.has(index)),
    );
  }

  #tell(duty: Duty, taken: readonly AggregatedSignature[]): void {
    if (taken.length === 0) return;
    const roots = [...new Set(taken.map(({ messageRoot }) => messageRoot))];
    this.#parts.logger.info("Group signatures were handed over.", {
      duty,
      messageRoots: roots.slice(0, MAX_LOGGED_ROOTS),
    });
    this.#broadcast.emit(
      duty,
      taken.map(({ validator }) => validator),
    );
  }
}
