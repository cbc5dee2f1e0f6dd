// The attester's row and the beacon client against a chain whose state transition is not ours: what
// it accepts and includes was fetched, rooted, signed and encoded right (ATT-7, BN-1, BN-4, ETH-1).
import "../../support/minimalPreset.ts";
import assert from "node:assert/strict";
import { test } from "node:test";
import { InclusionReader } from "../../../sim/devchain/inclusion.ts";
import { createBeaconClient } from "../../../src/adapters/beacon/client.ts";
import { systemClock } from "../../../src/adapters/system/clock.ts";
import type { AttesterDefinition, UnsignedData } from "../../../src/domain/data.ts";
import { bytesOf, pubKeyOf, type Root } from "../../../src/domain/keys.ts";
import { attester } from "../../../src/duties/attester.ts";
import { Chain } from "../../../src/eth2/chain.ts";
import { parseChainSpec } from "../../../src/eth2/chainSpec.ts";
import { assertPreset } from "../../../src/eth2/preset.ts";
import type { BeaconNode, HeadEvent } from "../../../src/ports/beaconNode.ts";
import { toHex } from "../../../src/util/bytes.ts";
import { countingMetrics, recordingLogger } from "../../support/quiet.ts";
import { until } from "../../support/until.ts";
import {
  startVirtualDevchain,
  type VirtualDevchain,
  type VirtualOptions,
} from "../../support/virtualDevchain.ts";

const SLOTS_PER_EPOCH = 8;
const EPOCHS = 3;
const VALIDATORS = 4;
const never = new AbortController().signal;

/** A node's part of the workflow for whole keys: duties, data, roots, signatures, submission. */
class SoloAttester {
  readonly #devchain: VirtualDevchain;
  readonly #beacon: BeaconNode;
  readonly chain: Chain;

  constructor(devchain: VirtualDevchain, beacon: BeaconNode, chain: Chain) {
    this.#devchain = devchain;
    this.#beacon = beacon;
    this.chain = chain;
  }

  async definitions(slot: number): Promise<readonly AttesterDefinition[]> {
    const { distributedIndices } = this.#devchain;
    const epoch = this.chain.epochOf(slot);
    const { duties } = await this.#beacon.attesterDuties(epoch, distributedIndices, never);
    return duties
      .filter((duty) => duty.slot === slot)
      .map((duty) => ({ ...duty, validator: distributedIndices.indexOf(duty.validatorIndex) }));
  }

