import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { create, toBinary } from "@bufbuild/protobuf";
import fc from "fast-check";
import {
  MAX_CONSENSUS_MESSAGE_BYTES,
  MAX_FRAME_BYTES,
  MAX_GOSSIP_PAYLOAD_BYTES,
  MAX_JUSTIFICATIONS,
  MAX_NODES,
  MAX_ROUND,
  MAX_VALUE_BYTES,
} from "../../../src/domain/limits.ts";
import type { Message, SignedStatement } from "../../../src/qbft/messages.ts";
import { concatBytes } from "../../../src/util/bytes.ts";
import {
  ConsensusFrameSchema,
  ConsensusMessageSchema,
} from "../../../src/wire/generated/coterie/v1/consensus_pb.ts";
import { nativeProfile } from "../../../src/wire/nativeProfile.ts";
import { loadMutant } from "../../support/mutant.ts";
import {
  consensusFrame,
  filledRoot,
  frameOf,
  messageOf,
  statementOf,
} from "../../support/wireFrames.ts";

type Profiles = typeof import("../../../src/wire/nativeProfile.ts");
const { encodeConsensus, decodeConsensus } = nativeProfile;
/** The encoder without its assertions, to write what a Byzantine node would. */
const unguarded = (
  await loadMutant<Profiles>(
    "src/wire/nativeProfile.ts",
    [
      ["flawOfMessage(message);\n  assert(flaw === null", "flawOfMessage(message);\n  assert(true"],
      ["frame.value);\n      assert(flaw === null", "frame.value);\n      assert(true"],
      ["assert(bytes.length <= MAX_CONSENSUS_MESSAGE_BYTES", "assert(true"],
      ["assert(bytes.length <= MAX_FRAME_BYTES", "assert(true"],
    ].map(([find = "", replace = ""]) => ({ file: "src/wire/consensus.ts", find, replace })),
  )
).nativeProfile;

function codeOf(bytes: Uint8Array): string {
  const decoded = decodeConsensus(bytes);
  return decoded.ok ? "accepted" : decoded.error.code;
}

function codeOfMessage(message: Message, value: Uint8Array | null = null): string {
  return codeOf(unguarded.encodeConsensus(frameOf(message, value)));
}

