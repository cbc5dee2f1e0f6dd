/**
 * The store as the node uses it: passes everything on and remembers whether it can be written. A
 * full disk costs signatures, not the process, so somebody has to say what is wrong (OPS-7).
 */
import { FaultError } from "../domain/errors.ts";
import type { KeyRange, KeyValueStore, StoreOperation } from "../ports/keyValueStore.ts";
import type { Logger } from "../ports/logger.ts";

export class WatchedStore implements KeyValueStore {
  readonly #store: KeyValueStore;
  readonly #logger: Logger;
  #problem: string | null = null;

  constructor(store: KeyValueStore, logger: Logger) {
    this.#store = store;
    this.#logger = logger;
  }

  /** Why the last write failed; null when it did not. */
  get problem(): string | null {
    return this.#problem;
  }

  get(key: string): Promise<Uint8Array | undefined> {
    return this.#store.get(key);
  }

  entries(range: KeyRange): AsyncIterable<readonly [key: string, value: Uint8Array]> {
    return this.#store.entries(range);
  }

  async batch(operations: readonly StoreOperation[]): Promise<void> {
    try {
      await this.#store.batch(operations);
    } catch (error) {
      if (error instanceof FaultError) this.#failed(error);
      throw error;
    }
    if (this.#problem !== null) this.#logger.info("The data directory can be written again.");
    this.#problem = null;
  }

  close(): Promise<void> {
    return this.#store.close();
  }

  #failed({ message }: FaultError): void {
    if (this.#problem === null) {
      this.#logger.error(
        "The data directory cannot be written, so this node signs nothing until it can. " +
          "Check free space and health of its disk.",
        { reason: message },
      );
    }
    this.#problem = message;
  }
}
