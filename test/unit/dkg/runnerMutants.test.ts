/** Runners with one guard taken out, at a table where the danger is present. */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { CeremonyTable, PHASE_TIMEOUT_MS } from "../../support/ceremonyTable.ts";
import { loadMutant, type Patch } from "../../support/mutant.ts";

type Runner = typeof import("../../../src/dkg/runner.ts");
const ALL = [0, 1, 2, 3];

async function tableOf(t: TestContext, patch: Patch) {
  const { runCeremony } = await loadMutant<Runner>("src/dkg/runner.ts", [patch]);
  const table = new CeremonyTable({ run: runCeremony });
  t.after(() => table.stop());
  for (const node of ALL) table.start(node);
  return table;
}

async function untilIn(table: CeremonyTable, node: number, phase: string): Promise<void> {
  const isIn = () => table.of(node, "progress").some(({ progress }) => progress.phase === phase);
  while (!isIn()) await table.run(1);
}

test("JOURNAL-1 a mutant that keeps no record speaks twice, and is convicted", async (t) => {
  const table = await tableOf(t, {
    find: "await storage.append(encodeJournalEntry(effect.entry));",
    replace: "",
  });
  await untilIn(table, 3, "reveal");
  await table.kill(3);
  table.start(3);
  await table.run(30_000);
  const [end] = table.of(0, "ended");
  assert.equal(end?.abort.culprit, 3, "an honest operator is taken for a cheater");
});

test("LOBBY-3 a mutant that joins whatever runs is convicted after it lost its disk", async (t) => {
  const table = await tableOf(t, {
    file: "src/dkg/lobby.ts",
    find: "return current > ended && !isForgotten ? current",
    replace: "return current > ended ? current",
  });
  await untilIn(table, 2, "commit");
  await table.kill(3);
  table.disks[3]?.forget();
  table.start(3);
  await table.run(30_000);
  const culprits = [0, 1, 2].flatMap((node) => table.of(node, "ended"));
  assert.ok(culprits.some(({ abort }) => abort.culprit === 3));
});

test("JOURNAL-4 a mutant that ends every attempt alike loses shares that may matter", async (t) => {
  const table = await tableOf(t, {
    find: "if (abort.culprit !== null || !abort.keepsShares) await this.#close(abort);",
    replace: "if (abort.phase !== undefined) await this.#close({ ...abort, keepsShares: false });",
  });
  await untilIn(table, 0, "deposits");
  await table.kill(3);
  await table.run(3 * PHASE_TIMEOUT_MS);
  assert.equal(table.disks[0]?.shares.get(1), undefined, "a deposit to them would be lost");
});

test("LOBBY-2 a mutant that begins without everybody names who was never there", async (t) => {
  const { runCeremony } = await loadMutant<Runner>("src/dkg/runner.ts", [
    {
      find: "if (this.#machine !== null || !this.#lobby.isComplete) return;",
      replace: "if (this.#machine !== null) return;",
    },
  ]);
  const table = new CeremonyTable({ run: runCeremony });
  t.after(() => table.stop());
  for (const node of [0, 1, 2]) table.start(node);
  await table.run(2 * PHASE_TIMEOUT_MS);
  assert.deepEqual(table.of(0, "ended")[0]?.abort.missing, [3], "an attempt is wasted");
});
