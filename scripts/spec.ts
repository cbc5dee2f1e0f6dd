/**
 * `npm run check`, gate "spec": rule ids of SPEC.md against code and tests, both ways. Other
 * Markdown files may be named instead, e.g. the draft of a part.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { listFiles, ROOT } from "./repository.ts";
import { inspectRules, inspectWalk } from "./specRules.ts";

const documents = process.argv.length > 2 ? process.argv.slice(2) : [join(ROOT, "SPEC.md")];
const spec = documents.map((path) => readFileSync(path, "utf8")).join("\n");
const files = listFiles(/^(src|sim|scripts|test)\/.*\.ts$/)
  // The tests of this script speak of rules that do not exist.
  .filter((path) => path !== "test/unit/scripts/specRules.test.ts")
  .map((path) => ({ path, text: readFileSync(join(ROOT, path), "utf8") }));

const walk = process.argv.length > 2 ? [] : inspectWalk(spec, files);
const problems = [...inspectRules(spec, files), ...walk];
for (const problem of problems) console.log(problem);
process.exitCode = problems.length === 0 ? 0 : 1;
