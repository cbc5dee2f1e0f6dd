/** What every implementation of the {@link BeaconNode} port must do; run against each of them. */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import type {
  AttesterDefinition,
  ProposerDefinition,
  UnsignedData,
} from "../../src/domain/data.ts";
import type { Duty } from "../../src/domain/duty.ts";
import { FaultError } from "../../src/domain/errors.ts";
import { type PubKey, type Root, rootOf, type Signature } from "../../src/domain/keys.ts";
import type { Slot, ValidatorIndex } from "../../src/domain/units.ts";
import { attester } from "../../src/duties/attester.ts";
import { proposer } from "../../src/duties/proposer.ts";
import { randao } from "../../src/duties/randao.ts";
import { attestationDataRoot, decodeAttestationData } from "../../src/eth2/attestationData.ts";
import { decodeBlockHeader } from "../../src/eth2/blockHeader.ts";
import { decodeProposal } from "../../src/eth2/blocks.ts";
import { Chain } from "../../src/eth2/chain.ts";
import { parseChainSpec } from "../../src/eth2/chainSpec.ts";
import { assertPreset } from "../../src/eth2/preset.ts";
import type { BeaconNode, HeadEvent } from "../../src/ports/beaconNode.ts";
import type { BlockEvent } from "../../src/ports/chainSightings.ts";

/** A beacon node, its chain, and the whole keys of some of the chain's validators. */
export type BeaconBench = {
  readonly beacon: BeaconNode;
  readonly validators: readonly { readonly index: ValidatorIndex; readonly pubKey: PubKey }[];
  sign(index: ValidatorIndex, signingRoot: Root): Signature;
  /** Moves into the next slot; a block comes when its proposer is none of ours. */
  nextSlot(): Promise<Slot>;
  setReachable(isReachable: boolean): Promise<void>;
  close(): Promise<void>;
};

export const FEE_RECIPIENT = `0x${"fe".repeat(20)}` as const;
const never = new AbortController().signal;
const NO_ROOT = rootOf(new Uint8Array(32));
const UNKNOWN_ROOT = rootOf(new Uint8Array(32).fill(0x5a));
const UNKNOWN_KEY = `0x${"5a".repeat(48)}` as PubKey;
/** Within as many slots some validator has any duty. */
const MANY_SLOTS = 40;
const HEADS_WITHIN_MS = 10_000;

export function beaconNodeContract(name: string, createBench: () => Promise<BeaconBench>): void {
  describe(`${name}: the BeaconNode port`, () => {
    let operator: Operator | null = null;
    const current = (): Operator => {
      assert(operator !== null, "the bench is used by tests only");
      return operator;
    };
    before(async () => {
      operator = await Operator.over(await createBench());
    });
    after(() => current().bench.close());
    testFacts(current);
    testDuties(current);
    testVotes(current);
    testBlocks(current);
    testHeads(current);
    testSightings(current);
    testFaults(current);
  });
}

/** Who holds whole keys and does with a beacon node what a cluster does with shares. */
class Operator {
  readonly bench: BeaconBench;
  readonly chain: Chain;

  private constructor(bench: BeaconBench, chain: Chain) {
    this.bench = bench;
    this.chain = chain;
  }

  static async over(bench: BeaconBench): Promise<Operator> {
    const spec = parseChainSpec(await bench.beacon.spec(never));
    assertPreset(spec.presetBase);
    return new Operator(bench, new Chain(spec, await bench.beacon.genesis(never)));
  }

  get beacon(): BeaconNode {
    return this.bench.beacon;
  }

  get indices(): readonly ValidatorIndex[] {
    return this.bench.validators.map(({ index }) => index);
  }

  async attesters(slot: Slot): Promise<readonly AttesterDefinition[]> {
    const { duties } = await this.beacon.attesterDuties(
      this.chain.epochOf(slot),
      this.indices,
      never,
    );
    return duties
      .filter((duty) => duty.slot === slot)
      .map((duty) => ({ ...duty, validator: this.indices.indexOf(duty.validatorIndex) }));
  }

  /** The first of the coming slots in which so many of ours attest. */
  async slotOfAttesters(count: number): Promise<Slot> {
    for (let i = 0; i < MANY_SLOTS; i++) {
      const slot = await this.bench.nextSlot();
      if ((await this.attesters(slot)).length >= count) return slot;
    }
    assert.fail(`never ${count} attesters in one slot`);
  }

