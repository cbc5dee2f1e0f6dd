/** Vector suite 4: RFC 9380's own vectors. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Signature } from "@chainsafe/blst";
import { sign } from "../../src/crypto/bls.ts";
import { multiplyG2 } from "../../src/crypto/gls.ts";
import { ETHEREUM_DST, expandMessage, hashToG1, hashToG2 } from "../../src/crypto/hashToCurve.ts";
import { readVector, vectorOptions } from "../support/vectors.ts";

type CurveVectors = {
  readonly dst: string;
  readonly vectors: readonly {
    readonly msg: string;
    readonly P: { readonly x: string; readonly y: string };
  }[];
};
type ExpandVectors = {
  readonly DST: string;
  readonly tests: readonly {
    readonly msg: string;
    readonly len_in_bytes: string;
    readonly uniform_bytes: string;
  }[];
};

const json = (name: string) => JSON.parse(readVector("rfc9380", name).toString("utf8"));
const coordinates = (text: string): bigint[] => text.split(",").map(BigInt);

test("hashToG2 equals RFC 9380's points", vectorOptions, () => {
  const { dst, vectors }: CurveVectors = json("BLS12381G2_XMD:SHA-256_SSWU_RO_.json");
  for (const { msg, P } of vectors) {
    const { x, y } = hashToG2(Buffer.from(msg), dst);
    assert.deepEqual([[...x], [...y]], [coordinates(P.x), coordinates(P.y)], msg);
  }
  assert(vectors.length >= 5);
});

test("hashToG1 equals RFC 9380's points", vectorOptions, () => {
  const { dst, vectors }: CurveVectors = json("BLS12381G1_XMD:SHA-256_SSWU_RO_.json");
  for (const { msg, P } of vectors) {
    const { x, y } = hashToG1(Buffer.from(msg), dst);
    assert.deepEqual([[x], [y]], [coordinates(P.x), coordinates(P.y)], msg);
  }
  assert(vectors.length >= 5);
});

test("expandMessage equals RFC 9380's bytes", vectorOptions, () => {
  const { DST, tests }: ExpandVectors = json("expand_message_xmd_SHA256_38.json");
  for (const { msg, len_in_bytes, uniform_bytes } of tests) {
    const actual = expandMessage(Buffer.from(msg), DST, Number(len_in_bytes));
    assert.equal(Buffer.from(actual).toString("hex"), uniform_bytes, msg);
  }
  assert(tests.length >= 10);
});

test("the product signs what hashToG2 hashes under Ethereum's tag", () => {
  const message = Buffer.from("the map that the vectors judge is the map that signs");
  const key = 0x1234567890abcdef1234567890abcdefn;
  const { x, y } = hashToG2(message, ETHEREUM_DST);
  const point = [x[1], x[0], y[1], y[0]].map((n) => n.toString(16).padStart(96, "0")).join("");
  const product = multiplyG2(Signature.fromBytes(Buffer.from(point, "hex"), true), key);
  const secretKey = Buffer.from(key.toString(16).padStart(64, "0"), "hex");
  assert.deepEqual(sign(secretKey, message), product.toBytes());
});
