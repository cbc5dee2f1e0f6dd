import assert from "node:assert/strict";
import { test } from "node:test";
import { VirtualDisk } from "../../../sim/virtualStore.ts";
import type { PubKey } from "../../../src/domain/keys.ts";
import { MAX_INTERCHANGE_BYTES } from "../../../src/domain/limits.ts";
import { exportInterchange, importInterchange } from "../../../src/safety/interchange.ts";
import { openSlashingStore } from "../../../src/safety/openSlashingStore.ts";
import { block, CHAIN, outcomeOf, pubKey, root, sign, vote } from "../../support/slashing.ts";

const METADATA = { interchange_format_version: "5", genesis_validators_root: CHAIN };
const VOTE = { source_epoch: "1", target_epoch: "2", signing_root: root(1) };
const HISTORY = { pubkey: pubKey(1), signed_blocks: [{ slot: "7" }], signed_attestations: [VOTE] };
const FILE = { metadata: METADATA, data: [HISTORY] };
/** The lock's view: key 2 is a share of validator 1, any other key but 1 is unknown. */
const LOCK = {
  validatorOf: (key: string): PubKey | null =>
    key === pubKey(1) || key === pubKey(2) ? pubKey(1) : null,
};

const withVote = (change: object): object => ({
  ...FILE,
  data: [{ ...HISTORY, signed_attestations: [VOTE, { ...VOTE, ...change }] }],
});

/** Each file with the beginning of the error that it earns. */
const MALFORMED: readonly (readonly [file: unknown, error: string])[] = [
  [null, "the file must be an object"],
  [[], "the file must be an object"],
  [{ data: [] }, "metadata is missing"],
  [{ ...FILE, metadata: { ...METADATA, interchange_format_version: 5 } }, "metadata.interchange"],
  [{ ...FILE, metadata: { ...METADATA, interchange_format_version: "4" } }, "metadata.interchange"],
  [
    { ...FILE, metadata: { ...METADATA, genesis_validators_root: "0x00" } },
    "metadata.genesis_validators_root has 1 bytes",
  ],
  [
    { ...FILE, metadata: { ...METADATA, genesis_validators_root: 0 } },
    "metadata.genesis_validators_root must be 0x-prefixed hex",
  ],
  [{ ...FILE, data: {} }, "data must be an array"],
  [{ ...FILE, data: [7] }, "data[0] must be an object"],
  [{ ...FILE, data: [{ ...HISTORY, pubkey: pubKey(1).slice(2) }] }, "data[0].pubkey must be 0x"],
  [{ ...FILE, data: [HISTORY, { ...HISTORY, pubkey: pubKey(3) }] }, "data[1].pubkey 0x0"],
  [{ ...FILE, data: [{ pubkey: pubKey(1) }] }, "data[0].signed_blocks is missing"],
  [withVote({ source_epoch: 1 }), "data[0].signed_attestations[1].source_epoch must be a decimal"],
  [withVote({ source_epoch: "-1" }), "data[0].signed_attestations[1].source_epoch must be a dec"],
  [withVote({ target_epoch: "0x2" }), "data[0].signed_attestations[1].target_epoch must be a dec"],
  [withVote({ target_epoch: "18446744073709551615" }), "data[0].signed_attestations[1].target_"],
  [withVote({ signing_root: "zz" }), "data[0].signed_attestations[1].signing_root must be 0x"],
  [withVote({ signing_root: 7 }), "data[0].signed_attestations[1].signing_root must be 0x"],
];

test("SLASH-11: a malformed file is refused by its field, and nothing of it is kept", async () => {
  for (const [file, expected] of MALFORMED) {
    const store = await openSlashingStore(new VirtualDisk().open(), CHAIN);
    const result = await importInterchange(store, JSON.stringify(file), LOCK);
    const error = result.ok ? "imported" : result.error;
    assert(error.startsWith(expected), `${JSON.stringify(file)}: ${error}`);
    assert.deepEqual(store.snapshot(), []);
  }
});

