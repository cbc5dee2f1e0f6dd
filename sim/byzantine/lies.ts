/** Behaviours of a leader whose proposals no honest operator would make. */
import { proposeValueTo } from "./frames.ts";
import type { Behaviour, Operator } from "./operator.ts";
import {
  changedValue,
  foreignFeeRecipient as feeRecipientChange,
  randomHead as headChange,
  SLASH_BAITS,
  slashBait as slashBaitOf,
  type ValueChange,
} from "./values.ts";

export function randomHead(operator: Operator): Behaviour {
  return lie(operator, "proposes a head that does not exist", () => headChange(operator.random));
}

export function foreignFeeRecipient(operator: Operator): Behaviour {
  return lie(operator, "proposes a block that pays somebody else", () =>
    feeRecipientChange(operator.random),
  );
}

/** Option `bait`: one of {@link SLASH_BAITS}; drawn for each proposal where absent. */
export function slashBait(operator: Operator): Behaviour {
  const { random } = operator;
  return lie(operator, "proposes what is slashable", () => {
    const chosen = SLASH_BAITS.find((bait) => bait === operator.options["bait"]);
    return slashBaitOf(chosen ?? random.pick(SLASH_BAITS), random);
  });
}

function lie(operator: Operator, detail: string, changeOf: () => ValueChange): Behaviour {
  // One lie for all receivers: this is no equivocation.
  const lies = new WeakMap<Uint8Array, Uint8Array>();
  return {
    rewrite: proposeValueTo(operator, (value, _sent, duty) => {
      const known = lies.get(value);
      if (known !== undefined) return known;
      const lied = changedValue(operator.chain, duty, { value, change: changeOf() });
      if (lied === null) return null;
      lies.set(value, lied);
      operator.acted(`${detail} (${duty.slot}/${duty.type})`);
      return lied;
    }),
  };
}
