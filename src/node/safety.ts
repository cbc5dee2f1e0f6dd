/** Puts the safety ring together: what this node signed, what it may sign, and the log of both. */
import { sha256 } from "../crypto/sha256.ts";
import type { Duty } from "../domain/duty.ts";
import { UsageError } from "../domain/errors.ts";
import type { Root } from "../domain/keys.ts";
import type { DutyKind } from "../duties/kind.ts";
import type { KeyValueStore } from "../ports/keyValueStore.ts";
import type { Ports } from "../ports/ports.ts";
import { AuditChain, readStoredChain } from "../safety/auditChain.ts";
import { type Freezes, openFreezes } from "../safety/freezes.ts";
import { createSafetyGate, type SafetyGate } from "../safety/gate.ts";
import type { GateGuard } from "../safety/guards.ts";
import { openSlashingStore } from "../safety/openSlashingStore.ts";
import { Precursors } from "../safety/precursors.ts";
import type { SlashingStore } from "../safety/slashingStore.ts";

export type SafetyParts = Pick<Ports, "lock" | "clock" | "metrics"> & {
  readonly store: KeyValueStore;
  readonly genesisValidatorsRoot: Root;
  readonly kindOf: (duty: Duty) => Pick<DutyKind, "safety">;
  readonly version: string | undefined;
};

export type Safety = {
  readonly slashing: SlashingStore;
  readonly freezes: Freezes;
  readonly precursors: Precursors;
  readonly audit: AuditChain;
  readonly gate: SafetyGate;
};

/** Throws UsageError where what is on the disk cannot be relied on. */
export async function openSafety(parts: SafetyParts): Promise<Safety> {
  const { store, lock, kindOf } = parts;
  const slashing = await openSlashingStore(store, parts.genesisValidatorsRoot);
  const freezes = await openFreezes(store);
  const precursors = new Precursors(parts.metrics);
  const audit = await openAudit(parts, slashing);
  // GATE-8: the migration wait first, then foreign signers.
  const guards: readonly GateGuard[] = [];
  const safetyOf = (duty: Duty) => kindOf(duty).safety;
  const gate = createSafetyGate({ slashing, lock, freezes, guards, safetyOf, audit, precursors });
  return { slashing, freezes, precursors, audit, gate };
}

async function openAudit(
  { store, clock, version = "unknown" }: SafetyParts,
  slashing: SlashingStore,
): Promise<AuditChain> {
  const stored = await readStoredChain(store);
  if (!stored.ok) {
    throw new UsageError(`the audit log's records are damaged: ${stored.error}`, {
      fix: "keep a copy of the data directory for whoever looks into it, and restore a backup",
    });
  }
  const chain = new AuditChain(
    { now: () => clock.now(), version, sha256, flush: () => slashing.flush() },
    stored.value,
  );
  slashing.join(chain);
  return chain;
}
