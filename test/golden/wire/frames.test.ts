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
import { filledRoot, heartbeatOf, messageOf, statementOf } from "../../support/wireFrames.ts";

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
  "a question for the decision": {
    frame: { kind: "decision", duty },
    bytes: `${HEAD}3200`,
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

  it("WIRE-1: a heartbeat is signed and framed as ever", () => {
    const identity = testIdentity(1, 4);
    const heartbeat = heartbeatOf({ reaches: [0, 1], asks: [3], progress: 77 });
    const signed = nativeProfile.signHeartbeat(scope, heartbeat, identity);
    const bytes =
      `0x08011293010801124c0a10${"5e".repeat(16)}10011880d095ffbc31204d2a20${"09".repeat(32)}` +
      "3003380140085a05312e302e30" +
      "1a4188cc3b929891747ae644b8e22734886d7c3fca51e7d0c18bd08bf063fb428d60" +
      "3a8ab4b5d22cfa2661f71eee4e1d9dc624a7eed5c6e07a2271645c9b2eae9bba01";
    assert.equal(toHex(nativeProfile.encodeStatus({ kind: "heartbeat", signed })), bytes);
  });

  it("WIRE-1: a witness part is written as ever", () => {
    const signature = new Uint8Array(96).fill(7);
    const statements = [{ validator: 300, data: new Uint8Array(112).fill(5), signature }];
    const part = { to: 2, session: heartbeatOf().session, parts: 2, part: 1, isBlocks: true };
    const witnesses = { ...part, statements };
    assert.equal(
      toHex(nativeProfile.encodeStatus({ kind: "witnesses", witnesses })),
      `0x08011af6010a10${"5e".repeat(16)}100218012270${"05".repeat(112)}` +
        `2a0200003202012c3a60${"07".repeat(96)}40024801`,
    );
  });

  it("WIRE-1: a sighting and a certificate are written as ever", () => {
    const data = new Uint8Array(128).fill(4);
    const certificate = {
      duty,
      round: 2,
      valueRoot: nativeProfile.valueRoot(data),
      commits: [0, 3].map((source) => ({ source, signature: new Uint8Array(65).fill(source) })),
      data,
    };
    const sighting = { duty, validator: 5, messageRoot: filledRoot(8) };
    const answer = { kind: "answer", sighting, isKnown: true, certificate } as const;
    const seen = `0a0708b197d303100110051a20${"08".repeat(32)}`;
    const proof =
      "0a0708b197d303100110021a203c902e18125f2da0e87b76f334a19335925453713e04e52a6606244bff74f4ca" +
      `220200032a8201${"00".repeat(65)}${"03".repeat(65)}328001${"04".repeat(128)}`;
    const answered = `0x08012aeb02${seen}20012ab902${proof}`;
    assert.equal(toHex(nativeProfile.encodeStatus(answer)), answered);
    const asked = `0x0801222d${seen}`;
    assert.equal(toHex(nativeProfile.encodeStatus({ kind: "query", sighting })), asked);
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
