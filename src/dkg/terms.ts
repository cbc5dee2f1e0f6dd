/**
 * Whether a ceremony may be held for a definition (DEF-1 to DEF-3): beyond what makes it valid, all
 * operators are known, the money has somewhere to go, and the threshold is safe.
 */
import { addressFault } from "../cluster/addresses.ts";
import { type ClusterDefinition, isCompounding, versionOf } from "../cluster/definition.ts";
import { depositAmountsFault, depositAmountsOf } from "../cluster/depositAmounts.ts";
import type { ClusterFault } from "../cluster/fault.ts";
import { isSafeThreshold, quorum } from "../domain/quorum.ts";

/** How Obol's files name the key generation that the software prefers. */
const OWN_ALGORITHM = ["", "default"];

/** Faults of the terms; hashes, ENRs and wallet signatures are verifyDefinition's matter. */
export function termsFaults(definition: ClusterDefinition): readonly ClusterFault[] {
  const faults: ClusterFault[] = [];
  const { operators, threshold, version, dkg_algorithm: algorithm } = definition;
  if (versionOf(definition).deposits !== "list") {
    const reason = `${version} has no place for the deposits; make a new definition`;
    faults.push({ path: "version", reason });
  }
  if (!OWN_ALGORITHM.includes(algorithm)) {
    faults.push({ path: "dkg_algorithm", reason: `is "${algorithm}", which is not spoken here` });
  }
  if (Number.isNaN(Date.parse(definition.timestamp))) {
    faults.push({ path: "timestamp", reason: "is no RFC 3339 time" });
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
