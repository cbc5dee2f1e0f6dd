/** The Byzantine library by itself: what leaves its port in place of what its node said. */
import "../../support/minimalPreset.ts";
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { BehaviourName } from "../../../sim/byzantine/behaviours.ts";
import type { BehaviourOptions, OperatorContext } from "../../../sim/byzantine/operator.ts";
import { SeededRandom } from "../../../sim/random.ts";
import type { Duty } from "../../../src/domain/duty.ts";
import type { PeerIndex } from "../../../src/domain/keys.ts";
import type { Network } from "../../../src/ports/network.ts";
import type { Message } from "../../../src/qbft/messages.ts";
import { nativeProfile as profile } from "../../../src/wire/nativeProfile.ts";
import { NodeCluster } from "../../support/nodeCluster.ts";

const { BEHAVIOUR_NAMES, misbehave } = await import("../../../sim/byzantine/behaviours.ts");
const { Conspiracy } = await import("../../../sim/byzantine/conspiracy.ts");
const { encode, sign, signedProposal, statementOf } = await import(
  "../../../sim/byzantine/frames.ts"
);
const { encodeAttestationData } = await import("../../../src/eth2/attestationData.ts");

const SELF: PeerIndex = 1;
const DUTY: Duty = { slot: 9, type: "attester" };
const cluster = new NodeCluster({ validators: 2 });
const { genesisValidatorsRoot } = cluster.chain;
const scope = { genesisValidatorsRoot, lockHash: cluster.cluster.lockHash };
const VALUE = encodeAttestationData(await cluster.member(SELF).beacon.attestationData(DUTY.slot));

type Left = { readonly to: PeerIndex; readonly bytes: Uint8Array };

/** A node's end of the network that keeps what leaves, behind the behaviour. */
function liar(
  behaviour: BehaviourName,
  {
    isActive = true,
    options = {} as BehaviourOptions,
    seed = "seed",
    self = SELF,
    conspiracy = new Conspiracy(),
  } = {},
) {
  const left: Left[] = [];
  const acts: string[] = [];
  const inner: Network = {
    send: (to, _channel, bytes) => left.push({ to, bytes }) > 0,
    gossip: (_channel, bytes) => void left.push({ to: -1, bytes }),
    onLeaving: () => undefined,
    settled: () => Promise.resolve(),
    onFrame: () => undefined,
    onPath: () => undefined,
    path: () => "direct",
    penalise: () => undefined,
  };
  const context: OperatorContext = {
    ...cluster.member(self).ports,
    network: inner,
    cluster: cluster.cluster,
    chain: cluster.chain,
    scope,
    random: new SeededRandom(seed),
    conspiracy,
    options,
    isActive: () => isActive,
    acted: (detail) => void acts.push(detail),
  };
  return { network: misbehave(behaviour, context), left, acts };
}

const speaker = { identity: cluster.member(SELF).ports.identity, scope };

function broadcast(network: Network, bytes: Uint8Array): void {
  for (const peer of [0, 2, 3]) network.send(peer, "consensus", bytes);
}

function sayAll(network: Network): void {
  broadcast(network, signedProposal(speaker, DUTY, VALUE));
  for (const type of ["PREPARE", "COMMIT"] as const) {
    const vote = sign(speaker, DUTY, statementOf(type, 1, profile.valueRoot(VALUE)));
    broadcast(network, encode(DUTY, { ...vote, justification: [] }));
  }
}

function messagesTo(to: PeerIndex, left: readonly Left[]): readonly Message[] {
  return left.flatMap((frame) => {
    const decoded = profile.decodeConsensus(frame.bytes);
    const isMessage = decoded.ok && decoded.value.kind === "message" && frame.to === to;
    return isMessage && decoded.value.kind === "message" ? [decoded.value.message] : [];
  });
}

describe("BYZ-1: behind its port a Byzantine operator", () => {
  it("is honest to the byte while its behaviour is not active", () => {
    const honest: Uint8Array[] = [];
    const proposal = signedProposal(speaker, DUTY, VALUE);
    honest.push(proposal, proposal, proposal);
    for (const name of BEHAVIOUR_NAMES) {
      const { network, left, acts } = liar(name, { isActive: false });
      broadcast(network, proposal);
      assert.deepEqual(
        left.map(({ bytes }) => bytes),
        honest,
        name,
      );
      assert.deepEqual(acts, [], name);
    }
  });

  it("says the same to the byte for the same seed, and other things for another", () => {
    const said = (name: BehaviourName, seed: string): readonly Left[] => {
      const { network, left } = liar(name, { seed });
      sayAll(network);
      return left;
    };
    for (const name of BEHAVIOUR_NAMES) assert.deepEqual(said(name, "a"), said(name, "a"), name);
    assert.notDeepEqual(said("random-head", "a"), said("random-head", "b"));
  });

  it("signs with its own key alone: whatever verifies is its own statement", () => {
    for (const name of BEHAVIOUR_NAMES) {
      const { network, left } = liar(name);
      sayAll(network);
      for (const to of [0, 2, 3]) {
        for (const { justification: _, ...statement } of messagesTo(to, left)) {
          const digest = profile.statementDigest(scope, DUTY, statement);
          const { source, signature } = statement;
          const isSigned = speaker.identity.verify(source, digest, signature);
          assert.equal(isSigned && source !== SELF, false, `${name} forges ${source}`);
        }
      }
    }
  });

  it("is refused by the name of what is wrong with its behaviour", () => {
    const unknown = () => liar("nice" as BehaviourName);
    assert.throws(unknown, /there is no behaviour "nice"; say silent, /);
    assert.throws(() => liar("silent", { options: { reach: 1 } }), /no option "reach"/);
    assert.throws(() => liar("flood", { options: { framesPerSecond: "x" } }), /is a number/);
  });
});

describe("BYZ-2: equivocating", () => {
  it("is one proposal for each half, both signed, with votes to match, and is told", () => {
    const { network, left, acts } = liar("equivocate");
    sayAll(network);
    const valuesTo = (to: PeerIndex) => new Set(messagesTo(to, left).map(({ value }) => value));
    const halves = [0, 2, 3].map((to) => [...valuesTo(to)]);
    for (const values of halves) assert.equal(values.length, 1, "nobody hears both");
    assert.deepEqual(halves[0], halves[1]);
    assert.notDeepEqual(halves[0], halves[2]);
    assert.match(acts[1] ?? acts[0] ?? "", /proposes|votes for both/);
  });

  it("is known to the fellow conspirators, who vote along", () => {
    const conspiracy = new Conspiracy();
    const fellow = liar("split-votes", { self: 2, conspiracy });
    const leader = liar("equivocate", { conspiracy });
    assert.deepEqual(fellow.left, []);
    sayAll(leader.network);
    for (const to of [0, 3]) {
      const proposed = messagesTo(to, leader.left).find(({ type }) => type === "PRE-PREPARE");
      const votes = messagesTo(to, fellow.left);
      assert.deepEqual(
        votes.map(({ type, source, value }) => [type, source, value]),
        [
          ["PREPARE", 2, proposed?.value],
          ["COMMIT", 2, proposed?.value],
        ],
      );
    }
    assert.equal(fellow.acts.length, 1);
  });
});
