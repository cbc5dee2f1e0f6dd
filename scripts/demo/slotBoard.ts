/** What the demo prints: one line per slot with what each node is doing, and the verdict. */
import { styleText } from "node:util";
import type { AttestationRow } from "../../sim/devchain/inclusion.ts";
import type { NodeEvent } from "./cluster.ts";
import type { Verdict } from "./judge.ts";
import type { DemoOptions } from "./options.ts";

export type SlotLine = {
  readonly slot: number;
  readonly justifiedEpoch: number;
  readonly finalizedEpoch: number;
  /** Duties of the slot before, as far as blocks hold them by now. */
  readonly previous: readonly AttestationRow[];
};

type DutyDone = { readonly slot: number; readonly ms: number };

export class SlotBoard {
  readonly #options: DemoOptions;
  readonly #done = new Map<number, DutyDone>();
  readonly #doing = new Map<number, string>();

  constructor(options: DemoOptions) {
    this.#options = options;
  }

  say(text: string): void {
    if (this.#options.isJson) this.#json({ type: "note", text });
    else process.stdout.write(`${text}\n`);
  }

  /** Learns from a node's own log what it does. */
  hear({ node, record }: NodeEvent): void {
    const duty = record["duty"] as { slot?: number } | undefined;
    const { msg } = record as { msg?: string };
    if (msg === "A duty is complete." && duty?.slot !== undefined) {
      const steps = record["ms"] as Readonly<Record<string, number>>;
      this.#done.set(node, { slot: duty.slot, ms: Math.round(steps["broadcast"] ?? 0) });
    } else if (["warn", "error"].includes(String(record["level"])) && msg !== undefined) {
      this.#doing.set(node, msg);
    }
  }

  showSlot({ slot, justifiedEpoch, finalizedEpoch, previous }: SlotLine): void {
    const nodes = Array.from({ length: this.#options.nodes }, (_, node) => this.#state(node, slot));
    const included = previous.filter(({ isIncluded }) => isIncluded).length;
    if (this.#options.isJson) {
      const line = { slot, justifiedEpoch, finalizedEpoch, previousDue: previous.length, included };
      this.#json({ type: "slot", ...line, nodes });
      return;
    }
    const chain = `justified ${justifiedEpoch} finalized ${finalizedEpoch}`;
    const before =
      previous.length === 0
        ? "no duty before"
        : `${included}/${previous.length} of slot before on chain`;
    process.stdout.write(
      `slot ${String(slot).padStart(3)}  ${chain}  ${before.padEnd(30)}  ${nodes.join("  ")}\n`,
    );
  }

  conclude(verdict: Verdict): void {
    if (this.#options.isJson) {
      this.#json({ type: "verdict", ...verdict });
      return;
    }
    const { expected, included, rightHead, excused, meanDistance } = verdict;
    const { justifiedEpoch, finalizedEpoch } = verdict;
    const lines = [
      "",
      `duties due          ${expected}`,
      `in block bodies     ${included}`,
      `with the right head ${rightHead}`,
      `mean distance       ${meanDistance.toFixed(2)} slots`,
      `chain               justified ${justifiedEpoch}, finalized ${finalizedEpoch}`,
      ...(excused > 0 ? [`lost to the kill    ${excused}, all in the slot of the kill`] : []),
      ...verdict.failures.map((failure) => styleText("red", failure)),
      verdict.failures.length === 0
        ? styleText("green", "PASS  every duty of the distributed validators is on chain")
        : styleText("red", `FAIL  ${verdict.failures.length} findings`),
    ];
    process.stdout.write(`${lines.join("\n")}\n`);
  }

  #state(node: number, slot: number): string {
    const { kill } = this.#options;
    if (kill !== null && kill.node === node && slot >= kill.slot) return `n${node} killed`;
    const done = this.#done.get(node);
    if (done?.slot === slot) return `n${node} attested +${done.ms}ms`;
    const doing = this.#doing.get(node);
    this.#doing.delete(node);
    return doing === undefined ? `n${node} idle` : `n${node} ${doing}`;
  }

  #json(record: object): void {
    process.stdout.write(`${JSON.stringify(record)}\n`);
  }
}
