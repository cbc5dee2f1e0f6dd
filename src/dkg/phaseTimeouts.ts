/** How long a phase may take before whoever is missing is named (LOBBY-5). */
import type { Millis } from "../domain/units.ts";
import type { CeremonyPhase } from "../wire/ceremony.ts";

/** Time for an operator to restart a machine that crashed. */
const BASE_MS: Millis = 60_000;
/** What a slow machine takes for one validator and operator: verification, and the way there. */
const PER_SHARE_MS: Millis = 20;
/** One scrypt keystore written and one opened, on one core. */
const PER_KEYSTORE_MS: Millis = 2_000;

export function phaseTimeoutMs(
  phase: CeremonyPhase,
  size: { readonly nodes: number; readonly validators: number },
): Millis {
  const { nodes, validators } = size;
  const keystores = phase === "keys" ? PER_KEYSTORE_MS * validators : 0;
  return BASE_MS + PER_SHARE_MS * validators * nodes + keystores;
}
