/** Shorthand for slashing tests: keys, roots, requests and a gate over a disk in memory. */
import assert from "node:assert/strict";
import type {
  PartialSignatureSet,
  SigningTask,
  SlashingInput,
  Verified,
} from "../../src/domain/data.ts";
import type { Duty } from "../../src/domain/duty.ts";
import { type PubKey, pubShareOf, type Root, type ShareIndex } from "../../src/domain/keys.ts";
import type { InstanceLock } from "../../src/ports/instanceLock.ts";
import type { AdmitRequest, GateParts } from "../../src/safety/gate.ts";
import type { DutySafety } from "../../src/safety/guards.ts";
import type { Verdict } from "../../src/safety/rules.ts";
import type { SlashingStore } from "../../src/safety/slashingStore.ts";

export const CHAIN = `0x${"04".repeat(32)}` as Root;
export const HELD: InstanceLock = { isHeld: () => true, isFresh: () => true };
/** Of every duty one message per validator, as most are. */
export const ONE_MESSAGE: DutySafety = { scope: "attest", messagesPerValidator: 1 };
/** A gate with nothing in the way of the slashing rules. */
export const OPEN: Omit<GateParts, "slashing"> = {
  lock: HELD,
  freezes: { refusalOf: () => null },
  guards: [],
  safetyOf: () => ONE_MESSAGE,
  pubKeyOf: pubKey,
  pubShareOf: (validator) => pubShareOf(new Uint8Array(48).fill(validator)),
  audit: { append: () => undefined, isFull: false },
  precursors: { count: () => undefined },
};

export function pubKey(number: number): PubKey {
  return `0x${number.toString(16).padStart(96, "0")}` as PubKey;
}

export function root(number: number): Root {
  return `0x${number.toString(16).padStart(64, "0")}` as Root;
}

export function vote(source: number, target: number): SlashingInput {
  return { kind: "attestation", source, target };
}

export function block(slot: number): SlashingInput {
  return { kind: "block", slot };
}

/** Signs as a share of this node would; resolves once the record is durable. */
export function sign(
  store: SlashingStore,
  slashing: SlashingInput,
  { signingRoot = root(1), key = pubKey(1), shareIndex = 1 as ShareIndex } = {},
): Promise<Verdict> {
  return store.transact((transaction) =>
    transaction.record({ pubKey: key, slashing, signingRoot, origin: "own", shareIndex }),
  );
}

/** The code of a refusal, or how it was approved. */
export function outcomeOf(verdict: Verdict): string {
  if (!verdict.isApproved) return verdict.reason.code;
  return verdict.isRepeat ? "repeat" : "approved";
}

/** A task of a validator by its place in the lock; the message root follows the signing root. */
export function task(
  validator: number,
  slashing: SlashingInput | null,
  signingRoot: Root = root(1),
): SigningTask {
  const messageRoot = `0x${signingRoot.slice(2).replace(/^0/, "f")}` as Root;
  return { validator, pubKey: pubKey(validator), messageRoot, signingRoot, slashing };
}

/** What the admission hands to the gate when exactly the tasks were signed. */
export function request(tasks: readonly SigningTask[], shareIndex: ShareIndex = 1): AdmitRequest {
  return { tasks, set: signedSet(tasks, shareIndex), caller: "test" };
}

/** The set of signatures that fits the tasks, as the signature verifier would hand it over. */
export function signedSet(
  tasks: readonly SigningTask[],
  shareIndex: ShareIndex = 1,
): Verified<PartialSignatureSet> {
  assert(tasks.length > 0);
  const set: PartialSignatureSet = {
    duty: dutyOf(tasks),
    shareIndex,
    signatures: tasks.map(({ validator, messageRoot }) => ({
      validator,
      messageRoot,
      signature: new Uint8Array(96).fill(validator),
    })),
  };
  return set as Verified<PartialSignatureSet>;
}

/** A duty of its own for each epoch or slot, so that no limit meets what the rules shall judge. */
function dutyOf([task]: readonly SigningTask[]): Duty {
  const message = task?.slashing;
  if (message?.kind === "block") return { slot: message.slot, type: "proposer" };
  return { slot: (message?.target ?? 0) * 32, type: "attester" };
}
