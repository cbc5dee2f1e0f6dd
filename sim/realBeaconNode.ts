/** One operator's beacon node on the real chain: it hears of blocks late, and answers as it can. */
import type { LockIndex } from "../src/domain/keys.ts";
import type { Millis, Slot } from "../src/domain/units.ts";
import type { HeadEvent } from "../src/ports/beaconNode.ts";
import { BeaconWeather } from "./beaconWeather.ts";
import type { BeaconView, ViewOptions } from "./ground.ts";
import type { EventLoop } from "./loop.ts";
import type { SeededRandom } from "./random.ts";
import type { Seats } from "./realChain.ts";
import type { BeaconFault } from "./scenario.ts";
import { IMPORT_MS, IMPORT_SPREAD } from "./virtualBeaconNode.ts";

type Options = ViewOptions & {
  readonly loop: EventLoop;
  readonly seats: Seats;
  /** Median time of an answer. */
  readonly answerMs: Millis;
  readonly onHead: (head: HeadEvent) => void;
};

export class RealBeaconNode implements BeaconView {
  readonly options: Options;
  readonly weather: BeaconWeather;
  readonly #imports: SeededRandom;
  readonly #listeners = new Set<(event: HeadEvent) => void>();
  #headSlot: Slot = 0;

  constructor(options: Options) {
    this.options = options;
    this.#imports = options.random.fork("imports");
    this.weather = new BeaconWeather(options.random.fork("answers"), options.answerMs);
  }

  enterSlot(): void {
    // Everything that it knows is the chain's.
  }

  impose(fault: BeaconFault): () => void {
    return this.weather.impose(fault);
  }

  seatedIn(slot: Slot): readonly LockIndex[] {
    return this.options.seats.attestersIn(slot);
  }

  proposerIn(slot: Slot): LockIndex | null {
    return this.options.seats.proposerIn(slot);
  }

  /** A block was imported: its event comes a while later, never after a later block's. */
  hear(head: HeadEvent): void {
    const { loop } = this.options;
    const delay = this.#imports.logNormal(IMPORT_MS, IMPORT_SPREAD);
    loop.at(loop.now + delay, () => this.#announce(head));
  }

  subscribe(listener: (event: HeadEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #announce(head: HeadEvent): void {
    if (head.slot <= this.#headSlot) return;
    this.#headSlot = head.slot;
    this.options.onHead(head);
    if (this.weather.isOffline) return;
    for (const listener of [...this.#listeners]) listener(head);
  }
}
