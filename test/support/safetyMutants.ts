/** Mutants of the safety ring: each guard taken out in turn, and the claim that must notice. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { loadMutant, type Patch } from "./mutant.ts";
import { CLAIMS, type ClaimName, PRODUCT, type SafetyCode } from "./safetyClaims.ts";

export type Mutant = {
  readonly without: string;
  /** Module of src/safety that is loaded; patches without a file are of this one. */
  readonly entry: "gate" | "openSlashingStore";
  readonly patches: readonly Patch[];
  readonly noticedBy: ClaimName;
};

export function lines(...parts: readonly string[]): string {
  return parts.join("\n");
}

/** One test for each: the product keeps the claim (claims.test.ts), the mutant does not. */
export function testMutants(mutants: readonly Mutant[]): void {
  for (const { without, entry, patches, noticedBy } of mutants) {
    test(`without ${without}, "${noticedBy}" fails`, async () => {
      const code: SafetyCode = {
        ...PRODUCT,
        ...(await loadMutant<Partial<SafetyCode>>(`src/safety/${entry}.ts`, patches)),
      };
      const check: (code: SafetyCode) => Promise<void> = CLAIMS[noticedBy];
      await assert.rejects(check(code), { name: "AssertionError" });
    });
  }
}
