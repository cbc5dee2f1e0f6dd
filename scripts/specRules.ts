/**
 * Rule ↔ code ↔ test: a rule is a heading `### AREA-N Title` of SPEC.md. Each must be cited in the
 * code that enforces it and in a test that proves it, and nothing may cite a rule that is not
 * there. Pure; scripts/spec.ts reads the files.
 */

export type CitingFile = { readonly path: string; readonly text: string };

const RULE_HEADING = /^### ([A-Z]{2,10}-\d+) \S/;
const CITATION = /(?<![\w-])[A-Z]{2,10}-\d+(?![\w-])/g;
/** Prefixes of other bodies' numbered documents and algorithms. */
const FOREIGN = new Set([
  "AES",
  "BIP",
  "CRC",
  "EIP",
  "ERC",
  "ISO",
  "NIST",
  "RFC",
  "SHA",
  "UTC",
  "UTF",
]);

const WALK_HEADING = /^## The walk /;
const WALK_PATH = /`((?:[\w-]+\/)+[\w-]+\.ts)`/g;

/** Files that SPEC.md's walk of a duty names and `src/` does not have; and a walk that is gone. */
export function inspectWalk(spec: string, files: readonly CitingFile[]): readonly string[] {
  const lines = spec.split("\n");
  const start = lines.findIndex((line) => WALK_HEADING.test(line));
  if (start < 0) return ["SPEC.md has no walk of a duty"];
  const length = lines.slice(start + 1).findIndex((line) => line.startsWith("## "));
  const walk = lines.slice(start, length < 0 ? undefined : start + 1 + length).join("\n");
  const known = new Set(files.map(({ path }) => path));
  return [...walk.matchAll(WALK_PATH)]
    .map(([, path]) => `src/${path}`)
    .filter((path) => !known.has(path))
    .map((path) => `SPEC.md: the walk names ${path}, which does not exist`);
}

/** Everything that breaks the correspondence, one sentence each; none when it holds. */
export function inspectRules(spec: string, files: readonly CitingFile[]): readonly string[] {
  const rules = new Map<string, { code: boolean; test: boolean }>();
  const unknown = new Map<string, string[]>();
  const problems: string[] = [];
  for (const line of spec.split("\n")) {
    const id = RULE_HEADING.exec(line)?.[1];
    if (id === undefined) continue;
    if (rules.has(id)) problems.push(`SPEC.md defines ${id} twice`);
    rules.set(id, { code: false, test: false });
  }
  for (const { path, text } of files) {
    for (const [line, id] of citations(text)) {
      const rule = rules.get(id);
      if (rule === undefined) unknown.set(id, [...(unknown.get(id) ?? []), `${path}:${line}`]);
      else if (path.startsWith("test/")) rule.test = true;
      else rule.code = true;
    }
  }
  for (const [id, [first, ...others]] of unknown) {
    const more = others.length > 0 ? ` (and in ${others.length} more places)` : "";
    problems.push(`${first}: ${id} is no rule of SPEC.md${more}`);
  }
  for (const [id, cited] of rules) {
    if (!cited.code) problems.push(`SPEC.md: ${id} is cited by no file of src, sim or scripts`);
    if (!cited.test) problems.push(`SPEC.md: ${id} is cited by no test`);
  }
  return problems;
}

function citations(text: string): readonly (readonly [line: number, id: string])[] {
  return text
    .split("\n")
    .flatMap((content, index) =>
      [...content.matchAll(CITATION)]
        .filter(([id]) => !FOREIGN.has(id.slice(0, id.indexOf("-"))))
        .map(([id]) => [index + 1, id] as const),
    );
}
