/**
 * One operator's machine: disk, clock, beacon node and key shares outlive its node, which runs one
 * life after the other. A power cut leaves a life where it stands: none of its ports answers again,
 * and the next life finds the disk as it was synced.
 */
import type { SigningTask } from "../src/domain/data.ts";
import { Cancelled, FaultError } from "../src/domain/errors.ts";
import type { PeerIndex } from "../src/domain/keys.ts";
import type { Millis } from "../src/domain/units.ts";
import type { Node, NodeConfig } from "../src/node/node.ts";
import type { Clock } from "../src/ports/clock.ts";
import type { Logger } from "../src/ports/logger.ts";
import type { Metrics } from "../src/ports/metrics.ts";
import type { Network } from "../src/ports/network.ts";
import type { PartialSigner } from "../src/ports/partialSigner.ts";
import type { Ports } from "../src/ports/ports.ts";
import type { VirtualFacts } from "./facts.ts";
import type { BeaconPortOptions, MachineBeacon, Submission } from "./ground.ts";
import type { ClusterKeys } from "./keys.ts";
import type { EventLoop } from "./loop.ts";
import type { NetworkEnd } from "./networkEnd.ts";
import type { SeededRandom } from "./random.ts";
import type { DiskFault, SignerKind, WriteCrash } from "./scenario.ts";
import type { VirtualAuditFile } from "./virtualAuditFile.ts";
import { VirtualClock } from "./virtualClock.ts";
import type { VirtualNetwork } from "./virtualNetwork.ts";
import { VirtualDisk, type VirtualStore } from "./virtualStore.ts";
import type { WriteFate } from "./writeFate.ts";

export type CreateNode = (config: NodeConfig, ports: Ports, signal: AbortSignal) => Promise<Node>;

export type MachineWatch = {
  signed(tasks: readonly SigningTask[]): void;
  submitted(submission: Submission): void;
  logged(level: "debug" | "info" | "warn" | "error", message: string, fields: object): void;
  /** The node runs. */
  up(restarts: number): void;
  crashed(lostWrites: number): void;
  bug(error: unknown): void;
};

export type MachineParts = {
  readonly self: PeerIndex;
  readonly loop: EventLoop;
  readonly network: VirtualNetwork;
  /** Opens its beacon node for one life. */
  readonly openBeacon: (options: BeaconPortOptions) => MachineBeacon;
  readonly keys: ClusterKeys;
  readonly facts: VirtualFacts;
  readonly random: SeededRandom;
  readonly signer: SignerKind;
  readonly syncMs: Millis;
  readonly createNode: CreateNode;
  readonly config: Pick<NodeConfig, "watch" | "profile">;
  /** Puts a Byzantine operator's behaviours between its node and the network. */
  readonly wrap: (network: Network, clock: Clock) => Network;
  readonly watch: MachineWatch;
};

/** What ends with the power. */
type Life = {
  readonly clock: VirtualClock;
  readonly end: NetworkEnd;
  readonly store: VirtualStore;
  readonly auditFile: VirtualAuditFile;
  readonly beacon: MachineBeacon;
  readonly stopping: AbortController;
  node: Node | null;
  isOver: boolean;
};

/** A supervisor waits this long before it starts a node again that did not come up. */
const SUPERVISOR_MS: Millis = 5_000;
const SYNC_SPREAD = 0.5;

export class Machine {
  readonly self: PeerIndex;
  readonly disk: VirtualDisk;
  /** How far the machine's wall clock is ahead of true time; faults move it. */
  #clockOffset: Millis = 0;
  readonly #parts: MachineParts;
  readonly #disks: SeededRandom;
  readonly #auditDisks: SeededRandom;
  #life: Life | null = null;
  #lives = 0;
  readonly #faults = new Set<DiskFault>();

  constructor(parts: MachineParts) {
    this.#parts = parts;
    this.self = parts.self;
    this.#disks = parts.random.fork("disk");
    this.#auditDisks = parts.random.fork("audit");
    this.disk = new VirtualDisk(
      (delayMs) => new Promise((resolve) => parts.loop.at(parts.loop.now + delayMs, resolve)),
    );
    this.disk.fateOf = () => this.#fateOfWrite(this.#disks);
    this.disk.fateOfAudit = () => this.#fateOfWrite(this.#auditDisks);
  }

  /** Imposes a fault; the result ends it. */
  imposeOnDisk(fault: DiskFault): () => void {
    const { disk } = this;
    const one =
      fault.kind === "write-fails"
        ? { write: disk.writes + fault.write, lands: fault.lands }
        : null;
    if (one !== null) disk.fault = one;
    this.#faults.add(fault);
    return () => {
      this.#faults.delete(fault);
      // A write that did not come in time does not fail afterwards.
      if (one !== null && disk.fault === one) disk.fault = null;
    };
  }

