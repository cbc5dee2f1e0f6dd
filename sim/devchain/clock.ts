/** Time as the dev chain sees it: the wall for a demo, a counter for a test. */

export interface ChainClock {
  /** Milliseconds since the Unix epoch. */
  nowMs(): number;
  /** Resolves at `atMs`, or as soon as `signal` aborts. */
  sleepUntil(atMs: number, signal: AbortSignal): Promise<void>;
}

export const wallClock: ChainClock = {
  nowMs: () => Date.now(),
  sleepUntil: (atMs, signal) =>
    new Promise((resolve) => {
      if (signal.aborted) return resolve();
      const finish = (): void => {
        clearTimeout(timer);
        signal.removeEventListener("abort", finish);
        resolve();
      };
      const timer = setTimeout(finish, Math.max(0, atMs - Date.now()));
      signal.addEventListener("abort", finish);
    }),
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
