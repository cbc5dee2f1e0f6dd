import assert from "node:assert/strict";
import { test } from "node:test";
import { clusterOf } from "../../../src/cluster/cluster.ts";
import type { ClusterDefinition } from "../../../src/cluster/definition.ts";
import { type ClusterLock, parseLock, type ValidatorEntry } from "../../../src/cluster/lock.ts";
import { verifyLock } from "../../../src/cluster/verify.ts";
import { bytesOf } from "../../../src/domain/keys.ts";
import { depositSigningRoot } from "../../../src/eth2/deposit.ts";
import { registrationSigningRoot } from "../../../src/eth2/registration.ts";
import { fromHex, toHex } from "../../../src/util/bytes.ts";
import { loadMutant } from "../../support/mutant.ts";
import { dealtCluster, groupKey, sealed } from "../../support/sealedLock.ts";

type Verify = typeof import("../../../src/cluster/verify.ts");

const ATTACKER = "0xbad0bad0bad0bad0bad0bad0bad0bad0bad0bad0";
const FORK_VERSION = Uint8Array.of(0x10, 0x00, 0x00, 0x38);

function faultPaths(lock: ClusterLock): readonly string[] {
  const verified = verifyLock(lock);
  return verified.ok ? [] : verified.error.map(({ path }) => path);
}

const bytes = (hex: string): Uint8Array => fromHex(hex) ?? new Uint8Array();

function withValidator(
  lock: ClusterLock,
  index: number,
  change: (entry: ValidatorEntry) => Partial<ValidatorEntry>,
): ClusterLock {
  const entry = lock.distributed_validators[index];
  assert(entry !== undefined);
  const changed = { ...entry, ...change(entry) };
  return {
    ...lock,
    distributed_validators: lock.distributed_validators.with(index, changed),
  };
}

function withDefinition(lock: ClusterLock, change: Partial<ClusterDefinition>): ClusterLock {
  return { ...lock, cluster_definition: { ...lock.cluster_definition, ...change } };
}

/** The first validator's deposit, rightly signed for the attacker's withdrawal address. */
function stolenWithdrawal(): ClusterLock {
  const dealt = dealtCluster();
  const key = groupKey(dealt, 0);
  const credentials = `0x01${"00".repeat(11)}${ATTACKER.slice(2)}`;
  const message = {
    pubkey: key.publicKey,
    withdrawalCredentials: bytes(credentials),
    amount: 32_000_000_000n,
  };
  const signature = toHex(key.sign(bytesOf(depositSigningRoot(message, FORK_VERSION))));
  const lock = withValidator(dealt.lock, 0, (entry) => ({
    partial_deposit_data: (entry.partial_deposit_data ?? []).map((deposit) => ({
      ...deposit,
      withdrawal_credentials: credentials,
      signature,
    })),
  }));
  return sealed(dealt, lock);
}

/** The first validator's registration, rightly signed for the attacker's fee address. */
function stolenFees(): ClusterLock {
  const dealt = dealtCluster();
  const key = groupKey(dealt, 0);
  const lock = withValidator(dealt.lock, 0, ({ builder_registration: registration }) => {
    assert(registration !== undefined);
    const { gas_limit, timestamp, pubkey } = registration.message;
    const root = registrationSigningRoot(
      {
        feeRecipient: bytes(ATTACKER),
        gasLimit: BigInt(gas_limit),
        timestamp: BigInt(timestamp),
        pubkey: bytes(pubkey),
      },
      FORK_VERSION,
    );
    return {
      builder_registration: {
        message: { ...registration.message, fee_recipient: ATTACKER },
        signature: toHex(key.sign(bytesOf(root))),
      },
    };
  });
  return sealed(dealt, lock);
}

test("a sealed, unchanged lock verifies", () => {
  const dealt = dealtCluster();
  assert.deepEqual(faultPaths(sealed(dealt, dealt.lock)), []);
});

