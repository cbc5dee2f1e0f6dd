/**
 * What the safety ring promises, each promise with the danger present. The tests hold the product
 * to them; `mutants.test.ts` shows that each notices when its guard is gone.
 */
import { createSafetyGate } from "../../src/safety/gate.ts";
import { exportInterchange, importInterchange } from "../../src/safety/interchange.ts";
import { openSlashingStore } from "../../src/safety/openSlashingStore.ts";
import { GATE_CLAIMS } from "./gateClaims.ts";
import { SENDER_CLAIMS } from "./senderClaims.ts";
import { STORE_CLAIMS } from "./slashingClaims.ts";

export type SafetyCode = {
  readonly openSlashingStore: typeof openSlashingStore;
  readonly createSafetyGate: typeof createSafetyGate;
  readonly importInterchange: typeof importInterchange;
  readonly exportInterchange: typeof exportInterchange;
};
export const PRODUCT: SafetyCode = {
  openSlashingStore,
  createSafetyGate,
  importInterchange,
  exportInterchange,
};

export const CLAIMS = { ...STORE_CLAIMS, ...GATE_CLAIMS, ...SENDER_CLAIMS };
export type ClaimName = keyof typeof CLAIMS;
