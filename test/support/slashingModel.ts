/**
 * EIP-3076 for one validator, slow and obvious: every message ever heard of in one list, nothing
 * pruned, nothing folded. The store is compared with it.
 */
import type { SlashingInput } from "../../src/domain/data.ts";
import type { Root } from "../../src/domain/keys.ts";

export type ModelMessage = SlashingInput & { readonly signingRoot: Root | null };

/** Whether signatures over both messages convict their validator, as far as anybody can tell. */
export function isSlashable(a: ModelMessage, b: ModelMessage): boolean {
  if (isEqual(a, b) && a.signingRoot !== null) return false;
  if (a.kind === "block") return b.kind === "block" && a.slot === b.slot;
  if (b.kind === "block") return false;
  const surrounds = (outer: typeof a, inner: typeof a) =>
    outer.source < inner.source && inner.target < outer.target;
  return a.target === b.target || surrounds(a, b) || surrounds(b, a);
}

export class SlashingModel {
  readonly #heard: ModelMessage[] = [];
  readonly #repeatable: ModelMessage[] = [];
  /** Where each kind's history begins: its first message, or a later file, and never lower. */
  #start: { source?: number; target?: number; slot?: number } = {};

  admits(message: ModelMessage): boolean {
    if (message.kind === "attestation" && message.source > message.target) return false;
    if (this.#repeatable.some((other) => isEqual(other, message))) return true;
    return !this.#heard.some((other) => isSlashable(other, message)) && this.#isAbove(message);
  }

  hear(messages: readonly ModelMessage[]): void {
    for (const message of messages) {
      if (this.#heard.some((other) => isEqual(other, message))) continue;
      if (message.signingRoot !== null && this.admits(message)) this.#repeatable.push(message);
      this.#heard.push(message);
    }
    this.#start = { ...lowestOf(messages), ...this.#start };
  }

  /** Of a file nobody knows what lay under its lowest message. */
  import(messages: readonly ModelMessage[]): void {
    this.hear(messages.toSorted((a, b) => reachOf(a) - reachOf(b)));
    const [lowest, start] = [lowestOf(messages), this.#start];
    for (const key of ["source", "target", "slot"] as const) {
      const [a, b] = [lowest[key], start[key]];
      if (a !== undefined && b !== undefined) start[key] = Math.max(a, b);
    }
  }

  #isAbove(message: ModelMessage): boolean {
    const { source = 0, target = -1, slot = -1 } = this.#start;
    return message.kind === "block"
      ? message.slot > slot
      : message.source >= source && message.target > target;
  }
}

function reachOf(message: ModelMessage): number {
  return message.kind === "block" ? message.slot : Math.max(message.source, message.target);
}

function lowestOf(messages: readonly ModelMessage[]) {
  const votes = messages.filter((message) => message.kind === "attestation");
  const blocks = messages.filter((message) => message.kind === "block");
  return {
    ...(votes.length > 0 && {
      source: Math.min(...votes.map(({ source }) => source)),
      target: Math.min(...votes.map(({ target }) => target)),
    }),
    ...(blocks.length > 0 && { slot: Math.min(...blocks.map(({ slot }) => slot)) }),
  };
}

function isEqual(a: ModelMessage, b: ModelMessage): boolean {
  if (a.signingRoot !== b.signingRoot) return false;
  if (a.kind === "block") return b.kind === "block" && a.slot === b.slot;
  return b.kind === "attestation" && a.source === b.source && a.target === b.target;
}
