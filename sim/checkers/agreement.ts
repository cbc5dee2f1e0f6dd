/** Agreement: no two honest nodes decide two values of one duty, nor one node twice (CHECK-1). */
import { type DutyId, dutyId } from "../../src/domain/duty.ts";
import type { PeerIndex, Root } from "../../src/domain/keys.ts";
import type { CheckContext, Checker } from "./checker.ts";

type Decision = { readonly root: Root; readonly node: PeerIndex };

/** Duties remembered: those of several epochs. */
const MAX_DUTIES = 1_024;

export function createAgreement({ byzantine, report }: CheckContext): Checker {
  const decisions = new Map<DutyId, Decision>();
  let checked = 0;
  return {
    checked: () => checked,
    decided(node, { duty, root }) {
      if (byzantine.has(node)) return;
      checked++;
      const id = dutyId(duty);
      const first = decisions.get(id);
      if (first === undefined) {
        decisions.set(id, { root, node });
        const [oldest] = decisions.keys();
        if (decisions.size > MAX_DUTIES && oldest !== undefined) decisions.delete(oldest);
      } else if (first.root !== root) {
        report(`${id}: node ${first.node} decided ${first.root}, node ${node} decided ${root}`);
      }
    },
  };
}
