/** What the demo prints: one line per slot with what each node is doing, and the verdict. */
import { styleText } from "node:util";
import type { AttestationRow, ProposalRow } from "../../sim/devchain/inclusion.ts";
import type { NodeEvent } from "./cluster.ts";
import type { Verdict } from "./judge.ts";
import type { DemoOptions } from "./options.ts";

export type SlotLine = {
  readonly slot: number;
  readonly justifiedEpoch: number;
  readonly finalizedEpoch: number;
  /** Duties of the slot before, as far as blocks hold them by now. */
  readonly previous: readonly AttestationRow[];
  /** The slot's own proposal, where a distributed validator had one. */
  readonly proposal: ProposalRow | undefined;
};

type Duty = { readonly slot: number; readonly type: string };
type DutyDone = { readonly slot: number; readonly text: string };

/** What a node says of its duties; a reveal is part of the proposal that it is for. */
const DONE: Readonly<Record<string, string>> = { attester: "attested", proposer: "proposed" };

const BLOCK_TEXT: Readonly<Record<string, string>> = {
  null: "            ",
  true: "block ours  ",
  false: "block LOST  ",
};

export class SlotBoard {
  readonly #options: DemoOptions;
  readonly #done = new Map<number, DutyDone>();
  readonly #doing = new Map<number, string>();
  readonly #published = new Map<number, Set<string>>();

  constructor(options: DemoOptions) {
    this.#options = options;
  }

  say(text: string): void {
    if (this.#options.isJson) this.#json({ type: "note", text });
    else process.stdout.write(`${text}\n`);
  }

  /** Learns from a node's own log what it does. */
  hear({ node, record }: NodeEvent): void {
    const duty = record["duty"] as Duty | undefined;
    const { msg } = record as { msg?: string };
    if (msg === "A duty is complete." && duty !== undefined) {
      const steps = record["ms"] as Readonly<Record<string, number>>;
      this.#complete(node, duty, Math.round(steps["broadcast"] ?? 0));
    } else if (msg === "Group signatures were handed over." && duty?.type === "proposer") {
      const roots = this.#published.get(duty.slot) ?? new Set();
      for (const root of record["messageRoots"] as readonly string[]) roots.add(root);
      this.#published.set(duty.slot, roots);
    } else if (["warn", "error"].includes(String(record["level"])) && msg !== undefined) {
      this.#doing.set(node, msg);
    }
  }

  /** What a client that is not ours says is its own affair; in JSON it is kept for who asks. */
  hearClient(client: number, line: string): void {
    if (this.#options.isJson) this.#json({ type: "client", client, line });
  }

  /** Roots of the blocks that nodes published, by slot. */
  get publishedRoots(): ReadonlyMap<number, ReadonlySet<string>> {
    return this.#published;
  }

  showSlot({ slot, justifiedEpoch, finalizedEpoch, previous, proposal }: SlotLine): void {
    const nodes = Array.from({ length: this.#options.nodes }, (_, node) => this.#state(node, slot));
    const included = previous.filter(({ isIncluded }) => isIncluded).length;
    const isOurs = this.#isOurs(proposal);
    if (this.#options.isJson) {
      const line = {
        slot,
        justifiedEpoch,
        finalizedEpoch,
        previousDue: previous.length,
        included,
        isOurs,
      };
      this.#json({ type: "slot", ...line, nodes });
      return;
    }
    const chain = `justified ${justifiedEpoch} finalized ${finalizedEpoch}`;
    const before =
      previous.length === 0
        ? "no duty before"
        : `${included}/${previous.length} of slot before on chain`;
    process.stdout.write(
      `slot ${String(slot).padStart(3)}  ${chain}  ${before.padEnd(30)}  ` +
        `${BLOCK_TEXT[String(isOurs)]}  ${nodes.join("  ")}\n`,
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
      `blocks due          ${verdict.proposalsDue}`,
      `on chain as agreed  ${verdict.proposalsOurs}`,
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
    if (done?.slot === slot) return `n${node} ${done.text}`;
    const doing = this.#doing.get(node);
    this.#doing.delete(node);
    return doing === undefined ? `n${node} idle` : `n${node} ${doing}`;
  }

  #complete(node: number, { slot, type }: Duty, ms: number): void {
    const verb = DONE[type];
    if (verb === undefined) return;
    const before = this.#done.get(node);
    const parts = before?.slot === slot ? [before.text] : [];
    this.#done.set(node, { slot, text: [...parts, `${verb} +${ms}ms`].join(" ") });
  }

  /** Null when the slot's block is somebody else's to propose. */
  #isOurs(proposal: ProposalRow | undefined): boolean | null {
    if (proposal === undefined) return null;
    return this.#published.get(proposal.slot)?.has(proposal.root ?? "") ?? false;
  }

  #json(record: object): void {
    process.stdout.write(`${JSON.stringify(record)}\n`);
  }
}
