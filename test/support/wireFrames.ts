/** Frames of the native wire for tests: fixed samples and arbitrary valid ones. */
import fc from "fast-check";
import type { PartialSignatureSet } from "../../src/domain/data.ts";
import { DUTY_TYPES } from "../../src/domain/duty.ts";
import { type Root, rootOf } from "../../src/domain/keys.ts";
import { MAX_JUSTIFICATIONS, MAX_NODES, MAX_ROUND } from "../../src/domain/limits.ts";
import type { Message, MessageType, SignedStatement } from "../../src/qbft/messages.ts";
import { nativeProfile } from "../../src/wire/nativeProfile.ts";
import type { ConsensusFrame, Heartbeat } from "../../src/wire/profile.ts";

export function filledRoot(byte: number): Root {
  return rootOf(new Uint8Array(32).fill(byte));
}

export function statementOf(
  type: MessageType,
  change: Partial<SignedStatement> = {},
): SignedStatement {
  return {
    type,
    round: 2,
    value: type === "ROUND-CHANGE" ? null : filledRoot(0xaa),
    preparedRound: 0,
    preparedValue: null,
    source: 1,
    signature: new Uint8Array(65).fill(0x5a),
    ...change,
  };
}

export function messageOf(
  type: MessageType,
  change: Partial<Message> & { readonly votes?: readonly SignedStatement[] } = {},
): Message {
  const { votes = [], ...fields } = change;
  return { ...statementOf(type), justification: votes, ...fields };
}

export function frameOf(message: Message, value: Uint8Array | null = null): ConsensusFrame {
  return { kind: "message", duty: { slot: 1234, type: "attester" }, message, value };
}

const bytes = (length: number): fc.Arbitrary<Uint8Array> =>
  fc.uint8Array({ minLength: length, maxLength: length });
const root: fc.Arbitrary<Root> = bytes(32).map(rootOf);
const duty = fc.record(
  { slot: fc.maxSafeNat(), type: fc.constantFrom(...DUTY_TYPES) },
  { noNullPrototype: true },
);
const valueBytes = fc.uint8Array({ minLength: 1, maxLength: 300 });

/** A well-formed statement of `type`. */
function arbitraryStatement(type: MessageType): fc.Arbitrary<SignedStatement> {
  const isRoundChange = type === "ROUND-CHANGE";
  return fc
    .record({
      round: fc.integer({ min: isRoundChange ? 2 : 1, max: MAX_ROUND }),
      source: fc.integer({ min: 0, max: MAX_NODES - 1 }),
      value: root,
      prepared: root,
      preparedRound: fc.nat({ max: MAX_ROUND }),
      signature: bytes(65),
    })
    .map(({ round, source, value, prepared, preparedRound, signature }) => {
      const isPrepared = isRoundChange && preparedRound > 0 && preparedRound < round;
      return {
        type,
        round,
        source,
        value: isRoundChange ? null : value,
        preparedRound: isPrepared ? preparedRound : 0,
        preparedValue: isPrepared ? prepared : null,
        signature,
      };
    });
}

const JUSTIFYING: Readonly<Record<MessageType, readonly MessageType[]>> = {
  "PRE-PREPARE": ["ROUND-CHANGE", "PREPARE"],
  PREPARE: [],
  COMMIT: [],
  "ROUND-CHANGE": ["PREPARE"],
  DECIDED: ["COMMIT"],
};

function arbitraryMessage(type: MessageType): fc.Arbitrary<Message> {
  const kinds = JUSTIFYING[type];
  const votes =
    kinds.length === 0
      ? fc.constant([])
      : fc.uniqueArray(fc.oneof(...kinds.map(arbitraryStatement)), {
          maxLength: MAX_JUSTIFICATIONS,
          selector: (vote) => `${vote.type}/${vote.source}`,
        });
  return fc.record({ statement: arbitraryStatement(type), votes }).map(({ statement, votes }) => ({
    ...statement,
    justification: votes,
  }));
}

const messageFrame: fc.Arbitrary<ConsensusFrame> = fc
  .constantFrom<MessageType>("PRE-PREPARE", "PREPARE", "COMMIT", "ROUND-CHANGE", "DECIDED")
  .chain((type) =>
    fc
      .record({ duty, message: arbitraryMessage(type), value: fc.option(valueBytes) })
      .map(({ duty, message, value }): ConsensusFrame => {
        const canCarry = type === "PRE-PREPARE" || type === "DECIDED";
        if (!canCarry || value === null) return { kind: "message", duty, message, value: null };
        const named = { ...message, value: nativeProfile.valueRoot(value) };
        return { kind: "message", duty, message: named, value };
      }),
  );

/** Any frame that the wire accepts. */
export const consensusFrame: fc.Arbitrary<ConsensusFrame> = fc.oneof(
  messageFrame,
  fc.tuple(duty, root).map(([duty, value]) => ({ kind: "pull" as const, duty, value })),
  fc.tuple(duty, valueBytes).map(([duty, value]) => ({ kind: "value" as const, duty, value })),
);

/** Any set that the wire accepts, in lock order. */
export const partialSet: fc.Arbitrary<PartialSignatureSet> = fc
  .record({
    duty,
    shareIndex: fc.integer({ min: 1, max: MAX_NODES }),
    roots: fc.array(root, { minLength: 1, maxLength: 4 }),
    validators: fc.uniqueArray(fc.nat({ max: 65_535 }), { minLength: 1, maxLength: 40 }),
    seed: bytes(96),
  })
  .map(({ duty, shareIndex, roots, validators, seed }) => ({
    duty,
    shareIndex,
    signatures: validators
      .toSorted((a, b) => a - b)
      .map((validator, i) => ({
        validator,
        messageRoot: roots[(validator + i) % roots.length] ?? filledRoot(0),
        signature: seed.map((byte) => (byte + i) & 0xff),
      })),
  }));

export function heartbeatOf(change: Partial<Heartbeat> = {}): Heartbeat {
  return {
    session: `0x${"5e".repeat(16)}`,
    number: 1,
    startedAt: 1_700_000_000_000,
    progress: 0,
    auditHead: filledRoot(9),
    reaches: [0],
    isReady: true,
    asks: [],
    isClosing: false,
    twin: null,
    version: "1.0.0",
    ...change,
  };
}
