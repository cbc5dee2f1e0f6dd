/**
 * Signatures that all key shares make: deposits and registrations, then the lock hash. All n are
 * verified in one batch, and only where that fails one operator at a time (DKG-10).
 */
import { type NewValidator, type PreSigning, preSigningOf } from "../cluster/preSigned.ts";
import { createBatchVerifier } from "../crypto/bls.ts";
import { combineSignatures } from "../crypto/threshold.ts";
import {
  bytesOf,
  type PeerIndex,
  type Root,
  type Signature,
  shareIndexOf,
} from "../domain/keys.ts";
import type { SignatureCheck } from "../ports/bls.ts";
import { assert } from "../util/assert.ts";
import type { CeremonyPhase } from "../wire/ceremony.ts";
import type { DepositsBody, LockBody } from "../wire/ceremonyBodies.ts";
import type { CeremonyFacts } from "./facts.ts";
import type { CeremonyKeys } from "./keys.ts";

/** Validators whose signatures are checked together: it bounds what is decoded at once. */
const BATCH_VALIDATORS = 64;

/** What each validator signs before it exists. */
export function preSignings(facts: CeremonyFacts, keys: CeremonyKeys): readonly PreSigning[] {
  return keys.groupKeys.map((key, v) => preSigningOf(facts.definition, v, bytesOf(key)));
}

/** The roots of one validator in the order of a deposits body's row. */
export function preSignedRoots({ deposits, registration }: PreSigning): readonly Root[] {
  return [...deposits.map(({ root }) => root), registration.root];
}

/** One operator's signatures, a row per validator, and the roots that they should be over. */
export type PartialRows = {
  readonly author: PeerIndex;
  readonly rows: readonly (readonly Signature[])[];
};

/** The operators whose rows hold a signature that does not verify under their public shares. */
function wrongSigners(input: {
  readonly keys: CeremonyKeys;
  readonly roots: readonly (readonly Root[])[];
  readonly partials: readonly PartialRows[];
}): readonly PeerIndex[] {
  const { keys, roots, partials } = input;
  const verify = createBatchVerifier();
  const wrong = new Set<PeerIndex>();
  for (let start = 0; start < roots.length; start += BATCH_VALIDATORS) {
    const validators = roots.slice(start, start + BATCH_VALIDATORS).map((_, i) => start + i);
    const checksOf = (one: PartialRows): readonly SignatureCheck[] =>
      validators.flatMap((v) => checksOfRow({ keys, roots, one, validator: v }));
    if (verify(partials.flatMap(checksOf))) continue;
    for (const one of partials) if (!verify(checksOf(one))) wrong.add(one.author);
  }
  return [...wrong].sort((a, b) => a - b);
}

function checksOfRow(input: {
  readonly keys: CeremonyKeys;
  readonly roots: readonly (readonly Root[])[];
  readonly one: PartialRows;
  readonly validator: number;
}): readonly SignatureCheck[] {
  const { keys, roots, one, validator } = input;
  const publicKey = keys.pubShares[validator]?.[one.author];
  const row = one.rows[validator] ?? [];
  const expected = roots[validator] ?? [];
  assert(publicKey !== undefined && row.length === expected.length, "a signature for each root");
  return expected.map((signingRoot, i) => {
    const signature = row[i];
    assert(signature !== undefined, "rows have one length");
    return { publicKey, signingRoot, signature };
  });
}

/** The validators with the group's signatures, from t partial signatures that were verified. */
export function combinePreSigned(input: {
  readonly facts: CeremonyFacts;
  readonly keys: CeremonyKeys;
  readonly signings: readonly PreSigning[];
  readonly bodies: readonly DepositsBody[];
}): readonly NewValidator[] {
  const { facts, keys, signings, bodies } = input;
  return signings.map(({ deposits, registration }, v) => {
    const group = (column: number): Signature =>
      combined(
        bodies.map(({ signatures }) => signatures[v]?.[column]),
        firstOperators(facts.shape.threshold),
      );
    const groupKey = keys.groupKeys[v];
    assert(groupKey !== undefined, "a group key for each validator");
    return {
      publicKey: bytesOf(groupKey),
      pubShares: keys.pubShares[v] ?? [],
      deposits: deposits.map(({ message }, i) => ({ ...message, signature: group(i) })),
      registration: { message: registration.message, signature: group(deposits.length) },
    };
  });
}

/** The rows of lock bodies, in the form that {@link wrongSigners} takes. */
function lockRows({ signatures }: LockBody): readonly (readonly Signature[])[] {
  return signatures.map((signature) => [signature]);
}

export function firstOperators(count: number): readonly PeerIndex[] {
  return Array.from({ length: count }, (_, i) => i);
}

/** The group's signature from those of `operators`, which were verified. */
export function combined(
  byOperator: readonly (Signature | undefined)[],
  operators: readonly PeerIndex[],
): Signature {
  const shares = operators.map((operator) => {
    const signature = byOperator[operator];
    assert(signature !== undefined, "each operator signed");
    return { index: shareIndexOf(operator), signature };
  });
  const signature = combineSignatures(shares);
  assert(signature !== null, "verified shares combine");
  return signature;
}

/** The messages of one phase as far as they are held, with what they should be over. */
export type Signed = {
  readonly facts: CeremonyFacts;
  get(phase: "deposits", author: PeerIndex): { readonly body: DepositsBody } | undefined;
  get(phase: "lock", author: PeerIndex): { readonly body: LockBody } | undefined;
  certainKeys(): CeremonyKeys;
  signings(): readonly PreSigning[];
  lockRoot(): Root;
};

/** Operators whose key shares signed wrongly in the phase; none in phases without signatures. */
export function wrongSignersOf(said: Signed, phase: CeremonyPhase): readonly PeerIndex[] {
  const operators = firstOperators(said.facts.shape.nodes);
  if (phase === "deposits") {
    const partials = operators.flatMap((author): PartialRows[] => {
      const held = said.get("deposits", author);
      return held === undefined ? [] : [{ author, rows: held.body.signatures }];
    });
    const roots = said.signings().map(preSignedRoots);
    return wrongSigners({ keys: said.certainKeys(), roots, partials });
  }
  if (phase === "lock") {
    const partials = operators.flatMap((author): PartialRows[] => {
      const held = said.get("lock", author);
      return held === undefined ? [] : [{ author, rows: lockRows(held.body) }];
    });
    const keys = said.certainKeys();
    const roots = keys.groupKeys.map(() => [said.lockRoot()]);
    return wrongSigners({ keys, roots, partials });
  }
  return [];
}
