/**
 * Standing: an honest node never does what an honest node penalises (CHECK-7). Penalties lead to a
 * ban, so one that strikes the honest is a way to take a cluster apart.
 */
import type { CheckContext, Checker } from "./checker.ts";

export function createStanding({ byzantine, report }: CheckContext): Checker {
  let checked = 0;
  return {
    checked: () => checked,
    penalised(node, peer, code) {
      checked++;
      if (byzantine.has(node) || byzantine.has(peer)) return;
      report(`node ${node} penalised the honest node ${peer}: ${code}`);
    },
  };
}
