/**
 * The QBFT scenario files of ssv-spec (vectors suite 9) as data: SSZ decoded, RSA signatures
 * checked with node:crypto, statements in our own words. Nothing here knows the state machine.
 */
import assert from "node:assert/strict";
import { createHash, createPublicKey, type KeyObject, verify } from "node:crypto";
import {
  ByteListType,
  ByteVectorType,
  ContainerType,
  ListBasicType,
  ListCompositeType,
  UintNumberType,
} from "@chainsafe/ssz";
import { type Root, rootOf } from "../../src/domain/keys.ts";
import type { Message, MessageType, SignedStatement, Statement } from "../../src/qbft/messages.ts";

const MAX_OPERATORS = 13;
const uint64 = new UintNumberType(8);
const bytes = new ByteListType(2 ** 24);
const justifications = new ListCompositeType(bytes, MAX_OPERATORS);
const ssvMessage = new ContainerType({ type: uint64, id: new ByteVectorType(56), data: bytes });
const signedMessage = new ContainerType({
  signatures: new ListCompositeType(new ByteListType(256), MAX_OPERATORS),
  operators: new ListBasicType(uint64, MAX_OPERATORS),
  message: ssvMessage,
  fullData: bytes,
});
const qbftMessage = new ContainerType({
  type: uint64,
  height: uint64,
  round: uint64,
  identifier: new ByteListType(56),
  root: new ByteVectorType(32),
  dataRound: uint64,
  roundChangeJustification: justifications,
  prepareJustification: justifications,
});

/** By the number that the wire has for it. */
const TYPES: readonly MessageType[] = ["PRE-PREPARE", "PREPARE", "COMMIT", "ROUND-CHANGE"];

/** A signed message as the files hold it. */
export type JsonMessage = {
  readonly Signatures: readonly string[];
  readonly OperatorIDs: readonly number[];
  readonly SSVMessage: { readonly MsgType: number; readonly MsgID: string; readonly Data: string };
  readonly FullData: string | null;
};
export type JsonState = {
  readonly CommitteeMember: {
    readonly OperatorID: number;
    readonly Committee: readonly {
      readonly OperatorID: number;
      readonly SSVOperatorPubKey: string;
    }[];
  };
  readonly Round: number;
  readonly Height: number;
  readonly LastPreparedRound: number;
  readonly LastPreparedValue: string | null;
  readonly ProposalAcceptedForCurrentRound: { readonly SignedMessage: JsonMessage } | null;
  readonly Decided: boolean;
  readonly DecidedValue: string | null;
};

type Signed = {
  readonly signatures: readonly Uint8Array[];
  readonly operators: readonly number[];
  readonly message: { readonly type: number; readonly id: Uint8Array; readonly data: Uint8Array };
  readonly fullData: Uint8Array;
};
/** One message of a file, decoded, with everything that it names. */
export type SsvMessage = {
  readonly signed: Signed;
  readonly type: MessageType;
  readonly height: number;
  readonly round: number;
  readonly root: Root;
  readonly dataRound: number;
  readonly roundChanges: readonly SsvMessage[];
  readonly prepares: readonly SsvMessage[];
};

/** Committee keys by operator id, as the node under test knows them. */
export type Committee = ReadonlyMap<number, KeyObject>;

export function committeeOf({ CommitteeMember }: Pick<JsonState, "CommitteeMember">): Committee {
  return new Map(
    CommitteeMember.Committee.map(({ OperatorID, SSVOperatorPubKey }) => [
      OperatorID,
      publicKey(Buffer.from(SSVOperatorPubKey, "base64").toString()),
    ]),
  );
}

/** Their PEM says PKCS#1 and holds SPKI, so only what is between its lines is read. */
function publicKey(pem: string): KeyObject {
  const key = Buffer.from(pem.replaceAll(/-----[A-Z ]+-----/g, ""), "base64");
  return createPublicKey({ key, format: "der", type: "spki" });
}

export function fromJson({ Signatures, OperatorIDs, ...rest }: JsonMessage): SsvMessage {
  return parsed({
    signatures: Signatures.map((text) => Buffer.from(text, "base64")),
    operators: OperatorIDs,
    message: {
      type: rest.SSVMessage.MsgType,
      id: Buffer.from(rest.SSVMessage.MsgID, "hex"),
      data: Buffer.from(rest.SSVMessage.Data, "base64"),
    },
    fullData: Buffer.from(rest.FullData ?? "", "base64"),
  });
}

