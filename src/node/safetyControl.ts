/**
 * What an operator may change of what this node signs, while it runs: freeze, unfreeze, and the
 * slashing history in and out. Everything that is done here is in the audit log.
 */
import type { Cluster } from "../cluster/cluster.ts";
import type { ForeignSigners } from "../core/foreignSigners.ts";
import type { Admission, PartialSignatureExchange } from "../core/interfaces.ts";
import { FaultError } from "../domain/errors.ts";
import type { PubKey } from "../domain/keys.ts";
import type { KeyValueStore } from "../ports/keyValueStore.ts";
import type { Logger } from "../ports/logger.ts";
import type { AuditHead, AuditLog } from "../safety/auditLog.ts";
import {
  describeFreeze,
  FREEZE_FILE,
  type Freeze,
  type Freezes,
  type FreezeTarget,
} from "../safety/freezes.ts";
import {
  exportInterchange,
  type ImportSummary,
  type Interchange,
  importInterchange,
} from "../safety/interchange.ts";
import type { SlashingStore } from "../safety/slashingStore.ts";
import type { Result } from "../util/result.ts";
import type { AuditProjector } from "./auditProjector.ts";

export interface SafetyControl {
  /** Resolves once it holds after a restart and nothing that it stops leaves any more. */
  freeze(freeze: Freeze): Promise<void>;
  /** Whether there was such a freeze; what it refused in this slot is tried again. */
  unfreeze(target: FreezeTarget, by: string): Promise<boolean>;
  /** What the FREEZE file says from now on; null once it is gone. */
  followFile(reason: string | null): Promise<void>;
  freezes(): readonly Freeze[];
  /** The slashing history of this node's own share and of what the cluster signed. */
  exportHistory(): Interchange;
  /** All of the file or nothing; an error names the field of the file that is wrong. */
  importHistory(text: string, by: string): Promise<Result<ImportSummary, string>>;
  /** Makes everything audited until now visible in the audit file; the last line of it. */
  projectAudit(): Promise<AuditHead>;
  /** All records, to be read for a backup; that it is taken is audited first. */
  openRecords(by: string): Promise<Pick<KeyValueStore, "entries">>;
}

/** BACKUP-1: as the audit log has it, of a running node and of a stopped one. */
export const BACKUP_TAKEN = {
  action: "backup",
  detail: "all keys and records were copied into a backup",
} as const;

type ControlParts = {
  readonly cluster: Cluster;
  readonly freezes: Freezes;
  readonly audit: AuditLog;
  readonly projector: Pick<AuditProjector, "project">;
  readonly slashing: SlashingStore;
  readonly foreign: Pick<ForeignSigners, "holds" | "release">;
  readonly store: Pick<KeyValueStore, "entries">;
  readonly admission: Pick<Admission, "resume">;
  readonly exchange: Pick<PartialSignatureExchange, "settled">;
  readonly logger: Logger;
};

export class NodeSafetyControl implements SafetyControl {
  readonly #parts: ControlParts;

  constructor(parts: ControlParts) {
    this.#parts = parts;
  }

  async projectAudit(): Promise<AuditHead> {
    await this.#parts.projector.project();
    return this.#parts.audit.head;
  }

  async openRecords(by: string): Promise<Pick<KeyValueStore, "entries">> {
    const { audit, store } = this.#parts;
    audit.append({ kind: "action", ...BACKUP_TAKEN, caller: by });
    await audit.flush();
    return store;
  }

  freezes(): readonly Freeze[] {
    return [...this.#parts.freezes.list(), ...this.#parts.foreign.holds];
  }

  /** FREEZE-4: the gate is shut before anything is waited for. */
  async freeze(freeze: Freeze): Promise<void> {
    const { freezes, audit, exchange, logger } = this.#parts;
    const written = freezes.freeze(freeze);
    logger.warn("Signing is frozen by its operator.", { ...freeze });
    audit.append({
      kind: "action",
      action: "freeze",
      caller: freeze.by,
      detail: `${describeFreeze(freeze)}: ${freeze.reason}`,
    });
    // It holds whatever the disk does, so what waits is stopped first and the fault told after.
    await Promise.all([exchange.settled(), written, audit.flush()]);
  }

  async unfreeze(target: FreezeTarget, by: string): Promise<boolean> {
    const { freezes, foreign, audit, admission, logger } = this.#parts;
    const isReleased = target.scope === "all" && foreign.release(target.validator);
    if (!(await freezes.unfreeze(target)) && !isReleased) return false;
    logger.warn("Signing goes on.", { ...target, by });
    audit.append({
      kind: "action",
      action: "unfreeze",
      caller: by,
      detail: describeFreeze(target),
    });
    admission.resume();
    try {
      await audit.flush();
    } catch (error) {
      // The lines ride in the next batch; signing does not wait for them.
      if (!(error instanceof FaultError)) throw error;
      logger.error("The audit log could not be written.", { reason: error.message });
    }
    return true;
  }

  async followFile(reason: string | null): Promise<void> {
    const { freezes, audit, admission, exchange, logger } = this.#parts;
    freezes.followFile(reason);
    const action = reason === null ? "unfreeze" : "freeze";
    logger.warn("The FREEZE file came or went.", { action, reason });
    audit.append({ kind: "action", action, caller: FREEZE_FILE, detail: reason ?? "removed" });
    if (reason === null) admission.resume();
    else await exchange.settled();
  }

  exportHistory(): Interchange {
    return exportInterchange(this.#parts.slashing);
  }

  async importHistory(text: string, by: string): Promise<Result<ImportSummary, string>> {
    const { slashing, audit, cluster } = this.#parts;
    const imported = await importInterchange(slashing, text, { validatorOf: ownerOf(cluster) });
    const detail = imported.ok
      ? `${imported.value.added} messages of ${imported.value.validators} validators`
      : `refused: ${imported.error}`;
    audit.append({ kind: "action", action: "import", caller: by, detail });
    await audit.flush();
    return imported;
  }
}

/** The validator of a key in an interchange file: the group key itself or one of its key shares. */
export function ownerOf(cluster: Cluster): (publicKey: `0x${string}`) => PubKey | null {
  const owners = new Map<string, PubKey>();
  for (const { pubKey, pubShares } of cluster.validators) {
    owners.set(pubKey, pubKey);
    for (const pubShare of pubShares) owners.set(pubShare, pubKey);
  }
  return (publicKey) => owners.get(publicKey) ?? null;
}
