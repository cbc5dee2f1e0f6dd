/**
 * Slashing: no honest operator releases a slashable pair of partial signatures, t shares never
 * exist for two conflicting messages, and no group key signs a slashable pair (CHECK-2). What a
 * Byzantine share may have signed in secret counts as signed.
 */
import type { PartialSignatureSet, SlashingInput } from "../../src/domain/data.ts";
import type { LockIndex, PeerIndex, Root } from "../../src/domain/keys.ts";
import type { Slot } from "../../src/domain/units.ts";
import type { GroupSigned } from "../ledger.ts";
import type { CheckContext, Checker } from "./checker.ts";

/** A message as EIP-3076 sees it, and the honest shares that released a signature over it. */
type Message = {
  readonly root: Root;
  readonly slashing: SlashingInput;
  readonly shares: Set<PeerIndex>;
  readonly slot: Slot;
};
type Tasks = Map<Root, SlashingInput>;

const KEPT_EPOCHS = 8;

export function createSlashing(context: CheckContext): Checker {
  const watch = new SlashingWatch(context);
  return {
    checked: () => watch.checked,
    signed(_node, tasks) {
      for (const { messageRoot, slashing } of tasks) watch.learn(messageRoot, slashing);
    },
    released: (node, set) => watch.released(node, set),
    groupSigned: (message) => watch.groupSigned(message),
    enterSlot: (slot) => watch.forget(slot),
  };
}

class SlashingWatch {
  readonly #context: CheckContext;
  /** What a message root stands for, as whoever signed it said. */
  readonly #meaning: Tasks = new Map();
  readonly #released = new Map<LockIndex, Map<Root, Message>>();
  readonly #group = new Map<LockIndex, Map<Root, Message>>();
  readonly #seen = new WeakSet<PartialSignatureSet>();
  checked = 0;

  constructor(context: CheckContext) {
    this.#context = context;
  }

  learn(root: Root, slashing: SlashingInput | null): void {
    if (slashing !== null) this.#meaning.set(root, slashing);
  }

  released(node: PeerIndex, set: PartialSignatureSet): void {
    if (this.#context.byzantine.has(node) || this.#seen.has(set)) return;
    this.#seen.add(set);
    for (const { validator, messageRoot } of set.signatures) {
      const slashing = this.#meaning.get(messageRoot);
      if (slashing === undefined) {
        const isSlashable = set.duty.type !== "randao";
        if (isSlashable) this.#report(`node ${node} released a signature that no share made`);
        continue;
      }
      this.checked++;
      const message = this.#messageOf(this.#released, validator, { root: messageRoot, slashing });
      message.shares.add(node);
      this.#compareShares(validator, message);
    }
  }

  groupSigned(signed: GroupSigned): void {
    this.checked++;
    const { validator, root } = signed;
    const slashing: SlashingInput =
      signed.kind === "block"
        ? { kind: "block", slot: signed.slot }
        : {
            kind: "attestation",
            source: signed.data.source.epoch,
            target: signed.data.target.epoch,
          };
    const message = this.#messageOf(this.#group, validator, { root, slashing });
    for (const other of this.#group.get(validator)?.values() ?? []) {
      if (!isSlashablePair(message, other)) continue;
      this.#report(`validator ${validator} is slashable: ${nameOf(message)} and ${nameOf(other)}`);
    }
  }

  forget(slot: Slot): void {
    const { facts } = this.#context;
    const oldest = slot - KEPT_EPOCHS * facts.spec.slotsPerEpoch;
    for (const byValidator of [this.#released, this.#group]) {
      for (const messages of byValidator.values()) {
        for (const [root, message] of messages) {
          if (message.slot >= oldest) continue;
          messages.delete(root);
          this.#meaning.delete(root);
        }
      }
    }
  }

  #compareShares(validator: LockIndex, message: Message): void {
    const { byzantine, scenario } = this.#context;
    for (const other of this.#released.get(validator)?.values() ?? []) {
      if (!isSlashablePair(message, other)) continue;
      const both = [...message.shares].filter((node) => other.shares.has(node));
      const pair = `${nameOf(message)} and ${nameOf(other)} of validator ${validator}`;
      if (both.length > 0) this.#report(`shares ${both.join(", ")} signed both ${pair}`);
      const enough = (each: Message): boolean =>
        each.shares.size + byzantine.size >= scenario.threshold;
      if (enough(message) && enough(other)) this.#report(`t shares can exist for both ${pair}`);
    }
  }

  #messageOf(
    byValidator: Map<LockIndex, Map<Root, Message>>,
    validator: LockIndex,
    { root, slashing }: Pick<Message, "root" | "slashing">,
  ): Message {
    const messages = byValidator.get(validator) ?? new Map<Root, Message>();
    byValidator.set(validator, messages);
    let message = messages.get(root);
    if (message === undefined) {
      const { facts } = this.#context;
      const slot = slashing.kind === "block" ? slashing.slot : facts.firstSlot(slashing.target);
      message = { root, slashing, shares: new Set(), slot };
      messages.set(root, message);
    }
    return message;
  }

  #report(message: string): void {
    this.#context.report(message);
  }
}

/** EIP-3076: a double vote, a surrounding pair, or two blocks of one slot. */
function isSlashablePair(a: Message, b: Message): boolean {
  if (a.root === b.root) return false;
  const [x, y] = [a.slashing, b.slashing];
  if (x.kind === "block" || y.kind === "block") {
    return x.kind === "block" && y.kind === "block" && x.slot === y.slot;
  }
  const isDouble = x.target === y.target;
  const surrounds = x.source < y.source && x.target > y.target;
  const isSurrounded = y.source < x.source && y.target > x.target;
  return isDouble || surrounds || isSurrounded;
}

function nameOf({ root, slashing }: Message): string {
  if (slashing.kind === "block") return `block ${root.slice(0, 10)} of slot ${slashing.slot}`;
  return `vote ${root.slice(0, 10)} ${slashing.source}→${slashing.target}`;
}
