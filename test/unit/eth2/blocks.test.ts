import "../../support/mainnetPreset.ts";
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { FEE_RECIPIENT, GAS_LIMIT, virtualBlock } from "../../../sim/virtualBlocks.ts";
import { MAX_BLOCK_TRANSACTIONS } from "../../../src/domain/limits.ts";
import type { BlockForm } from "../../../src/eth2/blockForms.ts";
import {
  blockSszFromJson,
  decodeProposal,
  encodeProposal,
  type ProducedBlock,
  readSubmittedBlock,
} from "../../../src/eth2/blocks.ts";
import { FORK_NAMES, type ForkName } from "../../../src/eth2/forkNames.ts";
import { FORKS } from "../../../src/eth2/forks.ts";
import { ssz } from "../../../src/eth2/ssz.ts";
import { concatBytes } from "../../../src/util/bytes.ts";
import { loadMutant } from "../../support/mutant.ts";

const FULU = FORKS.fulu;
const HEADER_BYTES = 65;
const honest = virtualBlock({ slot: 9, proposerIndex: 3, parentRoot: new Uint8Array(32).fill(5) });

function valueWith(change: Partial<ProducedBlock> = {}): Uint8Array {
  return encodeProposal({ ...honest, ...change });
}

describe("BLOCK-1: the agreed value", () => {
  test("says what the rules must know", () => {
    const proposal = decodeProposal(FULU, valueWith());
    assert.ok(proposal !== null);
    assert.equal(proposal.slot, 9);
    assert.equal(proposal.proposerIndex, 3);
    assert.equal(proposal.parentRoot, `0x${"05".repeat(32)}`);
    assert.equal(proposal.feeRecipient, FEE_RECIPIENT);
    assert.equal(proposal.gasLimit, GAS_LIMIT);
    assert.equal(proposal.isBlinded, false);
    assert.equal(proposal.executionPayloadValue, 7n);
    assert.equal(proposal.consensusBlockValue, 11n);
    assert.deepEqual(proposal.ssz, honest.ssz);
  });

  test("keeps values of up to 2^256 - 1 wei, and no larger ones", () => {
    const most = (1n << 256n) - 1n;
    const value = valueWith({ executionPayloadValue: most, consensusBlockValue: 0n });
    assert.equal(decodeProposal(FULU, value)?.executionPayloadValue, most);
    assert.throws(() => valueWith({ executionPayloadValue: most + 1n }));
  });

  for (const name of FORK_NAMES) {
    const { blocks } = FORKS[name];
    for (const [form, isBlinded] of [
      [blocks?.full, false],
      [blocks?.blinded, true],
    ] as const) {
      if (!form) continue;
      test(`goes through both encodings on ${name}, ${isBlinded ? "blinded" : "full"}`, () => {
        const bytes = form.serialize(emptyContents(form, name, isBlinded));
        const proposal = decodeProposal(FORKS[name], produced(name, isBlinded, bytes));
        assert.ok(proposal !== null);
        assert.equal(proposal.isComplete, true);
        const signed = proposal.sign(new Uint8Array(96).fill(7));
        assert.equal(signed.fork, name);
        const json = signed.json() as { message?: unknown; signed_block?: { message: unknown } };
        const message = json.message ?? json.signed_block?.message;
        const unsigned =
          json.signed_block === undefined ? message : { block: message, kzg_proofs: [], blobs: [] };
        assert.deepEqual(blockSszFromJson(name, isBlinded, unsigned), bytes);
      });
    }
  }

  test("has no form on a fork whose blocks have no row, nor a blinded one before payloads", () => {
    assert.equal(FORKS.gloas.blocks, null);
    assert.equal(decodeProposal(FORKS.gloas, valueWith()), null);
    assert.equal(decodeProposal(FORKS.altair, produced("altair", true, honest.ssz)), null);
    assert.throws(() => blockSszFromJson("gloas", false, {}), /no such form/);
  });

  test("is refused with an unknown form, cut short, or with a byte more", () => {
    const value = valueWith();
    const otherForm = Uint8Array.from(value);
    otherForm[0] = 2;
    assert.equal(decodeProposal(FULU, otherForm), null);
    assert.equal(decodeProposal(FULU, value.slice(0, -1)), null);
    assert.equal(decodeProposal(FULU, Uint8Array.of(...value, 0)), null);
    assert.equal(decodeProposal(FULU, value.slice(0, HEADER_BYTES)), null);
    assert.equal(decodeProposal(FULU, new Uint8Array()), null);
  });

  test("a blinded block is not taken for a full one, nor the other way round", () => {
    const blinded = virtualBlock({ slot: 9, isBlinded: true });
    assert.equal(decodeProposal(FULU, encodeProposal({ ...blinded, isBlinded: false })), null);
    assert.equal(decodeProposal(FULU, valueWith({ isBlinded: true })), null);
  });

  test("two values never decode to one block: numbers that would be rounded are refused", () => {
    // Gas limit 2^53 + 1 reads as 2^53 in a JavaScript number.
    const contents = ssz.fulu.BlockContents.deserialize(honest.ssz);
    contents.block.body.executionPayload.gasLimit = 2 ** 53;
    const bytes = ssz.fulu.BlockContents.serialize(contents);
    assert.equal(decodeProposal(FULU, valueWith({ ssz: bytes }))?.gasLimit, 2 ** 53);
    const at = indexOfUint64(bytes, 2n ** 53n);
    const odd = Uint8Array.from(bytes);
    odd[at] = 1;
    assert.equal(decodeProposal(FULU, valueWith({ ssz: odd })), null);
  });

  test("of the same block has the same root, blinded or full", () => {
    const full = ssz.fulu.BeaconBlock.defaultValue();
    full.slot = 9;
    const blinded = ssz.fulu.BlindedBeaconBlock.defaultValue();
    blinded.slot = 9;
    const header = blinded.body.executionPayloadHeader;
    const { executionPayload } = full.body;
    header.transactionsRoot = ssz.bellatrix.Transactions.hashTreeRoot(
      executionPayload.transactions,
    );
    header.withdrawalsRoot = ssz.capella.Withdrawals.hashTreeRoot(executionPayload.withdrawals);
    const contents = { block: full, kzgProofs: [], blobs: [] };
    const fullBytes = ssz.fulu.BlockContents.serialize(contents);
    const blindedBytes = ssz.fulu.BlindedBeaconBlock.serialize(blinded);
    const roots = [produced("fulu", false, fullBytes), produced("fulu", true, blindedBytes)].map(
      (value) => decodeProposal(FULU, value)?.root,
    );
    assert.ok(roots[0] !== undefined);
    assert.equal(roots[0], roots[1]);
  });
});

