import assert from "node:assert/strict";
import { test } from "node:test";
import { decodeEnr, encodeEnr, nodeIdOf } from "../../src/crypto/enr.ts";
import { readVector, vectorOptions } from "../support/vectors.ts";

const json = (...path: string[]) => JSON.parse(readVector(...path).toString("utf8"));

function decoded(text: string) {
  const result = decodeEnr(text);
  assert(result.ok, result.ok ? "" : `${result.error}: ${text}`);
  return result.value;
}

test("ID-3 decodes and re-encodes EIP-778's example to the letter", vectorOptions, () => {
  const example = json("enr", "eip-778.json");
  const record = decoded(example.enr);
  assert.equal(record.seq, BigInt(example.seq));
  assert.equal(Buffer.from(nodeIdOf(record.publicKey)).toString("hex"), example.node_id);
  const pairs = [...record.pairs].map(([key, value]) => [key, Buffer.from(value).toString("hex")]);
  assert.deepEqual(Object.fromEntries(pairs), { ...example.pairs, id: "7634" });
  const secretKey = Buffer.from(example.private_key, "hex");
  assert.equal(encodeEnr({ secretKey, seq: 1n, extra: record.pairs }), example.enr);
});

test("ID-3 decodes Charon's example record", vectorOptions, () => {
  const examples: { enr: string; secp256k1: string }[] = json("enr", "charon-enr_test.json");
  for (const { enr, secp256k1 } of examples) {
    assert.equal(Buffer.from(decoded(enr).publicKey).toString("hex"), secp256k1);
  }
  assert(examples.length > 0);
});

test("ID-3 decodes the boot nodes of the public networks", vectorOptions, () => {
  let count = 0;
  for (const network of ["mainnet", "sepolia", "gnosis"]) {
    const text = readVector("network-config", network, "boot_enr.yaml").toString("utf8");
    for (const [enr] of text.matchAll(/enr:[\w-]+/g)) {
      assert.equal(decoded(enr).text, enr);
      count++;
    }
  }
  assert(count > 20, `only ${count} records found`);
});

test("ID-3 decodes the operators' records of a real cluster lock", vectorOptions, () => {
  const lock = json("charon", "locks", "test_cluster_lock.json");
  const operators: { enr: string }[] = lock.cluster_definition.operators;
  for (const { enr } of operators) assert.equal(decoded(enr).seq, 0n);
  assert.equal(operators.length, 4);
});
