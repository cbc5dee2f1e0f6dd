/** Time as the dev chain sees it: the wall for a demo, a counter for a test. */

export interface ChainClock {
  /** Milliseconds since the Unix epoch. */
  nowMs(): number;
  /** Resolves at `atMs`, or as soon as `signal` aborts. */
  sleepUntil(atMs: number, signal: AbortSignal): Promise<void>;
}

export const wallClock: ChainClock = {
  nowMs: () => Date.now(),
  sleepUntil: async (atMs, signal) => {
    // In a loop, because a timer may fire a millisecond before the wall clock gets there.
    while (!signal.aborted && Date.now() < atMs) await sleep(atMs - Date.now(), signal);
  },
};

/** A clock that moves only when told to; a sleeper moves it to the moment it waits for. */
export class VirtualClock implements ChainClock {
  #nowMs: number;

  constructor(nowMs: number) {
    this.#nowMs = nowMs;
  }

  nowMs(): number {
    return this.#nowMs;
  }

  setMs(nowMs: number): void {
    this.#nowMs = nowMs;
  }

  async sleepUntil(atMs: number): Promise<void> {
    this.#nowMs = Math.max(this.#nowMs, atMs);
  }
}

function sleep(delayMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const finish = (): void => {
      clearTimeout(timer);
      signal.removeEventListener("abort", finish);
      resolve();
    };
    const timer = setTimeout(finish, Math.max(0, Math.ceil(delayMs)));
    signal.addEventListener("abort", finish);
  });
}
