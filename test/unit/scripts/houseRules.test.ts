import assert from "node:assert/strict";
import { test } from "node:test";
import {
  fileSizeNote,
  inspectMarkdown,
  inspectSource,
  MAX_FILE_LINES,
  MAX_FUNCTION_LINES,
  SOFT_FILE_LINES,
} from "../../../scripts/houseRules.ts";

/** Messages for a file of product code behind the ports, unless another path is given. */
function messages(text: string, path = "src/core/example.ts"): readonly string[] {
  return inspectSource(path, `${text}\n`).map(({ message }) => message);
}

const WORLD_CASES: readonly (readonly [code: string, name: string])[] = [
  ["const t = Date.now();", "Date.now"],
  ["const t = new Date(0);", "new Date"],
  ["const t = performance.now();", "performance"],
  ["setTimeout(() => 1, 2);", "setTimeout"],
  ["const h = setInterval;", "setInterval"],
  ["setImmediate(f);", "setImmediate"],
  ["const s = AbortSignal.timeout(3);", "AbortSignal.timeout"],
  ["const r = Math.random();", "Math.random"],
  ['import { randomBytes } from "node:crypto";', "randomBytes"],
  ["crypto.getRandomValues(x);", "crypto.getRandomValues"],
  ["await crypto.subtle.digest(a, b);", "crypto.subtle"],
  ["const e = process.env.HOME;", "process"],
  ["process.exit(1);", "process"],
  ["await fetch(url);", "fetch"],
  ["function f(get = fetch) {}", "fetch"],
  ["globalThis.fetch(url);", "globalThis"],
  ['console.log("x");', "console"],
  ["new WeakRef(x);", "WeakRef"],
];

for (const [code, name] of WORLD_CASES) {
  test(`behind the ports, tidy catches: ${code}`, () => {
    const found = messages(code);
    assert.ok(
      found.some((message) => message.startsWith(`${name} reaches the world; use `)),
      found.join("; "),
    );
    assert.deepEqual(messages(code, "src/adapters/system/example.ts"), []);
    assert.deepEqual(messages(code, "test/unit/example.ts"), []);
  });
}

test("members that share a banned name are nobody's business", () => {
  const code = [
    "interface Fetcher { fetch(duty: Duty): Promise<void>; readonly process: number }",
    "const rows = { fetch: 1, console: 2 };",
    "export class A { fetch(): void { this.fetch(); duties.attester.fetch(1); } }",
    "type Performance = { performance: number };",
  ].join("\n");
  assert.deepEqual(messages(code), []);
});

test("a fork's name outside eth2 is caught, in code, text and comment", () => {
  for (const code of ['const f = "electra";', "const isFulu = true && fulu;", "// since Deneb"]) {
    assert.match(messages(code).join(), /a fork is a row of src\/eth2\/forks\.ts/);
    assert.deepEqual(messages(code, "src/eth2/example.ts"), []);
    assert.deepEqual(messages(code, "sim/devchain/example.ts"), []);
  }
});

test("only the minting files may cast to a brand", () => {
  for (const [brand, home] of [
    ["Verified", "src/core/signatureVerifier.ts"],
    ["Admitted", "src/safety/gate.ts"],
  ] as const) {
    const code = `export const x = (y: Data) => y as ${brand}<Data>;`;
    assert.deepEqual(messages(code), [`only ${home} may mint ${brand}`]);
    assert.deepEqual(messages(code, "src/cli/example.ts"), [`only ${home} may mint ${brand}`]);
    assert.deepEqual(messages(code, home), []);
  }
});

test("a swallowed error is caught, even with a comment in the block", () => {
  for (const code of [
    "try { f(); } catch {}",
    "try { f(); } catch (error) { /* never mind */ }",
    "p.catch(() => {});",
    "p.catch(() => undefined);",
  ]) {
    assert.match(messages(code).join(), /swallowed error/, code);
  }
  assert.deepEqual(messages("try { f(); } catch (error) { throw wrap(error); }"), []);
});

test("more than three positional parameters are caught, also in interfaces", () => {
  const message = /takes 4 parameters; pass one options object/;
  assert.match(messages("function f(a: A, b: B, c: C, d: D) {}").join(), message);
  assert.match(messages("interface I { f(a: A, b: B, c: C, d: D): void }").join(), message);
  assert.match(messages("class K { constructor(a: A, b: B, c: C, d: D) {} }").join(), message);
  assert.deepEqual(messages("function f(this: T, a: A, b: B, c: C) {}"), []);
  assert.deepEqual(messages("stream.write(x, (a, b, c, d) => a);"), []);
});

test("a function longer than the limit is caught, to the line", () => {
  const functionOf = (lines: number): string =>
    ["function f() {", ...Array.from({ length: lines - 2 }, () => "  g();"), "}"].join("\n");
  assert.deepEqual(messages(functionOf(MAX_FUNCTION_LINES)), []);
  assert.match(messages(functionOf(MAX_FUNCTION_LINES + 1)).join(), /f has 71 lines; at most 70/);
});

test("a long file is named first and fails later", () => {
  const lines = (count: number): string => "g();\n".repeat(count);
  assert.equal(fileSizeNote("a.ts", lines(SOFT_FILE_LINES)), null);
  assert.equal(fileSizeNote("a.ts", lines(SOFT_FILE_LINES + 1)), "a.ts: 401 lines, aim for 400");
  assert.deepEqual(inspectSource("a.ts", lines(MAX_FILE_LINES)), []);
  assert.match(inspectSource("a.ts", lines(MAX_FILE_LINES + 1))[0]?.message ?? "", /601 lines/);
});

test("wide lines are caught by what a reader sees, not by bytes; digests may be wide", () => {
  assert.deepEqual(messages(`// ${"⌊ ".repeat(48)}`.trimEnd()), []);
  assert.match(messages(`// ${"ab ".repeat(33)}`.trimEnd()).join(), /101 columns/);
  assert.deepEqual(messages(`const digest = "0x${"ab".repeat(48)}";`), []);
});

test("unfinished work, trailing blanks and a missing last newline are caught", () => {
  assert.match(messages(`// TO${"DO"}: later`).join(), /finish it or open an issue/);
  assert.match(messages("f(); ").join(), /trailing whitespace/);
  assert.match(inspectSource("src/a.ts", "f();")[0]?.message ?? "", /end with a newline/);
});

test("a problem carries its line", () => {
  const found = inspectSource("src/core/a.ts", "f();\n\nfetch(url);\n");
  assert.deepEqual(
    found.map(({ path, line }) => ({ path, line })),
    [{ path: "src/core/a.ts", line: 3 }],
  );
});

test("Markdown: title, heading levels, fences and local links are checked", () => {
  const inspect = (text: string): readonly string[] =>
    inspectMarkdown("A.md", text, (target) => target === "SPEC.md").map(({ message }) => message);
  assert.deepEqual(inspect("# A\n\n## B\n\n[s](SPEC.md#x) [w](https://e.org) `[n](no)`\n"), []);
  assert.match(inspect("text\n").join(), /begin with a # title/);
  assert.match(inspect("# A\n\n### C\n").join(), /heading level 3 after level 1/);
  assert.match(inspect("# A\n\n# B\n").join(), /one title per file/);
  assert.match(inspect("# A\n\n```ts\n").join(), /unclosed code fence/);
  assert.match(inspect("# A\n\n[x](absent.md)\n").join(), /absent\.md does not exist/);
  assert.deepEqual(inspect("# A\n\n```sh\n# a comment\n```\n"), []);
});
