/** In which parts a validator's stake is deposited (DEF-3). */
import type { ClusterDefinition } from "./definition.ts";

/** Gwei of one ETH. */
const GWEI_PER_ETH = 1_000_000_000n;
/** The least that the deposit contract takes, and that activates a validator (consensus specs). */
const MIN_DEPOSIT_GWEI = GWEI_PER_ETH;
const ACTIVATION_GWEI = 32n * GWEI_PER_ETH;
/** MAX_EFFECTIVE_BALANCE, and MAX_EFFECTIVE_BALANCE_ELECTRA with compounding credentials. */
const MAX_DEPOSIT_GWEI = { plain: ACTIVATION_GWEI, compounding: 2_048n * GWEI_PER_ETH } as const;

/** The stake in one deposit, where a definition names no amounts. */
export const DEFAULT_DEPOSIT_AMOUNTS: readonly bigint[] = [ACTIVATION_GWEI];

/** Distinct amounts in Gwei, in the definition's order: one pre-signed deposit for each. */
export function depositAmountsOf(definition: ClusterDefinition): readonly bigint[] {
  const amounts = (definition.deposit_amounts ?? []).map(BigInt);
  return amounts.length === 0 ? DEFAULT_DEPOSIT_AMOUNTS : [...new Set(amounts)];
}

/** What is wrong with the amounts of one validator, as listed (repeated ones included). */
export function depositAmountsFault(
  amounts: readonly bigint[],
  isCompounding: boolean,
): string | null {
  const max = isCompounding ? MAX_DEPOSIT_GWEI.compounding : MAX_DEPOSIT_GWEI.plain;
  const wrong = amounts.find((amount) => amount < MIN_DEPOSIT_GWEI || amount > max);
  if (wrong !== undefined) {
    return `${ethText(wrong)} ETH is no deposit: one is from 1 to ${ethText(max)} ETH`;
  }
  const sum = amounts.reduce((total, amount) => total + amount, 0n);
  if (sum >= ACTIVATION_GWEI) return null;
  return `${ethText(sum)} ETH in all activate no validator: it takes 32 ETH`;
}

/** Gwei as a decimal text of ETH, e.g. `32` or `1.5`. */
export function ethText(gwei: bigint): string {
  const fraction = (gwei % GWEI_PER_ETH).toString().padStart(9, "0").replace(/0+$/, "");
  return `${gwei / GWEI_PER_ETH}${fraction === "" ? "" : `.${fraction}`}`;
}

/** Gwei of a decimal text of ETH; null for anything else. */
export function gweiOf(text: string): bigint | null {
  const match = /^(\d{1,9})(?:\.(\d{1,9}))?$/.exec(text);
  if (match === null) return null;
  return BigInt(match[1] ?? 0) * GWEI_PER_ETH + BigInt((match[2] ?? "").padEnd(9, "0"));
}
