/** Each guard of the safety ring taken out in turn: the claim that relies on it must notice. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { loadMutant, type Patch } from "../../support/mutant.ts";
import { CLAIMS, type ClaimName, PRODUCT, type SafetyCode } from "../../support/safetyClaims.ts";

type Mutant = {
  readonly without: string;
  /** Module of src/safety that is loaded; patches without a file are of this one. */
  readonly entry: "gate" | "openSlashingStore";
  readonly patches: readonly Patch[];
  readonly noticedBy: ClaimName;
};

const RULES = "src/safety/rules.ts";
const STORE = "src/safety/slashingStore.ts";
const HISTORY = "src/safety/history.ts";
const RECORDS = "src/safety/records.ts";

const MUTANTS: readonly Mutant[] = [
  {
    without: "the double vote rule",
    entry: "openSlashingStore",
    patches: [
      { file: RULES, find: "record.target === message.target) return", replace: "false) return" },
    ],
    noticedBy: "SLASH-2: a second vote for a target epoch is refused, also after a restart",
  },
  {
    without: "the surrounding rule",
    entry: "openSlashingStore",
    patches: [
      {
        file: RULES,
        find: "message.source < record.source && record.target < message.target",
        replace: "false",
      },
    ],
    noticedBy: "SLASH-3: a vote that surrounds a recorded one is refused",
  },
  {
    without: "the surrounded rule",
    entry: "openSlashingStore",
    patches: [
      {
        file: RULES,
        find: "record.source < message.source && message.target < record.target",
        replace: "false",
      },
    ],
    noticedBy: "SLASH-3: a vote that a recorded one surrounds is refused",
  },
  {
    without: "the rest of the walk through the history",
    entry: "openSlashingStore",
    patches: [
      {
        file: HISTORY,
        find: "if (positionOf(before) < position) break;",
        replace: "if (index < records.length) break;",
      },
    ],
    noticedBy: "SLASH-3: a vote that surrounds a recorded one is refused",
  },
  {
    without: "the double proposal rule",
    entry: "openSlashingStore",
    patches: [{ file: RULES, find: "if (other !== undefined) {", replace: "if (false) {" }],
    noticedBy: "SLASH-4: a second block for a slot is refused, also after a restart",
  },
  {
    without: "the order of source and target",
    entry: "openSlashingStore",
    patches: [{ file: RULES, find: "if (source > target) {", replace: "if (false) {" }],
    noticedBy: "SLASH-5: a vote with its source after its target is refused",
  },
  {
    without: "the watermark check",
    entry: "openSlashingStore",
    patches: [
      {
        file: RULES,
        find: "source < watermark.source || target <= watermark.target",
        replace: "false",
      },
    ],
    noticedBy: "STORE-5: a long history stays small, and what it forgot is still refused",
  },
  {
    without: "the first watermark",
    entry: "openSlashingStore",
    patches: [
      {
        file: STORE,
        find: `slashing.kind === "attestation" && attestationWatermark === null) {`,
        replace: "slashing === null) {",
      },
    ],
    noticedBy:
      "SLASH-6: a history begins with its first message; an older import opens nothing under it",
  },
  {
    without: "the import of what lies under the watermark",
    entry: "openSlashingStore",
    patches: [
      {
        file: STORE,
        find: "{ attestation: { source: message.source, target }, block: null }",
        replace: "{ attestation: null, block: null }",
      },
    ],
    noticedBy: "SLASH-8: an import tightens and is idempotent",
  },
  {
    without: "the doubt about imported contradictions",
    entry: "openSlashingStore",
    patches: [
      {
        file: STORE,
        find: "checkSlashing(history, { slashing: message, signingRoot }).isApproved;",
        replace: "true;",
      },
    ],
    noticedBy: "SLASH-9: an imported message that contradicts our own is never signed",
  },
  {
    without: "the other shares' records",
    entry: "openSlashingStore",
    patches: [
      {
        file: STORE,
        find: "const verdict = this.check(pubKey, { slashing, signingRoot });",
        replace: lines(
          "const verdict = checkSlashing({",
          "  attestationWatermark: null, blockWatermark: null, blocksAt: () => [],",
          "  attestationsReaching: (epoch: Epoch) => this.#historyOf(pubKey)",
          "    .attestationsReaching(epoch).filter((own) => own.shareIndex === shareIndex),",
          "}, { slashing, signingRoot });",
        ),
      },
    ],
    noticedBy:
      "SLASH-7: what one share signed binds every other share of the validator on this node",
  },
  {
    without: "the doubt about a contradicting group signature",
    entry: "openSlashingStore",
    patches: [
      {
        file: STORE,
        find: "const { isApproved: isRepeatable } = this.check(pubKey,",
        replace: "const { isApproved: isRepeatable } = checkSlashing(NO_HISTORY,",
      },
    ],
    noticedBy: "SLASH-13: a group signature that contradicts is remembered, and never repeated",
  },
  {
    without: "the chain's root",
    entry: "openSlashingStore",
    patches: [{ find: "if (genesisValidatorsRoot !== expectedRoot) {", replace: "if (false) {" }],
    noticedBy: "STORE-2: records of another chain are refused",
  },
  {
    without: "the schema's bound",
    entry: "openSlashingStore",
    patches: [{ find: "if (schema.value > SLASHING_SCHEMA) {", replace: "if (false) {" }],
    noticedBy: "STORE-3: records of a newer schema are refused",
  },
  {
    without: "the checksum",
    entry: "openSlashingStore",
    patches: [
      {
        file: RECORDS,
        find: "return checksumOf(key, body) === expected",
        replace: "return true || expected",
      },
    ],
    noticedBy: "STORE-4: a damaged record keeps the node from starting, whichever bit it is",
  },
  {
    without: "the count of entries",
    entry: "openSlashingStore",
    patches: [{ find: "if (entries !== expected) {", replace: "if (false) {" }],
    noticedBy: "STORE-4: a record that is missing keeps the node from starting",
  },
  {
    without: "the watermark over forgotten messages",
    entry: "openSlashingStore",
    patches: [
      {
        file: HISTORY,
        find: "for (const record of attestations) this.raiseAttestationWatermark(record);",
        replace: "",
      },
    ],
    noticedBy: "STORE-5: a long history stays small, and what it forgot is still refused",
  },
  {
    without: "the watermark's own write",
    entry: "openSlashingStore",
    patches: [
      {
        file: STORE,
        find: "      this.#putWatermarks(pubKey);\n      this.#overdue",
        replace: "      this.#overdue",
      },
    ],
    noticedBy: "STORE-5: a long history stays small, and what it forgot is still refused",
  },
  {
    without: "forgetting",
    entry: "openSlashingStore",
    patches: [{ file: STORE, find: "      this.#prune();\n", replace: "" }],
    noticedBy: "STORE-5: a long history stays small, and what it forgot is still refused",
  },
  {
    without: "what a failed write left open",
    entry: "openSlashingStore",
    patches: [
      {
        file: STORE,
        find: "await this.#store.batch([...this.#unwritten, ...joined]);",
        replace: lines(
          "const operations = [...this.#unwritten, ...joined];",
          "this.#unwritten = [];",
          "this.#unwrittenMessages.clear();",
          "await this.#store.batch(operations);",
        ),
      },
    ],
    noticedBy:
      "STORE-6: a message whose write failed still binds, and is signed only once it is written",
  },
  {
    without: "waiting for the sync",
    entry: "openSlashingStore",
    patches: [
      {
        file: STORE,
        find: "await this.#store.batch([...this.#unwritten, ...joined]);",
        replace: "void this.#store.batch([...this.#unwritten, ...joined]);",
      },
    ],
    noticedBy: "GATE-1: nothing is admitted before its record is on disk",
  },
  {
    without: "waiting for the record",
    entry: "gate",
    patches: [
      {
        find: lines(
          "await this.#parts.slashing.transact((transaction) => {",
          "        refusals = decide(transaction, this.#lockRefusal());",
          "      });",
        ),
        replace: lines(
          "await new Promise<void>((resolve) => void",
          "this.#parts.slashing.transact((transaction) => {",
          "  refusals = decide(transaction, this.#lockRefusal());",
          "  resolve();",
          "}));",
        ),
      },
    ],
    noticedBy: "GATE-1: nothing is admitted before its record is on disk",
  },
  {
    without: "the comparison with what was decided",
    entry: "gate",
    patches: [
      {
        find: "tasks.find((task) => task.messageRoot === messageRoot)",
        replace: "tasks.find((task) => task.messageRoot !== null || messageRoot)",
      },
    ],
    noticedBy: "GATE-2: a signature over anything but the decided message is refused",
  },
  {
    without: "leaving the refused out",
    entry: "gate",
    patches: [{ find: "signatures: approved };", replace: "signatures: set.signatures };" }],
    noticedBy: "GATE-3: a refused validator is left out and its siblings go, in one write",
  },
  {
    without: "the freeze",
    entry: "gate",
    patches: [
      {
        find: "return freezes.refusalOf(pubKeyOf(validator), safetyOf(duty).scope);",
        replace: "return null;",
      },
    ],
    noticedBy: "FREEZE-2: a frozen validator's share signs nothing, its siblings do",
  },
  {
    without: "the failure of a write",
    entry: "openSlashingStore",
    patches: [
      {
        file: STORE,
        find: "needsWrite ? err(error) : result",
        replace: "needsWrite && error ? result : result",
      },
    ],
    noticedBy: "GATE-4: a failed write admits nothing, and the same set goes once the disk is back",
  },
  {
    without: "failing closed",
    entry: "gate",
    patches: [
      {
        find: "if (!(error instanceof FaultError)) throw error;",
        replace: "if (!(error instanceof FaultError)) refusals = [null];",
      },
    ],
    noticedBy: "GATE-4: whatever throws within the gate, nothing is admitted",
  },
  {
    without: "remembering at once (checked before the queue, recorded after)",
    entry: "openSlashingStore",
    patches: [
      {
        file: STORE,
        find: "this.#insert(pubKey, message, signed);",
        replace: "queueMicrotask(() => this.#insert(pubKey, message, signed));",
      },
    ],
    noticedBy: "GATE-5: of two contradicting requests in one batch one is admitted",
  },
  {
    without: "the lock before the write",
    entry: "gate",
    patches: [
      {
        find: "refusals = decide(transaction, this.#lockRefusal());",
        replace: "refusals = decide(transaction, null);",
      },
    ],
    noticedBy: "GATE-6: a process without the lock writes and admits nothing",
  },
  {
    without: "the lock after the write",
    entry: "gate",
    patches: [
      {
        find: "const stopped = failed ?? this.#lockRefusal();",
        replace: "const stopped = failed;",
      },
    ],
    noticedBy: "GATE-6: a process that loses the lock during the write admits nothing",
  },
  {
    without: "the age of the heartbeat",
    entry: "gate",
    patches: [{ find: "this.#parts.lock.isFresh() ?", replace: "this.#parts.lock ?" }],
    noticedBy: "GATE-6: a machine that stood still for ten seconds at the write sends nothing",
  },
  {
    without: "the guards",
    entry: "gate",
    patches: [
      {
        find: "for (const guard of this.#parts.guards) {",
        replace: "for (const guard of [] as GateGuard[]) {",
      },
    ],
    noticedBy: "GATE-8: the checks come in their order, and each guard refuses alone",
  },
  {
    without: "the order of the guards",
    entry: "gate",
    patches: [
      { find: "of this.#parts.guards) {", replace: "of this.#parts.guards.toReversed()) {" },
    ],
    noticedBy: "GATE-8: the checks come in their order, and each guard refuses alone",
  },
  {
    without: "the freeze after the write",
    entry: "gate",
    patches: [
      { find: "(stopped ?? cameUp(index))", replace: "(stopped ?? (cameUp(index), null))" },
    ],
    noticedBy: "FREEZE-2: a freeze that comes during the write holds",
  },
  {
    without: "the limit",
    entry: "gate",
    patches: [{ find: "this.#limits.refusalOf(duty, asked.signature) ??", replace: "" }],
    noticedBy: "LIMIT-1: a second message of one duty is refused, a retry never",
  },
  {
    without: "knowing a retry",
    entry: "gate",
    patches: [
      {
        file: "src/safety/signingLimits.ts",
        find: "approved.includes(messageRoot) ||",
        replace: "",
      },
    ],
    noticedBy: "LIMIT-1: a second message of one duty is refused, a retry never",
  },
  {
    without: "counting approved messages only",
    entry: "gate",
    patches: [
      {
        find: "(task === undefined ? notDecided(asked) : null);",
        replace: lines(
          "(task === undefined ? notDecided(asked) : null);",
          "this.#limits.approve(duty, asked.signature);",
        ),
      },
    ],
    noticedBy: "LIMIT-1: what was never decided does not use up the limit",
  },
  {
    without: "the record of an aggregate",
    entry: "gate",
    patches: [
      {
        find: "tasks.map((task) => lockRefusal ?? recordAggregate(transaction, task)),",
        replace: "tasks.map((task) => transaction && checkTask(this.#parts.slashing, task)),",
      },
    ],
    noticedBy: "GATE-7: the proposed value is judged without a trace, the aggregate is recorded",
  },
];

function lines(...parts: readonly string[]): string {
  return parts.join("\n");
}

for (const { without, entry, patches, noticedBy } of MUTANTS) {
  test(`without ${without}, "${noticedBy}" fails`, async () => {
    const code: SafetyCode = {
      ...PRODUCT,
      ...(await loadMutant<Partial<SafetyCode>>(`src/safety/${entry}.ts`, patches)),
    };
    const check: (code: SafetyCode) => Promise<void> = CLAIMS[noticedBy];
    await assert.rejects(check(code), { name: "AssertionError" });
  });
}
