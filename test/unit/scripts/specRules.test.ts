import assert from "node:assert/strict";
import { test } from "node:test";
import { inspectRules, inspectWalk } from "../../../scripts/specRules.ts";

const SPEC = "# Spec\n\n### QBFT-1 Leader\n\nText.\n\n### SLASH-2 Double vote\n";
const CODE = { path: "src/a.ts", text: "// QBFT-1 and SLASH-2 (EIP-3076, SHA-256, PRE-PREPARE)\n" };
const TEST = { path: "test/a.test.ts", text: "// QBFT-1\n// SLASH-2\n" };

test("holds when every rule is cited by code and by a test", () => {
  assert.deepEqual(inspectRules(SPEC, [CODE, TEST]), []);
});

test("a rule that no code or no test cites is named", () => {
  assert.deepEqual(inspectRules(SPEC, [{ ...CODE, text: "// QBFT-1" }, TEST]), [
    "SPEC.md: SLASH-2 is cited by no file of src, sim or scripts",
  ]);
  assert.deepEqual(inspectRules(SPEC, [CODE, { ...TEST, text: "SLASH-2" }]), [
    "SPEC.md: QBFT-1 is cited by no test",
  ]);
});

test("a citation of a rule that does not exist is named with its line", () => {
  const wrong = { path: "src/b.ts", text: "\n// QBFT-10\n// NONE-1\n// QBFT-10\n" };
  assert.deepEqual(inspectRules(SPEC, [CODE, TEST, wrong]), [
    "src/b.ts:2: QBFT-10 is no rule of SPEC.md (and in 1 more places)",
    "src/b.ts:3: NONE-1 is no rule of SPEC.md",
  ]);
});

test("a rule defined twice is named", () => {
  const twice = `${SPEC}\n### QBFT-1 Again\n`;
  assert.deepEqual(inspectRules(twice, [CODE, TEST]), ["SPEC.md defines QBFT-1 twice"]);
});

const WALK =
  "## The walk of one duty\n\n| 1 | `core/a.ts` | hands `b` on |\n\n## Next\n\n`core/z.ts`\n";

test("the walk of a duty names only files that exist", () => {
  const a = { path: "src/core/a.ts", text: "" };
  assert.deepEqual(inspectWalk(WALK, [a]), []);
  assert.deepEqual(inspectWalk(WALK, []), [
    "SPEC.md: the walk names src/core/a.ts, which does not exist",
  ]);
  assert.deepEqual(inspectWalk("# Spec\n", [a]), ["SPEC.md has no walk of a duty"]);
});