  /** The first of the coming slots that one of ours proposes. */
  async slotOfProposer(): Promise<{
    readonly slot: Slot;
    readonly definition: ProposerDefinition;
  }> {
    for (let i = 0; i < MANY_SLOTS; i++) {
      const slot = await this.bench.nextSlot();
      const { duties } = await this.beacon.proposerDuties(this.chain.epochOf(slot), never);
      const duty = duties.find((one) => one.slot === slot);
      if (duty === undefined || !this.indices.includes(duty.validatorIndex)) continue;
      const { pubKey, validatorIndex } = duty;
      const lock = { feeRecipient: FEE_RECIPIENT, targetGasLimit: 30_000_000 };
      return { slot, definition: { validator: 0, pubKey, validatorIndex, ...lock } };
    }
    assert.fail("none of ours proposes");
  }

  common<D>(definitions: readonly D[]) {
    return { definitions, chain: this.chain, beacon: this.beacon, signal: never };
  }

  reveal(slot: Slot, definition: ProposerDefinition): Signature {
    const data = dataOf({ slot, type: "randao" }, new Uint8Array(8));
    const [task] = randao.tasks(data, [definition], this.chain);
    return this.bench.sign(definition.validatorIndex, task?.signingRoot ?? NO_ROOT);
  }
}

function dataOf(duty: Duty, value: Uint8Array): UnsignedData {
  return { duty, value, root: NO_ROOT };
}

function testFacts(operator: () => Operator): void {
  it("tells one chain's constants and genesis, each time alike", async () => {
    const { beacon, chain } = operator();
    const genesis = await beacon.genesis(never);
    assert.equal(genesis.genesisValidatorsRoot.length, 66);
    assert.equal(genesis.genesisTime * 1_000, chain.genesisTimeMs);
    assert.deepEqual(await beacon.genesis(never), genesis);
    assert.deepEqual(await beacon.spec(never), await beacon.spec(never));
  });

  it("tells the states of the validators that the chain knows, and of no other", async () => {
    const { beacon, bench } = operator();
    const [first, second] = bench.validators;
    assert(first !== undefined && second !== undefined);
    const states = await beacon.validators([second.pubKey, UNKNOWN_KEY, first.pubKey], never);
    const byIndex = [...states].sort((a, b) => a.index - b.index);
    assert.deepEqual(
      byIndex,
      [first, second].map((one) => ({ ...one, status: "active_ongoing" })),
    );
  });

  it("is in sync, and its head is not later than the slot", async () => {
    const { beacon, bench } = operator();
    const slot = await bench.nextSlot();
    const { headSlot, isSyncing, isElOffline } = await beacon.syncStatus(never);
    assert(headSlot <= slot);
    assert.deepEqual({ isSyncing, isElOffline }, { isSyncing: false, isElOffline: false });
  });
}

function testDuties(operator: () => Operator): void {
  it("gives each validator one seat of each epoch, and none to one it does not know", async () => {
    const { beacon, bench, chain, indices } = operator();
    const epoch = chain.epochOf(await bench.nextSlot());
    for (const each of [epoch, epoch + 1]) {
      const { dependentRoot, duties } = await beacon.attesterDuties(each, indices, never);
      assert.equal(dependentRoot.length, 66);
      const seated = duties.map(({ validatorIndex }) => validatorIndex);
      assert.deepEqual(
        seated.sort((a, b) => a - b),
        indices,
      );
      for (const { slot, pubKey, validatorIndex } of duties) {
        assert.equal(chain.epochOf(slot), each);
        assert.equal(
          bench.validators.find(({ index }) => index === validatorIndex)?.pubKey,
          pubKey,
        );
      }
    }
    assert.deepEqual(await beacon.attesterDuties(epoch, [], never).then((d) => d.duties), []);
  });

  it("names at most one proposer for a slot, and ours by their keys", async () => {
    const { beacon, bench, chain } = operator();
    const epoch = chain.epochOf(await bench.nextSlot());
    const { dependentRoot, duties } = await beacon.proposerDuties(epoch, never);
    assert.equal(dependentRoot.length, 66);
    assert.equal(new Set(duties.map(({ slot }) => slot)).size, duties.length);
    for (const { slot, pubKey, validatorIndex } of duties) {
      assert.equal(chain.epochOf(slot), epoch);
      const ours = bench.validators.find(({ index }) => index === validatorIndex);
      if (ours !== undefined) assert.equal(ours.pubKey, pubKey);
    }
  });
}

