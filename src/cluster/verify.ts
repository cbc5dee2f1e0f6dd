/**
 * Everything that a cluster file claims, checked: hashes, wallet signatures, key shares, deposits,
 * registrations and the signatures of shares and nodes. Faults name the JSON field; all of them are
 * reported, the most specific ones first, and only a file without any becomes a VerifiedLock.
 */
import { batchVerify, fastAggregateVerify } from "../crypto/bls.ts";
import { decodeEnr } from "../crypto/enr.ts";
import { k1Recover } from "../crypto/k1.ts";
import { MIN_NODES } from "../domain/limits.ts";
import type { Brand } from "../util/brand.ts";
import { equalBytes, toHex } from "../util/bytes.ts";
import { err, ok, type Result } from "../util/result.ts";
import { approvalFaults } from "./approvals.ts";
import { type ClusterDefinition, versionOf } from "./definition.ts";
import { below, type ClusterFault } from "./fault.ts";
import { fieldBytes, sameBytes } from "./fields.ts";
import { configHash, definitionHash, lockHash } from "./hashing.ts";
import type { ClusterLock } from "./lock.ts";
import { keyFaults, type SignatureClaim, signatureClaims } from "./validators.ts";

/** A lock without any fault; minted here only. */
export type VerifiedLock = Brand<ClusterLock, "VerifiedLock">;

/** Signatures checked by one pairing product; a failing batch is looked through one by one. */
const BATCH = 64;
const NO_CONTRACTS: ReadonlySet<string> = new Set();

/** Checks a definition on its own: an operator that has not joined yet has no ENR. */
export function verifyDefinition(
  definition: ClusterDefinition,
  contractWallets: ReadonlySet<string> = NO_CONTRACTS,
): Result<ClusterDefinition, readonly ClusterFault[]> {
  const faults = definitionFaults(definition, contractWallets);
  return faults.length > 0 ? err(faults) : ok(definition);
}

/**
 * Checks a lock completely (LOCK-2 to LOCK-8). Operators with a contract wallet cannot be checked
 * offline: their addresses, lower case, have to be named in `contractWallets`.
 */
export function verifyLock(
  lock: ClusterLock,
  contractWallets: ReadonlySet<string> = NO_CONTRACTS,
): Result<VerifiedLock, readonly ClusterFault[]> {
  const definition = lock.cluster_definition;
  const faults = [
    ...below("cluster_definition", definitionFaults(definition, contractWallets)),
    ...below("cluster_definition", missingEnrs(definition)),
    ...keyFaults(lock),
    ...signatureFaults(signatureClaims(lock)),
  ];
  const hash = lockHash(lock);
  if (!sameBytes(hash, lock.lock_hash)) {
    const reason = `does not match the lock, whose hash is ${hash}: some field was changed`;
    faults.push({ path: "lock_hash", reason });
  }
  faults.push(...aggregateFaults(lock), ...nodeSignatureFaults(lock));
  return faults.length > 0 ? err(faults) : ok(lock as VerifiedLock);
}

function definitionFaults(
  definition: ClusterDefinition,
  contractWallets: ReadonlySet<string>,
): readonly ClusterFault[] {
  const faults = [...operatorFaults(definition)];
  const nodes = definition.operators.length;
  if (nodes < MIN_NODES) {
    faults.push({ path: "operators", reason: `are ${nodes}, a cluster has at least ${MIN_NODES}` });
  }
  if (definition.threshold > nodes) {
    faults.push({ path: "threshold", reason: `exceeds the ${nodes} operators` });
  }
  if (fieldBytes(definition.fork_version).length !== 4) {
    faults.push({ path: "fork_version", reason: "has not 4 bytes" });
  }
  faults.push(...approvalFaults(definition, contractWallets));
  for (const [path, hash] of [
    ["config_hash", configHash(definition)],
    ["definition_hash", definitionHash(definition)],
  ] as const) {
    if (sameBytes(hash, definition[path])) continue;
    const reason = `does not match the definition, whose hash is ${hash}: some field was changed`;
    faults.push({ path, reason });
  }
  return faults;
}

/** Each operator's record decodes, and no two operators are one node (LOCK-4). */
function operatorFaults(definition: ClusterDefinition): readonly ClusterFault[] {
  const faults: ClusterFault[] = [];
  const owners = new Map<string, number>();
  for (const [i, { enr }] of definition.operators.entries()) {
    if (enr === "") continue;
    const path = `operators[${i}].enr`;
    const decoded = decodeEnr(enr);
    if (!decoded.ok) {
      faults.push({ path, reason: `is invalid: ${decoded.error}` });
      continue;
    }
    const key = toHex(decoded.value.publicKey);
    const other = owners.get(key);
    if (other !== undefined) faults.push({ path, reason: `has the key of operators[${other}]` });
    owners.set(key, i);
  }
  return faults;
}

function missingEnrs(definition: ClusterDefinition): readonly ClusterFault[] {
  return definition.operators.flatMap(({ enr }, i) =>
    enr === "" ? [{ path: `operators[${i}].enr`, reason: "is missing" }] : [],
  );
}

function signatureFaults(claims: readonly SignatureClaim[]): readonly ClusterFault[] {
  const faults: ClusterFault[] = [];
  for (let start = 0; start < claims.length; start += BATCH) {
    const batch = claims.slice(start, start + BATCH);
    if (batchVerify(batch)) continue;
    for (const claim of batch) {
      if (batchVerify([claim])) continue;
      faults.push({ path: claim.path, reason: "does not verify under the validator's key" });
    }
  }
  return faults;
}

/** One BLS signature of all shares of all validators over the lock hash, added up (LOCK-7). */
function aggregateFaults(lock: ClusterLock): readonly ClusterFault[] {
  const valid = fastAggregateVerify({
    publicKeys: lock.distributed_validators.flatMap(({ public_shares }) =>
      public_shares.map(fieldBytes),
    ),
    message: fieldBytes(lock.lock_hash),
    signature: fieldBytes(lock.signature_aggregate),
  });
  if (valid) return [];
  const reason = "is no aggregate of all key shares' signatures over lock_hash";
  return [{ path: "signature_aggregate", reason }];
}

/** Each node signed the lock hash with the key of its ENR (LOCK-8). */
function nodeSignatureFaults(lock: ClusterLock): readonly ClusterFault[] {
  if (!versionOf(lock.cluster_definition).nodeSignatures) return [];
  const { operators } = lock.cluster_definition;
  const signatures = lock.node_signatures ?? [];
  if (signatures.length !== operators.length) {
    const reason = `has ${signatures.length} entries for ${operators.length} operators`;
    return [{ path: "node_signatures", reason }];
  }
  return signatures.flatMap((signature, i) => {
    const owner = decodeEnr(operators[i]?.enr ?? "");
    const signer = k1Recover(fieldBytes(lock.lock_hash), fieldBytes(signature));
    if (owner.ok && signer !== null && equalBytes(signer, owner.value.publicKey)) return [];
    const reason = `was not made over lock_hash by the key of operators[${i}].enr`;
    return [{ path: `node_signatures[${i}]`, reason }];
  });
}
