/** The decided value of each duty, until its deadline. */
import type { UnsignedData } from "../domain/data.ts";
import type { Duty, DutyId } from "../domain/duty.ts";
import { dutyId } from "../domain/duty.ts";
import { assert } from "../util/assert.ts";
import { Listeners } from "../util/listeners.ts";
import { WaitingBoard } from "../util/waitingBoard.ts";
import type { Deadlines } from "./deadlines.ts";
import type { DutyStore } from "./interfaces.ts";

export class DecidedDutyStore implements DutyStore {
  readonly #decided = new WaitingBoard<DutyId, UnsignedData>();
  readonly #stored = new Listeners<[UnsignedData]>();

  constructor(deadlines: Deadlines) {
    deadlines.onExpired((duty) => this.#decided.delete(dutyId(duty)));
  }

  onStored(handler: (data: UnsignedData) => void): void {
    this.#stored.add(handler);
  }

  store(data: UnsignedData): void {
    const id = dutyId(data.duty);
    const known = this.#decided.get(id);
    // FLOW-1: consensus decides once; a second value would mean that agreement itself is broken.
    assert(known === undefined || known.root === data.root, "one duty decided two values");
    if (known !== undefined) return;
    this.#decided.put(id, data);
    this.#stored.emit(data);
  }

  decided(): readonly UnsignedData[] {
    return this.#decided.values();
  }

  awaitData(duty: Duty, signal: AbortSignal): Promise<UnsignedData> {
    return this.#decided.wait(dutyId(duty), signal);
  }
}