describe("consensus frames", () => {
  it("WIRE-4: every valid frame decodes to itself and has one encoding", () => {
    fc.assert(
      fc.property(consensusFrame, (frame) => {
        const bytes = encodeConsensus(frame);
        const decoded = decodeConsensus(bytes);
        assert(decoded.ok);
        assert.deepEqual(decoded.value, frame);
        assert.deepEqual(encodeConsensus(decoded.value), bytes);
      }),
      { numRuns: 300 },
    );
  });

  it("WIRE-4: refuses another encoding of the same frame", async () => {
    const bytes = encodeConsensus(frameOf(messageOf("PREPARE")));
    const others = {
      "an unknown field": concatBytes(bytes, Uint8Array.of(0x78, 1)),
      "a repeated field": concatBytes(bytes, Uint8Array.of(0x08, 1)),
      "a long varint": concatBytes(Uint8Array.of(0x08, 0x81, 0x00), bytes.subarray(2)),
      "trailing bytes": concatBytes(bytes, Uint8Array.of(0)),
    };
    assert.equal(codeOf(bytes), "accepted");
    for (const [name, other] of Object.entries(others)) {
      assert.equal(codeOf(other), "malformed", name);
    }
    const lax = await loadMutant<Profiles>("src/wire/nativeProfile.ts", [
      {
        file: "src/wire/canonical.ts",
        find: "equalBytes(toBinary(schema, message), bytes) ?",
        replace: "true ?",
      },
    ]);
    const accepted = Object.values(others).filter(
      (other) => lax.nativeProfile.decodeConsensus(other).ok,
    );
    assert.equal(accepted.length, 3, "without the guard all but the trailing zero pass");
  });

  it("WIRE-4: refuses another encoding of a frame with a value", async () => {
    const value = Uint8Array.of(7, 8, 9);
    const message = messageOf("PRE-PREPARE", { value: nativeProfile.valueRoot(value) });
    const bytes = encodeConsensus(frameOf(message, value));
    const [tag, length, ...rest] = bytes.subarray(-5);
    const end = Uint8Array.of(0x2a, 3, ...value);
    assert.deepEqual([tag, length, ...rest], [...end]);
    const head = bytes.subarray(0, -end.length);
    const others = {
      "an unknown field behind it": concatBytes(bytes, Uint8Array.of(0x78, 1)),
      "an unknown field before it": concatBytes(head, Uint8Array.of(0x78, 1), end),
      "the value twice": concatBytes(bytes, end),
      "the value in front": concatBytes(end, head),
      "a long varint for its length": concatBytes(head, Uint8Array.of(0x2a, 0x83, 0x00), value),
      "a long varint before it": concatBytes(Uint8Array.of(0x08, 0x81, 0x00), bytes.subarray(2)),
      "trailing bytes": concatBytes(bytes, Uint8Array.of(0)),
    };
    assert.equal(codeOf(bytes), "accepted");
    for (const [name, other] of Object.entries(others)) {
      assert.equal(codeOf(other), "malformed", name);
    }
    const lax = await loadMutant<Profiles>("src/wire/nativeProfile.ts", [
      {
        file: "src/wire/canonical.ts",
        find: "return isAtEnd ? decoded",
        replace: "return isAtEnd || true ? decoded",
      },
    ]);
    const accepted = Object.values(others).filter(
      (other) => lax.nativeProfile.decodeConsensus(other).ok,
    );
    assert.equal(accepted.length, 6, "without the guard all but the trailing zero pass");
  });

  it("WIRE-4: refuses what is too large before it is decoded", () => {
    assert.equal(codeOf(new Uint8Array(MAX_FRAME_BYTES + 1)), "frame_too_large");
    const message = new Uint8Array(MAX_CONSENSUS_MESSAGE_BYTES + 1);
    const frame = create(ConsensusFrameSchema, {
      profile: 1,
      duty: { slot: 1n, type: 1 },
      body: { case: "message", value: message },
    });
    assert.equal(codeOf(toBinary(ConsensusFrameSchema, frame)), "frame_too_large");
  });

  it("WIRE-7: the largest message fits into a gossip frame, the largest value into a frame", () => {
    const votes = Array.from({ length: MAX_JUSTIFICATIONS }, (_, i) =>
      statementOf(i < MAX_NODES ? "ROUND-CHANGE" : "PREPARE", {
        round: MAX_ROUND,
        source: i % MAX_NODES,
        ...(i < MAX_NODES && { preparedRound: 1, preparedValue: filledRoot(1) }),
      }),
    );
    const message = messageOf("PRE-PREPARE", { votes, round: MAX_ROUND });
    const bytes = encodeConsensus(frameOf(message));
    assert(bytes.length <= MAX_GOSSIP_PAYLOAD_BYTES, `${bytes.length} bytes`);

    const value = new Uint8Array(MAX_VALUE_BYTES);
    const full = { ...message, value: nativeProfile.valueRoot(value) };
    assert.equal(codeOf(encodeConsensus(frameOf(full, value))), "accepted");
    const tooLong = new Uint8Array(MAX_VALUE_BYTES + 1);
    assert.equal(
      codeOfMessage({ ...message, value: nativeProfile.valueRoot(tooLong) }, tooLong),
      "malformed",
    );
  });

  const flawed: Readonly<Record<string, Message>> = {
    "round 0": messageOf("PREPARE", { round: 0 }),
    "a round beyond the last": messageOf("PREPARE", { round: MAX_ROUND + 1 }),
    "a change to the first round": messageOf("ROUND-CHANGE", { round: 1 }),
    "an author outside of any cluster": messageOf("COMMIT", { source: MAX_NODES }),
    "a short signature": messageOf("COMMIT", { signature: new Uint8Array(64) }),
    "a PREPARE without value": messageOf("PREPARE", { value: null }),
    "a ROUND-CHANGE with a value": messageOf("ROUND-CHANGE", { value: filledRoot(1) }),
    "a prepared round without its value": messageOf("ROUND-CHANGE", { preparedRound: 1 }),
    "a prepared value without its round": messageOf("ROUND-CHANGE", {
      preparedValue: filledRoot(1),
    }),
    "a prepared value in a PREPARE": messageOf("PREPARE", {
      preparedRound: 1,
      preparedValue: filledRoot(1),
    }),
    "a value prepared in the round that begins": messageOf("ROUND-CHANGE", {
      preparedRound: 2,
      preparedValue: filledRoot(1),
    }),
  };
  for (const [name, message] of Object.entries(flawed)) {
    it(`WIRE-8: refuses ${name}, as a message and as a vote`, () => {
      assert.equal(codeOfMessage(message), "malformed");
      const carrier = message.type === "COMMIT" ? "DECIDED" : "PRE-PREPARE";
      const { justification: _, ...vote } = message;
      assert.equal(codeOfMessage(messageOf(carrier, { votes: [vote] })), "malformed");
      assert.throws(() => encodeConsensus(frameOf(message)), /well formed/);
    });
  }

  const unjustifying: Readonly<Record<string, Message>> = {
    "votes under a PREPARE": messageOf("PREPARE", { votes: [statementOf("PREPARE")] }),
    "votes under a COMMIT": messageOf("COMMIT", { votes: [statementOf("PREPARE")] }),
    "a COMMIT under a PRE-PREPARE": messageOf("PRE-PREPARE", { votes: [statementOf("COMMIT")] }),
    "a PREPARE under DECIDED": messageOf("DECIDED", { votes: [statementOf("PREPARE")] }),
    "a ROUND-CHANGE under another": messageOf("ROUND-CHANGE", {
      votes: [statementOf("ROUND-CHANGE")],
    }),
    "an author's second vote": messageOf("DECIDED", {
      votes: [statementOf("COMMIT"), statementOf("COMMIT", { value: filledRoot(2) })],
    }),
    "more votes than two of everybody": messageOf("DECIDED", {
      votes: Array.from({ length: MAX_JUSTIFICATIONS + 1 }, (_, source) =>
        statementOf("COMMIT", { source: source % MAX_NODES }),
      ),
    }),
  };
  for (const [name, message] of Object.entries(unjustifying)) {
    it(`WIRE-9: refuses ${name}`, () => {
      assert.equal(codeOfMessage(message), "malformed");
      assert.throws(() => encodeConsensus(frameOf(message)), /well formed/);
    });
  }

  it("WIRE-10: refuses a value that the message does not name, or that it may not carry", () => {
    const value = Uint8Array.of(1, 2, 3);
    const named = { value: nativeProfile.valueRoot(value) };
    assert.equal(codeOfMessage(messageOf("PRE-PREPARE", named), value), "accepted");
    assert.equal(codeOfMessage(messageOf("DECIDED", named), value), "accepted");
    assert.equal(codeOfMessage(messageOf("PRE-PREPARE"), value), "value_mismatch");
    assert.equal(codeOfMessage(messageOf("PREPARE", named), value), "value_mismatch");
    assert.equal(codeOfMessage(messageOf("ROUND-CHANGE"), value), "value_mismatch");
  });

  it("WIRE-7: refuses a frame of another profile by name, and unknown duties and types", () => {
    const good = create(ConsensusFrameSchema, { profile: 1, duty: { slot: 1n, type: 1 } });
    good.value = Uint8Array.of(1);
    const code = (change: Partial<typeof good>) =>
      codeOf(toBinary(ConsensusFrameSchema, { ...good, ...change }));
    const dutyOf = (slot: bigint, type: number) =>
      create(ConsensusFrameSchema, { duty: { slot, type: type as 1 } }).duty;
    assert.equal(code({}), "accepted");
    assert.equal(code({ profile: 2 }), "wrong_profile");
    assert.equal(code({ profile: 0 }), "wrong_profile");
    assert.equal(code({ duty: dutyOf(1n, 0) }), "malformed");
    assert.equal(code({ duty: dutyOf(1n, 99) }), "malformed");
    assert.equal(code({ duty: dutyOf(2n ** 53n, 1) }), "malformed");
    assert.equal(code({ duty: dutyOf(2n ** 53n - 1n, 1) }), "accepted");
    assert.equal(code({ value: new Uint8Array(0) }), "malformed");
    const message = create(ConsensusMessageSchema, {
      statement: { type: 9 as 1, round: 1, signature: new Uint8Array(65) },
    });
    const value = toBinary(ConsensusMessageSchema, message);
    assert.equal(code({ body: { case: "message", value } }), "malformed");
    assert.equal(codeOf(new Uint8Array(0)), "wrong_profile");
  });

  it("keeps no part of a frame alive by its votes", () => {
    const value = new Uint8Array(1_000_000);
    const message = messageOf("PRE-PREPARE", {
      value: nativeProfile.valueRoot(value),
      votes: [statementOf("ROUND-CHANGE")],
    });
    const decoded = decodeConsensus(encodeConsensus(frameOf(message, value)));
    assert(decoded.ok && decoded.value.kind === "message");
    const statements: SignedStatement[] = [
      decoded.value.message,
      ...decoded.value.message.justification,
    ];
    assert(statements.every(({ signature }) => signature.buffer.byteLength < 1_000));
  });
});
