/** Puts the safety ring together: what this node signed, what it may sign, and the log of both. */
import type { Cluster } from "../cluster/cluster.ts";
import type { CertificateArchive } from "../core/certificateArchive.ts";
import type { Deadlines } from "../core/deadlines.ts";
import type { ForeignSigners } from "../core/foreignSigners.ts";
import type { LivenessGuard } from "../core/livenessGuard.ts";
import type { Duty } from "../domain/duty.ts";
import type { LockIndex, PubKey, PubShare, ShareIndex } from "../domain/keys.ts";
import type { DutyKind } from "../duties/kind.ts";
import type { Chain } from "../eth2/chain.ts";
import type { Ports } from "../ports/ports.ts";
import type { AuditChain } from "../safety/auditChain.ts";
import { type Freezes, openFreezes } from "../safety/freezes.ts";
import { createSafetyGate, type SafetyGate } from "../safety/gate.ts";
import type { GateGuard } from "../safety/guards.ts";
import { openSlashingStore } from "../safety/openSlashingStore.ts";
import { Precursors } from "../safety/precursors.ts";
import type { SlashingStore } from "../safety/slashingStore.ts";
import { assert } from "../util/assert.ts";
import type { Profile } from "../wire/profile.ts";
import { openAudit } from "./audit.ts";
import { AuditProjector } from "./auditProjector.ts";
import { openPeerSafety, type PeerSafety } from "./peerSafety.ts";

export type SafetyParts = Ports & {
  readonly profile: Profile;
  readonly cluster: Cluster;
  readonly chain: Chain;
  readonly deadlines: Deadlines;
  readonly kindOf: (duty: Duty) => DutyKind;
  readonly version?: string;
  readonly standingFreeze: () => string | null;
  /** The operator answers for it that no other signer was active in the last two epochs. */
  readonly skipWait?: boolean;
  readonly isFresh?: boolean;
};

export type Safety = {
  readonly slashing: SlashingStore;
  readonly freezes: Freezes;
  readonly precursors: Precursors;
  readonly audit: AuditChain;
  readonly gate: SafetyGate;
  readonly projector: AuditProjector;
  /** Also guards of the gate. */
  readonly peers: PeerSafety;
  readonly certificates: CertificateArchive;
  readonly foreign: ForeignSigners;
  readonly liveness: LivenessGuard;
};

/** Throws UsageError where what is on the disk cannot be relied on. */
export async function openSafety(parts: SafetyParts): Promise<Safety> {
  const { store, lock, kindOf, cluster, chain, version } = parts;
  const slashing = await openSlashingStore(store, chain.genesisValidatorsRoot);
  const freezes = await openFreezes(store);
  freezes.followFile(parts.standingFreeze());
  const precursors = new Precursors(parts.metrics);
  const audit = await openAudit({ ...parts, version }, slashing);
  const projector = new AuditProjector({ ...parts, audit, precursors });
  const ahead = await projector.open();
  const peers = await openPeerSafety({ ...parts, slashing, audit, precursors });
  if (ahead !== null) {
    const { file, records } = ahead;
    await peers.wait.begin(
      `its audit log goes on to entry ${file}, its database ends at ${records}`,
    );
  }
  // GATE-8: the migration wait first, then foreign signers.
  const guards: readonly GateGuard[] = peers.guards;
  const safetyOf = (duty: Duty) => kindOf(duty).safety;
  const pubKeyOf = (validator: LockIndex): PubKey => {
    const known = cluster.validators[validator];
    assert(known !== undefined, `the lock has validator ${validator}`);
    return known.pubKey;
  };
  const pubShareOf = (validator: LockIndex, share: ShareIndex): PubShare => {
    const known = cluster.validators[validator]?.pubShares[share - 1];
    assert(known !== undefined, `the lock has share ${share} of validator ${validator}`);
    return known;
  };
  const common = { slashing, lock, freezes, audit, precursors };
  const gate = createSafetyGate({ ...common, guards, safetyOf, pubKeyOf, pubShareOf });
  const { certificates, foreign, liveness } = peers;
  const chainWatch = { certificates, foreign, liveness };
  return { slashing, freezes, precursors, audit, gate, projector, peers, ...chainWatch };
}
