/** Each guard of the safety gate taken out in turn: the claim that relies on it must notice. */
import { lines, type Mutant, testMutants } from "../../support/safetyMutants.ts";

const MUTANTS: readonly Mutant[] = [
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
  {
    without: "the age of the heartbeat at the sender",
    entry: "gate",
    patches: [{ find: "if (!this.#parts.lock.isFresh()) return null;", replace: "" }],
    noticedBy: "GATE-9: of what was admitted only what nothing has stopped since may leave",
  },
  {
    without: "the freeze at the sender",
    entry: "gate",
    patches: [{ find: "this.#frozen(duty, validator) === null &&", replace: "" }],
    noticedBy: "GATE-9: of what was admitted only what nothing has stopped since may leave",
  },
  {
    without: "the guards at the sender",
    entry: "gate",
    patches: [{ find: "&& this.#guarded(duty, validator) === null", replace: "" }],
    noticedBy: "GATE-9: of what was admitted only what nothing has stopped since may leave",
  },
  {
    without: "the bug that a failing gate is",
    entry: "gate",
    patches: [{ find: "if (!(error instanceof FaultError)) throw error;", replace: "" }],
    noticedBy: "GATE-4: whatever throws within the gate, nothing is admitted",
  },
  {
    without: "the lock of who records an aggregate",
    entry: "gate",
    patches: [{ find: "lockRefusal ?? recordAggregate", replace: "recordAggregate" }],
    noticedBy: "GATE-7: no process without the lock submits an aggregate or records one",
  },
  {
    without: "the refusal of an aggregate that contradicts",
    entry: "gate",
    patches: [
      {
        find: `signingRoot }, "combined");\n  return verdict.reason;`,
        replace: `signingRoot }, "combined");\n  return null;`,
      },
    ],
    noticedBy: "GATE-7: the proposed value is judged without a trace, the aggregate is recorded",
  },
  {
    without: "the memory of an aggregate that contradicts",
    entry: "gate",
    patches: [
      {
        find: `transaction.witness(pubKey, { ...slashing, signingRoot }, "combined");`,
        replace: "",
      },
    ],
    noticedBy: "SLASH-13: an aggregate that is refused binds all the same",
  },
  {
    without: "the precursors",
    entry: "gate",
    patches: [
      {
        find: "for (const precursor of PRECURSORS_OF[code] ?? [])",
        replace: "for (const precursor of code.length === 0 ? (PRECURSORS_OF[code] ?? []) : [])",
      },
    ],
    noticedBy: "PRECURSOR-1: a second message and a slashable one are counted by kind",
  },
];

testMutants(MUTANTS);
