/**
 * A whole cluster in one process and in virtual time: `createNode` for every operator, over virtual
 * ports, on one virtual chain, with the faults of a scenario and checkers that watch. Everything
 * follows from the seed; each part draws from a stream of its own.
 */
import type { PeerIndex } from "../src/domain/keys.ts";
import { peerIndexOf } from "../src/domain/keys.ts";
import type { Millis, Slot } from "../src/domain/units.ts";
import type { Chain } from "../src/eth2/chain.ts";
import { activePreset } from "../src/eth2/preset.ts";
import { createNode as createRealNode } from "../src/node/node.ts";
import type { Clock } from "../src/ports/clock.ts";
import type { Network } from "../src/ports/network.ts";
import { assert } from "../src/util/assert.ts";
import { nativeProfile } from "../src/wire/nativeProfile.ts";
import type { Profile } from "../src/wire/profile.ts";
import { misbehave } from "./byzantine/behaviours.ts";
import { Conspiracy } from "./byzantine/conspiracy.ts";
import type { CheckContext, Checker, CheckKind } from "./checkers/checker.ts";
import { createCheckers, type NamedChecker } from "./checkers/table.ts";
import { GENESIS_FORK_VERSION } from "./facts.ts";
import { byzantineNodes, isActive, scheduleFaults } from "./faults.ts";
import { FrameReader, gossipOpener } from "./frames.ts";
import type { BeaconView, CreateGround, Ground } from "./ground.ts";
import { blstScheme, type ClusterKeys, createClusterKeys } from "./keys.ts";
import { Ledger } from "./ledger.ts";
import { EventLoop } from "./loop.ts";
import { type CreateNode, Machine } from "./machine.ts";
import { NodeEyes } from "./nodeEyes.ts";
import { SeededRandom } from "./random.ts";
import type { Scenario, SlotInstant } from "./scenario.ts";
import { sharedReading } from "./sharedReading.ts";
import { Trace } from "./trace.ts";
import { transparentScheme } from "./transparentBls.ts";
import { FEE_RECIPIENT, GAS_LIMIT } from "./virtualBlocks.ts";
import { VirtualClient } from "./virtualClient.ts";
import { createVirtualGround } from "./virtualGround.ts";
import { VirtualNetwork } from "./virtualNetwork.ts";

export type BlsChoice = "transparent" | "blst";

export type WorldOptions = {
  readonly seed: string | number;
  readonly scenario: Scenario;
  /** Transparent unless given: insecure algebra that costs a thousandth. */
  readonly bls?: BlsChoice;
  /** Gets each line of the trace. */
  readonly onTrace?: (line: string) => void;
  /** False where the verdict alone is of interest: the run has no hash then. */
  readonly isTraced?: boolean;
  /** Called as each slot begins. */
  readonly onSlot?: (slot: Slot) => void;
  /** The nodes' wire, where a study tries another; profile 1 unless given. */
  readonly profile?: Profile;
  /** The beacon chain below it; the virtual one unless given. */
  readonly createGround?: CreateGround;
  /** A mutant of the node, where a test shows that a guard matters. */
  readonly createNode?: CreateNode;
};

export type Violation = {
  readonly checker: string;
  readonly kind: CheckKind | "crash";
  /** Since genesis. */
  readonly at: Millis;
  readonly message: string;
};

export type RunResult = {
  /** SHA-256 over the trace: equal for equal runs; empty where none is kept. */
  readonly hash: string;
  readonly events: number;
  readonly virtualMs: Millis;
  readonly violations: readonly Violation[];
  readonly verdicts: readonly {
    readonly checker: string;
    readonly passed: boolean;
    readonly checked: number;
  }[];
};

const GENESIS_TIME = 1_700_000_000;
/** Slots of an epoch by preset, where the preset fixes nothing smaller. */
const SLOTS_PER_EPOCH: Readonly<Record<string, number>> = { minimal: 8, mainnet: 32 };
/** Nodes start this many slots before genesis, so that they are connected by then. */
const LEAD_SLOTS = 1;
/** After the last slot, until its duties are done. */
const TAIL_SLOTS = 2;
const MAX_VIOLATIONS = 50;