function testVotes(operator: () => Operator): void {
  it("ATT-2: hands out data of the slot, over a head that it knows", async () => {
    const { beacon, bench, chain } = operator();
    const slot = await bench.nextSlot();
    const data = await beacon.attestationData(slot, never);
    assert.equal(data.slot, slot);
    assert.equal(data.target.epoch, chain.epochOf(slot));
    assert(data.source.epoch < data.target.epoch || data.target.epoch === 0);
    const headSlot = await beacon.blockSlot(data.beaconBlockRoot, never);
    assert(headSlot !== null && headSlot <= slot);
    assert.equal(await beacon.blockSlot(UNKNOWN_ROOT, never), null);
  });

  it("has no data for a slot far ahead", async () => {
    const { beacon, bench } = operator();
    const slot = await bench.nextSlot();
    await assert.rejects(beacon.attestationData(slot + 10, never), FaultError);
  });

  it("takes what is signed well and names the items that are not", async () => {
    const { bench, chain } = operator();
    const slot = await operator().slotOfAttesters(2);
    const definitions = await operator().attesters(slot);
    const common = operator().common(definitions);
    const awaitSignature = () => assert.fail("an attestation builds on no other signature");
    const duty = { slot, type: "attester" } as const;
    const value = await attester.fetch({ duty, awaitSignature, ...common });
    assert.equal(decodeAttestationData(value)?.slot, slot);
    const data = dataOf(duty, value);
    const signatures = attester.tasks(data, definitions, chain).map((task, position) => {
      const { validatorIndex = 0 } = definitions[position] ?? {};
      return { ...task, signature: bench.sign(validatorIndex, task.signingRoot) };
    });
    const [first, ...others] = signatures;
    assert(first !== undefined);
    const spoiled = {
      ...first,
      signature: bench.sign(definitions[0]?.validatorIndex ?? 0, NO_ROOT),
    };
    const failures = await attester.submit({ data, signatures: [spoiled, ...others], ...common });
    assert.deepEqual(
      failures.map(({ index }) => index),
      [0],
    );
    assert.deepEqual(await attester.submit({ data, signatures, ...common }), []);
    assert.deepEqual(await attester.submit({ data, signatures, ...common }), [], "again");
  });
}

function testBlocks(operator: () => Operator): void {
  it("BLOCK-6, BLOCK-7: publishes what it built and was signed, as often as asked", async () => {
    const { beacon, bench, chain, indices } = operator();
    const preparations = indices.map((validatorIndex) => {
      return { validatorIndex, feeRecipient: FEE_RECIPIENT };
    });
    await beacon.prepareProposers(preparations, never);
    const { slot, definition } = await operator().slotOfProposer();
    const common = operator().common([definition]);
    const duty = { slot, type: "proposer" } as const;
    const randaoReveal = operator().reveal(slot, definition);
    const value = await proposer.fetch({
      duty,
      awaitSignature: async () => randaoReveal,
      ...common,
    });
    const proposal = decodeProposal(chain.forkAt(chain.epochOf(slot)).fork, value);
    assert.deepEqual(
      [proposal?.slot, proposal?.proposerIndex, proposal?.feeRecipient],
      [slot, definition.validatorIndex, FEE_RECIPIENT],
    );
    const parentSlot = await beacon.blockSlot(proposal?.parentRoot ?? NO_ROOT, never);
    assert(parentSlot !== null && parentSlot < slot);
    const data = dataOf(duty, value);
    assert.deepEqual(proposer.check(data, [definition], chain), { ok: true, value: undefined });
    const [task] = proposer.tasks(data, [definition], chain);
    assert(task !== undefined);
    const publish = (signingRoot: Root) => {
      const signature = bench.sign(definition.validatorIndex, signingRoot);
      const signatures = [{ validator: 0, messageRoot: task.messageRoot, signature }];
      return proposer.submit({ data, signatures, ...common });
    };
    await assert.rejects(publish(NO_ROOT), (error) => codeOf(error) === "beacon_rejected");
    assert.equal(await beacon.blockSlot(task.messageRoot, never), null);
    assert.deepEqual(await publish(task.signingRoot), []);
    assert.equal(await beacon.blockSlot(task.messageRoot, never), slot);
    const next = await beacon.attestationData(slot, never);
    assert.equal(next.beaconBlockRoot, task.messageRoot, "it is the head");
    assert.deepEqual(await publish(task.signingRoot), [], "a second node too");
  });
}

