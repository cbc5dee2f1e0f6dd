/**
 * Durability: what an honest operator releases is on its disk at that moment, so that no power cut
 * makes it forget a message that somebody may hold its signature of (CHECK-8).
 */
import type { SigningTask } from "../../src/domain/data.ts";
import type { LockIndex, Root } from "../../src/domain/keys.ts";
import type { Slot } from "../../src/domain/units.ts";
import { messageKey } from "../../src/safety/records.ts";
import type { CheckContext, Checker } from "./checker.ts";

/** Long after the last duty of the slot has expired, and before a record is forgotten. */
const KEPT_EPOCHS = 4;

export function createDurability(context: CheckContext): Checker {
  /** Where the record of a message lies, by validator and message root, as its signers said. */
  const records = new Map<string, { readonly key: string; readonly slot: Slot }>();
  const { byzantine, machines, facts, report } = context;
  let checked = 0;
  let now: Slot = 0;
  return {
    checked: () => checked,
    signed(_node, tasks) {
      for (const task of tasks) {
        const key = recordOf(task);
        if (key === null) continue;
        records.set(nameOf(task.validator, task.messageRoot), { key, slot: now });
      }
    },
    released(node, { signatures }) {
      const platter = machines[node]?.disk.platter;
      if (byzantine.has(node) || platter === undefined) return;
      for (const { validator, messageRoot } of signatures) {
        const record = records.get(nameOf(validator, messageRoot));
        if (record === undefined) continue;
        checked++;
        if (platter.has(record.key)) continue;
        report(`node ${node} released what is not on its disk: ${record.key}`);
      }
    },
    enterSlot(slot) {
      now = slot;
      const oldest = slot - KEPT_EPOCHS * facts.spec.slotsPerEpoch;
      for (const [name, record] of records) if (record.slot < oldest) records.delete(name);
    },
  };
}

/** Null where no slashing rule concerns the message. */
function recordOf({ pubKey, slashing, signingRoot }: SigningTask): string | null {
  if (slashing === null) return null;
  const fields = { signingRoot, origin: "own", shareIndex: null, isRepeatable: true } as const;
  return messageKey(pubKey, { ...slashing, ...fields });
}

function nameOf(validator: LockIndex, messageRoot: Root): string {
  return `${validator}/${messageRoot}`;
}
