/**
 * What is stopped until a human lets it go on: the shares of one validator or of all, for a part of
 * their work or for all of it. Kept in memory for the gate and on disk for the next start. The node
 * goes on to vote, to combine and to submit what the other operators sign.
 */
import type { RefusalReason } from "../domain/errors.ts";
import type { PubKey } from "../domain/keys.ts";
import { MAX_FREEZE_REASON } from "../domain/limits.ts";
import type { KeyValueStore } from "../ports/keyValueStore.ts";
import { parseJson } from "../util/json.ts";
import { FREEZE_SCOPES, type FreezeScope } from "./guards.ts";

/** What is frozen; `validator` is null where all of them are. */
export type FreezeTarget = { readonly scope: FreezeScope; readonly validator: PubKey | null };
export type Freeze = FreezeTarget & {
  /** In words for the operator. */
  readonly reason: string;
  /** Who asked for it. */
  readonly by: string;
};

export const FREEZE_FILE = "the FREEZE file";
const PREFIX = "freeze/";
const RANGE = { gte: PREFIX, lt: "freeze0" };
const EVERYBODY = "everybody";
/** The scope is absent in what releases before scopes wrote. */
const KEY = /^freeze\/(0x[0-9a-f]{96}|everybody)(?:\/([a-z]+))?$/;

/** Made by {@link openFreezes}. */
export class Freezes {
  readonly #store: KeyValueStore;
  /** By what is frozen, which is also its key on disk. */
  readonly #frozen: Map<string, Freeze>;
  /** Those that the disk is about to forget. */
  readonly #leaving = new Set<Freeze>();
  #standing: Freeze | null = null;

  constructor(store: KeyValueStore, frozen: Map<string, Freeze>) {
    this.#store = store;
    this.#frozen = frozen;
  }

  list(): readonly Freeze[] {
    const standing = this.#standing === null ? [] : [this.#standing];
    return [...standing, ...this.#frozen.values()];
  }

  /** FREEZE-5: what a file says, which is there or not, and keeps nothing here. Null lifts it. */
  followFile(reason: string | null): void {
    this.#standing =
      reason === null ? null : { scope: "all", validator: null, reason, by: FREEZE_FILE };
  }

  /** Null while the validator may do this part of its work. */
  refusalOf(pubKey: PubKey, scope: FreezeScope): RefusalReason | null {
    if (this.#standing !== null) return refusalBy(this.#standing, pubKey);
    if (this.#frozen.size === 0) return null;
    for (const validator of [null, pubKey]) {
      for (const each of [scope, "all"] as const) {
        const freeze = this.#frozen.get(keyOf({ scope: each, validator }));
        if (freeze !== undefined) return refusalBy(freeze, pubKey);
      }
    }
    return null;
  }

  /**
   * FREEZE-1: holds from this call on, whatever becomes of the write; resolves once it will hold
   * after a restart. The first reason stays.
   */
  async freeze(freeze: Freeze): Promise<void> {
    const key = keyOf(freeze);
    const known = this.#frozen.get(key);
    const stays = known !== undefined && !this.#leaving.has(known);
    const first = stays ? known : { ...freeze, reason: freeze.reason.slice(0, MAX_FREEZE_REASON) };
    this.#frozen.set(key, first);
    const value = new TextEncoder().encode(JSON.stringify({ reason: first.reason, by: first.by }));
    await this.#store.batch([{ type: "put", key, value }]);
  }

  /** FREEZE-3: lifts this freeze and no other; it holds until the disk has forgotten it. */
  async unfreeze(target: FreezeTarget): Promise<boolean> {
    const key = keyOf(target);
    const freeze = this.#frozen.get(key);
    if (freeze === undefined) return false;
    this.#leaving.add(freeze);
    try {
      await this.#store.batch([{ type: "del", key }]);
    } finally {
      this.#leaving.delete(freeze);
    }
    // FREEZE-1: one that came meanwhile has its own reason, is on the disk again, and stays.
    if (this.#frozen.get(key) === freeze) this.#frozen.delete(key);
    return true;
  }
}

/** Reads what was frozen before the restart. */
export async function openFreezes(store: KeyValueStore): Promise<Freezes> {
  const frozen = new Map<string, Freeze>();
  for await (const [key, value] of store.entries(RANGE)) {
    const freeze = decode(key, new TextDecoder().decode(value));
    frozen.set(keyOf(freeze), freeze);
  }
  return new Freezes(store, frozen);
}

/** FREEZE-1: what cannot be read freezes everything, for it was there to stop something. */
function decode(key: string, text: string): Freeze {
  const [, who = EVERYBODY, name = "all"] = KEY.exec(key) ?? [];
  const scope = FREEZE_SCOPES.find((each) => each === name) ?? "all";
  const validator = who === EVERYBODY ? null : (who as PubKey);
  const json = parseJson(text, 2);
  const fields = json.ok && typeof json.value === "object" ? json.value : null;
  const { reason, by } = (fields ?? {}) as { readonly reason?: unknown; readonly by?: unknown };
  return {
    scope,
    validator,
    reason: typeof reason === "string" ? reason : text,
    by: typeof by === "string" ? by : "unknown",
  };
}

/** In words. */
export function describeFreeze({ scope, validator }: FreezeTarget): string {
  return `${scope} of ${validator ?? "all validators"}`;
}

function keyOf({ scope, validator }: FreezeTarget): string {
  return `${PREFIX}${validator ?? EVERYBODY}/${scope}`;
}

function refusalBy({ scope, validator, reason, by }: Freeze, pubKey: PubKey): RefusalReason {
  const who = validator === null ? "" : ` --validator ${validator}`;
  const remedy =
    by === FREEZE_FILE
      ? "remove the file FREEZE from the data directory"
      : `run: coterie unfreeze --scope ${scope}${who}`;
  return {
    code: "frozen",
    detail: `${pubKey} is frozen by ${by}: ${reason}. When the reason is gone, ${remedy}`,
  };
}
