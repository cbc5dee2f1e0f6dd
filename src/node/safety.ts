/** Puts the safety ring together: what this node signed, what it may sign, and the log of both. */
import type { Cluster } from "../cluster/cluster.ts";
import type { Duty } from "../domain/duty.ts";
import type { LockIndex, PubKey, Root } from "../domain/keys.ts";
import type { DutyKind } from "../duties/kind.ts";
import type { KeyValueStore } from "../ports/keyValueStore.ts";
import type { Ports } from "../ports/ports.ts";
import type { AuditChain } from "../safety/auditChain.ts";
import { type Freezes, openFreezes } from "../safety/freezes.ts";
import { createSafetyGate, type SafetyGate } from "../safety/gate.ts";
import type { GateGuard } from "../safety/guards.ts";
import { openSlashingStore } from "../safety/openSlashingStore.ts";
import { Precursors } from "../safety/precursors.ts";
import type { SlashingStore } from "../safety/slashingStore.ts";
import { assert } from "../util/assert.ts";
import { openAudit } from "./audit.ts";
import { AuditProjector } from "./auditProjector.ts";

export type SafetyParts = Pick<Ports, "lock" | "clock" | "metrics" | "logger" | "auditFile"> & {
  readonly store: KeyValueStore;
  readonly genesisValidatorsRoot: Root;
  readonly cluster: Cluster;
  readonly kindOf: (duty: Duty) => Pick<DutyKind, "safety">;
  readonly version: string | undefined;
  readonly standingFreeze: () => string | null;
};

export type Safety = {
  readonly slashing: SlashingStore;
  readonly freezes: Freezes;
  readonly precursors: Precursors;
  readonly audit: AuditChain;
  readonly gate: SafetyGate;
  readonly projector: AuditProjector;
  /** Why the records look older than they were; null where nothing says so. */
  readonly setBack: string | null;
};

/** Throws UsageError where what is on the disk cannot be relied on. */
export async function openSafety(parts: SafetyParts): Promise<Safety> {
  const { store, lock, kindOf, cluster } = parts;
  const slashing = await openSlashingStore(store, parts.genesisValidatorsRoot);
  const freezes = await openFreezes(store);
  freezes.followFile(parts.standingFreeze());
  const precursors = new Precursors(parts.metrics);
  const audit = await openAudit(parts, slashing);
  const projector = new AuditProjector({ ...parts, audit, precursors });
  const ahead = await projector.open();
  // GATE-8: the migration wait first, then foreign signers.
  const guards: readonly GateGuard[] = [];
  const safetyOf = (duty: Duty) => kindOf(duty).safety;
  const pubKeyOf = (validator: LockIndex): PubKey => {
    const known = cluster.validators[validator];
    assert(known !== undefined, `the lock has validator ${validator}`);
    return known.pubKey;
  };
  const common = { slashing, lock, freezes, audit, precursors };
  const gate = createSafetyGate({ ...common, guards, safetyOf, pubKeyOf });
  const setBack =
    ahead === null
      ? null
      : `the audit log goes on to entry ${ahead.file}, the database ends at ${ahead.records}`;
  return { slashing, freezes, precursors, audit, gate, projector, setBack };
}