test("LOCK-10 a gas limit that the version's hashes do not cover is nobody's target", () => {
  const dealt = dealtCluster();
  const targetOf = (version: string): number | null | undefined => {
    const lock = sealed(dealt, withDefinition(dealt.lock, { version }));
    const verified = verifyLock(lock);
    assert.ok(verified.ok, JSON.stringify(verified));
    return clusterOf(verified.value).validators[0]?.targetGasLimit;
  };
  assert.equal(targetOf("v1.10.0"), 60_000_000);
  assert.equal(targetOf("v1.9.0"), null);
});

test("LOCK-6 a deposit to another withdrawal address is named, though rightly signed", () => {
  assert.deepEqual(faultPaths(stolenWithdrawal()), [
    "distributed_validators[0].partial_deposit_data[0].withdrawal_credentials",
  ]);
});

test("LOCK-6 a registration for another fee recipient is named, though rightly signed", () => {
  assert.deepEqual(faultPaths(stolenFees()), [
    "distributed_validators[0].builder_registration.message.fee_recipient",
  ]);
});

test("LOCK-6 mutant: without the comparison stolen money verifies", async () => {
  const mutant = await loadMutant<Verify>("src/cluster/verify.ts", [
    {
      file: "src/cluster/validators.ts",
      find: "if (sameBytes(actual, expected)) return;",
      replace: "if (actual.length === expected.length) return;",
    },
  ]);
  assert.equal(mutant.verifyLock(stolenWithdrawal()).ok, true);
  assert.equal(mutant.verifyLock(stolenFees()).ok, true);
});

test("LOCK-4 one node as two operators is named", () => {
  const dealt = dealtCluster();
  const [first, second, ...others] = dealt.lock.cluster_definition.operators;
  assert(first !== undefined && second !== undefined);
  const operators = [first, { ...second, enr: first.enr }, ...others];
  const twice = { ...dealt, nodes: dealt.nodes.with(1, dealt.nodes[0] ?? assert.fail()) };
  const lock = sealed(dealt, withDefinition(dealt.lock, { operators }));
  const sealedTwice = { ...lock, node_signatures: sealed(twice, lock).node_signatures ?? [] };
  assert.deepEqual(faultPaths(sealedTwice), ["cluster_definition.operators[1].enr"]);
});

test("LOCK-6 the same validator twice is named", () => {
  const dealt = dealtCluster();
  const [first] = dealt.lock.distributed_validators;
  assert(first !== undefined);
  const lock = { ...dealt.lock, distributed_validators: [first, first] };
  const paths = faultPaths(sealed(dealt, lock));
  assert(paths.includes("distributed_validators[1].distributed_public_key"));
  assert(paths.includes("distributed_validators[1].public_shares[0]"));
});

test("LOCK-6 public shares that do not make the group key are named", () => {
  const dealt = dealtCluster();
  const [first, second] = dealt.lock.distributed_validators;
  assert(first !== undefined && second !== undefined);
  const swapped = withValidator(dealt.lock, 0, () => ({ public_shares: second.public_shares }));
  const paths = faultPaths(sealed(dealt, swapped));
  assert(paths.includes("distributed_validators[0].distributed_public_key"));
  const reordered = withValidator(dealt.lock, 0, () => ({
    public_shares: first.public_shares.toReversed(),
  }));
  assert.notDeepEqual(faultPaths(sealed(dealt, reordered)), []);
  const fewer = withValidator(dealt.lock, 0, () => ({
    public_shares: first.public_shares.slice(1),
  }));
  assert(faultPaths(sealed(dealt, fewer)).includes("distributed_validators[0].public_shares"));
});

test("LOCK-6 a lower threshold than the shares' polynomial is noticed", () => {
  const dealt = dealtCluster();
  const paths = faultPaths(sealed(dealt, withDefinition(dealt.lock, { threshold: 2 })));
  assert(paths.includes("distributed_validators[0].public_shares[2]"));
});

