/**
 * Foreign signers: whoever signs with a whole key has that validator frozen on every honest node
 * within an epoch, and no other validator is frozen by anybody's watch (CHECK-9).
 */
import type { LockIndex, PeerIndex, PubKey } from "../../src/domain/keys.ts";
import type { Slot } from "../../src/domain/units.ts";
import type { Node } from "../../src/node/node.ts";
import { endOf } from "../scenario.ts";
import type { CheckContext, Checker } from "./checker.ts";

/** Its block has to come, and the peers have to answer. */
const GRACE_SLOTS = 2;

export function createForeign(context: CheckContext): Checker {
  const { machines, byzantine, facts, report, scenario } = context;
  const firstSigned = new Map<LockIndex, Slot>();
  const isDue = new Map<LockIndex, boolean>();
  let checked = 0;
  const honest = (): readonly (readonly [PeerIndex, Node])[] =>
    machines.flatMap(({ self, node }) =>
      node === null || byzantine.has(self) ? [] : [[self, node] as const],
    );
  const lockIndexOf = (pubKey: PubKey): LockIndex => context.pubKeys.indexOf(pubKey);
  return {
    checked: () => checked,
    foreignSigned({ validator, slot }) {
      if (!firstSigned.has(validator)) firstSigned.set(validator, slot);
    },
    enterSlot(now) {
      for (const [validator, slot] of firstSigned) {
        const deadline = slot + facts.spec.slotsPerEpoch + GRACE_SLOTS;
        if (now < deadline || isDue.get(validator) === true) continue;
        isDue.set(validator, true);
        for (const [self, node] of honest()) {
          checked++;
          const pubKey = context.pubKeys[validator];
          if (node.control.freezes().some((freeze) => freeze.validator === pubKey)) continue;
          report(`node ${self} did not freeze validator ${validator}, which a stranger signs for`);
        }
      }
    },
    finish() {
      const isCalm = scenario.faults.every(
        (fault) => endOf(fault) + facts.spec.slotsPerEpoch <= scenario.slots,
      );
      for (const [self, node] of honest()) {
        checked++;
        for (const { validator, by, reason } of node.control.freezes()) {
          // Of a node that is cut off until the end nobody can explain anything to.
          if (validator === null || (!isCalm && HELD.test(reason))) continue;
          if (firstSigned.has(lockIndexOf(validator))) continue;
          report(`node ${self} froze a validator that nobody else signs for: ${by}, ${reason}`);
        }
      }
    },
  };
}

/** Held, and not yet frozen. */
const HELD = /no peer has explained/;