  #fateOfWrite(random: SeededRandom): WriteFate {
    const { syncMs: medianMs } = this.#parts;
    let syncMs = medianMs === 0 ? 0 : random.logNormal(medianMs, SYNC_SPREAD);
    let fault: WriteFate["fault"] = null;
    for (const each of this.#faults) {
      if (each.kind === "disk-slow") syncMs += each.syncMs;
      const fails = each.kind === "disk-fails" && random.chance(each.rate);
      if (fails) fault = { lands: random.chance(0.5) };
    }
    return { syncMs, fault };
  }

  get node(): Node | null {
    return this.#life?.node ?? null;
  }

  get clock(): VirtualClock | null {
    return this.#life?.clock ?? null;
  }

  get hasPower(): boolean {
    return this.#life !== null;
  }

  get signer(): SignerKind {
    return this.#parts.signer;
  }

  shiftClock(byMs: Millis): void {
    this.#clockOffset += byMs;
    this.#life?.clock.setOffset(this.#clockOffset);
  }

  /** Power comes: the node starts from what the disk holds. */
  powerOn(): void {
    if (this.#life !== null) return;
    const { loop, network, openBeacon, facts, keys, watch, self } = this.#parts;
    const clock = new VirtualClock(loop, this.#clockOffset);
    const life: Life = {
      clock,
      end: network.plugIn(self),
      store: this.disk.open(),
      auditFile: this.disk.openAudit(),
      beacon: openBeacon({
        facts,
        validators: keys.cluster.validators,
        clock,
        onSubmitted: (submission) => watch.submitted(submission),
      }),
      stopping: new AbortController(),
      node: null,
      isOver: false,
    };
    this.#life = life;
    void this.#start(life);
  }

  /** A power cut: the node is not told (SIM-4). */
  cutPower(): void {
    const life = this.#life;
    if (life === null) return;
    this.#life = null;
    life.isOver = true;
    life.clock.kill();
    life.beacon.kill();
    this.#parts.network.unplug(this.self);
    life.auditFile.cutPower();
    this.#parts.watch.crashed(life.store.cutPower());
  }

  /** The same at a write to come, and power again a while later; the result calls it off. */
  cutPowerAtWrite({ write, lands, downMs }: WriteCrash): () => void {
    const { disk } = this;
    const { loop } = this.#parts;
    const number = disk.writes + write;
    const strike: VirtualDisk["beforeWrite"] = (operations) => {
      if (disk.writes !== number) return;
      if (lands) disk.apply(operations);
      this.cutPower();
      loop.at(loop.now + downMs, () => this.powerOn());
    };
    disk.beforeWrite = strike;
    return () => {
      if (disk.beforeWrite === strike) disk.beforeWrite = () => undefined;
    };
  }

  /** An orderly stop at the end of a run, after which nothing of the node may be left waiting. */
  stop(): void {
    this.#life?.stopping.abort(new Cancelled("the run is over"));
    this.#life?.node?.stop();
  }

  async #start(life: Life): Promise<void> {
    const { createNode, keys, config, watch, loop } = this.#parts;
    try {
      const ports = this.#portsOf(life);
      const node = await createNode(
        { cluster: keys.cluster, ...config },
        ports,
        life.stopping.signal,
      );
      if (life.isOver) return;
      life.node = node;
      watch.up(this.#lives++);
      const bug = await node.failure;
      if (!life.isOver) watch.bug(bug);
    } catch (error) {
      if (life.isOver || error instanceof Cancelled) return;
      if (!(error instanceof FaultError)) {
        watch.bug(error);
        return;
      }
      this.cutPower();
      loop.at(loop.now + SUPERVISOR_MS, () => this.powerOn());
    }
  }

  /** The one place that fills the ports of a simulated node. */
  #portsOf({ clock, end, store, auditFile, beacon }: Life): Ports {
    const { keys, random, wrap, watch } = this.#parts;
    return {
      clock,
      random: random.fork(`life/${this.#lives}`),
      network: wrap(end, clock),
      identity: keys.identityOf(this.self),
      beacon,
      store,
      auditFile,
      lock: { isHeld: () => true, isFresh: () => true },
      bls: keys.scheme.bls,
      signer: this.#signer(),
      logger: loggerTo(watch),
      metrics: SILENT_METRICS,
    };
  }

  #signer(): PartialSigner {
    const { keys, watch, signer } = this.#parts;
    const own = keys.scheme.signerOf(signer === "builtin" ? keys.shares(this.self) : []);
    return {
      validators: own.validators,
      async sign(tasks, signal) {
        const signed = await own.sign(tasks, signal);
        if (signed.length > 0) watch.signed(signed.map(({ task }) => task));
        return signed;
      },
    };
  }
}

function loggerTo(watch: MachineWatch): Logger {
  const logger: Logger = {
    debug: (message, fields = {}) => watch.logged("debug", message, fields),
    info: (message, fields = {}) => watch.logged("info", message, fields),
    warn: (message, fields = {}) => watch.logged("warn", message, fields),
    error: (message, fields = {}) => watch.logged("error", message, fields),
    child: () => logger,
  };
  return logger;
}

const ignore = (): void => undefined;
const SILENT_METRICS: Metrics = {
  counter: () => ({ add: ignore }),
  gauge: () => ({ set: ignore }),
  histogram: () => ({ observe: ignore }),
};
