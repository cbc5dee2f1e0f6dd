// The audit chain in memory and in the store; the file and its verification are tested apart.
import assert from "node:assert/strict";
import { test } from "node:test";
import { VirtualDisk } from "../../../sim/virtualStore.ts";
import { sha256Root } from "../../../src/crypto/sha256.ts";
import type { Root } from "../../../src/domain/keys.ts";
import {
  AuditChain,
  chainHash,
  parseLine,
  readStoredChain,
} from "../../../src/safety/auditChain.ts";
import { NO_ENTRIES, type SigningDecision } from "../../../src/safety/auditLog.ts";
import { createSafetyGate } from "../../../src/safety/gate.ts";
import { openSlashingStore } from "../../../src/safety/openSlashingStore.ts";
import { CHAIN, OPEN, pubKey, request, root, task, vote } from "../../support/slashing.ts";

async function open(disk: VirtualDisk) {
  const slashing = await openSlashingStore(disk.open(), CHAIN);
  const store = disk.open();
  const stored = await readStoredChain(store);
  assert(stored.ok);
  const flush = () => slashing.flush();
  const audit = new AuditChain(
    { now: () => 7, version: "test", sha256: sha256Root, store, flush },
    stored.value,
  );
  slashing.join(audit);
  return { audit, gate: createSafetyGate({ ...OPEN, slashing, audit }) };
}

test("AUDIT-2, STORE-12: decisions ride in the batch of their records, in one write", async () => {
  const disk = new VirtualDisk();
  const { audit, gate } = await open(disk);
  const writes = disk.writes;
  const tasks = [task(1, vote(1, 2)), task(2, vote(1, 2))];
  await gate.admit(request(tasks));
  assert.equal(disk.writes, writes + 1);
  assert.equal(audit.head.sequence, 2);
  const { audit: reopened } = await open(disk);
  assert.deepEqual(reopened.head, audit.head);
  assert.deepEqual(reopened.unprojected(), audit.unprojected());
});

test("AUDIT-2: a repeat and a refusal cost no write, and ride in the next batch", async () => {
  const disk = new VirtualDisk();
  const { audit, gate } = await open(disk);
  const tasks = [task(1, vote(1, 2))];
  await gate.admit(request(tasks));
  const writes = disk.writes;
  await gate.admit(request(tasks));
  await gate.admit(request([task(1, vote(0, 2), root(2))]));
  assert.equal(disk.writes, writes);
  assert.equal(audit.head.sequence, 1, "what is not durable is not stated");
  await audit.flush();
  assert.equal(disk.writes, writes + 1);
  assert.deepEqual(
    audit.unprojected().map(({ text }) => JSON.parse(text).entry.verdict),
    ["admitted", "repeated", "refused"],
  );
});

test("AUDIT-2: a batch that failed loses no line, whether it landed or not", async () => {
  for (const lands of [true, false]) {
    const disk = new VirtualDisk();
    const { audit, gate } = await open(disk);
    disk.fault = { write: disk.writes + 1, lands };
    await gate.admit(request([task(1, vote(1, 2))]));
    assert.equal(audit.head.sequence, 0);
    await gate.admit(request([task(1, vote(1, 2))]));
    const { audit: reopened } = await open(disk);
    assert.deepEqual(
      reopened.unprojected().map(({ text }) => JSON.parse(text).entry.verdict),
      ["admitted", "withheld", "repeated"],
    );
    assert.deepEqual(reopened.head, audit.head);
  }
});

test("AUDIT-1: each line's hash covers its entry and the line before", async () => {
  const { audit, gate } = await open(new VirtualDisk());
  await gate.admit(request([1, 2, 3].map((validator) => task(validator, vote(1, 2)))));
  let previous: Root = NO_ENTRIES.hash;
  for (const { text, hash } of audit.unprojected()) {
    const line = parseLine(text);
    assert(line !== null);
    assert.equal(line.hash, hash);
    assert.equal(chainHash(previous, line.entry, sha256Root), hash);
    assert.notEqual(
      chainHash(previous, line.entry.replace("attester", "proposer"), sha256Root),
      hash,
    );
    previous = line.hash;
  }
  assert.equal(previous, audit.head.hash);
});

test("AUDIT-2: the store forgets what the file has, and nothing else", async () => {
  const disk = new VirtualDisk();
  const { audit, gate } = await open(disk);
  for (const target of [2, 3, 4]) await gate.admit(request([task(1, vote(target - 1, target))]));
  audit.projected(2);
  await audit.flush();
  const { audit: reopened } = await open(disk);
  assert.deepEqual(
    reopened.unprojected().map(({ sequence }) => sequence),
    [3],
  );
  assert.equal(reopened.head.sequence, 3);
});

test("AUDIT-1: a decision's line says what JSON.stringify would, whoever called", async () => {
  const disk = new VirtualDisk();
  const { audit } = await open(disk);
  const events: readonly SigningDecision[] = [null, "rate_limited" as const].map((reason) => ({
    kind: "signing",
    duty: { slot: 12, type: "attester" },
    validator: 3,
    pubKey: pubKey(3),
    messageRoot: root(9),
    caller: 'a "client" \\ of \u2028 Łódź\n',
    verdict: reason === null ? "admitted" : "refused",
    reason,
  }));
  for (const event of events) audit.append(event);
  await audit.flush();
  for (const [index, { text }] of audit.unprojected().entries()) {
    const stamp = { sequence: index + 1, time: 7, version: "test" };
    assert.equal(parseLine(text)?.entry, JSON.stringify({ ...stamp, ...events[index] }));
  }
});
