/** Vector suite 3: bls12-381-tests v0.1.1 and noble's signature lists. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Signature } from "@chainsafe/blst";
import {
  aggregate,
  aggregateVerify,
  batchVerify,
  fastAggregateVerify,
  sign,
  verify,
} from "../../src/crypto/bls.ts";
import { multiplyG2 } from "../../src/crypto/gls.ts";
import { hashToG2 } from "../../src/crypto/hashToCurve.ts";
import { parsePublicKey, parseSignature } from "../../src/crypto/points.ts";
import { CURVE_ORDER } from "../../src/crypto/shamir.ts";
import { listVectors, readVector, vectorOptions } from "../support/vectors.ts";

const SUITE = "bls/bls12-381-tests-v0.1.1";

type Case<Input, Output> = {
  readonly name: string;
  readonly input: Input;
  readonly output: Output;
};
type Hex = string;

function cases<Input, Output>(kind: string): readonly Case<Input, Output>[] {
  const found = listVectors(`${SUITE}/${kind}`, ".json").map((name) => ({
    name,
    ...JSON.parse(readVector(SUITE, kind, name).toString("utf8")),
  }));
  assert(found.length > 0, `no case of ${kind}`);
  return found;
}

const bytes = (hex: Hex): Uint8Array => Buffer.from(hex.replace(/^0x/, ""), "hex");
const hexOrNull = (value: Uint8Array | null): Hex | null =>
  value === null ? null : `0x${Buffer.from(value).toString("hex")}`;

test("BLS-1 sign equals every vector, and a zero key is an error", vectorOptions, () => {
  for (const { name, input, output } of cases<{ privkey: Hex; message: Hex }, Hex | null>("sign")) {
    const signature = sign(bytes(input.privkey), bytes(input.message));
    assert.equal(hexOrNull(signature), output, name);
  }
});

test("BLS-1 verify equals every vector", vectorOptions, () => {
  type Input = { pubkey: Hex; message: Hex; signature: Hex };
  for (const { name, input, output } of cases<Input, boolean>("verify")) {
    const check = {
      publicKey: bytes(input.pubkey),
      message: bytes(input.message),
      signature: bytes(input.signature),
    };
    assert.equal(verify(check), output, name);
    assert.equal(batchVerify([check]), output, name);
  }
});

test("BLS-2 aggregate equals every vector", vectorOptions, () => {
  for (const { name, input, output } of cases<Hex[], Hex | null>("aggregate")) {
    assert.equal(hexOrNull(aggregate(input.map(bytes))), output, name);
  }
});

test("BLS-2 fastAggregateVerify equals every vector", vectorOptions, () => {
  type Input = { pubkeys: Hex[]; message: Hex; signature: Hex };
  for (const { name, input, output } of cases<Input, boolean>("fast_aggregate_verify")) {
    const actual = fastAggregateVerify({
      publicKeys: input.pubkeys.map(bytes),
      message: bytes(input.message),
      signature: bytes(input.signature),
    });
    assert.equal(actual, output, name);
  }
});

test("BLS-2 aggregateVerify equals every vector", vectorOptions, () => {
  type Input = { pubkeys: Hex[]; messages: Hex[]; signature: Hex };
  for (const { name, input, output } of cases<Input, boolean>("aggregate_verify")) {
    const actual = aggregateVerify({
      publicKeys: input.pubkeys.map(bytes),
      messages: input.messages.map(bytes),
      signature: bytes(input.signature),
    });
    assert.equal(actual, output, name);
  }
});

test("BLS-3 batchVerify refuses the forged set, whose errors cancel", vectorOptions, () => {
  type Input = { pubkeys: Hex[]; messages: Hex[]; signatures: Hex[] };
  for (const { name, input, output } of cases<Input, boolean>("batch_verify")) {
    const checks = input.pubkeys.map((pubkey, i) => ({
      publicKey: bytes(pubkey),
      message: bytes(input.messages[i] ?? ""),
      signature: bytes(input.signatures[i] ?? ""),
    }));
    assert.equal(batchVerify(checks), output, name);
  }
});

test("BLS-1 public keys parse as the vectors say", vectorOptions, () => {
  for (const { name, input, output } of cases<{ pubkey: Hex }, boolean>("deserialization_G1")) {
    assert.equal(parsePublicKey(bytes(input.pubkey)) !== null, output, name);
  }
});

test("BLS-1 signatures parse as the vectors say", vectorOptions, () => {
  for (const { name, input, output } of cases<{ signature: Hex }, boolean>("deserialization_G2")) {
    assert.equal(parseSignature(bytes(input.signature)) !== null, output, name);
  }
});

test("hashToG2 equals every vector", vectorOptions, () => {
  type Output = { x: string; y: string };
  for (const { name, input, output } of cases<{ msg: string }, Output>("hash_to_G2")) {
    const dst = "QUUX-V01-CS02-with-BLS12381G2_XMD:SHA-256_SSWU_RO_";
    const point = hashToG2(Buffer.from(input.msg), dst);
    assert.deepEqual([...point.x], output.x.split(",").map(BigInt), name);
    assert.deepEqual([...point.y], output.y.split(",").map(BigInt), name);
  }
});

test("BLS-5 multiplyG2 equals noble's signatures, hash and key given", vectorOptions, () => {
  const lines = readVector("bls", "noble", "bls12-381-g2-test-vectors.txt").toString("utf8");
  const sampled = lines
    .trim()
    .split("\n")
    .filter((_, i) => i % 10 === 0);
  for (const line of sampled) {
    const [key = "", message = "", signature] = line.split(":");
    const { x, y } = hashToG2(bytes(message), "BLS_SIG_BLS12381G2_XMD:SHA-256_SSWU_RO_NUL_");
    const point = [x[1], x[0], y[1], y[0]].map((n) => n.toString(16).padStart(96, "0")).join("");
    const product = multiplyG2(
      Signature.fromBytes(bytes(point), true),
      BigInt(`0x${key}`) % CURVE_ORDER,
    );
    assert.equal(Buffer.from(product.toBytes()).toString("hex"), signature);
  }
  assert(sampled.length > 50);
});
