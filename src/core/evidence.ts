/**
 * Proof of a peer's misbehaviour: two different signed statements for one step, kept on disk so
 * that the cluster's operators can look at them later. Bounded, and never on the critical path.
 */
import type { Duty } from "../domain/duty.ts";
import { dutyId } from "../domain/duty.ts";
import type { LockIndex, Root, ShareIndex } from "../domain/keys.ts";
import { peerIndexOf } from "../domain/keys.ts";
import { MAX_EVIDENCE_RECORDS } from "../domain/limits.ts";
import type { KeyValueStore } from "../ports/keyValueStore.ts";
import type { Logger } from "../ports/logger.ts";
import type { SignedStatement } from "../qbft/messages.ts";
import { toHex } from "../util/bytes.ts";
import type { Background } from "./background.ts";

export type ConflictingPartials = {
  readonly share: ShareIndex;
  readonly validator: LockIndex;
  readonly first: { readonly messageRoot: Root; readonly signature: Uint8Array };
  readonly second: { readonly messageRoot: Root; readonly signature: Uint8Array };
};

export class Evidence {
  readonly #store: KeyValueStore;
  readonly #logger: Logger;
  readonly #background: Background;
  readonly #kept = new Set<string>();

  constructor(store: KeyValueStore, logger: Logger, background: Background) {
    this.#store = store;
    this.#logger = logger;
    this.#background = background;
  }

  /** An operator signed two different consensus statements of one type for one round. */
  keep(duty: Duty, second: SignedStatement, first: SignedStatement): void {
    const key = `evidence/${dutyId(duty)}/${second.source}/${second.type}/${second.round}`;
    this.#write(key, second.source, { duty, first: plain(first), second: plain(second) });
  }

  /** A share signed two different roots for one duty of one validator. */
  keepPartials(duty: Duty, { share, validator, first, second }: ConflictingPartials): void {
    const key = `evidence/${dutyId(duty)}/${peerIndexOf(share)}/partial/${validator}`;
    const record = { duty, share, validator, first: plain(first), second: plain(second) };
    this.#write(key, peerIndexOf(share), record);
  }

  #write(key: string, peer: number, record: object): void {
    if (this.#kept.has(key) || this.#kept.size >= MAX_EVIDENCE_RECORDS) return;
    this.#kept.add(key);
    this.#logger.error("A peer signed two conflicting messages; both are kept as evidence.", {
      peer,
      evidence: key,
    });
    const value = new TextEncoder().encode(JSON.stringify(record));
    this.#background.run(
      () => this.#store.batch([{ type: "put", key, value }]),
      (fault) => this.#logger.warn("Evidence could not be stored.", { reason: fault.message }),
    );
  }
}

function plain(statement: { readonly signature: Uint8Array }): object {
  return { ...statement, signature: toHex(statement.signature), justification: undefined };
}
