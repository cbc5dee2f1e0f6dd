/** Vector suite 6: cluster files of Charon, the Obol SDK and Pluto. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { clusterOf } from "../../src/cluster/cluster.ts";
import { parseDefinition, writeDefinition } from "../../src/cluster/definition.ts";
import { configHash, definitionHash, lockHash } from "../../src/cluster/hashing.ts";
import { type ClusterLock, parseLock, writeLock } from "../../src/cluster/lock.ts";
import { verifyDefinition, verifyLock } from "../../src/cluster/verify.ts";
import { mutationsOf } from "../support/mutations.ts";
import { listVectors, readVector, vectorOptions } from "../support/vectors.ts";

const PLUTO = "pluto/cluster/src/manifest/testdata";
const CHARON_LOCK = "charon/locks/test_cluster_lock.json";
const SAFE_LOCK = "obol-sdk/cluster-lock-with-safe.json";
const SAFE = "0x4d6c432b7e2f326b4ddf524ea9e56649e5a7c298";
/** In Charon's repository the file's fork version was edited by hand after it was signed. */
const CHARON_LOCK_FORK = { now: "0x10000910", signed: "0x01017000" };

const READABLE_LOCKS = [
  "charon/cluster/cluster_lock_v1_6_0.json",
  "charon/cluster/cluster_lock_v1_8_0.json",
  "charon/cluster/cluster_lock_v1_10_0.json",
  "obol-sdk/clusterLockSoloV1X10.json",
  "obol-sdk/nullDepositAmountsClusterLockV1X8.json",
  SAFE_LOCK,
  `${PLUTO}/lock.json`,
  `${PLUTO}/lock2.json`,
];
const READABLE_DEFINITIONS = [
  "charon/cluster/cluster_definition_v1_6_0.json",
  "charon/cluster/cluster_definition_v1_8_0.json",
  "charon/cluster/cluster_definition_v1_10_0.json",
  "charon/cluster-examples/cluster-definition-004.json",
];
const OLD_LOCKS = [
  "charon/cluster/cluster_lock_v1_0_0.json",
  "charon/cluster/cluster_lock_v1_2_0.json",
  "charon/cluster/cluster_lock_v1_4_0.json",
  "charon/cluster-examples/cluster-lock-000.json",
  "charon/cluster-examples/cluster-lock-002.json",
  `${PLUTO}/lock3.json`,
];

const text = (path: string): string => readVector(path).toString("utf8");

function parsed(source: string): ClusterLock {
  const lock = parseLock(source);
  assert(lock.ok, lock.ok ? "" : JSON.stringify(lock.error));
  return lock.value;
}

function faultPaths(lock: ClusterLock, contractWallets: ReadonlySet<string> = new Set()) {
  const verified = verifyLock(lock, contractWallets);
  return verified.ok ? [] : verified.error.map(({ path }) => path);
}

for (const path of READABLE_LOCKS) {
  test(`LOCK-3 the three hashes of ${path}`, vectorOptions, () => {
    const lock = parsed(text(path));
    const definition = lock.cluster_definition;
    assert.equal(configHash(definition), definition.config_hash);
    assert.equal(definitionHash(definition), definition.definition_hash);
    assert.equal(lockHash(lock), lock.lock_hash);
  });

  test(`LOCK-2 ${path} is rewritten without a loss`, vectorOptions, () => {
    const source = text(path);
    assert.deepEqual(JSON.parse(writeLock(parsed(source))), JSON.parse(source));
  });
}

for (const path of READABLE_DEFINITIONS) {
  test(`LOCK-3 the hashes and fields of ${path}`, vectorOptions, () => {
    const source = text(path);
    const definition = parseDefinition(source);
    assert(definition.ok, definition.ok ? "" : JSON.stringify(definition.error));
    assert.equal(configHash(definition.value), definition.value.config_hash);
    assert.equal(definitionHash(definition.value), definition.value.definition_hash);
    assert.deepEqual(JSON.parse(writeDefinition(definition.value)), JSON.parse(source));
  });
}

