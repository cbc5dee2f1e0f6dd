import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { isSafeThreshold } from "../../../src/domain/quorum.ts";
import { loadMutant } from "../../support/mutant.ts";

type Quorum = typeof import("../../../src/domain/quorum.ts");
type Keys = typeof import("../../../src/domain/keys.ts");

test("a mutant behaves as patched while the original stays as it is", async () => {
  const mutant = await loadMutant<Quorum>("src/domain/quorum.ts", [
    { find: "2 * threshold > nodes + faulty(nodes)", replace: "2 * threshold > nodes" },
  ]);
  assert.equal(mutant.isSafeThreshold(7, 4), true);
  assert.equal(isSafeThreshold(7, 4), false);
});

test("a patched module is met through the modules that import it", async () => {
  const mutant = await loadMutant<Keys>("src/domain/keys.ts", [
    { file: "src/util/bytes.ts", find: 'toString("hex")}', replace: 'toString("hex")}!' },
  ]);
  assert.equal(mutant.rootOf(new Uint8Array(32)), `0x${"00".repeat(32)}!`);
});

test("a patch that does not match the source exactly once fails", async () => {
  const patches = [{ find: "no such text", replace: "" }];
  await assert.rejects(loadMutant("src/domain/quorum.ts", patches), /matches 0 times/);
  const ambiguous = [{ find: "return", replace: "" }];
  await assert.rejects(loadMutant("src/domain/quorum.ts", ambiguous), /matches [2-9] times/);
});

test("a patch of a module that is not imported fails", async () => {
  const patches = [{ file: "src/domain/duty.ts", find: "x", replace: "y" }];
  await assert.rejects(loadMutant("src/domain/quorum.ts", patches), /is not imported/);
});

test("a mutant leaves no file behind", async () => {
  const mutant = await loadMutant<{ readonly where: string }>("src/domain/quorum.ts", [
    { find: "function faulty", replace: "const where = import.meta.url;\nexport function faulty" },
  ]);
  assert.match(mutant.where, /mutant-/);
  assert.equal(existsSync(fileURLToPath(mutant.where)), false);
});
