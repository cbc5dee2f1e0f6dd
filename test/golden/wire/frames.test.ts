/**
 * WIRE-1: what a release wrote, later releases of the same profile read and write byte for byte.
 * A change of these texts is a change of the wire and needs a new profile.
 */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { fromHex, toHex } from "../../../src/util/bytes.ts";
import { nativeProfile } from "../../../src/wire/nativeProfile.ts";
import type { ConsensusFrame } from "../../../src/wire/profile.ts";
import { testIdentity } from "../../support/identities.ts";
import { filledRoot, messageOf, statementOf } from "../../support/wireFrames.ts";

const duty = { slot: 7_654_321, type: "attester" } as const;
const scope = { genesisValidatorsRoot: filledRoot(1), lockHash: filledRoot(2) };
const value = Uint8Array.of(1, 2, 3);
const named = { value: nativeProfile.valueRoot(value) };
const message = messageOf("PRE-PREPARE", {
  ...named,
  votes: [
    statementOf("ROUND-CHANGE", { preparedRound: 1, preparedValue: filledRoot(3) }),
    statementOf("PREPARE", { round: 1, source: 0 }),
  ],
});

/** Profile 1; duty of slot 7,654,321 and type 1. */
const HEAD = "0801120708b197d3031001";
const VALUE_ROOT = "039058c6f2c0cb492c533b0a4d14ef77cc0f78abccced5287d84a1a2011cfb81";
const SIGNATURE = `3a41${"5a".repeat(65)}`;

const CONSENSUS: Readonly<Record<string, { frame: ConsensusFrame; bytes: string }>> = {
  "a justified PRE-PREPARE with its value": {
    frame: { kind: "message", duty, message, value },
    bytes:
      `${HEAD}1ac702` +
      `0a6b0801100218012220${VALUE_ROOT}${SIGNATURE}` +
      `126d08041002180128013220${"03".repeat(32)}${SIGNATURE}` +
      `1269080210012220${"aa".repeat(32)}${SIGNATURE}` +
      "2a03010203",
  },
  "a COMMIT": {
    frame: { kind: "message", duty, message: messageOf("COMMIT"), value: null },
    bytes: `${HEAD}1a6d0a6b0803100218012220${"aa".repeat(32)}${SIGNATURE}`,
  },
  "a DECIDED": {
    frame: { kind: "message", duty, message: messageOf("DECIDED"), value: null },
    bytes: `${HEAD}1a6d0a6b0805100218012220${"aa".repeat(32)}${SIGNATURE}`,
  },
  "a pull": {
    frame: { kind: "pull", duty, value: filledRoot(3) },
    bytes: `${HEAD}22220a20${"03".repeat(32)}`,
  },
  "a value": { frame: { kind: "value", duty, value }, bytes: `${HEAD}2a03010203` },
};

describe("golden bytes of profile 1", () => {
  for (const [name, { frame, bytes }] of Object.entries(CONSENSUS)) {
    it(`WIRE-1: ${name} is written and read as ever`, () => {
      assert.equal(toHex(nativeProfile.encodeConsensus(frame)), `0x${bytes}`);
      const decoded = nativeProfile.decodeConsensus(bytesOf(bytes));
      assert.deepEqual(decoded, { ok: true, value: frame });
    });
  }

  it("WIRE-1: partial signatures are written and read as ever", () => {
    const signatures = [
      { validator: 0, messageRoot: filledRoot(4), signature: new Uint8Array(96).fill(5) },
      { validator: 300, messageRoot: filledRoot(6), signature: new Uint8Array(96).fill(7) },
    ];
    const set = { duty, shareIndex: 2, signatures };
    const bytes =
      `${HEAD}1a40${"04".repeat(32)}${"06".repeat(32)}` +
      "22040000012c" +
      "2a0400000001" +
      `32c001${"05".repeat(96)}${"07".repeat(96)}`;
    assert.equal(toHex(nativeProfile.encodePartials(set)), `0x${bytes}`);
    const decoded = nativeProfile.decodePartials(bytesOf(bytes), 2);
    assert(decoded.ok);
    assert.equal(toHex(nativeProfile.encodePartials(decoded.value)), `0x${bytes}`);
  });

  it("WIRE-1: a gossip envelope is sealed and opened as ever", () => {
    const identity = testIdentity(0, 4);
    const sealed = nativeProfile.sealGossip(
      scope,
      { channel: "partials", payload: value },
      identity,
    );
    // Author 0 is the default of its field and therefore not written. RFC 6979 makes it repeatable.
    const bytes =
      "0801" +
      "1002" +
      "2203010203" +
      "2a41" +
      "0695cb173daf576c445381ad509a983077012a54ff3a03d99674e27a0f523b87" +
      "1fdcf758ccb001e8dbddc1922f4b708e98f745d4a3dfdfd0682c19298c9a7129" +
      "01";
    assert.equal(toHex(sealed), `0x${bytes}`);
    assert(nativeProfile.openGossip(scope, bytesOf(bytes), identity).ok);
  });

  it("WIRE-1: a statement has the digest that it ever had", () => {
    assert.equal(
      toHex(nativeProfile.statementDigest(scope, duty, statementOf("COMMIT"))),
      "0xa2f94fe58a020da4a90642423529742f7026e2ceeefde934d2024873a83fdf25",
    );
  });
});

function bytesOf(hex: string): Uint8Array {
  const bytes = fromHex(`0x${hex}`);
  assert(bytes !== null, "golden bytes are hex");
  return bytes;
}
