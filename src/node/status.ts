/** What a node is doing, as one answer for whoever operates it (OPS-8). It changes nothing. */
import type { Cluster } from "../cluster/cluster.ts";
import type { DutyReport, Tracker } from "../core/interfaces.ts";
import type { PeerIndex, PubKey } from "../domain/keys.ts";
import type { Epoch, Millis, Slot } from "../domain/units.ts";
import type { Chain } from "../eth2/chain.ts";
import type { Path } from "../ports/network.ts";
import type { Ports } from "../ports/ports.ts";
import type { AuditHead, AuditLog } from "../safety/auditLog.ts";
import type { Freeze, Freezes } from "../safety/freezes.ts";
import { type Highest, highestOf } from "../safety/interchangeSummary.ts";
import type { SlashingStore } from "../safety/slashingStore.ts";
import type { PeerSafety } from "./peerSafety.ts";

export type PeerStatus = {
  readonly peer: PeerIndex;
  readonly path: Path;
  /** What its last heartbeat said; null where none was heard lately. */
  readonly said: {
    readonly version: string;
    readonly isReady: boolean;
    readonly reaches: readonly PeerIndex[];
  } | null;
};
export type WaitStatus = {
  readonly reason: string;
  /** Slot in which signing resumes; null where that is not known yet. */
  readonly untilSlot: Slot | null;
  /** When that slot begins; null where the chain is not known. */
  readonly untilMs: Millis | null;
  readonly leftMs: Millis | null;
};
export type ValidatorStatus = Highest & {
  readonly pubKey: PubKey;
  /** Whether this process holds its key share; a validator client does where it does not. */
  readonly isSignedHere: boolean;
};
export type NodeStatus = {
  readonly slot: Slot;
  readonly epoch: Epoch;
  readonly peers: readonly PeerStatus[];
  readonly validators: readonly ValidatorStatus[];
  readonly freezes: readonly Freeze[];
  /** Null while nothing is waited for. */
  readonly wait: WaitStatus | null;
  readonly witnesses: {
    /** Peers that have said since the start what they saw this node sign. */
    readonly answered: number;
    readonly needed: number;
    readonly missing: readonly PeerIndex[];
  };
  /** The last ones, oldest first. */
  readonly duties: readonly DutyReport[];
  readonly auditHead: AuditHead;
};

type StatusParts = Pick<Ports, "clock" | "network" | "identity" | "signer"> & {
  readonly cluster: Cluster;
  readonly chain: Chain;
  readonly slashing: SlashingStore;
  readonly freezes: Freezes;
  readonly peers: PeerSafety;
  readonly audit: AuditLog;
  readonly tracker: Tracker;
};

export function statusOf(parts: StatusParts): NodeStatus {
  const { clock, chain, peers, cluster, freezes, audit, tracker, identity } = parts;
  const slot = chain.slotAt(clock.now());
  const { wait } = peers;
  const { rollback } = peers;
  const current = wait.current;
  return {
    slot,
    epoch: chain.epochOf(Math.max(0, slot)),
    peers: peersOf(parts),
    validators: validatorsOf(parts),
    freezes: freezes.list(),
    wait:
      current === null
        ? null
        : {
            reason: current.reason,
            untilSlot: current.until,
            untilMs: chain.slotStart(current.until),
            leftMs: wait.leftMs,
          },
    witnesses: {
      answered: identity.nodes - 1 - rollback.asks.length,
      needed: cluster.threshold - 1,
      missing: rollback.asks,
    },
    duties: tracker.recent(),
    auditHead: audit.head,
  };
}

function peersOf({ identity, network, peers }: StatusParts): readonly PeerStatus[] {
  const all = Array.from({ length: identity.nodes }, (_, peer) => peer);
  return all
    .filter((peer) => peer !== identity.self)
    .map((peer) => {
      const heard = peers.heardOf(peer);
      const said =
        heard === null
          ? null
          : { version: heard.version, isReady: heard.isReady, reaches: heard.reaches };
      return { peer, path: network.path(peer), said };
    });
}

function validatorsOf({ cluster, slashing, signer }: StatusParts): readonly ValidatorStatus[] {
  const histories = new Map(slashing.snapshot());
  return cluster.validators.map(({ pubKey, lockIndex }) => {
    const history = histories.get(pubKey);
    const highest = history === undefined ? NOTHING : highestOf(history);
    return { pubKey, isSignedHere: signer.validators.has(lockIndex), ...highest };
  });
}

const NOTHING: Highest = { attestation: null, block: null };
