/**
 * Validators whose shares sign nothing on this node until a human has looked: kept in memory for
 * the gate and on disk for the next start. The node goes on to vote, to combine and to submit what
 * the other operators sign.
 */
import type { RefusalReason } from "../domain/errors.ts";
import type { PubKey } from "../domain/keys.ts";
import type { KeyValueStore } from "../ports/keyValueStore.ts";

const PREFIX = "freeze/";
const RANGE = { gte: PREFIX, lt: "freeze0" };

/** Who is frozen; made by {@link openFreezes}. */
export class Freezes {
  readonly #store: KeyValueStore;
  /** Why, in words for the operator. */
  readonly #frozen: Map<string, string>;

  constructor(store: KeyValueStore, frozen: Map<string, string>) {
    this.#store = store;
    this.#frozen = frozen;
  }

  /** Null while the validator may sign. */
  refusalOf(pubKey: PubKey): RefusalReason | null {
    const why = this.#frozen.get(pubKey);
    return why === undefined ? null : { code: "frozen", detail: `${pubKey} is frozen: ${why}` };
  }

  /**
   * FREEZE-1: holds from this call on, whatever becomes of the write; resolves once it will hold
   * after a restart. The first reason stays.
   */
  async freeze(pubKey: PubKey, why: string): Promise<void> {
    const first = this.#frozen.get(pubKey) ?? why;
    this.#frozen.set(pubKey, first);
    const value = new TextEncoder().encode(first);
    await this.#store.batch([{ type: "put", key: `${PREFIX}${pubKey}`, value }]);
  }
}

/** Reads who was frozen before the restart. */
export async function openFreezes(store: KeyValueStore): Promise<Freezes> {
  const frozen = new Map<string, string>();
  for await (const [key, value] of store.entries(RANGE)) {
    frozen.set(key.slice(PREFIX.length), new TextDecoder().decode(value));
  }
  return new Freezes(store, frozen);
}
