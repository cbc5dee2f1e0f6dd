/** Behaviours that keep back what an honest operator says. */
import { consensusIn, withhold } from "./frames.ts";
import type { Behaviour, Operator } from "./operator.ts";

/** Says nothing at all, and goes on listening. */
export function silent({ acted }: Operator): Behaviour {
  return {
    rewrite: ({ channel }) => {
      acted(`keeps back a frame of ${channel}`);
      return [];
    },
  };
}

/** Prepares and never commits: the others must decide without it. */
export function withholdCommit({ acted }: Operator): Behaviour {
  return {
    rewrite: withhold(({ message: { type, round }, duty }) => {
      const isLast = type === "COMMIT" || type === "DECIDED";
      if (isLast) acted(`keeps back ${type} of round ${round} of ${duty.slot}/${duty.type}`);
      return isLast;
    }),
  };
}

/**
 * Proposes a root and hands its bytes to the first `reach` peers only (none by default), also when
 * it is asked for them.
 */
export function withholdValue(operator: Operator): Behaviour {
  const reach = Number(operator.options["reach"] ?? 0);
  const favoured = new Set(operator.peers.slice(0, reach));
  return {
    rewrite: (sent) => {
      const frame = consensusIn(sent);
      const hasBytes = frame?.kind === "value" || (frame?.kind === "message" && frame.value);
      if (!hasBytes || (sent.to !== null && favoured.has(sent.to))) return [sent.bytes];
      operator.acted(`keeps back the value of ${frame.duty.slot}/${frame.duty.type}`);
      return [];
    },
  };
}
