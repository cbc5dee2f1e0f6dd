/**
 * Work that nobody awaits. A deadline that passed is silence, a fault becomes a duty's reason, and
 * anything else is a bug that stops the node: no promise is left to swallow an error.
 */
import { Cancelled, FaultError } from "../domain/errors.ts";

export class Background {
  readonly #onBug: (error: unknown) => void;

  constructor(onBug: (error: unknown) => void) {
    this.#onBug = onBug;
  }

  /** Runs `work`; `onFault` hears of an outside failure, where there can be one. */
  run(work: () => Promise<void>, onFault?: (fault: FaultError) => void): void {
    work().catch((error: unknown) => {
      if (error instanceof Cancelled) return;
      if (error instanceof FaultError && onFault !== undefined) onFault(error);
      else this.#onBug(error);
    });
  }
}
