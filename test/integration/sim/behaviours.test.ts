/** Each behaviour of the Byzantine library against a cluster of real nodes: it acts, they agree. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  BEHAVIOUR_NAMES,
  type BehaviourName,
  misbehave,
} from "../../../sim/byzantine/behaviours.ts";
import { Conspiracy } from "../../../sim/byzantine/conspiracy.ts";
import { SeededRandom } from "../../../sim/random.ts";
import type { PeerIndex, Root } from "../../../src/domain/keys.ts";
import type { Network } from "../../../src/ports/network.ts";
import { computeSigningRootOf } from "../../support/attestations.ts";
import { NodeCluster } from "../../support/nodeCluster.ts";
import { testChain } from "../../support/testChain.ts";

const SLOTS = 24;
const VALIDATORS = 8;
const LIAR: PeerIndex = 1;
const HONEST = [0, 2, 3];

type Run = {
  readonly acts: readonly string[];
  /** Signing roots by honest node of what it submitted, by slot. */
  readonly attested: ReadonlyMap<number, readonly Root[]>;
  readonly published: ReadonlyMap<number, readonly Root[]>;
};

async function run(behaviours: readonly BehaviourName[], seed: string): Promise<Run> {
  const acts: string[] = [];
  const conspiracy = new Conspiracy();
  const { genesisValidatorsRoot } = testChain();
  const nodes = new NodeCluster({
    validators: VALIDATORS,
    adapt: (ports, node, cluster) => {
      if (node !== LIAR) return ports;
      const network = behaviours.reduce<Network>(
        (inner, behaviour) =>
          misbehave(behaviour, {
            ...ports,
            network: inner,
            cluster,
            chain: testChain(),
            scope: { genesisValidatorsRoot, lockHash: cluster.lockHash },
            random: new SeededRandom(seed).fork(behaviour),
            conspiracy,
            options: {},
            isActive: () => true,
            acted: (detail) => void acts.push(detail),
          }),
        ports.network,
      );
      return { ...ports, network };
    },
  });
  for (let slot = 5; slot < SLOTS; slot += 3) nodes.proposeIn(slot, slot % VALIDATORS);
  try {
    await nodes.start();
    for (let slot = 0; slot < SLOTS; slot++) await nodes.runSlot(slot);
    return { acts, ...outcomeOf(nodes) };
  } finally {
    nodes.stop();
  }
}

function outcomeOf(cluster: NodeCluster): Omit<Run, "acts"> {
  const attested = new Map<number, Root[]>();
  const published = new Map<number, Root[]>();
  for (const node of HONEST) {
    const { beacon } = cluster.member(node);
    for (const attestation of beacon.submitted) {
      const { slot } = attestation.data;
      attested.set(slot, [...(attested.get(slot) ?? []), computeSigningRootOf(attestation)]);
    }
    for (const block of beacon.published) {
      published.set(0, [...(published.get(0) ?? []), block.root]);
    }
  }
  return { attested, published };
}

describe("BYZ-3: with one Byzantine operator of four nothing is missed and nothing is contradicted", () => {
  for (const behaviour of BEHAVIOUR_NAMES) {
    test(behaviour, async () => {
      const { acts, attested, published } = await run([behaviour], "seed");
      console.log(
        behaviour,
        acts.length,
        attested.size,
        published.get(0)?.length,
        acts.slice(0, 2),
        acts.at(-1),
      );
      assert.ok(acts.length > 0, "it acts");
      for (let slot = 8; slot < SLOTS - 1; slot++) {
        const roots = attested.get(slot) ?? [];
        assert.equal(roots.length, HONEST.length, `every honest node submitted in slot ${slot}`);
        assert.equal(new Set(roots).size, 1, `one vote in slot ${slot}`);
      }
    });
  }
});
