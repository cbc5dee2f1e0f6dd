import type { Millis } from "../src/domain/units.ts";

/** What becomes of one write: how long its sync takes, and whether it fails. */
export type WriteFate = {
  readonly syncMs: Millis;
  /** `lands`: whether the failed write is on the platter after all. */
  readonly fault: { readonly lands: boolean } | null;
};
