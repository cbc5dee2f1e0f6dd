import "../../support/mainnetPreset.ts";
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  type BlockChange,
  FEE_RECIPIENT,
  GAS_LIMIT,
  virtualBlock,
} from "../../../sim/virtualBlocks.ts";
import type { ProposerDefinition, UnsignedData } from "../../../src/domain/data.ts";
import { FaultError } from "../../../src/domain/errors.ts";
import { bytesOf, type PubKey, type Root } from "../../../src/domain/keys.ts";
import type { Epoch } from "../../../src/domain/units.ts";
import type { JudgeContext, OwnView } from "../../../src/duties/kind.ts";
import { proposer } from "../../../src/duties/proposer.ts";
import { randao } from "../../../src/duties/randao.ts";
import { encodeProposal, type ProducedBlock, type SignedBlock } from "../../../src/eth2/blocks.ts";
import { FORKS } from "../../../src/eth2/forks.ts";
import { computeSigningRoot, proposerDomain, randaoDomain } from "../../../src/eth2/signing.ts";
import { ssz } from "../../../src/eth2/ssz.ts";
import type { BeaconNode } from "../../../src/ports/beaconNode.ts";
import { EPOCH_OF, ladderChain } from "../../support/rawSpec.ts";

const chain = ladderChain();
const SLOT = chain.firstSlot(EPOCH_OF.fulu) + 3;
const DUTY = { slot: SLOT, type: "proposer" } as const;
const DEFINITION: ProposerDefinition = {
  validator: 2,
  pubKey: `0x${"ab".repeat(48)}` as PubKey,
  validatorIndex: 77,
  feeRecipient: FEE_RECIPIENT,
  targetGasLimit: GAS_LIMIT,
};
const DEFINITIONS = [DEFINITION];
const REVEAL = new Uint8Array(96).fill(0xaa);
const never = new AbortController().signal;

function block(change: BlockChange = {}): ProducedBlock {
  return virtualBlock({ slot: SLOT, proposerIndex: 77, randaoReveal: REVEAL, ...change });
}

function dataOf(produced: ProducedBlock, slot = SLOT): UnsignedData {
  const value = encodeProposal(produced);
  return { duty: { slot, type: "proposer" }, value, root: `0x${"00".repeat(32)}` as Root };
}

function checked(change: BlockChange, definitions = DEFINITIONS, on = chain): string | null {
  const result = proposer.check(dataOf(block(change)), definitions, on);
  return result.ok ? null : (result.error.detail ?? "");
}

