/**
 * What the peers know of this node, and it of them: heartbeats, witnesses and twins, put together.
 * Two halves, because the gate asks the first one and the second one needs the workflow.
 */
import type { Cluster } from "../cluster/cluster.ts";
import { CertificateArchive } from "../core/certificateArchive.ts";
import type { Courier } from "../core/courier.ts";
import type { Deadlines } from "../core/deadlines.ts";
import { ForeignSigners } from "../core/foreignSigners.ts";
import { GAVE_WAY, Heartbeats, type OwnState } from "../core/heartbeats.ts";
import type { Admission, PartialSignatureExchange } from "../core/interfaces.ts";
import { LivenessGuard } from "../core/livenessGuard.ts";
import { RollbackGuard } from "../core/rollbackGuard.ts";
import { SightingInquiry } from "../core/sightingInquiry.ts";
import { StatusChannel } from "../core/statusChannel.ts";
import { WitnessKeeper, type WitnessSources } from "../core/witnessKeeper.ts";
import type { Duty } from "../domain/duty.ts";
import type { RefusalReason } from "../domain/errors.ts";
import { FaultError } from "../domain/errors.ts";
import type { PeerIndex } from "../domain/keys.ts";
import type { DutyKind } from "../duties/kind.ts";
import { DUTY_KINDS } from "../duties/table.ts";
import type { Chain } from "../eth2/chain.ts";
import type { Ports } from "../ports/ports.ts";
import type { AuditLog } from "../safety/auditLog.ts";
import type { Freeze } from "../safety/freezes.ts";
import type { GateGuard } from "../safety/guards.ts";
import { MigrationWait } from "../safety/migrationWait.ts";
import type { Precursors } from "../safety/precursors.ts";
import type { SlashingStore } from "../safety/slashingStore.ts";
import type { Heartbeat, Profile, Scope } from "../wire/profile.ts";
import type { SafetyControl } from "./safetyControl.ts";

type OpeningParts = Ports & {
  readonly profile: Profile;
  readonly cluster: Cluster;
  readonly chain: Chain;
  readonly deadlines: Deadlines;
  readonly slashing: SlashingStore;
  readonly audit: AuditLog;
  readonly precursors: Pick<Precursors, "count">;
  /** The operator answers for it that no other signer was active in the last two epochs. */
  readonly skipWait?: boolean;
  /** Nobody can have signed under the lock yet, here or elsewhere. */
  readonly isFresh?: boolean;
};
type PeerSafetyParts = OpeningParts & {
  readonly keeper: WitnessKeeper;
  readonly wait: MigrationWait;
  readonly certificates: CertificateArchive;
  readonly foreign: ForeignSigners;
  readonly liveness: LivenessGuard;
  readonly kindOf: (duty: Pick<Duty, "type">) => DutyKind;
};
type Workflow = {
  readonly courier: Courier;
  readonly scope: Scope;
  readonly sources: WitnessSources & {
    readonly exchange: PartialSignatureExchange;
    readonly admission: Pick<Admission, "resume">;
  };
  readonly version: string;
  readonly state: () => Omit<OwnState, "progress" | "asks">;
  readonly onTwinAhead: (fault: FaultError) => void;
  readonly control: Pick<SafetyControl, "freeze">;
  readonly signal: AbortSignal;
};

/** Reads what was witnessed and what is waited for; the gate may ask from here on. */
export async function openPeerSafety(parts: OpeningParts): Promise<PeerSafety> {
  const kindOf = ({ type }: Pick<Duty, "type">): DutyKind => DUTY_KINDS[type];
  const keeper = await WitnessKeeper.open({ ...parts, kindOf });
  const wait = await MigrationWait.open({
    ...parts,
    lockHash: parts.cluster.lockHash,
    isFresh: parts.isFresh ?? false,
    isSkipped: parts.skipWait ?? false,
  });
  const { cluster, slashing } = parts;
  const archiveParts = { ...parts, kindOf, nodes: cluster.nodes };
  const certificates = await CertificateArchive.open(archiveParts);
  slashing.join(certificates);
  const foreign = await ForeignSigners.open({ ...parts, kindOf, archive: certificates });
  if (parts.skipWait === true) {
    const detail = "the wait of two epochs before signing was skipped on the command line";
    parts.audit.append({ kind: "action", action: "skip-wait", caller: "operator", detail });
    await parts.audit.flush();
  }
  const liveness = new LivenessGuard({ ...parts, foreign });
  const opened = { keeper, wait, certificates, foreign, liveness };
  return new PeerSafety({ ...parts, ...opened, kindOf });
}

export class PeerSafety {
  readonly rollback: RollbackGuard;
  readonly wait: MigrationWait;
  readonly certificates: CertificateArchive;
  readonly foreign: ForeignSigners;
  readonly liveness: LivenessGuard;
  readonly #parts: PeerSafetyParts;
  #heartbeats: Heartbeats | null = null;

  constructor(parts: PeerSafetyParts) {
    this.#parts = parts;
    this.wait = parts.wait;
    this.certificates = parts.certificates;
    this.foreign = parts.foreign;
    this.liveness = parts.liveness;
    this.rollback = new RollbackGuard({ ...parts, self: parts.identity.self });
  }

  /** In the order in which the gate asks them. */
  get guards(): readonly GateGuard[] {
    return [this.wait, this.foreign, this.liveness, this, this.rollback];
  }

  /** TWIN-3: nothing is signed by the session that gave way, however long its process takes. */
  refusalOf(): RefusalReason | null {
    return this.#heartbeats?.isLost === true ? GAVE_WAY : null;
  }

  /** Whether somebody else may reach a peer that this node does not. */
  isBridged(peer: PeerIndex): boolean {
    return this.#heartbeats?.isBridged(peer) ?? true;
  }

  /** In words for readiness. */
  get problems(): readonly string[] {
    const twin = this.#heartbeats?.twinProblem ?? null;
    const { wait, foreign, liveness, rollback } = this;
    const said = [wait, foreign, liveness, rollback].map(({ problem }) => problem);
    const problems = [twin, ...said];
    return problems.filter((problem) => problem !== null);
  }

  /** A peer's newest heartbeat; null where it was silent lately. */
  heardOf(peer: PeerIndex): Heartbeat | null {
    return this.#heartbeats?.live(peer) ?? null;
  }

  start({ courier, sources, state, onTwinAhead, control, ...rest }: Workflow): Heartbeats {
    const { slashing, profile, keeper } = this.#parts;
    sources.exchange.onReceived((set) => keeper.received(set, sources));
    const channel = new StatusChannel({ profile, courier });
    const heartbeats = new Heartbeats({
      ...this.#parts,
      ...rest,
      channel,
      state: () => ({ ...state(), progress: slashing.progress(), asks: this.rollback.asks }),
    });
    this.#heartbeats = heartbeats;
    this.rollback.attach({
      channel,
      heartbeats,
      sources,
      reject: (peer, code) => courier.reject("status", peer, code),
    });
    const inquiry = new SightingInquiry({
      ...this.#parts,
      ...rest,
      channel,
      archive: this.certificates,
      background: sources.background,
    });
    const { background, admission } = sources;
    const actions = {
      freeze: (freeze: Freeze) => control.freeze(freeze),
      resume: () => admission.resume(),
      background,
    };
    this.foreign.attach(actions, () => inquiry.start());
    inquiry.start();
    this.liveness.start(background, rest.signal);
    heartbeats.onGivenWay((reason) => onTwinAhead(new FaultError("twin_alive", reason)));
    heartbeats.start();
    return heartbeats;
  }
}
