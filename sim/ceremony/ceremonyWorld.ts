/**
 * A key ceremony in virtual time: the product's runner for every operator over a network that
 * delays, loses, duplicates and reorders, disks that lose what was not synced, and power cuts. An
 * operator who keeps to no rule has the product's lobby and his own ceremony behind it.
 */

import type { ClusterDefinition } from "../../src/cluster/definition.ts";
import { decodeEnr } from "../../src/crypto/enr.ts";
import { createIdentity } from "../../src/crypto/identity.ts";
import type { CeremonyEnd, CeremonyReport } from "../../src/dkg/ceremonyRun.ts";
import { type CeremonyFacts, ceremonyFacts } from "../../src/dkg/facts.ts";
import { decodeJournalEntry } from "../../src/dkg/journal.ts";
import { runCeremony } from "../../src/dkg/runner.ts";
import { UsageError } from "../../src/domain/errors.ts";
import type { PeerIndex } from "../../src/domain/keys.ts";
import type { Millis } from "../../src/domain/units.ts";
import type { CeremonyChannel, Inbound, Network, Path } from "../../src/ports/network.ts";
import { assert } from "../../src/util/assert.ts";
import { DkgChecker } from "../checkers/dkg.ts";
import { EventLoop } from "../loop.ts";
import { SeededRandom } from "../random.ts";
import { VirtualClock } from "../virtualClock.ts";
import { CeremonyDisk } from "./ceremonyDisk.ts";
import { rogueNetwork } from "./rogueNetwork.ts";
import { type Misdeeds, RogueOperator } from "./rogueOperator.ts";

export type CeremonyScenario = {
  readonly seed: number;
  readonly definition: ClusterDefinition;
  readonly secretKeys: readonly Uint8Array[];
  readonly rogues?: ReadonlyMap<PeerIndex, Misdeeds>;
  /** Share of the frames that are lost, and as many that come twice. */
  readonly lossRate?: number;
  /** Power cuts: who, when, for how long. */
  readonly crashes?: readonly {
    readonly node: PeerIndex;
    readonly at: Millis;
    readonly forMs: Millis;
  }[];
};

const PHASE_TIMEOUT_MS = 60_000;
const LINGER_MS = 120_000;
const MAX_ATTEMPTS = 3;
const DELAY_MS = [5, 120] as const;
const DISK_MS = [1, 8] as const;
const STARTS_MS = 2_000;
const SLICE_MS = 5_000;

/** One life of one operator's process. */
type Life = {
  readonly clock: VirtualClock;
  readonly abort: AbortController;
  readonly handlers: Map<CeremonyChannel, (frame: Inbound<CeremonyChannel>) => void>;
  readonly onPath: ((peer: PeerIndex, path: Path) => void)[];
};

export class CeremonyWorld {
  readonly loop = new EventLoop(1_800_000_000_000);
  readonly violations: string[] = [];
  readonly ends = new Map<PeerIndex, CeremonyEnd>();
  /** Operators whose program ended with a message for its operator. */
  readonly stopped = new Map<PeerIndex, string>();
  readonly reports: { readonly node: PeerIndex; readonly report: CeremonyReport }[] = [];
  readonly disks: readonly CeremonyDisk[];
  readonly checker: DkgChecker;
  readonly #scenario: CeremonyScenario;
  readonly #random: SeededRandom;
  readonly #lives: (Life | null)[];
  readonly #publicKeys: readonly Uint8Array[];