export function rootOfValue(value: Uint8Array): Root {
  return rootOf(createHash("sha256").update(value).digest());
}

/** Every signature of the message, and of all that it carries, by a key of the committee. */
export function isAuthentic(message: SsvMessage, committee: Committee): boolean {
  const { signatures, operators } = message.signed;
  const text = ssvMessage.serialize({ ...message.signed.message });
  const isSigned = operators.every((operator, index) => {
    const key = committee.get(operator);
    const signature = signatures[index];
    return key !== undefined && signature !== undefined && verify("sha256", text, key, signature);
  });
  return (
    isSigned &&
    operators.length > 0 &&
    operators.length === signatures.length &&
    [...message.roundChanges, ...message.prepares].every((vote) => isAuthentic(vote, committee))
  );
}

/**
 * The message in our words; null when it states what no message of ours can. A COMMIT with several
 * signatures is their DECIDED: the certificate is taken apart again. The justification of a
 * ROUND-CHANGE inside a proposal is dropped, since ours do not nest (QBFT-1).
 */
export function ourMessage(message: SsvMessage): Message | null {
  const { operators, signatures } = message.signed;
  if (message.type === "COMMIT" && operators.length > 1) {
    const commits = operators.map((operator, index) => ({
      ...statement(message, operator),
      signature: signatures[index] ?? new Uint8Array(),
    }));
    const [first] = commits;
    assert(first !== undefined, "a certificate has signers");
    return { ...first, type: "DECIDED", justification: commits };
  }
  const [source] = operators;
  const votes = [...message.roundChanges, ...message.prepares];
  const isSingle = [message, ...votes].every(({ signed }) => signed.operators.length === 1);
  if (source === undefined || !isSingle) return null;
  const justification = votes.map((vote) => statement(vote, vote.signed.operators[0] ?? 0));
  return { ...statement(message, source), justification };
}

/** A sent message as one comparable line; authors of the justification included. */
export function lineOfOutput(message: SsvMessage): string {
  const ours = ourMessage(message);
  assert(ours !== null, "honest nodes send what we can express");
  return lineOf(ours, ours.justification);
}

export function lineOf(
  { type, round, value, preparedRound, preparedValue }: Statement,
  justification: readonly SignedStatement[],
): string {
  const authors = (wanted: MessageType): string =>
    justification
      .filter((vote) => vote.type === wanted)
      .map((vote) => vote.source + 1)
      .sort()
      .join(",");
  const claim = preparedRound === 0 ? "" : ` prepared ${short(preparedValue)} in ${preparedRound}`;
  const proof =
    justification.length === 0 ? "" : ` [${authors("ROUND-CHANGE")}|${authors("PREPARE")}]`;
  return `${type} ${round} ${short(value)}${claim}${proof}`;
}

export function short(root: Root | null): string {
  return root === null ? "-" : root.slice(2, 6);
}

function parsed(signed: Signed): SsvMessage {
  const { data } = signed.message;
  const value = qbftMessage.deserialize(data);
  const type = TYPES[value.type];
  assert(type !== undefined, `a message type of QBFT: ${value.type}`);
  const nested = (votes: readonly Uint8Array[]): readonly SsvMessage[] =>
    votes.map((vote) => parsed(signedMessage.deserialize(vote)));
  return {
    signed,
    type,
    height: value.height,
    round: value.round,
    root: rootOf(value.root),
    dataRound: value.dataRound,
    // Their ROUND-CHANGE carries its PREPAREs where their PRE-PREPARE carries ROUND-CHANGEs.
    roundChanges: type === "ROUND-CHANGE" ? [] : nested(value.roundChangeJustification),
    prepares: nested(
      type === "ROUND-CHANGE" ? value.roundChangeJustification : value.prepareJustification,
    ),
  };
}

/** Operators are numbered from 1, our peers from 0. */
function statement(message: SsvMessage, operator: number): SignedStatement {
  const { type, round, root, dataRound } = message;
  const isRoundChange = type === "ROUND-CHANGE";
  const isPrepared = isRoundChange && dataRound > 0;
  return {
    type,
    round,
    value: isRoundChange ? null : root,
    preparedRound: isPrepared ? dataRound : 0,
    preparedValue: isPrepared ? root : null,
    source: operator - 1,
    signature: message.signed.signatures[0] ?? new Uint8Array(),
  };
}
