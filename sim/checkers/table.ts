/** Every checker of a run. */
import { createAgreement } from "./agreement.ts";
import { createBounds } from "./bounds.ts";
import type { CheckContext, Checker, CheckKind } from "./checker.ts";
import { createDurability } from "./durability.ts";
import { createForeign } from "./foreign.ts";
import { createLeaks } from "./leaks.ts";
import { createLiveness } from "./liveness.ts";
import { createSlashing } from "./slashing.ts";
import { createStanding } from "./standing.ts";
import { createValidity } from "./validity.ts";

type Row = {
  readonly name: string;
  readonly kind: CheckKind;
  readonly create: (context: CheckContext) => Checker;
};

const ROWS: readonly Row[] = [
  { name: "agreement", kind: "correctness", create: createAgreement },
  { name: "slashing", kind: "correctness", create: createSlashing },
  { name: "durability", kind: "correctness", create: createDurability },
  { name: "validity", kind: "correctness", create: createValidity },
  { name: "standing", kind: "correctness", create: createStanding },
  { name: "bounds", kind: "correctness", create: createBounds },
  { name: "leaks", kind: "correctness", create: createLeaks },
  { name: "foreign", kind: "correctness", create: createForeign },
  { name: "liveness", kind: "liveness", create: createLiveness },
];

export type NamedChecker = { readonly name: string; readonly checker: Checker };

export function createCheckers(
  contextOf: (name: string, kind: CheckKind) => CheckContext,
): readonly NamedChecker[] {
  return ROWS.map(({ name, kind, create }) => ({ name, checker: create(contextOf(name, kind)) }));
}
