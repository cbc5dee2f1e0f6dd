import assert from "node:assert/strict";
import { test } from "node:test";
import { clusterOf } from "../../../src/cluster/cluster.ts";
import { writeDepositFile } from "../../../src/cluster/depositFile.ts";
import { parseLock, writeLock } from "../../../src/cluster/lock.ts";
import { verifyLock } from "../../../src/cluster/verify.ts";
import { createIdentity } from "../../../src/crypto/identity.ts";
import { k1PublicKey } from "../../../src/crypto/k1.ts";
import { parseSecretKey } from "../../../src/crypto/points.ts";
import { scalarBytes } from "../../../src/crypto/shamir.ts";
import { recoverSecret } from "../../../src/crypto/threshold.ts";
import { pubKeyOf, pubShareOf } from "../../../src/domain/keys.ts";
import { ADDRESSES, dealtCluster } from "../../support/sealedLock.ts";
import { subsetsOf } from "../../support/subsets.ts";

test("LOCK-9 a dealt cluster's lock, written and read back, verifies", () => {
  for (const nodes of [3, 4, 7]) {
    const { lock } = dealtCluster({ nodes, threshold: Math.ceil((2 * nodes) / 3) });
    const read = parseLock(writeLock(lock));
    assert(read.ok);
    assert.deepEqual(read.value, lock);
    assert.equal(verifyLock(read.value).ok, true);
    assert.equal(read.value.cluster_definition.version, "v1.10.0");
  }
});

test("LOCK-9 the same random bytes deal the same cluster", () => {
  assert.deepEqual(dealtCluster().nodes, dealtCluster().nodes);
  assert.deepEqual(writeLock(dealtCluster().lock), writeLock(dealtCluster().lock));
});

test("LOCK-9 any t operators hold the validator's key, and each its own shares", () => {
  const { lock, nodes } = dealtCluster();
  const cluster = clusterOf(lock);
  for (const { lockIndex, pubKey, pubShares } of cluster.validators) {
    const shares = nodes.map((node, i) => ({
      index: i + 1,
      secret: node.shares[lockIndex] ?? new Uint8Array(),
    }));
    for (const [i, { secret }] of shares.entries()) {
      const key = parseSecretKey(secret);
      assert(key !== null);
      assert.equal(pubShareOf(key.publicKey), pubShares[i]);
    }
    for (const subset of subsetsOf(shares, cluster.threshold)) {
      const key = parseSecretKey(recoverSecret(subset) ?? new Uint8Array());
      assert(key !== null);
      assert.equal(pubKeyOf(key.publicKey), pubKey);
    }
    assert.equal(cluster.validator(pubKey)?.lockIndex, lockIndex);
  }
});

test("LOCK-9 the operators of the lock are the nodes that were dealt", () => {
  const { lock, nodes } = dealtCluster();
  const { operators, forkVersion, name } = clusterOf(lock);
  const publicKeys = operators.map(({ publicKey }) => publicKey);
  for (const [i, { identityKey, enr }] of nodes.entries()) {
    assert.deepEqual(publicKeys[i], k1PublicKey(identityKey));
    assert.equal(operators[i]?.enr, enr);
    assert.equal(createIdentity({ secretKey: identityKey, operators: publicKeys })?.self, i);
  }
  assert.deepEqual([name, forkVersion], ["test", "0x10000038"]);
});

test("LOCK-9 existing keys are split instead of new ones", () => {
  const secret = scalarBytes(0xc07e41en);
  const { lock } = dealtCluster({ validators: [{ ...ADDRESSES, secret }] });
  const key = parseSecretKey(secret);
  assert(key !== null);
  assert.equal(clusterOf(lock).validators[0]?.pubKey, pubKeyOf(key.publicKey));
});

test("LOCK-9 a threshold at which two groups can sign apart has to be forced", () => {
  assert.throws(() => dealtCluster({ threshold: 2 }), /threshold 2 of 4 is unsafe/);
  const forced = dealtCluster({ threshold: 2, isUnsafeThresholdForced: true });
  assert.equal(clusterOf(forced.lock).threshold, 2);
  assert.throws(() => dealtCluster({ threshold: 5, isUnsafeThresholdForced: true }));
});

test("the deposit file lists every deposit once, sorted, with its roots", () => {
  const { deposits } = dealtCluster();
  const entries: Record<string, unknown>[] = JSON.parse(writeDepositFile(deposits, "0x10000910"));
  assert.equal(entries.length, 2);
  const keys = entries.map((entry) => entry["pubkey"]);
  assert.deepEqual(keys, keys.toSorted());
  for (const entry of entries) {
    assert.equal(entry["amount"], 32_000_000_000);
    assert.equal(entry["network_name"], "hoodi");
    assert.match(String(entry["deposit_data_root"]), /^[0-9a-f]{64}$/);
  }
});
