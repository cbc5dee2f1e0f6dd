/** Values that are waited for by name: whoever comes early is served when the value is put up. */
export class WaitingBoard<Name, Value> {
  readonly #values = new Map<Name, Value>();
  readonly #waiting = new Map<Name, Set<(value: Value) => void>>();

  get(name: Name): Value | undefined {
    return this.#values.get(name);
  }

  values(): readonly Value[] {
    return [...this.#values.values()];
  }

  put(name: Name, value: Value): void {
    this.#values.set(name, value);
    for (const resolve of this.#waiting.get(name) ?? []) resolve(value);
    this.#waiting.delete(name);
  }

  /** The value is not needed any more, and who still waits is left to their signal. */
  delete(name: Name): void {
    this.#values.delete(name);
    this.#waiting.delete(name);
  }

  /** Resolves once there is a value; rejects with the signal's reason. */
  wait(name: Name, signal: AbortSignal): Promise<Value> {
    const known = this.#values.get(name);
    if (known !== undefined) return Promise.resolve(known);
    if (signal.aborted) return Promise.reject(signal.reason);
    return new Promise((resolve, reject) => {
      const waiting = this.#waiting.get(name) ?? new Set();
      const onAbort = (): void => {
        waiting.delete(onValue);
        reject(signal.reason);
      };
      const onValue = (value: Value): void => {
        signal.removeEventListener("abort", onAbort);
        resolve(value);
      };
      this.#waiting.set(name, waiting.add(onValue));
      signal.addEventListener("abort", onAbort, { once: true });
    });
  }
}