export function slotsPerEpoch(): number {
  const slots = SLOTS_PER_EPOCH[activePreset];
  assert(slots !== undefined, `the virtual chain knows the preset ${activePreset}`);
  return slots;
}

/** Puts the world together; nothing happens before it runs. */
export function createWorld(options: WorldOptions): World {
  return new World(options);
}

export class World {
  readonly scenario: Scenario;
  readonly loop: EventLoop;
  readonly trace: Trace;
  readonly keys: ClusterKeys;
  readonly ground: Ground;
  /** The chain's facts. */
  readonly chain: Chain;
  readonly ledger: Ledger;
  readonly network: VirtualNetwork;
  readonly views: readonly BeaconView[];
  readonly machines: readonly Machine[];
  readonly clients: readonly (VirtualClient | null)[];
  readonly checkers: readonly NamedChecker[];
  readonly byzantine: ReadonlySet<PeerIndex>;
  readonly violations: Violation[] = [];
  readonly #options: WorldOptions;
  readonly #random: SeededRandom;
  readonly #eyes: NodeEyes;
  readonly #conspiracy = new Conspiracy();
  readonly #frames: FrameReader;
  readonly #profile: Profile;

  constructor(options: WorldOptions) {
    const { seed, scenario } = options;
    this.#options = options;
    this.scenario = scenario;
    this.#profile = sharedReading(options.profile ?? nativeProfile);
    this.#random = new SeededRandom(`coterie/${seed}`);
    this.byzantine = byzantineNodes(scenario.faults);
    const genesisMs = GENESIS_TIME * 1_000;
    this.loop = new EventLoop(genesisMs - LEAD_SLOTS * scenario.slotMs);
    const { onTrace: write = null, isTraced: isKept = true } = options;
    this.trace = new Trace(() => this.loop.now - genesisMs, { write, isKept });
    this.keys = this.#createKeys();
    this.ground = this.#createGround();
    this.chain = this.ground.chain;
    this.ledger = this.#createLedger();
    this.views = this.#createViews();
    this.#frames = new FrameReader(this.#profile, gossipOpener(this.#scope(), scenario.nodes));
    this.#eyes = new NodeEyes(this.trace, (each) => this.#tell(each));
    this.network = this.#createNetwork();
    this.machines = Array.from({ length: scenario.nodes }, (_, self) => this.#createMachine(self));
    this.clients = this.machines.map((machine) => this.#createClient(machine));
    this.checkers = createCheckers((name, kind) => this.#checkContext(name, kind));
    this.ledger.onSigned((message) => this.#tell((checker) => checker.groupSigned?.(message)));
  }

  /** Runs the whole scenario, and what is left of its last duties. */
  async run(): Promise<RunResult> {
    const { scenario, loop, chain } = this;
    for (const machine of this.machines) machine.powerOn();
    scheduleFaults(scenario.faults, {
      ...this,
      chain: this.ground,
      instantOf: (slot) => chain.genesisTimeMs + slot * scenario.slotMs,
    });
    for (let slot = 0; slot < scenario.slots + TAIL_SLOTS; slot++) {
      loop.at(chain.slotStart(slot), () => this.#enterSlot(slot));
      await loop.run(chain.slotStart(slot + 1) - 1);
    }
    this.#tell((checker) => checker.finish?.());
    for (const machine of this.machines) machine.stop();
    await loop.run(loop.now);
    this.#tell((checker) => checker.stopped?.());
    return this.#result();
  }

  #result(): RunResult {
    const verdicts = this.checkers.map(({ name, checker: { checked } }) => {
      const passed = !this.violations.some(({ checker }) => checker === name);
      return { checker: name, passed, checked: checked() };
    });
    for (const verdict of verdicts) this.trace.emit({ kind: "verdict", ...verdict });
    return {
      hash: this.trace.digest(),
      events: this.trace.events,
      virtualMs: this.loop.now - this.chain.slotStart(-LEAD_SLOTS),
      violations: this.violations,
      verdicts,
    };
  }

  #enterSlot(slot: Slot): void {
    this.trace.emit({ kind: "slot", slot, epoch: this.chain.epochOf(slot) });
    this.#options.onSlot?.(slot);
    this.ledger.enterSlot(slot);
    this.ground.enterSlot(slot);
    for (const view of this.views) view.enterSlot(slot);
    for (const client of this.clients) client?.enterSlot(slot);
    this.#tell((checker) => checker.enterSlot?.(slot));
  }

  #tell(hear: (checker: Checker) => void): void {
    for (const { checker } of this.checkers) hear(checker);
  }

  #report(checker: string, kind: Violation["kind"], message: string): void {
    if (this.violations.length >= MAX_VIOLATIONS) return;
    const at = this.loop.now - this.chain.genesisTimeMs;
    this.violations.push({ checker, kind, at, message });
    this.trace.emit({ kind: "violation", checker, message });
  }

  #checkContext(name: string, kind: CheckKind): CheckContext {
    return {
      scenario: this.scenario,
      facts: this.chain,
      ground: this.ground,
      ledger: this.ledger,
      machines: this.machines,
      pubKeys: this.keys.cluster.validators.map(({ pubKey }) => pubKey),
      byzantine: this.byzantine,
      report: (message) => this.#report(name, kind, message),
    };
  }

