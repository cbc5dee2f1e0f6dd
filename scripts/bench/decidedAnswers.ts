/** Answers and submissions about what is decided, one after the other, at one node of a cluster. */
import { Agent, type Dispatcher } from "undici";
import { attestationRoot, randaoRoot } from "../../sim/devchain/vc/signing.ts";
import { ssz } from "../../src/eth2/ssz.ts";
import { assert } from "../../src/util/assert.ts";
import { toHex } from "../../src/util/bytes.ts";
import { type BlockCluster, slotNow, startOf, withBlockCluster } from "./blockRun.ts";
import { sleepUntil } from "./clusterUnderTest.ts";
import type { BenchRow } from "./row.ts";
import { median, quantile } from "./statistics.ts";

/** Issue 3, "Speed and memory". */
const MAX_P99_MS = 5;
const ASKED_PER_ROUTE = 400;
const SCENARIO = {
  ...{ nodes: 4, validators: 32, slotMs: 2_000, blobs: 0 },
  ...{ warmUpSlots: 0, measuredSlots: 0 },
} as const;
/** Slots without a decision on a machine that is too busy to be measured on. */
const MAX_SLOTS = 60;

type Ask = { readonly name: string } & Pick<
  Dispatcher.RequestOptions,
  "path" | "method" | "headers" | "body"
>;

/** Every route whose answer waits for a decision, asked again and again once there is one. */
export async function benchDecided(progress: (text: string) => void): Promise<readonly BenchRow[]> {
  return withBlockCluster(SCENARIO, async (cluster) => {
    const samples = new Map<string, number[]>();
    const first = slotNow(cluster.chain) + 2;
    for (let slot = first; slot < first + MAX_SLOTS && !isEnough(samples); slot++) {
      await measureSlot(cluster, slot, samples);
      progress(`slot ${slot}: ${samples.values().next().value?.length ?? 0} of each`);
    }
    assert(samples.size > 0, "some slot was decided");
    return [...samples].flatMap(([name, times]) => {
      const p99 = quantile(times, 0.99);
      return [
        { name: `decided: ${name}, p50`, value: median(times), unit: "ms" },
        {
          name: "the same, p99",
          value: p99,
          unit: "ms",
          limit: `below ${MAX_P99_MS} ms`,
          pass: p99 < MAX_P99_MS,
        },
      ];
    });
  });
}

function isEnough(samples: ReadonlyMap<string, readonly number[]>): boolean {
  const counts = [...samples.values()].map(({ length }) => length);
  return counts.length > 0 && counts.every((count) => count >= ASKED_PER_ROUTE);
}

async function measureSlot(
  cluster: BlockCluster,
  slot: number,
  samples: Map<string, number[]>,
): Promise<void> {
  const { chain, clients, stub } = cluster;
  await sleepUntil(startOf(chain, slot) - chain.slotMs / 10);
  await Promise.all(clients.map(({ vc }) => vc.pollDuties(slot)));
  await sleepUntil(startOf(chain, slot));
  await Promise.all(clients.map(({ vc }) => vc.propose(slot)));
  stub.announceHead(slot);
  await Promise.all(clients.map(({ vc }) => vc.attest(slot)));
  const agent = new Agent({ connections: 1 });
  try {
    const asks = await asksOf(agent, cluster, slot);
    // Between the slot's duties and the next slot's the machine is this benchmark's alone.
    const until = startOf(chain, slot + 1) - chain.slotMs / 5;
    while (asks !== null && Date.now() < until) {
      for (const ask of asks) {
        const { status, tookMs } = await send(agent, cluster, ask);
        assert(status === 200, `${ask.name} is answered: ${status}`);
        samples.set(ask.name, [...(samples.get(ask.name) ?? []), tookMs]);
      }
    }
  } finally {
    await agent.destroy();
  }
}

/** Null where the machine was too slow for the slot: nothing is decided that could be asked for. */
async function asksOf(
  agent: Agent,
  cluster: BlockCluster,
  slot: number,
): Promise<readonly Ask[] | null> {
  const { clients, blocks, stub } = cluster;
  const [client] = clients;
  const proposer = client?.shares[blocks.proposerOf(slot)];
  const attester = stub.attesters(slot)[0] ?? 0;
  const share = client?.shares[attester];
  assert(client !== undefined && proposer !== undefined && share !== undefined, "keys are there");
  const { config } = client.vc;
  const reveal = toHex(proposer.sign(randaoRoot(config, slot)));
  const dataPath = `/eth/v1/validator/attestation_data?slot=${slot}&committee_index=0`;
  const blockPath = `/eth/v3/validator/blocks/${slot}?randao_reveal=${reveal}`;
  const get = (name: string, path: string, type: string): Ask => {
    return { name: `${name} as ${type}`, path, method: "GET", headers: { accept: TYPES[type] } };
  };
  const reads = [
    get("attestation data", dataPath, "SSZ"),
    get("attestation data", dataPath, "JSON"),
    get("block", blockPath, "SSZ"),
    get("block", blockPath, "JSON"),
  ];
  const answers = await Promise.all(reads.map((ask) => send(agent, cluster, ask)));
  if (answers.some(({ status }) => status !== 200)) return null;
  const data = ssz.phase0.AttestationData.deserialize(answers[0]?.bytes ?? new Uint8Array());
  const signed = ssz.electra.SingleAttestation.serialize({
    committeeIndex: 0,
    attesterIndex: attester,
    data,
    signature: share.sign(attestationRoot(config, data)),
  });
  const submit: Ask = {
    name: "an attestation submitted again",
    path: "/eth/v2/beacon/pool/attestations",
    method: "POST",
    headers: { "content-type": TYPES["SSZ"], "eth-consensus-version": "fulu" },
    body: signed,
  };
  return [...reads, submit];
}

const TYPES: Readonly<Record<string, string>> = {
  SSZ: "application/octet-stream",
  JSON: "application/json",
};

async function send(agent: Agent, { running }: BlockCluster, { name: _, ...ask }: Ask) {
  const origin = running[0]?.validatorApiUrl ?? "";
  const startedAt = performance.now();
  const { statusCode, body } = await agent.request({ origin, ...ask });
  const bytes = new Uint8Array(await body.arrayBuffer());
  return { status: statusCode, tookMs: performance.now() - startedAt, bytes };
}
