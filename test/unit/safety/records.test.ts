import assert from "node:assert/strict";
import { test } from "node:test";
import { VirtualDisk } from "../../../sim/virtualStore.ts";
import { createSafetyGate } from "../../../src/safety/gate.ts";
import { openSlashingStore } from "../../../src/safety/openSlashingStore.ts";
import { decodeProvenance } from "../../../src/safety/records.ts";
import { nativeProfile } from "../../../src/wire/nativeProfile.ts";
import { testIdentity } from "../../support/identities.ts";
import {
  block,
  CHAIN,
  OPEN,
  pubKey,
  request,
  root,
  sign,
  task,
  vote,
} from "../../support/slashing.ts";
import { heartbeatOf } from "../../support/wireFrames.ts";

test("STORE-3: an own record names share epoch, PubShare and what was decided", async () => {
  const disk = new VirtualDisk();
  const slashing = await openSlashingStore(disk.open(), CHAIN);
  const tasks = [task(3, block(64))];
  await createSafetyGate({ ...OPEN, slashing }).admit(request(tasks));
  const records = [...disk.platter].filter(([key]) => /\/block\//.test(key));
  assert.deepEqual(
    records.map(([key, value]) => decodeProvenance(key, value)),
    [
      {
        shareEpoch: 0,
        pubShare: `0x${"03".repeat(48)}`,
        messageRoot: tasks[0]?.messageRoot,
      },
    ],
  );
});

test("STORE-4: what validators signed alike is read for each, with its own fields", async () => {
  const disk = new VirtualDisk();
  const slashing = await openSlashingStore(disk.open(), CHAIN);
  await sign(slashing, vote(1, 2), { key: pubKey(1) });
  await sign(slashing, vote(1, 2), { key: pubKey(2) });
  await sign(slashing, vote(1, 2), { key: pubKey(3), shareIndex: 2 });
  await slashing.transact((transaction) => {
    transaction.record({
      ...{ pubKey: pubKey(4), slashing: vote(1, 2), signingRoot: root(1) },
      ...{ origin: "combined", shareIndex: null },
    });
    // The same key's text, not repeatable: it contradicts.
    transaction.merge(pubKey(5), [{ ...vote(1, 2), signingRoot: root(7) }]);
    transaction.merge(pubKey(5), [{ ...vote(1, 2), signingRoot: root(1) }]);
  });
  const before = slashing.snapshot().map(([key, { attestations }]) => [key, attestations]);
  const again = await openSlashingStore(disk.open(), CHAIN);
  const byRoot = (records: readonly { readonly signingRoot: unknown }[]) =>
    [...records].sort((a, b) => (String(a.signingRoot) < String(b.signingRoot) ? -1 : 1));
  for (const [index, [key, { attestations }]] of again.snapshot().entries()) {
    const [known, records] = before[index] ?? [];
    assert.equal(key, known);
    assert.deepEqual(byRoot(attestations), byRoot(records as typeof attestations));
  }
  const records = again.snapshot().flatMap(([, { attestations }]) => attestations);
  assert.deepEqual(
    records.filter(({ signingRoot }) => signingRoot === root(1)).map((each) => each.isRepeatable),
    [true, true, true, true, false],
  );
  assert.equal(new Set(records).size, records.length - 1, "two are one message in memory");
});

test("TWIN-3: whatever was imported, the progress is what a heartbeat can say", async () => {
  const slashing = await openSlashingStore(new VirtualDisk().open(), CHAIN);
  const farthest = { ...block(Number.MAX_SAFE_INTEGER), signingRoot: null };
  await slashing.transact((transaction) => {
    for (const number of [1, 2]) transaction.merge(pubKey(number), [farthest]);
  });
  assert.equal(slashing.progress(), Number.MAX_SAFE_INTEGER);
});

test("TWIN-3: the progress follows each record at once, however it came to be known", async () => {
  const disk = new VirtualDisk();
  const slashing = await openSlashingStore(disk.open(), CHAIN);
  const addedUp = (): number =>
    slashing.snapshot().reduce((sum, [, { attestations, blocks, ...watermarks }]) => {
      const { attestationWatermark: attestation, blockWatermark: highest } = watermarks;
      const target = Math.max(0, attestation?.target ?? 0, ...attestations.map((a) => a.target));
      return sum + target + Math.max(0, highest?.slot ?? 0, ...blocks.map(({ slot }) => slot));
    }, 0);
  const seen: number[] = [];
  const grows = async (change: () => Promise<unknown>): Promise<void> => {
    const before = slashing.progress();
    await change();
    assert(slashing.progress() > before, "it rises with each message");
    assert.equal(slashing.progress(), addedUp());
    seen.push(slashing.progress());
  };
  const key = pubKey(1);
  await grows(() => sign(slashing, vote(1, 2), { key }));
  await grows(() => sign(slashing, block(30), { key }));
  await grows(() =>
    slashing.transact((transaction) => {
      // Within one transaction, too: what is asked in between is not kept.
      transaction.witness(key, { ...vote(2, 3), signingRoot: root(3) }, "seen");
      const between = slashing.progress();
      transaction.merge(pubKey(2), [{ ...vote(4, 5), signingRoot: root(5) }]);
      assert(slashing.progress() > between);
    }),
  );
  await grows(() =>
    slashing.transact((transaction) =>
      transaction.adopt(key, { slashing: vote(6, 7), signingRoot: root(7) }),
    ),
  );
  const again = await openSlashingStore(disk.open(), CHAIN);
  assert.equal(again.progress(), seen.at(-1), "a start adds up what is on disk");
});

test("WIRE-14: the progress fits a heartbeat, whatever was imported", async () => {
  const slashing = await openSlashingStore(new VirtualDisk().open(), CHAIN);
  const highest = Number.MAX_SAFE_INTEGER;
  await slashing.transact((transaction) => {
    for (const key of [pubKey(1), pubKey(2)]) {
      transaction.merge(key, [{ ...vote(1, highest), signingRoot: null }]);
    }
  });
  const heartbeat = heartbeatOf({ progress: slashing.progress() });
  const scope = { genesisValidatorsRoot: root(1), lockHash: root(2) };
  const signed = nativeProfile.signHeartbeat(scope, heartbeat, testIdentity(0, 4));
  const bytes = nativeProfile.encodeStatus({ kind: "heartbeat", signed });
  assert.ok(
    nativeProfile.decodeStatus(bytes).ok,
    "its peers would ban it for what they cannot read",
  );
});
