// The proposer's row and the beacon client against a chain whose state transition is not ours: what
// it imports was asked for, rooted, signed and published right (BLOCK-6, BLOCK-7, RANDAO-1).
import "../../support/minimalPreset.ts";
import assert from "node:assert/strict";
import { test } from "node:test";
import { FEE_RECIPIENT } from "../../../sim/virtualBlocks.ts";
import { type BeaconClient, createBeaconClient } from "../../../src/adapters/beacon/client.ts";
import { systemClock } from "../../../src/adapters/system/clock.ts";
import type { ProposerDefinition, UnsignedData } from "../../../src/domain/data.ts";
import { bytesOf, type Root } from "../../../src/domain/keys.ts";
import { proposer } from "../../../src/duties/proposer.ts";
import { randao } from "../../../src/duties/randao.ts";
import { Chain } from "../../../src/eth2/chain.ts";
import { parseChainSpec } from "../../../src/eth2/chainSpec.ts";
import { toHex } from "../../../src/util/bytes.ts";
import { countingMetrics, recordingLogger } from "../../support/quiet.ts";
import {
  startVirtualDevchain,
  type VirtualDevchain,
  type VirtualOptions,
} from "../../support/virtualDevchain.ts";

const VALIDATORS = 24;
const never = new AbortController().signal;
const anyRoot = `0x${"00".repeat(32)}` as Root;

type Bench = {
  readonly devchain: VirtualDevchain;
  readonly beacon: BeaconClient;
  readonly chain: Chain;
};

async function withChain(options: VirtualOptions, run: (bench: Bench) => Promise<void>) {
  const devchain = await startVirtualDevchain({ distributedCount: VALIDATORS, ...options });
  const beacon = createBeaconClient({
    endpoints: [devchain.url],
    genesisForkVersion: toHex(devchain.chain.config.GENESIS_FORK_VERSION),
    clock: systemClock,
    logger: recordingLogger(),
    metrics: countingMetrics(),
  });
  try {
    const chain = new Chain(parseChainSpec(await beacon.spec(never)), await beacon.genesis(never));
    await run({ devchain, beacon, chain });
  } finally {
    await beacon.close();
    await devchain.stop();
  }
}

/** The distributed validator that proposes in the slot, as the scheduler would know it. */
async function definitionAt(bench: Bench, slot: number): Promise<ProposerDefinition | null> {
  const { beacon, chain, devchain } = bench;
  const { duties } = await beacon.proposerDuties(chain.epochOf(slot), never);
  const duty = duties.find((one) => one.slot === slot);
  if (duty === undefined || !devchain.distributedIndices.includes(duty.validatorIndex)) return null;
  const { pubKey, validatorIndex } = duty;
  const lock = { feeRecipient: FEE_RECIPIENT, targetGasLimit: 30_000_000 };
  return { validator: 0, pubKey, validatorIndex, ...lock };
}

/** Proposes with a whole key what a cluster would with its shares; the root of the block. */
async function propose(bench: Bench, slot: number, definition: ProposerDefinition): Promise<Root> {
  const { beacon, chain, devchain } = bench;
  const definitions = [definition];
  const key = devchain.keyOf(definition.validatorIndex);
  const sign = (root: Root | undefined) => key.sign(bytesOf(root ?? anyRoot)).toBytes();
  const reveal = {
    duty: { slot, type: "randao" },
    value: new Uint8Array(8),
    root: anyRoot,
  } as const;
  const [revealTask] = randao.tasks(reveal, definitions, chain);
  const common = { definitions, chain, beacon, signal: never };
  const duty = { slot, type: "proposer" } as const;
  const awaitSignature = async () => sign(revealTask?.signingRoot);
  const value = await proposer.fetch({ duty, awaitSignature, ...common });
  const data: UnsignedData = { duty, value, root: anyRoot };
  assert.deepEqual(proposer.check(data, definitions, chain), { ok: true, value: undefined });
  const headSlot = await beacon.blockSlot(proposer.attestedHead(data, chain) ?? anyRoot, never);
  const context = { round: 1, ownViewRounds: 1, certified: false, definitions, chain };
  assert.equal(proposer.judge(data, { own: value, headSlot }, context).kind, "accept");
  const [task] = proposer.tasks(data, definitions, chain);
  assert.ok(task !== undefined);
  const { messageRoot } = task;
  const signatures = [{ validator: 0, messageRoot, signature: sign(task.signingRoot) }];
  assert.deepEqual(await proposer.submit({ data, signatures, ...common }), []);
  assert.deepEqual(await proposer.submit({ data, signatures, ...common }), [], "a second node too");
  return messageRoot;
}

const RUNS: readonly VirtualOptions[] = [{ fork: "electra", forkEpochs: { fulu: 1 } }];
for (const options of RUNS) {
  const name = [options.fork, ...Object.keys(options.forkEpochs ?? {})].join(", ");
  test(`every proposal becomes the head on ${name}`, async () => {
    await withChain(options, async (bench) => {
      const { devchain, beacon } = bench;
      const preparations = devchain.distributedIndices.map((validatorIndex) => {
        return { validatorIndex, feeRecipient: FEE_RECIPIENT };
      });
      await beacon.prepareProposers(preparations, never);
      let proposed = 0;
      for (let slot = 1; slot <= 20; slot++) {
        devchain.enterSlot(slot);
        const definition = await definitionAt(bench, slot);
        if (definition === null) devchain.validators.propose(slot);
        else {
          const root = await propose(bench, slot, definition);
          assert.equal(toHex(devchain.chain.head.root), root);
          proposed++;
        }
        devchain.validators.attest(slot);
        devchain.validators.aggregate(slot);
      }
      assert.ok(proposed > 0, "some of twenty slots are the distributed validators'");
      assert.deepEqual(devchain.slashings(), []);
    });
  });
}