  /** Attests with every validator of the slot; `tamper` may spoil a signature. */
  async attest(slot: number, tamper = (signature: Uint8Array, _position: number) => signature) {
    const definitions = await this.definitions(slot);
    const common = { definitions, chain: this.chain, beacon: this.#beacon, signal: never };
    const duty = { slot, type: "attester" as const };
    const awaitSignature = () => assert.fail("an attestation builds on no other signature");
    const value = await attester.fetch({ duty, awaitSignature, ...common });
    const data: UnsignedData = { duty, value, root: `0x${"00".repeat(32)}` as Root };
    assert.deepEqual(attester.check(data, definitions, this.chain), { ok: true, value: undefined });
    const head = attester.attestedHead(data, this.chain);
    assert.ok(head !== null);
    const headSlot = await this.#beacon.blockSlot(head, never);
    const view = { own: value, headSlot };
    const rounds = { round: 1, ownViewRounds: 1 };
    const context = { ...rounds, certified: false, definitions, chain: this.chain };
    assert.equal(attester.judge(data, view, context).kind, "accept");
    const signatures = attester.tasks(data, definitions, this.chain).map((task, position) => {
      const { validatorIndex = 0 } = definitions[position] ?? {};
      const key = this.#devchain.keyOf(validatorIndex);
      const signature = key.sign(bytesOf(task.signingRoot)).toBytes();
      return { ...task, signature: tamper(signature, position) };
    });
    return attester.submit({ data, signatures, ...common });
  }
}

async function withChain(
  options: VirtualOptions,
  run: (devchain: VirtualDevchain, beacon: BeaconNode, solo: SoloAttester) => Promise<void>,
): Promise<void> {
  const devchain = await startVirtualDevchain({ distributedCount: VALIDATORS, ...options });
  const beacon = createBeaconClient({
    endpoints: [devchain.url],
    genesisForkVersion: toHex(devchain.chain.config.GENESIS_FORK_VERSION),
    clock: systemClock,
    logger: recordingLogger(),
    metrics: countingMetrics(),
  });
  try {
    const spec = parseChainSpec(await beacon.spec(never));
    assertPreset(spec.presetBase);
    const chain = new Chain(spec, await beacon.genesis(never));
    await run(devchain, beacon, new SoloAttester(devchain, beacon, chain));
  } finally {
    await beacon.close();
    await devchain.stop();
  }
}

const RUNS: readonly VirtualOptions[] = [
  { fork: "gloas" },
  { fork: "electra", forkEpochs: { fulu: 1, gloas: 2 } },
];
for (const options of RUNS) {
  const name = [options.fork, ...Object.keys(options.forkEpochs ?? {})].join(", ");
  test(`every attestation is accepted and included on ${name}`, async () => {
    await withChain(options, async (devchain, _beacon, solo) => {
      const { validators, distributedIndices, url } = devchain;
      const reader = new InclusionReader(url, distributedIndices);
      for (let slot = 1; slot <= EPOCHS * SLOTS_PER_EPOCH; slot++) {
        devchain.enterSlot(slot);
        validators.propose(slot);
        validators.attest(slot);
        assert.deepEqual(await solo.attest(slot), []);
        validators.aggregate(slot);
        if (slot % SLOTS_PER_EPOCH === 1) await reader.update();
      }
      const lastSlot = EPOCHS * SLOTS_PER_EPOCH - 2;
      const report = await reader.report({ fromSlot: 1, toSlot: lastSlot });
      assert.ok(report.attestations.length >= 2 * VALIDATORS);
      for (const row of report.attestations) {
        assert.ok(row.isIncluded, `validator ${row.validatorIndex}, slot ${row.slot}`);
        assert.ok(row.isTargetCorrect && row.isSourceCorrect);
      }
      assert.deepEqual(devchain.slashings(), []);
    });
  });
}

test("BN-4: the chain names the one attestation whose signature is wrong", async () => {
  await withChain({ fork: "fulu" }, async (devchain, _beacon, solo) => {
    for (let slot = 1; slot <= SLOTS_PER_EPOCH; slot++) {
      devchain.enterSlot(slot);
      devchain.validators.propose(slot);
      if ((await solo.definitions(slot)).length === 0) continue;
      const spoil = (signature: Uint8Array, position: number): Uint8Array =>
        position === 0 ? devchain.keyOf(0).sign(new Uint8Array(32)).toBytes() : signature;
      assert.deepEqual(
        (await solo.attest(slot, spoil)).map(({ index }) => index),
        [0],
      );
      return;
    }
    assert.fail("no validator had a duty in a whole epoch");
  });
});

test("BN-6: tells the chain's heads as they are imported", async () => {
  await withChain({ fork: "fulu" }, async (devchain, beacon) => {
    const stopping = new AbortController();
    const heads: HeadEvent[] = [];
    beacon.onHead((event) => heads.push(event), stopping.signal);
    // The stream opens in its own time: blocks are made until one of them is heard of.
    let slot = 0;
    await until("a head is told", () => {
      devchain.runTo(++slot);
      return heads.length > 0;
    });
    const [head] = heads;
    assert.ok(head !== undefined);
    assert.equal(await beacon.blockSlot(head.block, never), head.slot);
    stopping.abort(new Error("over"));
  });
});

test("knows the chain's validators and no others", async () => {
  await withChain({ fork: "fulu" }, async (devchain, beacon) => {
    devchain.enterSlot(1);
    const [index = 0] = devchain.distributedIndices;
    const known = pubKeyOf(devchain.keyOf(index).toPublicKey().toBytes());
    const unknown = pubKeyOf(devchain.keyOf(5000).toPublicKey().toBytes());
    assert.deepEqual(await beacon.validators([known, unknown], never), [
      { pubKey: known, index, status: "active_ongoing" },
    ]);
    assert.equal((await beacon.syncStatus(never)).isSyncing, false);
  });
});
