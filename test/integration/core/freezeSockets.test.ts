/**
 * `freeze` under load, over real sockets: four whole nodes on libp2p, whose clock is virtual and
 * keeps a multiple of real time's pace. Partial signatures are counted where their frames are
 * handed to the streams, and where they arrive.
 */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { Flow } from "../../../src/adapters/p2p/traffic.ts";
import type { createNode } from "../../../src/node/node.ts";
import { Libp2pHub } from "../../support/libp2pHub.ts";
import { loadMutant, type Patch } from "../../support/mutant.ts";
import { NodeCluster } from "../../support/nodeCluster.ts";

const FROZEN = 0;
const PEERS = [1, 2, 3];
/** Some in every slot of an epoch. */
const VALIDATORS = 16;
const ALL = { scope: "all", validator: null, reason: "drill", by: "test" } as const;
const FIRST = 3;
/** Virtual milliseconds for each turn, and what a turn takes. */
const TURN_MS = 60;
const REAL_TURN_MS = 2;
/** A freeze comes while records are written, too. */
const SYNC_MS = 12;
/** In real milliseconds after the head, by which the duty begins. */
const INSTANTS = [0, 8, 16, 30];

/** These two have no direct path: what the frozen node signs reaches that peer by gossip. */
const CUT = [FROZEN, 1] as const;

class Bench {
  readonly cluster: NodeCluster;
  readonly #hub: Libp2pHub;

  private constructor(cluster: NodeCluster, hub: Libp2pHub) {
    this.cluster = cluster;
    this.#hub = hub;
  }

  static async start(mutant?: typeof createNode): Promise<Bench> {
    const hub = await Libp2pHub.create({
      nodes: 4,
      cut: [CUT],
      validateGossip: () => "accept",
    });
    const cluster = new NodeCluster({
      validators: VALIDATORS,
      adapt: (ports, node) => ({ ...ports, network: hub.network(node) }),
      ...(mutant !== undefined && { createNode: mutant }),
    });
    const { disk } = cluster.member(FROZEN);
    const bench = new Bench(cluster, hub);
    await cluster.start();
    disk.beforeWrite = () => sleep(SYNC_MS);
    await bench.runTo(cluster.chain.slotStart(FIRST) - 100);
    for (const via of ["direct", "gossip"] as const) {
      assert(bench.#count(FROZEN, { via, direction: "out" }) > 0, `it signs, and sends it ${via}`);
    }
    return bench;
  }

  async close(): Promise<void> {
    this.cluster.stop();
    await this.#hub.close();
  }

  get control() {
    return this.cluster.member(FROZEN).node?.control ?? assert.fail("the node runs");
  }

  /** Frames with the node's partial signatures that were handed to its streams or to gossip. */
  get sent(): number {
    return this.#both(FROZEN, "out");
  }

  /** What all peers took in, of one another too. */
  get arrived(): number {
    return PEERS.reduce((sum, peer) => sum + this.#both(peer, "in"), 0);
  }

  #both(node: number, direction: Flow["direction"]): number {
    const [direct, gossiped] = (["direct", "gossip"] as const).map((via) =>
      this.#count(node, { via, direction }),
    );
    return (direct ?? 0) + (gossiped ?? 0);
  }

  #count(node: number, flow: Omit<Flow, "channel">): number {
    return this.#hub.node(node).traffic.volume({ channel: "partials", ...flow }).frames;
  }

  async runTo(instant: number): Promise<void> {
    const { clock, chain, members } = this.cluster;
    while (clock.now() < instant) {
      const from = clock.now();
      const to = Math.min(instant, from + TURN_MS);
      await clock.runUntil(to);
      const headAt = chain.slotStart(chain.slotAt(to)) + 500;
      if (from < headAt && headAt <= to) {
        for (const { beacon } of members) beacon.emitHead(chain.slotAt(to));
      }
      await sleep(REAL_TURN_MS);
    }
  }

  /** Freezes so long after a slot's head; resolves with the frames that had left by then. */
  async freezeIn(slot: number, afterMs: number): Promise<number> {
    const { chain } = this.cluster;
    await this.runTo(chain.slotStart(slot) + 501);
    const wait = sleep(afterMs);
    for (let isOver = false; !isOver; ) {
      await this.runTo(this.cluster.clock.now() + TURN_MS);
      isOver = await Promise.race([wait.then(() => true), sleep(0).then(() => false)]);
    }
    await this.control.freeze(ALL);
    return this.sent;
  }
}

/** Freezes at several instants of the duty; how many frames left after one of them. */
async function leaks(bench: Bench): Promise<number> {
  const { chain } = bench.cluster;
  for (const [index, instant] of INSTANTS.entries()) {
    const slot = FIRST + 2 * index;
    const left = await bench.freezeIn(slot, instant);
    // Through the rest of the slot and the whole duty of the next one.
    await bench.runTo(chain.slotStart(slot + 2) - 3_000);
    if (bench.sent > left) return bench.sent - left;
    assert.equal(await bench.control.unfreeze(ALL, "test"), true);
    await bench.runTo(chain.slotStart(slot + 2) - 100);
  }
  return 0;
}

describe("freeze over real sockets", () => {
  let bench: Bench;
  before(async () => {
    bench = await Bench.start();
  });
  after(() => bench.close());

  it("FREEZE-4: not one partial signature leaves once the command has returned", async () => {
    assert.equal(await leaks(bench), 0);
  });

  it("FREEZE-4: unfreezing resumes within the slot, and the frames arrive", async () => {
    const { chain } = bench.cluster;
    const slot = FIRST + 2 * INSTANTS.length;
    await bench.runTo(chain.slotStart(slot) + 100);
    await bench.control.freeze(ALL);
    const left = bench.sent;
    await bench.runTo(chain.slotStart(slot + 1) - 5_000);
    await sleep(100);
    assert.equal(bench.sent, left);
    const arrived = bench.arrived;
    await bench.control.unfreeze(ALL, "test");
    await bench.runTo(chain.slotStart(slot + 1) - 100);
    assert(bench.sent > left, "the duty of the same slot is signed");
    await sleep(100);
    assert(bench.arrived - arrived >= bench.sent - left, "and what left has arrived");
  });
});

const MUTANTS: Readonly<Record<string, Patch>> = {
  "the gate does not ask for freezes": {
    file: "src/safety/gate.ts",
    find: "return freezes.refusalOf(pubKeyOf(validator), safetyOf(duty).scope);",
    replace: "return null;",
  },
};

describe("mutants of the freeze, on the same sockets", () => {
  for (const [name, patch] of Object.entries(MUTANTS)) {
    it(`FREEZE-4: killed: ${name}`, async () => {
      const { createNode: mutant } = await loadMutant<{ createNode: typeof createNode }>(
        "src/node/node.ts",
        [patch],
      );
      const bench = await Bench.start(mutant);
      try {
        assert((await leaks(bench)) > 0);
      } finally {
        await bench.close();
      }
    });
  }
});
