/** The keys of a simulated cluster: they follow from the seed and guard nothing. */
import type { Cluster, DistributedValidator } from "../src/cluster/cluster.ts";
import { createBls } from "../src/crypto/bls.ts";
import { createBuiltinSigner, type ShareSecret } from "../src/crypto/builtinSigner.ts";
import { createIdentity } from "../src/crypto/identity.ts";
import { k1PublicKey } from "../src/crypto/k1.ts";
import { parseSecretKey, type SigningKey } from "../src/crypto/points.ts";
import { scalarBytes, scalarOf } from "../src/crypto/shamir.ts";
import { splitSecret } from "../src/crypto/threshold.ts";
import {
  bytesOf,
  type LockIndex,
  type PeerIndex,
  type PubKey,
  pubKeyOf,
  pubShareOf,
  type Root,
  rootOf,
  type Signature,
} from "../src/domain/keys.ts";
import type { Bls } from "../src/ports/bls.ts";
import type { Identity } from "../src/ports/identity.ts";
import type { PartialSigner } from "../src/ports/partialSigner.ts";
import type { Random } from "../src/ports/random.ts";
import { assert } from "../src/util/assert.ts";
import { equalBytes } from "../src/util/bytes.ts";

/** BLS as far as a cluster needs it; one scheme per run. */
export type KeyScheme = {
  readonly bls: Bls;
  /** 48 bytes. */
  publicKeyOf(secret: Uint8Array): Uint8Array;
  sign(secret: Uint8Array, signingRoot: Root): Signature;
  signerOf(shares: readonly ShareSecret[]): PartialSigner;
};

export type ClusterKeys = {
  readonly cluster: Cluster;
  readonly scheme: KeyScheme;
  identityOf(self: PeerIndex): Identity;
  /** An operator's share of each validator. */
  shares(self: PeerIndex): readonly ShareSecret[];
  /** The whole secret key of a validator: what nobody may have. */
  wholeKey(validator: LockIndex): Uint8Array;
};

export type KeyOptions = {
  readonly nodes: number;
  readonly threshold: number;
  readonly validators: number;
  readonly random: Random;
  readonly scheme: KeyScheme;
  /** Real secp256k1, or an identity that costs one hash and can be forged by whoever tries. */
  readonly identities: "secp256k1" | "transparent";
  /** Genesis fork version of the chain, 4 bytes as hex. */
  readonly forkVersion: `0x${string}`;
  readonly feeRecipient: `0x${string}`;
  readonly targetGasLimit: number | null;
};

/** Real BLS: what the node itself uses. */
export function blstScheme(): KeyScheme {
  const keyOf = (secret: Uint8Array): SigningKey => {
    const key = parseSecretKey(secret);
    assert(key !== null, "the secret is a key");
    return key;
  };
  return {
    bls: createBls(),
    publicKeyOf: (secret) => keyOf(secret).publicKey,
    sign: (secret, signingRoot) => keyOf(secret).sign(bytesOf(signingRoot)),
    signerOf: createBuiltinSigner,
  };
}

export function createClusterKeys(options: KeyOptions): ClusterKeys {
  const { nodes, threshold, validators, random, scheme } = options;
  const identityKeys = Array.from({ length: nodes }, () => random.bytes(32));
  const operators = identityKeys.map(k1PublicKey);
  const wholeKeys = Array.from({ length: validators }, () => scalarFrom(random));
  const shares = wholeKeys.map((secret) => {
    const split = splitSecret({ secret, threshold, shares: nodes, random });
    assert(split !== null, "the secret is a key");
    return split.map((share) => share.secret);
  });
  const distributed = wholeKeys.map(
    (secret, lockIndex): DistributedValidator => ({
      lockIndex,
      pubKey: pubKeyOf(scheme.publicKeyOf(secret)),
      pubShares: (shares[lockIndex] ?? []).map((share) => pubShareOf(scheme.publicKeyOf(share))),
      feeRecipient: options.feeRecipient,
      targetGasLimit: options.targetGasLimit,
    }),
  );
  const byPubKey = new Map<PubKey, DistributedValidator>(
    distributed.map((validator) => [validator.pubKey, validator]),
  );
  return {
    scheme,
    cluster: {
      name: "simulated",
      lockHash: rootOf(random.bytes(32)),
      forkVersion: options.forkVersion,
      nodes,
      threshold,
      validators: distributed,
      validator: (pubKey) => byPubKey.get(pubKey),
      operators: operators.map((publicKey, peerIndex) => ({ peerIndex, enr: "", publicKey })),
    },
    identityOf: (self) =>
      options.identities === "transparent"
        ? transparentIdentity(self, operators)
        : realIdentity(elementOf(identityKeys, self), operators),
    shares: (self) =>
      shares.map((each, validator) => ({ validator, secret: elementOf(each, self) })),
    wholeKey: (validator) => elementOf(wholeKeys, validator),
  };
}

function realIdentity(secretKey: Uint8Array, operators: readonly Uint8Array[]): Identity {
  const identity = createIdentity({ secretKey, operators });
  assert(identity !== null, "the key is an operator's");
  return identity;
}

/** A signature names the digest and the author: no microsecond in place of 40, and no secret. */
function transparentIdentity(self: PeerIndex, operators: readonly Uint8Array[]): Identity {
  const sign = (author: Uint8Array, digest: Uint8Array): Uint8Array => {
    const signature = new Uint8Array(digest.length + author.length);
    signature.set(digest);
    signature.set(author, digest.length);
    return signature;
  };
  const own = elementOf(operators, self);
  return {
    self,
    nodes: operators.length,
    sign: (digest) => sign(own, digest),
    verify(author, digest, signature) {
      const publicKey = operators[author];
      return publicKey !== undefined && equalBytes(signature, sign(publicKey, digest));
    },
  };
}

/** A scalar other than zero: 32 random bytes are below r about every other time. */
function scalarFrom(random: Random): Uint8Array {
  for (;;) {
    const scalar = scalarOf(random.bytes(32));
    if (scalar !== null) return scalarBytes(scalar);
  }
}

function elementOf<T>(list: readonly T[], index: number): T {
  const element = list[index];
  assert(element !== undefined, `there is an element ${index}`);
  return element;
}
