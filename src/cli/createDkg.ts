/** `coterie create dkg`: writes the definition that all operators will agree on (DEF-1). */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { MODE_PUBLIC_FINAL, writeFileAtomic } from "../adapters/system/files.ts";
import { systemRandom } from "../adapters/system/random.ts";
import { writeDefinition } from "../cluster/definition.ts";
import { newDefinition } from "../cluster/newDefinition.ts";
import { verifyDefinition } from "../cluster/verify.ts";
import { termsFaults } from "../dkg/terms.ts";
import { UsageError } from "../domain/errors.ts";
import { uuidOf } from "../util/uuid.ts";
import type { CreateDkgOptions } from "./createDkgOptions.ts";
import { describeDefinition } from "./dkg/review.ts";
import { describeFault } from "./verifyLock.ts";

export const DEFINITION_FILE = "cluster-definition.json";

/** Writes the file, which is final: a wrong one is replaced by a new one. */
export async function createDkg(options: CreateDkgOptions): Promise<void> {
  const definition = newDefinition({
    name: options.name,
    enrs: options.enrs,
    threshold: options.threshold,
    forkVersion: options.forkVersion,
    validators: options.feeRecipients.map((feeRecipient, i) => ({
      feeRecipient,
      withdrawalAddress: options.withdrawalAddresses[i] ?? "",
    })),
    createdAt: new Date().toISOString().replace(/\.\d+Z$/, "Z"),
    uuid: uuidOf(systemRandom.bytes(16)),
    depositAmounts: options.depositAmounts,
    targetGasLimit: options.targetGasLimit,
    isCompounding: options.isCompounding,
  });
  const verified = verifyDefinition(definition);
  const faults = [...(verified.ok ? [] : verified.error), ...termsFaults(definition)];
  if (faults.length > 0) {
    // What the flags' own checks let through is an operator's record.
    throw new UsageError(
      ["the definition is not valid", ...faults.map(describeFault)].join("\n  "),
      {
        fix: "ask that operator for the output of coterie enr, and give it in --operator-enrs",
      },
    );
  }
  await mkdir(options.outputDir, { recursive: true });
  const path = join(options.outputDir, DEFINITION_FILE);
  await writeFileAtomic({ path, data: writeDefinition(definition), mode: MODE_PUBLIC_FINAL });
  process.stdout.write(describeDefinition(definition, null));
  process.stdout.write(
    `\n${path} is written. Send it to every operator; each of them, you included, runs:\n` +
      `  coterie dkg review ${DEFINITION_FILE}\n` +
      `  coterie dkg accept ${DEFINITION_FILE}\n` +
      "  coterie dkg\n",
  );
}