describe("BLOCK-9: a block of short transactions without end", () => {
  const blockOf = (transactions: number): Uint8Array => {
    const contents = ssz.fulu.BlockContents.deserialize(honest.ssz);
    const { executionPayload } = contents.block.body;
    executionPayload.transactions = Array.from({ length: transactions }, () => new Uint8Array(1));
    return valueWith({ ssz: ssz.fulu.BlockContents.serialize(contents) });
  };

  test("is read up to the limit and refused beyond it", () => {
    assert.notEqual(decodeProposal(FULU, blockOf(MAX_BLOCK_TRANSACTIONS)), null);
    assert.equal(decodeProposal(FULU, blockOf(MAX_BLOCK_TRANSACTIONS + 1)), null);
    const electra = ssz.electra.BeaconBlock.defaultValue();
    electra.body.executionPayload.transactions = [new Uint8Array(1), new Uint8Array(2)];
    const block = { block: electra, kzgProofs: [], blobs: [] };
    const bytes = ssz.electra.BlockContents.serialize(block);
    assert.notEqual(decodeProposal(FORKS.electra, produced("electra", false, bytes)), null);
  });

  test("mutant: what nobody counts is read and hashed", async () => {
    const file = "src/eth2/forks.ts";
    const { FORKS: counting } = await loadMutant<typeof import("../../../src/eth2/forks.ts")>(
      file,
      [
        {
          file: "src/eth2/blockForms.ts",
          find: "if (count > MAX_BLOCK_TRANSACTIONS)",
          replace: "if (count < 0 * MAX_BLOCK_TRANSACTIONS)",
        },
      ],
    );
    assert.notEqual(decodeProposal(counting.fulu, blockOf(MAX_BLOCK_TRANSACTIONS + 1)), null);
  });
});