describe("BLOCK-2: deterministic rules", () => {
  test("accept the block of the slot's proposer", () => {
    assert.equal(checked({}), null);
    assert.equal(checked({ isBlinded: true }), null);
  });

  test("refuse another slot, another proposer, and withheld blobs by name", () => {
    assert.match(checked({ slot: SLOT + 1 }) ?? "", /slot/);
    assert.match(checked({ proposerIndex: 78 }) ?? "", /not the slot's proposer/);
    assert.match(checked({}, [{ ...DEFINITION, validatorIndex: 78 }]) ?? "", /not the slot's/);
    assert.match(checked({ missingBlobs: 1 }) ?? "", /blobs and proofs/);
  });

  test("ETH-6: refuse a fork that is unknown, and one whose blocks have no row, by name", () => {
    const unknown = ladderChain({ HEZE_FORK_VERSION: "0x08000000", HEZE_FORK_EPOCH: "6" });
    assert.match(checked({}, DEFINITIONS, unknown) ?? "", /unknown fork/);
    const slot = chain.firstSlot(EPOCH_OF.gloas);
    const result = proposer.check(dataOf(block({ slot }), slot), DEFINITIONS, chain);
    assert.ok(!result.ok);
    assert.match(result.error.detail ?? "", /gloas/);
  });

  test("refuse bytes that are no block", () => {
    const data = { ...dataOf(block()), value: new Uint8Array(100) };
    assert.equal(proposer.check(data, DEFINITIONS, chain).ok, false);
  });
});

test("BLOCK-3: asks that the reveal verifies under the group key for the slot's epoch", () => {
  const [check, ...others] = proposer.signatureChecks(dataOf(block()), DEFINITIONS, chain);
  assert.deepEqual(others, []);
  assert.equal(check?.publicKey, DEFINITION.pubKey);
  assert.deepEqual(check?.signature, REVEAL);
  const [task] = randao.tasks(dataOf(block()), DEFINITIONS, chain);
  assert.equal(check?.signingRoot, task?.signingRoot, "what the randao duty signs");
});

const ROUND_1: JudgeContext<ProposerDefinition> = {
  round: 1,
  ownViewRounds: 1,
  certified: false,
  definitions: DEFINITIONS,
  chain,
};
const ROUND_2 = { ...ROUND_1, round: 2 };
const CERTIFIED = { ...ROUND_2, certified: true };
const KNOWN: OwnView = { own: null, headSlot: SLOT - 1 };
const ownWith = (gasLimit: number): OwnView => ({
  ...KNOWN,
  own: encodeProposal(block({ gasLimit })),
});

function judged(change: BlockChange, view = KNOWN, context = ROUND_1): string {
  return proposer.judge(dataOf(block(change)), view, context).kind;
}

describe("BLOCK-4: payment", () => {
  const stranger = { feeRecipient: `0x${"11".repeat(20)}` };

  test("goes to the lock's fee recipient, in every round without a certificate", () => {
    assert.equal(judged({}), "accept");
    assert.equal(judged(stranger), "refuse");
    assert.equal(judged(stranger, KNOWN, ROUND_2), "refuse");
    assert.equal(judged(stranger, KNOWN, CERTIFIED), "accept");
  });

  test("of a blinded block is the builder's matter", () => {
    assert.equal(judged({ isBlinded: true }), "accept");
  });

  test("the gas limit is at most a step farther from the lock's than our own block's", () => {
    const step = Math.floor(GAS_LIMIT / 1024);
    assert.equal(judged({ gasLimit: GAS_LIMIT - step }, ownWith(GAS_LIMIT)), "accept");
    assert.equal(judged({ gasLimit: GAS_LIMIT - step - 1 }, ownWith(GAS_LIMIT)), "refuse");
    assert.equal(judged({ gasLimit: GAS_LIMIT + step }, ownWith(GAS_LIMIT)), "accept");
    assert.equal(judged({ gasLimit: GAS_LIMIT + step + 1 }, ownWith(GAS_LIMIT)), "refuse");
    assert.equal(judged({ gasLimit: 1 }, ownWith(GAS_LIMIT), ROUND_2), "refuse");
    assert.equal(judged({ gasLimit: 1, isBlinded: true }, ownWith(GAS_LIMIT)), "refuse");
  });

  test("the gas limit is nobody's veto while all are far from the target, or it is unknown", () => {
    const far = ownWith(GAS_LIMIT / 2);
    assert.equal(judged({ gasLimit: GAS_LIMIT / 2 }, far), "accept");
    assert.equal(judged({ gasLimit: GAS_LIMIT }, far), "accept");
    assert.equal(judged({ gasLimit: 1 }, KNOWN), "accept", "no data is not a disagreement");
    const untargeted = { ...ROUND_1, definitions: [{ ...DEFINITION, targetGasLimit: null }] };
    assert.equal(judged({ gasLimit: 1 }, ownWith(GAS_LIMIT), untargeted), "accept");
  });
});

test("BLOCK-5: early rounds want a parent that our beacon node knows, of an earlier slot", () => {
  const headSlot = (slot: OwnView["headSlot"]): OwnView => ({ own: null, headSlot: slot });
  assert.equal(judged({}, headSlot(SLOT - 9)), "accept");
  assert.equal(judged({}, headSlot(SLOT)), "refuse");
  assert.equal(judged({}, headSlot(null)), "ask-again");
  assert.equal(judged({}, headSlot(undefined)), "accept");
  assert.equal(judged({}, headSlot(null), ROUND_2), "accept");
  assert.equal(judged({}, headSlot(null), { ...ROUND_2, ownViewRounds: 2 }), "ask-again");
  const parentRoot = new Uint8Array(32).fill(8);
  assert.equal(proposer.attestedHead(dataOf(block({ parentRoot })), chain), `0x${"08".repeat(32)}`);
});

describe("BLOCK-6: what is signed", () => {
  const contents = ssz.fulu.BlockContents.deserialize(block().ssz);
  const root = ssz.fulu.BeaconBlock.hashTreeRoot(contents.block);

  test("is the block's root under the proposer domain, protected as a block of its slot", () => {
    const [task, ...others] = proposer.tasks(dataOf(block()), DEFINITIONS, chain);
    assert.deepEqual(others, []);
    assert.ok(task !== undefined);
    assert.deepEqual(bytesOf(task.messageRoot), root);
    const domain = proposerDomain(chain, EPOCH_OF.fulu);
    assert.equal(task.signingRoot, computeSigningRoot(task.messageRoot, domain));
    assert.deepEqual(task.slashing, { kind: "block", slot: SLOT });
    assert.equal(task.validator, 2);
  });

  test("is nothing for a validator that the decided block does not name", () => {
    const resolvedAnew = [{ ...DEFINITION, validatorIndex: 78 }];
    assert.deepEqual(proposer.tasks(dataOf(block()), resolvedAnew, chain), []);
  });

  test("the domains of blocks and reveals follow the fork of the slot's epoch", () => {
    const epochs: readonly Epoch[] = Object.values(EPOCH_OF);
    for (const domainOf of [proposerDomain, randaoDomain]) {
      const domains = epochs.map((epoch) => Buffer.from(domainOf(chain, epoch)).toString("hex"));
      assert.equal(new Set(domains).size, epochs.length);
    }
  });
});

async function fetched(answer: ProducedBlock, slot = SLOT): Promise<Uint8Array> {
  const beacon = { produceBlock: async () => answer } as Partial<BeaconNode> as BeaconNode;
  return proposer.fetch({
    duty: { slot, type: "proposer" },
    definitions: DEFINITIONS,
    chain,
    beacon,
    awaitSignature: async () => REVEAL,
    signal: never,
  });
}

describe("a fetched block", () => {
  test("is asked for with the reveal of this slot's randao duty", async () => {
    const asked: unknown[] = [];
    await proposer.fetch({
      duty: DUTY,
      definitions: DEFINITIONS,
      chain,
      beacon: {
        produceBlock: async (slot: number, options: { randaoReveal: Uint8Array }) => {
          asked.push([slot, options.randaoReveal]);
          return block();
        },
      } as Partial<BeaconNode> as BeaconNode,
      awaitSignature: async (duty, validator) => {
        asked.push([duty, validator]);
        return REVEAL;
      },
      signal: never,
    });
    assert.deepEqual(asked, [
      [{ slot: SLOT, type: "randao" }, 2],
      [SLOT, REVEAL],
    ]);
  });

  test("that every peer would refuse is a fault of our beacon node", async () => {
    assert.deepEqual(await fetched(block()), encodeProposal(block()));
    for (const change of [{ proposerIndex: 1 }, { slot: SLOT - 1 }, { missingBlobs: 2 }]) {
      await assert.rejects(fetched(block(change)), isFault("beacon_bad_response"));
    }
    const otherFork = { ...block(), fork: FORKS.electra.name };
    await assert.rejects(fetched(otherFork), isFault("beacon_bad_response"));
  });

  test("is not even asked for on a fork whose blocks have no row", async () => {
    const slot = chain.firstSlot(EPOCH_OF.gloas);
    await assert.rejects(fetched(block(), slot), isFault("fork_unsupported"));
  });
});

describe("BLOCK-7: publishing", () => {
  const signatures = [{ validator: 2, messageRoot: "0x" as Root, signature: REVEAL }];
  const submit = (beacon: Partial<BeaconNode>) =>
    proposer.submit({
      data: dataOf(block()),
      signatures,
      definitions: DEFINITIONS,
      chain,
      beacon: beacon as BeaconNode,
      signal: never,
    });
  const refuse = (): never => {
    throw new FaultError("beacon_rejected", "in this test");
  };

  test("hands over the agreed contents with the group signature", async () => {
    const published: SignedBlock[] = [];
    assert.deepEqual(await submit({ publishBlock: async (one) => void published.push(one) }), []);
    const signed = ssz.fulu.SignedBlockContents.deserialize(
      published[0]?.ssz() ?? new Uint8Array(),
    );
    assert.deepEqual(signed.signedBlock.signature, REVEAL);
    assert.deepEqual(
      ssz.fulu.BeaconBlock.serialize(signed.signedBlock.message),
      ssz.fulu.BeaconBlock.serialize(ssz.fulu.BlockContents.deserialize(block().ssz).block),
    );
  });

  test("a refusal counts only when the beacon node does not have the block", async () => {
    const refused = { publishBlock: async () => refuse() };
    assert.deepEqual(await submit({ ...refused, blockSlot: async () => SLOT }), []);
    await assert.rejects(
      submit({ ...refused, blockSlot: async () => null }),
      isFault("beacon_rejected"),
    );
  });

  test("a submission that broke off is not repeated where the block has arrived", async () => {
    const publishBlock = async (): Promise<void> => {
      throw new FaultError("beacon_unreachable", "in this test");
    };
    assert.deepEqual(await submit({ publishBlock, blockSlot: async () => SLOT }), []);
    const lost = submit({ publishBlock, blockSlot: async () => null });
    await assert.rejects(lost, isFault("beacon_unreachable"));
  });
});

test("BLOCK-8: due at its slot's start, dropped at the end of the next", () => {
  assert.equal(proposer.dueAt(chain, SLOT), chain.slotStart(SLOT));
  assert.equal(proposer.expiresAt(chain, SLOT), chain.slotStart(SLOT + 2));
});

test("RANDAO-1: the reveal signs its slot's epoch, half a slot ahead", async () => {
  const duty = { slot: SLOT, type: "randao" } as const;
  assert.equal(randao.dueAt(chain, SLOT), chain.slotStart(SLOT) - chain.spec.slotDurationMs / 2);
  assert.equal(randao.expiresAt(chain, SLOT), proposer.expiresAt(chain, SLOT));
  const data = { duty, value: new Uint8Array(8), root: "0x" as Root };
  const [task] = randao.tasks(data, DEFINITIONS, chain);
  assert.ok(task !== undefined);
  assert.deepEqual(bytesOf(task.messageRoot), ssz.Epoch.hashTreeRoot(EPOCH_OF.fulu));
  assert.equal(task.slashing, null);
  const domain = randaoDomain(chain, EPOCH_OF.fulu);
  assert.equal(task.signingRoot, computeSigningRoot(task.messageRoot, domain));
});

function isFault(code: string): (error: unknown) => boolean {
  return (error) => error instanceof FaultError && error.code === code;
}
