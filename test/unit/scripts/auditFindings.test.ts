/** SPEC.md's table of what audits found elsewhere, and the tests that it names. */
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { ROOT } from "../../../scripts/repository.ts";

const [, chapter = ""] = readFileSync(join(ROOT, "SPEC.md"), "utf8").split(
  "\n## What audits found in other ceremonies\n",
);
const [table = ""] = chapter.split("\n## ");
const rows = table
  .split("\n")
  .filter((line) => /^\| [A-Z]/.test(line))
  .map((line) => line.split("|").map((cell) => cell.trim()));

test("every finding of the table is in the title of a test in each file that it names", () => {
  assert.ok(rows.length > 30, "the table is found");
  for (const [, finding = "", , here = "", tests = ""] of rows) {
    const files = [...tests.matchAll(/`([^`]+)`/g)].map(([, name]) => name ?? "");
    // Where no test can be, the reason is there in place of a rule.
    if (files.length === 0) assert.doesNotMatch(here, /^[A-Z]+-\d+/, `${finding} lacks a test`);
    for (const name of files) {
      const path = join(ROOT, "test", `${name}.test.ts`);
      assert.ok(existsSync(path), `${finding}: there is no ${name}`);
      const titles =
        readFileSync(path, "utf8").match(/\b(?:describe|it|test)\(\s*["'`].*$/gm) ?? [];
      const isTried = titles.some((title) => findingsIn(title).has(finding));
      assert.ok(isTried, `${finding} is in no title of ${name}`);
    }
  }
});

/** "(Obol 16, 17, SlowMist N9)": a number takes the name before it. */
function findingsIn(title: string): ReadonlySet<string> {
  const named = /(Obol|Charon|Trail of Bits|ChainSecurity|SlowMist) (N?\d+(?:(?:, | to )\d+)*)/g;
  return new Set([...title.matchAll(named)].map(([, name, numbers]) => `${name} ${numbers}`));
}
