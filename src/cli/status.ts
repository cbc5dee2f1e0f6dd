/** `coterie status`: what a node is doing; of a stopped one, what its next start begins with. */
import type { BeaconClient, EndpointStatus } from "../adapters/beacon/client.ts";
import type { DutyReport } from "../core/interfaces.ts";
import type { Root } from "../domain/keys.ts";
import type { Health } from "../node/health.ts";
import type { Node } from "../node/node.ts";
import type { NodeStatus, PeerStatus, ValidatorStatus, WaitStatus } from "../node/status.ts";
import { describeFreeze, type Freeze } from "../safety/freezes.ts";
import { type Highest, highestOf } from "../safety/interchangeSummary.ts";
import { countdown, keptWait } from "../safety/migrationWait.ts";
import type { DataDir } from "./dataDir.ts";
import { EXIT_CODES, type ExitCode } from "./exitCodes.ts";
import { connectAdmin } from "./safety/adminClient.ts";
import { readOperator } from "./safety/slashing.ts";
import { withStoppedNode } from "./safety/stoppedNode.ts";
import { versionInfo } from "./version.ts";

type NodeIdentity = {
  readonly version: string;
  readonly cluster: {
    readonly name: string;
    readonly lockHash: Root;
    readonly nodes: number;
    readonly threshold: number;
    readonly validators: number;
  };
  /** Counted from 0, in the lock's order. */
  readonly operator: number;
};
/** Of a process; `node` is null while it starts. */
type RunStatus = NodeIdentity & {
  readonly health: Health;
  readonly beaconNodes: readonly EndpointStatus[];
  readonly node: NodeStatus | null;
};
/** What its data directory says of a node that does not run. */
type StoppedStatus = NodeIdentity &
  Pick<NodeStatus, "freezes" | "wait" | "auditHead"> & {
    readonly validators: readonly Omit<ValidatorStatus, "isSignedHere">[];
  };

export type StatusOptions = { readonly dataDir: string; readonly json: boolean };
export type Status = { readonly text: string; readonly exitCode: ExitCode };

/** OPS-8: 0 where it does its duties, 1 where it cannot, 3 where it does not run. */
export async function showStatus({ dataDir, json }: StatusOptions): Promise<Status> {
  const admin = await connectAdmin(dataDir);
  if (admin === null) {
    const status = await readStopped(dataDir);
    const text = json
      ? JSON.stringify({ isRunning: false, ...status })
      : describeStopped(status).join("\n");
    return { text: `${text}\n`, exitCode: EXIT_CODES.stopped };
  }
  const status = (await admin.call("GET", "/admin/v1/status")) as RunStatus;
  const text = json
    ? JSON.stringify({ isRunning: true, ...status })
    : describeRunning(status).join("\n");
  const exitCode = status.health.isReady ? EXIT_CODES.ok : EXIT_CODES.invalid;
  return { text: `${text}\n`, exitCode };
}

function identityOf({ cluster, identity }: Pick<DataDir, "cluster" | "identity">) {
  const { name, lockHash, nodes, threshold, validators } = cluster;
  return {
    version: versionInfo().version,
    cluster: { name, lockHash, nodes, threshold, validators: validators.length },
    operator: identity.self,
  } satisfies NodeIdentity;
}

/** What the running process answers. */
export function runStatus(
  dataDir: Pick<DataDir, "cluster" | "identity">,
  parts: {
    readonly health: Health;
    readonly beacon: Pick<BeaconClient, "endpoints">;
    readonly node: Pick<Node, "status"> | null;
  },
): RunStatus {
  const { health, beacon, node } = parts;
  const beaconNodes = beacon.endpoints();
  return { ...identityOf(dataDir), health, beaconNodes, node: node?.status() ?? null };
}

async function readStopped(dataDir: string): Promise<StoppedStatus> {
  const owner = await readOperator(dataDir);
  return withStoppedNode(dataDir, null, async ({ store, slashing, freezes, audit }) => {
    const kept = await keptWait(store);
    const wait: WaitStatus | null =
      kept === null
        ? null
        : { reason: kept.reason, untilSlot: kept.until, untilMs: null, leftMs: null };
    const known = new Map(slashing.snapshot());
    return {
      ...identityOf(owner),
      validators: owner.cluster.validators.map(({ pubKey }) => {
        const history = known.get(pubKey);
        return { pubKey, ...(history === undefined ? NOTHING : highestOf(history)) };
      }),
      freezes: freezes.list(),
      wait,
      auditHead: audit.head,
    };
  });
}

