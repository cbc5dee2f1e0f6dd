/**
 * BLS without the curve: a group element is its discrete logarithm, a scalar modulo the group order
 * r. A public key IS the secret key and a signature is their product with the message, so Lagrange
 * interpolation, aggregation and Feldman checks keep their algebra at a thousandth of the cost.
 *
 * WARNING: it protects nothing (SIM-5). Whoever sees a public key can sign for it. It exists for
 * the simulator alone, and the import rules keep it out of everything else; what needs unforgeable
 * signatures runs with `--bls blst`.
 */
import type { ShareSecret } from "../src/crypto/builtinSigner.ts";
import {
  areShareIndices,
  CURVE_ORDER,
  invertScalar,
  type LagrangeWeights,
  lagrangeWeights,
  scalarBytes,
  scalarOf,
} from "../src/crypto/shamir.ts";
import {
  type LockIndex,
  PUBLIC_KEY_BYTES,
  type PubKey,
  type PubShare,
  type Root,
  SIGNATURE_BYTES,
  type Signature,
} from "../src/domain/keys.ts";
import type { Bls, SignatureCheck, SignatureShare } from "../src/ports/bls.ts";
import type { PartialSigner } from "../src/ports/partialSigner.ts";
import { assert } from "../src/util/assert.ts";
import type { KeyScheme } from "./keys.ts";

const SCALAR_BYTES = 32;
const SCALAR_DIGITS = 2 * SCALAR_BYTES;

/** λ at zero of a set of signers, as scalars: there are few sets, and they repeat. */
const weightsOf = new Map<string, readonly bigint[]>();

const bls: Bls = {
  verify: (check) => Promise.resolve(isSigned(check)),
  verifyBatch: (checks) => Promise.resolve(checks.every(isSigned)),
  combine: (shares) => Promise.resolve(combine(shares)),
};

export const transparentScheme: KeyScheme = {
  bls,
  publicKeyOf(secret) {
    const scalar = scalarOf(secret);
    assert(scalar !== null, "a secret key is a scalar");
    return padded(scalar, PUBLIC_KEY_BYTES);
  },
  sign(secret, signingRoot) {
    const scalar = scalarOf(secret);
    assert(scalar !== null, "a secret key is a scalar");
    return signed(scalar, signingRoot);
  },
  signerOf,
};

function signerOf(shares: readonly ShareSecret[]): PartialSigner {
  const keys = new Map<LockIndex, bigint>();
  for (const { validator, secret } of shares) {
    const scalar = scalarOf(secret);
    assert(scalar !== null, "a key share is a scalar");
    keys.set(validator, scalar);
  }
  return {
    validators: new Set(keys.keys()),
    sign(tasks) {
      const out = tasks.flatMap((task) => {
        const key = keys.get(task.validator);
        return key === undefined ? [] : [{ task, signature: signed(key, task.signingRoot) }];
      });
      return Promise.resolve(out);
    },
  };
}

function signed(key: bigint, signingRoot: Root): Signature {
  return padded((key * hashToScalar(signingRoot)) % CURVE_ORDER, SIGNATURE_BYTES);
}

function isSigned({ publicKey, signingRoot, signature }: SignatureCheck): boolean {
  const sum = elementOf(signature);
  const key = keyOf(publicKey);
  return sum !== null && key !== null && (key * hashToScalar(signingRoot)) % CURVE_ORDER === sum;
}

function combine(shares: readonly SignatureShare[]): Signature | null {
  const indices = shares.map(({ index }) => index);
  if (!areShareIndices(indices)) return null;
  const weights = weightsAtZero(indices);
  let sum = 0n;
  for (const [i, { signature }] of shares.entries()) {
    const element = elementOf(signature);
    if (element === null) return null;
    sum += (weights[i] ?? 0n) * element;
  }
  return padded(sum % CURVE_ORDER, SIGNATURE_BYTES);
}

function weightsAtZero(indices: readonly number[]): readonly bigint[] {
  const name = indices.join();
  let weights = weightsOf.get(name);
  if (weights === undefined) {
    weights = scalarsOf(lagrangeWeights(indices, 0));
    weightsOf.set(name, weights);
  }
  return weights;
}

function scalarsOf({ weights, divisor }: LagrangeWeights): readonly bigint[] {
  const inverse = invertScalar(divisor);
  return weights.map((weight) => {
    const scalar = (weight * inverse) % CURVE_ORDER;
    return scalar < 0n ? scalar + CURVE_ORDER : scalar;
  });
}

/** Never zero: a message that hashed to infinity would be signed by everybody. */
function hashToScalar(root: Root): bigint {
  return (BigInt(root) % (CURVE_ORDER - 1n)) + 1n;
}

function keyOf(publicKey: PubKey | PubShare): bigint | null {
  const scalar = BigInt(`0x${publicKey.slice(-SCALAR_DIGITS)}`);
  return scalar > 0n && scalar < CURVE_ORDER ? scalar : null;
}

/** The scalar behind zeros; null for the infinity point and whatever is no element. */
function elementOf(bytes: Uint8Array): bigint | null {
  if (bytes.length !== SIGNATURE_BYTES) return null;
  const offset = SIGNATURE_BYTES - SCALAR_BYTES;
  for (let i = 0; i < offset; i++) if (bytes[i] !== 0) return null;
  return scalarOf(bytes.subarray(offset));
}

/** Behind zeros, which no point of the curve begins with: the two schemes cannot be confused. */
function padded(scalar: bigint, length: number): Uint8Array {
  const out = new Uint8Array(length);
  out.set(scalarBytes(scalar), length - SCALAR_BYTES);
  return out;
}
