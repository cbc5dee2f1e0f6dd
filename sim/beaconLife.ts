/** What a beacon node's port has for one life of the node that asks, whatever chain answers. */
import type { Clock } from "../src/ports/clock.ts";
import type { BeaconWeather } from "./beaconWeather.ts";

export class BeaconLife {
  readonly #weather: BeaconWeather;
  readonly #clock: Clock;
  readonly #subscriptions = new Set<() => void>();
  #isDead = false;

  /** @param clock waits in true time; dead when the node's machine is */
  constructor(weather: BeaconWeather, clock: Clock) {
    this.#weather = weather;
    this.#clock = clock;
  }

  /** The node's machine is off: no answer and no event reaches it any more. */
  kill(): void {
    this.#isDead = true;
    for (const end of this.#subscriptions) end();
    this.#subscriptions.clear();
  }

  /** Waits as long as an answer takes; throws what it is, where it is none. */
  async answer(signal: AbortSignal, waits: "a duty" | "no duty" = "a duty"): Promise<void> {
    const { delayMs, failure } = this.#weather.nextAnswer(waits === "no duty");
    if (delayMs > 0) await this.#clock.sleep(delayMs, signal);
    if (this.#isDead) await new Promise<never>(() => undefined);
    signal.throwIfAborted();
    if (failure !== null) throw failure;
  }

  /** Keeps a subscription until the signal aborts or the power goes. */
  keep(end: () => void, signal: AbortSignal): void {
    this.#subscriptions.add(end);
    const stop = (): void => {
      end();
      this.#subscriptions.delete(end);
    };
    signal.addEventListener("abort", stop, { once: true });
  }
}