test("LOCK-1 versions before v1.5 are refused by name", vectorOptions, () => {
  for (const path of OLD_LOCKS) {
    const lock = parseLock(text(path));
    assert(!lock.ok, path);
    const version: string = JSON.parse(text(path)).cluster_definition.version;
    assert.equal(lock.error[0]?.path, "cluster_definition.version");
    assert.match(lock.error[0]?.reason ?? "", new RegExp(version));
  }
  for (const name of listVectors("charon/cluster", ".json")) {
    if (!/definition_v1_[024]_0/.test(name)) continue;
    const definition = parseDefinition(text(`charon/cluster/${name}`));
    assert(!definition.ok && definition.error[0]?.path === "version", name);
  }
});

test("LOCK-1 an unknown version is refused by name", vectorOptions, () => {
  const source = text(CHARON_LOCK).replace("v1.10.0", "v1.99.0");
  const lock = parseLock(source);
  assert(!lock.ok);
  assert.equal(lock.error[0]?.path, "cluster_definition.version");
  assert.match(lock.error[0]?.reason ?? "", /v1\.99\.0/);
});

for (const path of [
  "obol-sdk/clusterLockSoloV1X10.json",
  "obol-sdk/nullDepositAmountsClusterLockV1X8.json",
  `${PLUTO}/lock2.json`,
]) {
  test(`LOCK-2 every hash and signature of ${path} verifies`, vectorOptions, () => {
    assert.deepEqual(faultPaths(parsed(text(path))), []);
  });
}

test("LOCK-2 Charon's own lock verifies for the chain it was made for", vectorOptions, () => {
  const source = text(CHARON_LOCK).replace(CHARON_LOCK_FORK.now, CHARON_LOCK_FORK.signed);
  const verified = verifyLock(parsed(source));
  assert(verified.ok, verified.ok ? "" : JSON.stringify(verified.error));
  const cluster = clusterOf(verified.value);
  assert.equal(cluster.nodes, 4);
  assert.equal(cluster.threshold, 3);
  assert.equal(cluster.validators.length, 5);
  assert.equal(cluster.forkVersion, CHARON_LOCK_FORK.signed);
});

test("LOCK-3 Charon's own lock, edited afterwards, is refused", vectorOptions, () => {
  const paths = faultPaths(parsed(text(CHARON_LOCK)));
  assert(paths.includes("cluster_definition.config_hash"));
  assert(paths.includes("lock_hash"));
});

test("LOCK-5 a Safe's approval is refused until the Safe is named", vectorOptions, () => {
  const lock = parsed(text(SAFE_LOCK));
  assert.deepEqual(faultPaths(lock), [
    "cluster_definition.operators[3].config_signature",
    "cluster_definition.operators[3].enr_signature",
  ]);
  assert.deepEqual(faultPaths(lock, new Set([SAFE])), []);
});

test("LOCK-5 wallet signatures of a real definition verify", vectorOptions, () => {
  // Pluto's lock.json has valid approvals, and invalid signatures by shares and nodes.
  const lock = parsed(text(`${PLUTO}/lock.json`));
  assert(verifyDefinition(lock.cluster_definition).ok);
  const paths = faultPaths(lock);
  assert(paths.includes("signature_aggregate"));
  assert(paths.includes("node_signatures[0]"));
});

test(
  "LOCK-2 changing any one value of a real v1.10 lock is refused by field",
  vectorOptions,
  () => {
    const source = text(SAFE_LOCK);
    const mutations = mutationsOf(JSON.parse(source));
    for (const { path, tree } of mutations) {
      const field = path.slice(1);
      const lock = parseLock(JSON.stringify(tree));
      const paths = lock.ok
        ? faultPaths(lock.value, new Set([SAFE]))
        : lock.error.map((fault) => fault.path);
      assert(paths.length > 0, `${field} may be changed`);
      assert(
        paths.some((named) => covers(named, field)),
        `${field} was changed, and only ${paths.join(", ")} named`,
      );
    }
    assert(mutations.length > 80, `${mutations.length} values`);
  },
);

/** Whether a fault's field is the changed one, or a hash or signature over exactly its part. */
function covers(named: string, changed: string): boolean {
  if (named === changed) return true;
  if (
    named === "cluster_definition.config_hash" ||
    named === "cluster_definition.definition_hash"
  ) {
    return changed.startsWith("cluster_definition.");
  }
  const siblings = named.replace(/\.signature$|\.public_shares\[\d+\]$/, "");
  return named !== siblings && changed.startsWith(siblings);
}
