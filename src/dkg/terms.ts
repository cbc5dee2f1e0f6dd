/**
 * Whether a ceremony may be held for a definition (DEF-1 to DEF-3): beyond what makes it valid, all
 * operators are known, the money has somewhere to go, and the threshold is safe.
 */
import { addressFault } from "../cluster/addresses.ts";
import { type ClusterDefinition, isCompounding, versionOf } from "../cluster/definition.ts";
import { depositAmountsFault, depositAmountsOf } from "../cluster/depositAmounts.ts";
import type { ClusterFault } from "../cluster/fault.ts";
import { GAS_LIMITS, targetGasLimitOf } from "../cluster/newDefinition.ts";
import { isSafeThreshold, quorum } from "../domain/quorum.ts";

/** How Obol's files name the key generation that the software prefers. */
const OWN_ALGORITHM = ["", "default"];
const RFC_3339 = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/;
/** Control characters, line breaks and what turns the direction of writing. */
const HIDDEN = /[\p{Cc}\p{Zl}\p{Zp}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/u;

/** Faults of the terms; hashes, ENRs and wallet signatures are verifyDefinition's matter. */
export function termsFaults(definition: ClusterDefinition): readonly ClusterFault[] {
  const faults: ClusterFault[] = [];
  const { operators, threshold, version, dkg_algorithm: algorithm } = definition;
  if (versionOf(definition).deposits !== "list") {
    const reason = `${version} has no place for the deposits; make a new definition`;
    faults.push({ path: "version", reason });
  }
  if (!OWN_ALGORITHM.includes(algorithm)) {
    faults.push({
      path: "dkg_algorithm",
      reason: `is ${JSON.stringify(algorithm)}, which is not spoken here`,
    });
  }
  if (HIDDEN.test(definition.name)) {
    faults.push({ path: "name", reason: "holds control characters, which can hide what is shown" });
  }
  // Of all times that the language reads, these are the same in every time zone; keys sign it.
  if (!RFC_3339.test(definition.timestamp) || !(Date.parse(definition.timestamp) >= 0)) {
    faults.push({ path: "timestamp", reason: "is no RFC 3339 time since 1970" });
  }
  const gasLimit = targetGasLimitOf(definition);
  if (gasLimit < GAS_LIMITS.min || gasLimit > GAS_LIMITS.max) {
    const reason = `is ${gasLimit}: a block has from ${GAS_LIMITS.min} to ${GAS_LIMITS.max}`;
    faults.push({ path: "target_gas_limit", reason });
  }
  if (!isSafeThreshold(operators.length, threshold)) {
    const reason = `${threshold} of ${operators.length} lets two groups sign apart`;
    faults.push({ path: "threshold", reason: `${reason}; ${quorum(operators.length)} is safe` });
  }
  for (const [i, { enr }] of operators.entries()) {
    if (enr !== "") continue;
    faults.push({ path: `operators[${i}].enr`, reason: "is missing: that operator has to join" });
  }
  return [...faults, ...moneyFaults(definition)];
}

function moneyFaults(definition: ClusterDefinition): readonly ClusterFault[] {
  const faults: ClusterFault[] = [];
  for (const [i, validator] of definition.validators.entries()) {
    for (const field of ["fee_recipient_address", "withdrawal_address"] as const) {
      const reason = addressFault(validator[field], { isChecksumNeeded: false });
      if (reason !== null) faults.push({ path: `validators[${i}].${field}`, reason });
    }
  }
  const listed = (definition.deposit_amounts ?? []).map(BigInt);
  const amounts = listed.length === 0 ? depositAmountsOf(definition) : listed;
  const reason = depositAmountsFault(amounts, isCompounding(definition));
  if (reason !== null) faults.push({ path: "deposit_amounts", reason });
  return faults;
}