test("LOCK-7 a missing share signature is noticed", () => {
  const dealt = dealtCluster();
  const [first] = dealt.nodes;
  assert(first !== undefined);
  const without = { ...dealt, nodes: dealt.nodes.with(0, { ...first, shares: [] }) };
  assert.deepEqual(faultPaths(sealed(without, dealt.lock)), ["signature_aggregate"]);
});

test("LOCK-8 node signatures by others, swapped or missing, are named", () => {
  const dealt = dealtCluster();
  const signatures = dealt.lock.node_signatures ?? [];
  const reversed = { ...dealt.lock, node_signatures: signatures.toReversed() };
  assert.equal(faultPaths(reversed).filter((path) => path.startsWith("node_sig")).length, 4);
  assert.deepEqual(faultPaths({ ...dealt.lock, node_signatures: signatures.slice(1) }), [
    "node_signatures",
  ]);
});

test("LOCK-8 mutant: without node signatures one dealer speaks for all operators", async () => {
  const mutant = await loadMutant<Verify>("src/cluster/verify.ts", [
    { find: ", ...nodeSignatureFaults(lock)", replace: "" },
  ]);
  const { lock } = dealtCluster();
  const unsigned = { ...lock, node_signatures: ["", "", "", ""] };
  assert.equal(mutant.verifyLock(unsigned).ok, true);
  assert.equal(faultPaths(unsigned).length, 4);
});

test("LOCK-3 mutant: without the lock hash another definition goes through", async () => {
  const dealt = dealtCluster();
  const other = dealtCluster({ name: "other" });
  const forged = { ...dealt.lock, cluster_definition: other.lock.cluster_definition };
  const mutant = await loadMutant<Verify>("src/cluster/verify.ts", [
    { find: "if (!sameBytes(hash, lock.lock_hash)) {", replace: "if (hash === null) {" },
  ]);
  assert.equal(mutant.verifyLock(forged).ok, true);
  assert.deepEqual(faultPaths(forged), ["lock_hash"]);
});

test("LOCK-2 oversized, deep and foreign files are refused with the field", () => {
  const paths = (text: string) => {
    const lock = parseLock(text);
    return lock.ok ? [] : lock.error.map(({ path }) => path);
  };
  const { lock } = dealtCluster();
  const with_ = (change: object) => JSON.stringify({ ...lock, ...change });
  assert.deepEqual(paths("{"), [""]);
  assert.deepEqual(paths("[".repeat(100_000)), [""]);
  assert.deepEqual(paths("null"), ["cluster_definition"]);
  assert.deepEqual(paths("{}"), ["cluster_definition"]);
  assert.deepEqual(paths(JSON.stringify(lock.cluster_definition)), ["cluster_definition"]);
  assert.deepEqual(paths(with_({ lock_hash: "0x00".padEnd(100, "0") })), ["lock_hash"]);
  assert.deepEqual(paths(with_({ node_signatures: new Array(32).fill("0x") })), [
    "node_signatures",
  ]);
  const operators = new Array(32).fill(lock.cluster_definition.operators[0]);
  const many = { ...lock.cluster_definition, operators };
  assert.deepEqual(paths(with_({ cluster_definition: many })), ["cluster_definition.operators"]);
});

test("LOCK-2 numbers beyond 2^53 are kept and hashed exactly", () => {
  const { lock } = dealtCluster();
  const at = (gas: string) => {
    const text = JSON.stringify(lock).replace('"target_gas_limit":60000000', gas);
    const parsed = parseLock(text);
    assert(parsed.ok);
    const verified = verifyLock(parsed.value);
    assert(!verified.ok);
    return verified.error.find(({ path }) => path.endsWith("config_hash"))?.reason;
  };
  const [even, odd] = ["9007199254740992", "9007199254740993"];
  assert.notEqual(at(`"target_gas_limit":${even}`), at(`"target_gas_limit":${odd}`));
});