function testHeads(operator: () => Operator): void {
  it("BN-6: tells each head once, and nothing after the signal", async () => {
    const { beacon, bench } = operator();
    const stopping = new AbortController();
    const heads: HeadEvent[] = [];
    beacon.onHead((event) => heads.push(event), stopping.signal);
    // A stream opens in its own time: blocks are made until two of them are heard of.
    const end = performance.now() + HEADS_WITHIN_MS;
    while (heads.length < 2) {
      assert(performance.now() < end, `two heads are told within ${HEADS_WITHIN_MS} ms`);
      await bench.nextSlot();
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    const roots = heads.map(({ block }) => block);
    assert.deepEqual(roots, [...new Set(roots)]);
    for (const { slot, block, currentDutyDependentRoot } of heads) {
      assert.equal(await beacon.blockSlot(block, never), slot);
      assert.equal(currentDutyDependentRoot.length, 66);
    }
    stopping.abort(new Error("over"));
    const told = heads.length;
    for (let i = 0; i < 4; i++) await bench.nextSlot();
    assert.equal(heads.length, told);
  });
}

function testSightings(operator: () => Operator): void {
  it("FOREIGN-1: shows a vote that it was handed, by its seat in the slot", async () => {
    const { beacon, bench, chain } = operator();
    const slot = await operator().slotOfAttesters(1);
    const [definition] = await operator().attesters(slot);
    assert(definition !== undefined);
    const common = operator().common([definition]);
    const awaitSignature = () => assert.fail("an attestation builds on no other signature");
    const duty = { slot, type: "attester" } as const;
    const data = dataOf(duty, await attester.fetch({ duty, awaitSignature, ...common }));
    const [task] = attester.tasks(data, [definition], chain);
    assert(task !== undefined);
    const { validatorIndex, committeeIndex } = definition;
    const signature = bench.sign(validatorIndex, task.signingRoot);
    const signatures = [{ ...task, signature }];
    assert.deepEqual(await attester.submit({ data, signatures, ...common }), []);
    const members = (await beacon.committees(slot, never)).get(committeeIndex) ?? [];
    const seen = (await beacon.poolAttestations(slot, never)).filter(
      (each) => each.committees.includes(committeeIndex) && each.bits.length === members.length,
    );
    const position = members.indexOf(validatorIndex);
    assert(position >= 0, "the seat is in the slot's committee");
    const ours = seen.filter(({ bits }) => bits.has(position));
    assert.deepEqual(
      ours.map((each) => attestationDataRoot(each.data)),
      [task.messageRoot],
    );
    assert.equal(ours[0]?.bits.has(members.length), false);
    const epoch = chain.epochOf(slot);
    const live = await beacon.liveValidators(epoch, [validatorIndex], never);
    assert.deepEqual(live, [validatorIndex]);
    assert.deepEqual(await beacon.liveValidators(epoch + 1, [validatorIndex], never), []);
  });

  it("FOREIGN-1: shows a block's header and votes, and each block as an event", async () => {
    const { beacon, bench } = operator();
    const stopping = new AbortController();
    const blocks: BlockEvent[] = [];
    beacon.onBlock((event) => blocks.push(event), stopping.signal);
    beacon.onSlashing(() => assert.fail("nobody is slashed"), stopping.signal);
    const end = performance.now() + HEADS_WITHIN_MS;
    while (blocks.length === 0) {
      assert(performance.now() < end, `a block is told within ${HEADS_WITHIN_MS} ms`);
      await bench.nextSlot();
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    stopping.abort(new Error("over"));
    const [event] = blocks;
    assert(event !== undefined);
    const signed = await beacon.signedHeader(event.block, never);
    const header = decodeBlockHeader(signed?.header ?? new Uint8Array());
    assert.equal(header?.slot, event.slot);
    assert(Array.isArray(await beacon.blockAttestations(event.block, never)));
    assert.equal(await beacon.signedHeader(UNKNOWN_ROOT, never), null);
  });
}

function testFaults(operator: () => Operator): void {
  it("ends with the reason of a signal that has aborted", async () => {
    const reason = new Error("the duty is over");
    await assert.rejects(operator().beacon.syncStatus(AbortSignal.abort(reason)), reason);
  });

  it("throws a fault that may be tried again when nobody answers, and recovers", async () => {
    const { beacon, bench } = operator();
    const slot = await bench.nextSlot();
    await bench.setReachable(false);
    const isFault = (error: unknown): boolean =>
      error instanceof FaultError && error.retryable && codeOf(error) === "beacon_unreachable";
    await assert.rejects(beacon.attestationData(slot, never), isFault);
    await assert.rejects(beacon.attesterDuties(0, [], never), isFault);
    await bench.setReachable(true);
    assert.equal((await beacon.attestationData(slot, never)).slot, slot);
  });
}

function codeOf(error: unknown): string | null {
  return error instanceof FaultError ? error.code : null;
}
