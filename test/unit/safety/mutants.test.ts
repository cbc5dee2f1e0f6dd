/** Each guard of rules and records taken out in turn; those of the gate are in gateMutants. */
import { lines, type Mutant, testMutants } from "../../support/safetyMutants.ts";

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
    without: "the watermark of a later import",
    entry: "openSlashingStore",
    patches: [{ file: STORE, find: "    this.#raiseWatermarks(pubKey, lowest);\n", replace: "" }],
    noticedBy:
      "SLASH-12: the smallest history refuses everything up to it, in a used store as in a new one",
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
    without: "the count of a first watermark over what was only seen",
    entry: "openSlashingStore",
    patches: [{ file: STORE, find: "if (!history.hasWatermark) this.#entries++;", replace: "" }],
    noticedBy: "STORE-5: a history of nothing but what others signed is pruned, and opens again",
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
        find: "await this.#store.batch([...this.#unwritten, put, ...joined]);",
        replace: lines(
          "const operations = [...this.#unwritten, put, ...joined];",
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
        find: "await this.#store.batch([...this.#unwritten, put, ...joined]);",
        replace: "void this.#store.batch([...this.#unwritten, put, ...joined]);",
      },
    ],
    noticedBy: "GATE-1: nothing is admitted before its record is on disk",
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
    without: "the bound of epochs",
    entry: "openSlashingStore",
    patches: [
      {
        file: RULES,
        find: "if (!isRecordable(source) || !isRecordable(target)) return",
        replace: "if (source === -1) return",
      },
    ],
    noticedBy: "SLASH-5: a number that no chain reaches is refused, whatever the message",
  },
  {
    without: "the bound of slots",
    entry: "openSlashingStore",
    patches: [
      {
        file: RULES,
        find: "if (!isRecordable(message.slot)) return",
        replace: "if (message.slot === -1) return",
      },
    ],
    noticedBy: "SLASH-5: a number that no chain reaches is refused, whatever the message",
  },
  {
    without: "the roots in what counts as a repeat",
    entry: "openSlashingStore",
    patches: [
      { file: RULES, find: "|| record.signingRoot !== root)", replace: "|| root.length === 0)" },
    ],
    noticedBy: "GATE-7: the proposed value is judged without a trace, the aggregate is recorded",
  },
  {
    without: "the repeat of a vote",
    entry: "openSlashingStore",
    patches: [
      {
        file: RULES,
        find: "if (reaching.some((record) => isRepeatOf(record, message, root))) return REPEAT;",
        replace: "",
      },
    ],
    noticedBy: "SLASH-1: a repeat needs no write, so it goes on while the disk is out of order",
  },
  {
    without: "the watermark check of blocks",
    entry: "openSlashingStore",
    patches: [{ file: RULES, find: "message.slot <= watermark.slot", replace: "false" }],
    noticedBy: "STORE-5: a long history stays small, and what it forgot is still refused",
  },
  {
    without: "the watermark over forgotten blocks",
    entry: "openSlashingStore",
    patches: [
      {
        file: HISTORY,
        find: "for (const record of blocks) this.raiseBlockWatermark(record);",
        replace: "",
      },
    ],
    noticedBy: "STORE-5: a long history stays small, and what it forgot is still refused",
  },
];

testMutants(MUTANTS);
