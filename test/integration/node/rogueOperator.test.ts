/**
 * One operator turns on its cluster with its own, real identity key. Each frame that no honest node
 * sends is refused and counted by its code, the three others complete every duty, and the rogue is
 * shut out for a while. A stranger does not even get in.
 */
import "../../support/minimalPreset.ts";
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { multiaddr } from "@multiformats/multiaddr";
import { createHost } from "../../../src/adapters/p2p/host.ts";
import type { Duty } from "../../../src/domain/duty.ts";
import type { RejectionCode } from "../../../src/domain/errors.ts";
import {
  MAX_PEER_BURST_FRAMES,
  MAX_VALUE_BYTES,
  PEER_FRAMES_PER_SECOND,
} from "../../../src/domain/limits.ts";
import type { Channel } from "../../../src/ports/network.ts";
import type { Message, Statement } from "../../../src/qbft/messages.ts";
import { nativeProfile } from "../../../src/wire/nativeProfile.ts";
import { eventually } from "../../support/eventually.ts";
import { secretKeyOf } from "../../support/identities.ts";
import { LiveCluster } from "../../support/liveCluster.ts";
import { RogueOperator } from "../../support/rogueOperator.ts";
import { filledRoot } from "../../support/wireFrames.ts";

const NODES = 4;
const ROGUE = 3;
const HONEST = [0, 1, 2] as const;
/** Above what a node needs, far below what a flood that is kept would fill. */
const MAX_RSS_BYTES = 450e6;
const SIGNATURE_BYTES = 65;
const OVERSIZED = MAX_VALUE_BYTES + 1024;
const FLOODED_SLOTS = 4;
describe("an operator that turns on its cluster", () => {
  let cluster: LiveCluster;
  let rogue: RogueOperator;
  let firstSlot = 0;
  before(async () => {
    cluster = await LiveCluster.create();
    cluster.start(...HONEST);
    rogue = await RogueOperator.join(cluster, ROGUE);
    await cluster.untilReady(...HONEST);
    await eventually("the rogue is connected", () =>
      HONEST.every((peer) => rogue.network.path(peer) === "direct") ? true : null,
    );
    firstSlot = (await cluster.chain.nextSlot()) + 1;
    await eventually("it hears the others", () =>
      HONEST.every((peer) => rogue.messagesOf(peer).length > 0) ? true : null,
    );
  });
  after(async () => {
    await rogue?.close();
    await cluster?.close();
  });

  /** Resolves in the course of a slot that has a duty, once the honest nodes talk about it. */
  const untilDuty = async (): Promise<Duty> => {
    const from = await cluster.chain.nextSlot();
    return eventually("a duty is under way", () => {
      const last = HONEST.flatMap((peer) => rogue.messagesOf(peer)).at(-1)?.duty;
      return last !== undefined && last.slot >= from ? last : null;
    });
  };
  const countedBy = async (node: number): Promise<(code: string) => number> => {
    const metrics = await cluster.node(node).metrics();
    return (code) => metrics("coterie_rejections_total", { peer: String(ROGUE), code });
  };
  /** Some other honest node's vote, as the rogue heard it. */
  const heardBy = (node: number): { readonly duty: Duty; readonly message: Message } => {
    const votes = rogue.messagesOf((node + 1) % HONEST.length);
    return votes.findLast(({ message }) => message.type === "PREPARE") ?? assert.fail("a vote");
  };

  const vote: Statement = {
    type: "PREPARE",
    round: 1,
    value: filledRoot(0xaa),
    preparedRound: 0,
    preparedValue: null,
  };
  const elsewhere = filledRoot(0x77);
  const garbage: readonly {
    readonly name: string;
    readonly code: RejectionCode;
    readonly channel?: Channel;
    craft(duty: Duty, node: number): readonly Uint8Array[];
  }[] = [
    { name: "bytes that are no frame", code: "malformed", craft: () => [noise(300)] },
    { name: "a value over its limit", code: "malformed", craft: () => [noise(OVERSIZED)] },
    {
      name: "a vote without a signature",
      code: "bad_signature",
      craft: (duty) => {
        const signature = new Uint8Array(SIGNATURE_BYTES);
        return [rogue.frame(duty, { ...vote, source: ROGUE, signature, justification: [] })];
      },
    },
    {
      name: "a vote signed for another cluster",
      code: "bad_signature",
      craft: (duty) => [rogue.say(duty, vote, { scope: { ...rogue.scope, lockHash: elsewhere } })],
    },
    {
      name: "a vote signed for another chain",
      code: "bad_signature",
      craft: (duty) => [
        rogue.say(duty, vote, { scope: { ...rogue.scope, genesisValidatorsRoot: elsewhere } }),
      ],
    },
    {
      name: "a vote in another operator's name",
      code: "bad_signature",
      craft: (duty, node) => [rogue.say(duty, vote, { source: (node + 1) % HONEST.length })],
    },
    {
      name: "another operator's vote, replayed in another duty",
      code: "bad_signature",
      craft: ({ slot, type }, node) => [
        rogue.frame({ slot: slot + 1, type }, heardBy(node).message),
      ],
    },
    {
      name: "another operator's vote, replayed in another round",
      code: "bad_signature",
      craft: (_, node) => {
        const { duty, message } = heardBy(node);
        return [rogue.frame(duty, { ...message, round: message.round + 1 })];
      },
    },
    {
      name: "another operator's vote, replayed as it was",
      code: "duplicate",
      craft: (_, node) => {
        const { duty, message } = heardBy(node);
        return [rogue.frame(duty, message)];
      },
    },
    {
      name: "a vote in a slot that is far off",
      code: "too_early",
      craft: ({ slot, type }) => [rogue.say({ slot: slot + 100, type }, vote)],
    },
    {
      name: "a proposal although it does not lead",
      code: "wrong_leader",
      craft: (duty) => {
        const round = roundOf(duty, (leader) => leader !== ROGUE);
        return [rogue.say(duty, { ...vote, type: "PRE-PREPARE", round })];
      },
    },
    {
      name: "a proposal that nothing justifies",
      code: "unjustified",
      craft: (duty) => {
        const round = roundOf(duty, (leader, round) => leader === ROGUE && round > 1);
        return [rogue.say(duty, { ...vote, type: "PRE-PREPARE", round })];
      },
    },
    {
      name: "two votes for one step",
      code: "equivocation",
      craft: (duty) => [
        rogue.say(duty, vote),
        rogue.say(duty, { ...vote, value: filledRoot(0xbb) }),
      ],
    },
    {
      name: "partial signatures that are none",
      code: "malformed",
      channel: "partials",
      craft: () => [noise(300)],
    },
    {
      name: "a partial signature for a validator that the lock does not have",
      code: "unknown_validator",
      channel: "partials",
      craft: (duty) => [partialsOf(duty, [rogue.validators])],
    },
    {
      name: "partial signatures for validators without a duty in the slot",
      code: "unexpected_duty",
      channel: "partials",
      craft: (duty) => [partialsOf(duty, [...Array(rogue.validators).keys()])],
    },
  ];
  it("has what no honest node sends refused, and counted by its code", async () => {
    const duty = await untilDuty();
    // Spread over the honest nodes, so that none of them shuts the rogue out yet.
    const plan = garbage.map((item, i) => ({ ...item, node: HONEST[i % HONEST.length] ?? 0 }));
    for (const { node, channel = "consensus", craft } of plan) {
      for (const bytes of craft(duty, node)) assert(rogue.network.send(node, channel, bytes));
    }
    for (const node of HONEST) {
      const sent = plan.filter((item) => item.node === node);
      const missing = async (): Promise<readonly string[]> => {
        const counted = await countedBy(node);
        const codes = new Set(sent.map(({ code }) => code));
        return [...codes].filter(
          (code) => counted(code) < sent.filter((item) => item.code === code).length,
        );
      };
      try {
        await eventually("all are counted", async () =>
          (await missing()).length === 0 ? true : null,
        );
      } catch (cause) {
        throw new Error(`node ${node} did not count ${await missing()}`, { cause });
      }
    }
  });

  it("has gossip refused that this cluster did not seal, by everybody it reaches", async () => {
    const codes = ["malformed", "bad_signature"] as const;
    const before = await Promise.all(HONEST.map(countedBy));
    rogue.network.gossip("consensus", noise(300));
    rogue.network.gossip("consensus", rogue.seal({ ...rogue.scope, lockHash: elsewhere }));
    for (const node of HONEST) {
      await eventually(`node ${node} counts both`, async () => {
        const after = await countedBy(node);
        const isMore = (code: string): boolean => after(code) > (before[node]?.(code) ?? 0);
        return codes.every(isMore) ? true : null;
      });
    }
  });

  it("cannot make the others late with a flood, nor fill their memory", async () => {
    const until = cluster.chain.slot + FLOODED_SLOTS;
    const { duty, message } = heardBy(0);
    const frames = [
      ...Array(100).fill(rogue.say({ ...duty, slot: duty.slot + 100 }, vote)),
      ...Array(100).fill(rogue.frame(duty, message)),
      ...Array(50).fill(pullOf(duty)),
      valueFrameOf(duty, 128),
    ];
    let sent = 0;
    while (cluster.chain.slot < until) {
      for (const node of HONEST) {
        for (const bytes of frames) if (rogue.network.send(node, "consensus", bytes)) sent++;
      }
      await sleep(50);
    }
    const floodS = (FLOODED_SLOTS * cluster.chain.slotMs) / 1_000;
    const mayBeHeard = MAX_PEER_BURST_FRAMES + floodS * PEER_FRAMES_PER_SECOND;
    assert(sent > 2 * HONEST.length * mayBeHeard, `${sent} frames are a flood`);
    for (const node of HONEST) {
      const metrics = await cluster.node(node).metrics();
      assert(metrics("process_resident_memory_bytes") < MAX_RSS_BYTES, `node ${node} grew`);
      // NET-11
      assert(metrics("coterie_p2p_throttled_total", { peer: String(ROGUE) }) > 0);
    }
    // What it still has to say would take it minutes.
    await rogue.close();
    rogue = await RogueOperator.join(cluster, ROGUE);
    await eventually("the rogue is back", () =>
      HONEST.every((peer) => rogue.network.path(peer) === "direct") ? true : null,
    );
  });

  it("is shut out for a while by whom it goes on offending", async () => {
    const node = cluster.node(0);
    await eventually("it is shut out", () => {
      rogue.network.send(0, "consensus", noise(300));
      return node.hasLogged(/A peer misbehaves and is disconnected for a while/) ? true : null;
    });
    await eventually("it is refused", async () =>
      (await node.metrics())("coterie_p2p_refused_connections_total", { reason: "banned" }) > 0
        ? true
        : null,
    );
    assert((await node.metrics())("coterie_p2p_penalties_total", { peer: String(ROGUE) }) >= 10);
  });

  it("NET-2: a stranger does not get past the handshake", async (t) => {
    const secretKey = secretKeyOf(66);
    const stranger = await createHost({ secretKey, listen: [], topics: [], isWelcome: () => true });
    await stranger.start();
    t.after(() => stranger.stop());
    const address = `/ip4/127.0.0.1/tcp/${cluster.p2pPorts[1]}/p2p/${rogue.peerIdOf(1)}`;
    await assert.rejects(stranger.services.ping.ping(multiaddr(address)));
    const metrics = await cluster.node(1).metrics();
    assert(metrics("coterie_p2p_refused_connections_total", { reason: "not_a_member" }) > 0);
  });

  it("has cost the cluster no duty", async () => {
    await cluster.assertAllDone(firstSlot, cluster.chain.slot - 1);
    assert.deepEqual(await cluster.chain.slashings(), []);
  });
});

/** The first round whose leader fits. */
function roundOf(duty: Duty, fits: (leader: number, round: number) => boolean): number {
  const round = [1, 2, 3, 4, 5].find((round) => fits(leaderOf(duty, round), round));
  return round ?? assert.fail("each of four nodes leads one of five rounds");
}

function pullOf(duty: Duty): Uint8Array {
  return nativeProfile.encodeConsensus({ kind: "pull", duty, value: filledRoot(0xaa) });
}

function valueFrameOf(duty: Duty, length: number): Uint8Array {
  return nativeProfile.encodeConsensus({ kind: "value", duty, value: noise(length) });
}

function leaderOf(duty: Duty, round: number): number {
  return nativeProfile.leaderOf(duty, round, NODES);
}

/** Bytes of a fixed pattern that decodes as nothing. */
function noise(length: number): Uint8Array {
  return new Uint8Array(length).fill(0xff);
}

function partialsOf(duty: Duty, validators: readonly number[]): Uint8Array {
  return nativeProfile.encodePartials({
    duty,
    shareIndex: ROGUE + 1,
    signatures: validators.map((validator) => ({
      validator,
      messageRoot: filledRoot(0x99),
      signature: new Uint8Array(96).fill(0x99),
    })),
  });
}