  constructor(scenario: CeremonyScenario) {
    this.#scenario = scenario;
    this.#random = new SeededRandom(scenario.seed);
    this.#lives = scenario.secretKeys.map(() => null);
    this.#publicKeys = scenario.definition.operators.map(({ enr }) => {
      const record = decodeEnr(enr);
      assert(record.ok, "the definition names its operators");
      return record.value.publicKey;
    });
    this.checker = new DkgChecker({
      factsOf: (attempt) => this.#factsOf(attempt),
      byzantine: new Set(scenario.rogues?.keys()),
      report: (message) => this.violations.push(message),
    });
    this.disks = scenario.secretKeys.map((_, node) => this.#diskOf(node));
  }

  /** Runs the ceremony and everything that the scenario puts in its way. */
  async run(forMs: Millis): Promise<void> {
    const starts = this.#random.fork("starts");
    const { crashes = [] } = this.#scenario;
    for (const node of this.#lives.keys()) {
      this.loop.at(this.loop.now + starts.integer(0, STARTS_MS), () => this.#start(node));
    }
    const begin = this.loop.now;
    for (const { node, at, forMs: down } of crashes) {
      this.loop.at(begin + at, () => this.#cut(node));
      this.loop.at(begin + at + down, () => this.#start(node));
    }
    const honest = this.#lives.length - (this.#scenario.rogues?.size ?? 0);
    while (this.loop.now < begin + forMs && this.ends.size + this.stopped.size < honest) {
      await this.loop.run(this.loop.now + SLICE_MS);
    }
    for (const node of this.#lives.keys()) this.#cut(node);
    await this.loop.run(this.loop.now);
  }

  /** Lock hashes of those who have their outputs in place. */
  lockHashes(): readonly string[] {
    return this.disks.flatMap((disk) => disk.lockHash() ?? []);
  }

  endedAttempts(node: PeerIndex) {
    return this.disks[node]?.history ?? [];
  }

  #start(node: PeerIndex): void {
    const { definition, secretKeys, rogues } = this.#scenario;
    const disk = this.disks[node];
    const secretKey = secretKeys[node];
    if (this.#lives[node] !== null || this.ends.has(node)) return;
    if (this.stopped.has(node)) return;
    assert(disk !== undefined && secretKey !== undefined, "the node is one of the scenario's");
    const identity = createIdentity({ secretKey, operators: this.#publicKeys });
    assert(identity !== null, "the operator is one of the definition's");
    const clock = new VirtualClock(this.loop);
    const life: Life = {
      clock,
      abort: new AbortController(),
      handlers: new Map(),
      onPath: [],
    };
    this.#lives[node] = life;
    const storage = disk.powerOn();
    void runCeremony(
      {
        definition,
        self: node,
        version: "sim",
        maxAttempt: MAX_ATTEMPTS,
        phaseTimeoutMs: () => PHASE_TIMEOUT_MS,
        lingerMs: LINGER_MS,
        contractWallets: new Set(),
      },
      {
        clock,
        random: this.#random.fork(`entropy ${node} ${this.loop.now}`),
        identity,
        network: this.#networkOf(node, life, rogues?.get(node)),
        storage,
        report: (report) => this.reports.push({ node, report }),
      },
      life.abort.signal,
    ).then(
      (end) => {
        this.ends.set(node, end);
        this.#cut(node);
      },
      (error: unknown) => {
        if (error instanceof UsageError) this.stopped.set(node, error.message);
        else if (!life.abort.signal.aborted) {
          this.violations.push(`operator ${node}: ${String(error)}`);
        }
      },
    );
    for (const peer of this.#peersOf(node)) this.#tellPath(node, peer, "direct");
  }

  #cut(node: PeerIndex): void {
    const life = this.#lives[node];
    if (life === null || life === undefined) return;
    this.#lives[node] = null;
    life.clock.kill();
    this.disks[node]?.powerOff();
    life.abort.abort(new Error("power cut"));
    for (const peer of this.#peersOf(node)) this.#tellPath(node, peer, "none");
  }

  #tellPath(node: PeerIndex, peer: PeerIndex, path: Path): void {
    const [a, b] = [this.#lives[node], this.#lives[peer]];
    if (path === "direct" && (a === null || b === null)) return;
    for (const tell of a?.onPath ?? []) tell(peer, path);
    for (const tell of b?.onPath ?? []) tell(node, path);
  }

  #networkOf(
    node: PeerIndex,
    life: Life,
    misdeeds: Misdeeds | undefined,
  ): Network<CeremonyChannel> {
    const rogue = this.#rogueOf(node, misdeeds);
    const isUp = (peer: PeerIndex): boolean => (this.#lives[peer] ?? null) !== null;
    const network: Network<CeremonyChannel> = {
      send: (peer, channel, bytes) => {
        if (this.#lives[node] !== life || !isUp(peer)) return false;
        if (channel === "ceremony" && rogue === null) this.checker.sent(node, bytes);
        this.#carry({ from: node, to: peer, channel, bytes });
        return true;
      },
      onLeaving: () => undefined,
      settled: () => Promise.resolve(),
      gossip: () => undefined,
      onFrame: (channel, handler) => life.handlers.set(channel, handler),
      onPath: (handler) => life.onPath.push(handler),
      path: (peer) => (isUp(peer) ? "direct" : "none"),
      penalise: () => undefined,
    };
    return rogue === null ? network : rogueNetwork(network, this.#lives.length, rogue);
  }

  #rogueOf(
    node: PeerIndex,
    misdeeds: Misdeeds | undefined,
  ): ((attempt: number) => RogueOperator) | null {
    if (misdeeds === undefined) return null;
    return (attempt) => {
      const secretKey = this.#scenario.secretKeys[node];
      assert(secretKey !== undefined, "the node is one of the scenario's");
      const facts = this.#factsOf(attempt);
      const seed = this.#random.fork(`rogue ${node} ${attempt}`).bytes(32);
      return new RogueOperator({ facts, self: node, secretKey, seed }, misdeeds);
    };
  }

  #carry(hop: {
    readonly from: PeerIndex;
    readonly to: PeerIndex;
    readonly channel: CeremonyChannel;
    readonly bytes: Uint8Array;
  }): void {
    const { from, to, channel, bytes } = hop;
    const random = this.#random;
    const { lossRate = 0 } = this.#scenario;
    const copies = random.chance(lossRate) ? 0 : random.chance(lossRate) ? 2 : 1;
    for (let copy = 0; copy < copies; copy++) {
      this.loop.at(this.loop.now + random.integer(...DELAY_MS), () => {
        const life = this.#lives[to];
        if (life === null || life === undefined) return;
        life.handlers.get(channel)?.({ channel, from, via: "direct", bytes });
      });
    }
  }

  #diskOf(node: PeerIndex): CeremonyDisk {
    const isHonest = this.#scenario.rogues?.has(node) !== true;
    const random = this.#random.fork(`disk ${node}`);
    return new CeremonyDisk({
      later: (callback) => void this.loop.at(this.loop.now + random.integer(...DISK_MS), callback),
      maySurvive: () => random.chance(0.5),
      watch: {
        journaled: (record) => {
          const entry = decodeJournalEntry(record);
          if (isHonest && entry.ok && entry.value.kind === "frame") {
            this.checker.journaled(node, entry.value.frame);
          }
        },
        ended: (ended, blame) => {
          if (isHonest) this.checker.ended(node, ended, blame);
        },
        published: (lock, shares) => {
          if (isHonest) this.checker.published(node, lock, shares);
        },
      },
    });
  }

  #factsOf(attempt: number): CeremonyFacts {
    const facts = ceremonyFacts(this.#scenario.definition, attempt);
    assert(facts.ok, "the scenario's definition is one of a ceremony");
    return facts.value;
  }

  #peersOf(node: PeerIndex): readonly PeerIndex[] {
    return [...this.#lives.keys()].filter((peer) => peer !== node);
  }
}
