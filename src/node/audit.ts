/** Opens the audit log and lets it ride in the slashing records' batches. */
import { sha256Root } from "../crypto/sha256.ts";
import { UsageError } from "../domain/errors.ts";
import type { Clock } from "../ports/clock.ts";
import type { KeyValueStore } from "../ports/keyValueStore.ts";
import { AuditChain, readStoredChain } from "../safety/auditChain.ts";
import type { SlashingStore } from "../safety/slashingStore.ts";

type AuditParts = {
  readonly store: KeyValueStore;
  readonly clock: Pick<Clock, "now">;
  readonly version: string | undefined;
};

/** Throws UsageError where the chain's records cannot be read. */
export async function openAudit(
  { store, clock, version = "unknown" }: AuditParts,
  slashing: SlashingStore,
): Promise<AuditChain> {
  const stored = await readStoredChain(store);
  if (!stored.ok) {
    throw new UsageError(`the audit log's records are damaged: ${stored.error}`, {
      fix: "keep a copy of the data directory for whoever looks into it, and restore a backup",
    });
  }
  const chain = new AuditChain(
    { now: () => clock.now(), version, sha256: sha256Root, store, flush: () => slashing.flush() },
    stored.value,
  );
  slashing.join(chain);
  return chain;
}
