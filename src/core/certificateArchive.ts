/**
 * Compact certificates of what the cluster decided, on disk for 256 epochs (CERT-1): long after a
 * duty they explain to whoever was away that a signature on the chain is the cluster's own. They
 * ride in the synced batches of the slashing records, at no write of their own.
 */
import type { UnsignedData } from "../domain/data.ts";
import type { Duty } from "../domain/duty.ts";
import {
  CERTIFICATE_EPOCHS,
  CERTIFICATE_PRUNE_BATCH,
  MAX_CERTIFICATES_HELD,
} from "../domain/limits.ts";
import { quorum } from "../domain/quorum.ts";
import type { Slot } from "../domain/units.ts";
import { compactFormOf, type DutyKind } from "../duties/kind.ts";
import type { Chain } from "../eth2/chain.ts";
import type { Identity } from "../ports/identity.ts";
import type { KeyValueStore, StoreOperation } from "../ports/keyValueStore.ts";
import type { Logger } from "../ports/logger.ts";
import type { BatchMember } from "../safety/slashingStore.ts";
import { BoundedCache } from "../util/boundedCache.ts";
import { sortable } from "../util/sortable.ts";
import type { Certificate, Profile, Scope } from "../wire/profile.ts";
import type { DecisionProof } from "./consensusInstance.ts";

const RANGE = { gte: "certificate/", lt: "certificate0" } as const;
const KEY = /^certificate\/(\d{16})\//;

type ArchiveParts = {
  readonly store: KeyValueStore;
  readonly chain: Chain;
  readonly profile: Profile;
  readonly nodes: number;
  readonly kindOf: (duty: Pick<Duty, "type">) => DutyKind;
  readonly logger: Logger;
};

export class CertificateArchive implements BatchMember {
  readonly #parts: ArchiveParts;
  /** In the order of their slots, or nearly so. */
  readonly #onDisk = new Map<string, Slot>();
  readonly #waiting = new Map<string, Uint8Array>();
  readonly #held = new BoundedCache<string, Certificate>(MAX_CERTIFICATES_HELD);
  #newest: Slot = 0;
  /** What the batch under way writes and deletes. */
  #carried: { readonly added: readonly string[]; readonly dropped: readonly string[] } = {
    added: [],
    dropped: [],
  };

  private constructor(parts: ArchiveParts) {
    this.#parts = parts;
  }

  /** Finds what a former life of this node kept; nothing of it is held in memory but its name. */
  static async open(parts: ArchiveParts): Promise<CertificateArchive> {
    const archive = new CertificateArchive(parts);
    for await (const [key] of parts.store.entries(RANGE)) {
      // A key of no slot is as old as can be, and goes with the next batch.
      const slot = Number(KEY.exec(key)?.[1] ?? 0);
      archive.#onDisk.set(key, slot);
      archive.#newest = Math.max(archive.#newest, slot);
    }
    return archive;
  }

  /** How many are not on the disk yet. */
  get waiting(): number {
    return this.#waiting.size;
  }

  keep(data: UnsignedData, { round, commits }: DecisionProof): void {
    const { chain, profile, nodes, kindOf } = this.#parts;
    const { duty, root: valueRoot } = data;
    const form = compactFormOf(kindOf(duty));
    const key = keyOf(duty);
    if (form === null) return;
    if (this.#onDisk.has(key) || this.#waiting.has(key)) return;
    const certificate: Certificate = {
      duty,
      round,
      valueRoot,
      commits: [...commits]
        .sort((a, b) => a.source - b.source)
        .slice(0, quorum(nodes))
        .map(({ source, signature }) => ({ source, signature })),
      data: form.agreed(data, chain),
    };
    this.#held.set(key, certificate);
    this.#waiting.set(key, profile.encodeCertificate(certificate));
    this.#newest = Math.max(this.#newest, duty.slot);
  }

  /** What was decided for the duty; null where this node cannot show it. */
  async find(duty: Duty): Promise<Certificate | null> {
    const { store, profile, logger } = this.#parts;
    const key = keyOf(duty);
    const held = this.#held.get(key);
    if (held !== undefined) return held;
    const bytes = this.#waiting.get(key) ?? (this.#onDisk.has(key) ? await store.get(key) : null);
    if (bytes === null || bytes === undefined) return null;
    const decoded = profile.decodeCertificate(bytes);
    if (!decoded.ok) {
      logger.warn("A kept certificate is damaged and is not used.", { key });
      return null;
    }
    this.#held.set(key, decoded.value);
    return decoded.value;
  }

  operations(): readonly StoreOperation[] {
    const { spec } = this.#parts.chain;
    const oldest = this.#newest - CERTIFICATE_EPOCHS * spec.slotsPerEpoch;
    const dropped: string[] = [];
    for (const [key, slot] of this.#onDisk) {
      if (slot >= oldest || dropped.length >= CERTIFICATE_PRUNE_BATCH) break;
      dropped.push(key);
    }
    this.#carried = { added: [...this.#waiting.keys()], dropped };
    return [
      ...[...this.#waiting].map(([key, value]) => ({ type: "put" as const, key, value })),
      ...dropped.map((key) => ({ type: "del" as const, key })),
    ];
  }

  committed(): void {
    for (const key of this.#carried.dropped) this.#onDisk.delete(key);
    for (const key of this.#carried.added) {
      this.#waiting.delete(key);
      this.#onDisk.set(key, Number(KEY.exec(key)?.[1]));
    }
    this.#carried = { added: [], dropped: [] };
  }
}

/** CERT-2: signatures of a quorum of operators over one COMMIT to the value. */
export function isProved(
  { duty, round, valueRoot, commits }: Certificate,
  { profile, scope, identity }: CertificateJudge,
): boolean {
  if (commits.length < quorum(identity.nodes)) return false;
  return commits.every(({ source, signature }) => {
    if (source >= identity.nodes) return false;
    const statement = {
      type: "COMMIT",
      source,
      round,
      value: valueRoot,
      preparedRound: 0,
      preparedValue: null,
    } as const;
    const digest = profile.statementDigest(scope, duty, statement);
    return identity.verify(source, digest, signature);
  });
}

export type CertificateJudge = {
  readonly profile: Profile;
  readonly scope: Scope;
  readonly identity: Identity;
};

function keyOf({ slot, type }: Duty): string {
  return `certificate/${sortable(slot)}/${type}`;
}
