/** Group signatures until their duty's deadline, for duties that build on them (RANDAO-2). */
import type { AggregatedSet, Verified } from "../domain/data.ts";
import type { Duty, DutyId } from "../domain/duty.ts";
import { dutyId } from "../domain/duty.ts";
import type { LockIndex, Signature } from "../domain/keys.ts";
import { WaitingBoard } from "../util/waitingBoard.ts";
import type { Deadlines } from "./deadlines.ts";
import type { AggregatedSignatureStore } from "./interfaces.ts";

export class MemoryAggregatedSignatureStore implements AggregatedSignatureStore {
  readonly #deadlines: Deadlines;
  readonly #duties = new Map<DutyId, WaitingBoard<LockIndex, Signature>>();

  constructor(deadlines: Deadlines) {
    this.#deadlines = deadlines;
    deadlines.onExpired((duty) => this.#duties.delete(dutyId(duty)));
  }

  store({ duty, signatures }: Verified<AggregatedSet>): void {
    const board = this.#boardOf(duty);
    for (const { validator, signature } of signatures) board.put(validator, signature);
  }

  awaitSignature(duty: Duty, validator: LockIndex, signal: AbortSignal): Promise<Signature> {
    const expiry = this.#deadlines.signalOf(duty);
    return this.#boardOf(duty).wait(validator, AbortSignal.any([signal, expiry]));
  }

  #boardOf(duty: Duty): WaitingBoard<LockIndex, Signature> {
    const board = this.#duties.get(dutyId(duty)) ?? new WaitingBoard();
    // Asking for the signal also arms the expiry that takes the board away again.
    if (!this.#deadlines.signalOf(duty).aborted) this.#duties.set(dutyId(duty), board);
    return board;
  }
}