describe("BLOCK-2: a full block's blobs", () => {
  const isComplete = (fork: "electra" | "fulu", blobs: number, proofs: number): boolean => {
    const contents = ssz[fork].BlockContents.defaultValue();
    contents.block.body.blobKzgCommitments = filled(2, 48);
    contents.blobs = filled(blobs, 131_072);
    contents.kzgProofs = filled(proofs, 48);
    const bytes = ssz[fork].BlockContents.serialize(contents);
    return decodeProposal(FORKS[fork], produced(fork, false, bytes))?.isComplete ?? false;
  };

  test("are as many as it commits to, each with its fork's number of proofs", () => {
    assert.equal(isComplete("electra", 2, 2), true);
    assert.equal(isComplete("electra", 1, 1), false);
    assert.equal(isComplete("electra", 3, 3), false);
    assert.equal(isComplete("electra", 2, 256), false);
    assert.equal(isComplete("fulu", 2, 256), true);
    assert.equal(isComplete("fulu", 2, 255), false);
    assert.equal(isComplete("fulu", 2, 2), false);
  });
});

describe("BLOCK-1: blobs and proofs", () => {
  const withBlobs = virtualBlock({ slot: 9, blobs: 2 });
  const { ssz: bytes } = withBlobs;
  /** Blobs come last: the third of the three offsets at the start says where. */
  const startOfBlobs = new DataView(bytes.buffer).getUint32(8, true);

  test("are those that the SSZ library reads, in both encodings and under a signature", () => {
    const contents = ssz.fulu.BlockContents.deserialize(bytes);
    const proposal = decodeProposal(FULU, encodeProposal(withBlobs));
    assert.ok(proposal !== null);
    assert.deepEqual(proposal.json(), ssz.fulu.BlockContents.toJson(contents));
    const signature = new Uint8Array(96).fill(7);
    const { block, ...rest } = contents;
    const signed = { signedBlock: { message: block, signature }, ...rest };
    const body = proposal.sign(signature).ssz();
    assert.deepEqual(body, ssz.fulu.SignedBlockContents.serialize(signed));
    const submitted = readSubmittedBlock({ fork: "fulu", isBlinded: false }, { ssz: body });
    assert.deepEqual(
      { ...submitted },
      { slot: 9, proposerIndex: proposal.proposerIndex, root: proposal.root, signature },
    );
  });

  test("are refused in any other encoding of the list", () => {
    const cutShort = bytes.subarray(0, -1);
    const tooMany = Uint8Array.from(bytes);
    // One byte of the proofs becomes the first blob's.
    new DataView(tooMany.buffer).setUint32(8, startOfBlobs - 1, true);
    const backwards = Uint8Array.from(bytes);
    new DataView(backwards.buffer).setUint32(8, 11, true);
    const gap = Uint8Array.from(bytes);
    new DataView(gap.buffer).setUint32(0, 13, true);
    for (const [name, wrong] of Object.entries({ cutShort, tooMany, backwards, gap })) {
      assert.equal(decodeProposal(FULU, valueWith({ ssz: wrong })), null, name);
      assert.throws(() => ssz.fulu.BlockContents.deserialize(wrong), name);
    }
  });

  test("are no more than the type allows", () => {
    const { limit } = ssz.deneb.BlockContents.fields.kzgProofs;
    const block = ssz.deneb.BeaconBlock.serialize(ssz.deneb.BeaconBlock.defaultValue());
    const contentsWith = (count: number): Uint8Array => {
      const offsets = new Uint8Array(12);
      const view = new DataView(offsets.buffer);
      [12, 12 + block.length, 12 + block.length + 48 * count].forEach((offset, i) => {
        view.setUint32(4 * i, offset, true);
      });
      return concatBytes(offsets, block, new Uint8Array(48 * count));
    };
    const read = (count: number) =>
      decodeProposal(FORKS.deneb, produced("deneb", false, contentsWith(count)));
    assert.ok(read(limit) !== null);
    assert.equal(read(limit + 1), null);
  });
});

function produced(fork: ForkName, isBlinded: boolean, bytes: Uint8Array): Uint8Array {
  return valueWith({ fork, isBlinded, ssz: bytes });
}

function emptyContents(form: BlockForm, name: ForkName, isBlinded: boolean) {
  const types = ssz[name] as typeof ssz.fulu;
  const block = isBlinded
    ? types.BlindedBeaconBlock.defaultValue()
    : types.BeaconBlock.defaultValue();
  return { block, kzgProofs: [], blobs: [], form };
}

function filled(count: number, size: number): Uint8Array[] {
  return Array.from({ length: count }, () => new Uint8Array(size).fill(3));
}

function indexOfUint64(bytes: Uint8Array, number: bigint): number {
  const needle = Buffer.alloc(8);
  needle.writeBigUInt64LE(number);
  const at = Buffer.from(bytes).indexOf(needle);
  assert.ok(at >= 0);
  return at;
}