  #scope() {
    const { genesisValidatorsRoot } = this.ground.facts;
    return { genesisValidatorsRoot, lockHash: this.keys.cluster.lockHash };
  }

  #createKeys(): ClusterKeys {
    const { nodes, threshold, validators } = this.scenario;
    const isReal = this.#options.bls === "blst";
    return createClusterKeys({
      nodes,
      threshold,
      validators,
      random: this.#random.fork("keys"),
      scheme: isReal ? blstScheme() : transparentScheme,
      identities: isReal ? "secp256k1" : "transparent",
      forkVersion: GENESIS_FORK_VERSION,
      feeRecipient: FEE_RECIPIENT,
      targetGasLimit: GAS_LIMIT,
    });
  }

  #createGround(): Ground {
    const { createGround = createVirtualGround } = this.#options;
    return createGround({
      loop: this.loop,
      scenario: this.scenario,
      slotsPerEpoch: slotsPerEpoch(),
      genesisTime: GENESIS_TIME,
      random: this.#random,
      validators: this.keys.cluster.validators,
      include: (...duty) => this.ledger.include(...duty),
      emit: (event) => this.trace.emit(event),
      signAs: (validator, root) => this.keys.scheme.sign(this.keys.wholeKey(validator), root),
      onForeign: (signed) => {
        this.trace.emit({ kind: "foreign", ...signed });
        this.#tell((checker) => checker.foreignSigned?.(signed));
      },
    });
  }

  #createLedger(): Ledger {
    return new Ledger({
      chain: this.chain,
      judge: this.ground.judge,
      validators: this.keys.cluster.validators,
      bls: this.keys.scheme.bls,
      now: () => this.loop.now,
      onIncluded: (duty, validator) => this.trace.emit({ kind: "included", duty, validator }),
    });
  }

  #createViews(): readonly BeaconView[] {
    const random = this.#random.fork("beacon");
    return Array.from({ length: this.scenario.nodes }, (_, self) => {
      return this.ground.createView({
        self,
        ledger: this.ledger,
        random: random.fork(self),
        isRelied: !this.byzantine.has(self),
      });
    });
  }

  #createNetwork(): VirtualNetwork {
    const { trace } = this;
    return new VirtualNetwork({
      loop: this.loop,
      nodes: this.scenario.nodes,
      profile: this.scenario.network,
      random: this.#random.fork("network"),
      watch: {
        sent: (id, hop) => {
          const { from, to, via } = hop;
          const { summary, partials } = this.#frames.read(hop);
          if (trace.isKept) trace.emit({ kind: "send", id, from, to, via, frame: summary() });
          else trace.count();
          if (partials === null || peerIndexOf(partials.shareIndex) !== from) return;
          this.#tell((checker) => checker.released?.(from, partials));
        },
        received: (id, { from, to }) => trace.emit({ kind: "receive", id, from, to }),
        dropped: (id, { from, to }, reason) => trace.emit({ kind: "drop", id, from, to, reason }),
        pathChanged: (node, peer, path) => trace.emit({ kind: "path", node, peer, path }),
        penalised: (node, peer, code) => {
          trace.emit({ kind: "penalty", node, peer, code });
          this.#tell((checker) => checker.penalised?.(node, peer, code));
        },
        judgeGossip: ({ channel, bytes, from, to }) =>
          this.machines[to]?.node?.judgeGossip(channel, bytes, from) === "accept",
      },
    });
  }

  #createMachine(self: PeerIndex): Machine {
    const { signers, syncMs } = this.scenario;
    const { createNode, profile } = this.#options;
    // A node of another make, a mutant, reads and signs with its own wire.
    const isOwnWire = createNode !== undefined && profile === undefined;
    return new Machine({
      self,
      loop: this.loop,
      network: this.network,
      openBeacon: (port) => this.ground.openPort(self, port),
      keys: this.keys,
      facts: this.ground.facts,
      random: this.#random.fork(`machine/${self}`),
      signer: signers[self] ?? signers.at(-1) ?? "builtin",
      syncMs,
      createNode: createNode ?? createRealNode,
      config: { watch: this.#eyes.of(self), ...(!isOwnWire && { profile: this.#profile }) },
      wrap: (network, clock) => this.#wrap(self, { network, clock }),
      watch: {
        ...this.#eyes.machineWatch(self),
        bug: (error) => {
          const message = error instanceof Error ? (error.stack ?? error.message) : String(error);
          this.trace.emit({ kind: "bug", node: self, message: message.split("\n")[0] ?? "" });
          this.#report("crash", "crash", `node ${self}: ${message}`);
        },
      },
    });
  }

  /** Behaviours of a Byzantine operator, one around the other. */
  #wrap(self: PeerIndex, { network, clock }: { network: Network; clock: Clock }): Network {
    let wrapped = network;
    for (const [id, fault] of this.scenario.faults.entries()) {
      if (fault.kind !== "byzantine" || !fault.nodes.includes(self)) continue;
      wrapped = misbehave(fault.behaviour, {
        network: wrapped,
        identity: this.keys.identityOf(self),
        cluster: this.keys.cluster,
        scope: this.#scope(),
        chain: this.chain,
        clock,
        random: this.#random.fork(`byzantine/${id}/${self}`),
        signer: this.keys.scheme.signerOf(this.keys.shares(self)),
        conspiracy: this.#conspiracy,
        options: fault.options ?? {},
        isActive: () => isActive(fault, this.#slotsNow()),
        acted: (detail) =>
          this.trace.emit({ kind: "byzantine", node: self, behaviour: fault.behaviour, detail }),
      });
    }
    return wrapped;
  }

  /** True time since genesis, in slots. */
  #slotsNow(): SlotInstant {
    return (this.loop.now - this.chain.genesisTimeMs) / this.scenario.slotMs;
  }

  #createClient(machine: Machine): VirtualClient | null {
    if (machine.signer !== "client") return null;
    const { self } = machine;
    const view = this.views[self];
    assert(view !== undefined, "every machine has a beacon node");
    return new VirtualClient({
      loop: this.loop,
      chain: this.chain,
      keys: this.keys,
      machine,
      view,
      say: (message) => this.trace.emit({ kind: "client", node: self, message }),
      onSigned: (tasks) => this.#eyes.machineWatch(self).signed(tasks),
    });
  }
}