const NOTHING: Highest = { attestation: null, block: null };

function describeRunning(status: RunStatus): readonly string[] {
  const { health, beaconNodes, node } = status;
  const state = health.isReady ? "it runs and does its duties" : "it runs, and is not ready";
  const lines = [
    `${nameOf(status)}: ${state}`,
    ...health.reasons.map((reason) => row("not ready", reason)),
    ...beaconNodes.map(({ endpoint, problem }) =>
      row("beacon node", `${endpoint} ${problem ?? "ok"}`),
    ),
  ];
  if (node === null) return lines;
  const { slot, epoch, peers, witnesses, duties, auditHead } = node;
  const shares = node.validators.filter(({ isSignedHere }) => isSignedHere).length;
  return [
    ...lines,
    row("slot", `${slot}, epoch ${epoch}`),
    ...peers.map((peer) => row("peer", describePeer(peer))),
    row("witnesses", `${witnesses.answered} peers have answered, ${witnesses.needed} are needed`),
    row("signer", shares === 0 ? "a validator client" : `this node, for ${shares} validators`),
    ...describeRecords(node),
    ...duties.slice(-MAX_DUTIES).map((duty) => row("duty", describeDuty(duty))),
    row("audit log", `entry ${auditHead.sequence}, ${auditHead.hash}`),
  ];
}

function describeStopped(status: StoppedStatus): readonly string[] {
  const { auditHead } = status;
  return [
    `${nameOf(status)}: it does not run`,
    ...describeRecords(status),
    row("audit log", `entry ${auditHead.sequence}, ${auditHead.hash}`),
  ];
}

/** Lines of one table; the JSON form has everything. */
const MAX_SHOWN = 8;
const MAX_DUTIES = 5;
const LABEL_WIDTH = 12;

function row(label: string, text: string): string {
  return `${label.padEnd(LABEL_WIDTH)}${text}`;
}

function nameOf({ cluster, operator, version }: NodeIdentity): string {
  const { name, lockHash, nodes, threshold, validators } = cluster;
  return (
    `operator ${operator} of cluster "${name}" (${lockHash.slice(0, 10)}), ${threshold} of ` +
    `${nodes} sign, ${validators} validators, coterie ${version}`
  );
}

/** What it may not sign, and until when. */
function describeRecords({
  wait,
  freezes,
  validators,
}: {
  readonly wait: WaitStatus | null;
  readonly freezes: readonly Freeze[];
  readonly validators: readonly (Highest & { readonly pubKey: string })[];
}): readonly string[] {
  const signed = validators.filter(({ attestation, block }) => attestation ?? block);
  const shown = signed.slice(0, MAX_SHOWN).map(({ pubKey, attestation, block }) => {
    const vote = attestation === null ? "-" : `${attestation.source} → ${attestation.target}`;
    const name = `${pubKey.slice(0, 18)}…`;
    return row(
      "validator",
      `${name} attestations to ${vote}, blocks to slot ${block?.slot ?? "-"}`,
    );
  });
  const more = signed.length - shown.length;
  return [
    ...(wait === null ? [] : [row("waits", describeWait(wait))]),
    ...freezes.map((each) =>
      row("frozen", `${describeFreeze(each)}, by ${each.by}: ${each.reason}`),
    ),
    ...shown,
    ...(more > 0 ? [row("", `and ${more} validators more: --json`)] : []),
  ];
}

function describeWait({ reason, untilSlot, untilMs, leftMs }: WaitStatus): string {
  if (leftMs !== null && untilMs !== null) {
    const at = new Date(untilMs).toISOString();
    return `signing resumes in ${countdown(leftMs)}, at ${at} (slot ${untilSlot}): ${reason}`;
  }
  const end =
    untilSlot === null
      ? "two epochs from its next start on"
      : `up to slot ${untilSlot}, if not over`;
  return `${end}: ${reason}`;
}

function describePeer({ peer, path, said }: PeerStatus): string {
  const state =
    said === null ? "silent" : `${said.isReady ? "ready" : "not ready"}, coterie ${said.version}`;
  return `${peer} ${path === "none" ? "not connected" : path}, ${state}`;
}

function describeDuty({ duty, step, isMissed, reasons }: DutyReport): string {
  const outcome = isMissed ? `missed, ${step}` : step === "broadcast" ? "complete" : step;
  return [`${duty.slot}/${duty.type} ${outcome}`, ...reasons].join("; ");
}