test("SLASH-11: a file beyond the limits is refused before it is parsed", async () => {
  const store = await openSlashingStore(new VirtualDisk().open(), CHAIN);
  const long = await importInterchange(store, " ".repeat(MAX_INTERCHANGE_BYTES + 1), LOCK);
  assert.match(long.ok ? "imported" : long.error, /the limit is/);
  const deep = await importInterchange(store, "[".repeat(100_000), LOCK);
  assert.match(deep.ok ? "imported" : deep.error, /nested deeper than/);
});

test("SLASH-8: a key share's history binds the validator it belongs to", async () => {
  const disk = new VirtualDisk();
  const store = await openSlashingStore(disk.open(), CHAIN);
  const file = { ...FILE, data: [HISTORY, { ...HISTORY, pubkey: pubKey(2) }] };
  const result = await importInterchange(store, JSON.stringify(file), LOCK);
  assert.deepEqual(result, { ok: true, value: { validators: 1, added: 2 } });
  const restarted = await openSlashingStore(disk.open(), CHAIN);
  const verdict = await sign(restarted, vote(1, 2), { signingRoot: root(2) });
  assert.equal(outcomeOf(verdict), "slashable_double_vote");
});

// A second or two; work that grows with the square takes many minutes.
const SOON = { timeout: 60_000 };
test("SLASH-8: years of history are imported at once, in any order", SOON, async () => {
  const store = await openSlashingStore(new VirtualDisk().open(), CHAIN);
  const count = 100_000;
  const votes = Array.from({ length: count }, (_, i) => ({
    source_epoch: `${count - i}`,
    target_epoch: `${count - i + 1}`,
  }));
  const file = { ...FILE, data: [{ ...HISTORY, signed_attestations: votes }] };
  assert.equal((await importInterchange(store, JSON.stringify(file), LOCK)).ok, true);
  assert.equal(outcomeOf(await sign(store, vote(count, count + 1))), "slashable_double_vote");
});

test("SLASH-10: what a disk that was set back had lost is refused elsewhere, too", async () => {
  const store = await openSlashingStore(new VirtualDisk().open(), CHAIN);
  await sign(store, vote(1, 2));
  await sign(store, vote(1, 3));
  await sign(store, block(64));
  // WITNESS-4: what was signed between is lost, and the watermark stands for it.
  await store.transact((transaction) => {
    transaction.adopt(pubKey(1), { slashing: vote(39, 40), signingRoot: root(1) });
    transaction.adopt(pubKey(1), { slashing: block(1_280), signingRoot: root(1) });
  });
  const other = await openSlashingStore(new VirtualDisk().open(), CHAIN);
  const file = JSON.stringify(exportInterchange(store));
  assert.equal((await importInterchange(other, file, LOCK)).ok, true);
  for (const opened of [store, other]) {
    for (const message of [vote(29, 30), vote(38, 41), vote(40, 40), block(1_000)]) {
      const verdict = await sign(opened, message, { signingRoot: root(7) });
      assert.equal(verdict.isApproved, false, JSON.stringify(message));
    }
  }
});

test("SLASH-10: an export shows the watermark of what was pruned", async () => {
  const store = await openSlashingStore(new VirtualDisk().open(), CHAIN);
  for (let epoch = 1; epoch <= 100; epoch++) await sign(store, vote(epoch - 1, epoch));
  await sign(store, block(7));
  const { metadata, data } = exportInterchange(store);
  assert.deepEqual(metadata, METADATA);
  const [history] = data;
  assert.equal(history?.pubkey, pubKey(1));
  assert.deepEqual(history.signed_blocks, [{ slot: "7", signing_root: root(1) }]);
  const [watermark, ...votes] = history.signed_attestations;
  const [oldest] = votes;
  assert.equal(watermark?.signing_root, undefined);
  assert.equal(Number(watermark?.target_epoch), Number(oldest?.target_epoch) - 1);
  assert.equal(votes.at(-1)?.target_epoch, "100");
});
