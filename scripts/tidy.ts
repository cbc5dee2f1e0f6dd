/** `npm run check`, gate "tidy": the house rules over every source and document. */
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileSizeNote, inspectMarkdown, inspectSource, type Problem } from "./houseRules.ts";
import { listFiles, ROOT } from "./repository.ts";

const problems: Problem[] = [];
const notes: string[] = [];
for (const path of listFiles(/\.(ts|cjs)$/)) {
  const text = readFileSync(join(ROOT, path), "utf8");
  problems.push(...inspectSource(path, text));
  notes.push(...[fileSizeNote(path, text)].filter((note) => note !== null));
}
for (const path of listFiles(/\.md$/)) {
  const folder = join(ROOT, dirname(path));
  const text = readFileSync(join(ROOT, path), "utf8");
  problems.push(...inspectMarkdown(path, text, (target) => existsSync(join(folder, target))));
}
for (const note of notes) console.log(`note: ${note}`);
for (const { path, line, message } of problems) console.log(`${path}:${line}: ${message}`);
process.exitCode = problems.length === 0 ? 0 : 1;
