/**
 * `npm run studies [-- --runs 5]`: runs the studies of sim/studies/ and writes their figures to
 * docs/figures/ and what they say to docs/studies.md. The same runs give the same figures.
 */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { ROOT } from "./repository.ts";

// The preset sizes the types when they load: it is set before anything that leads to them.
process.env["LODESTAR_PRESET"] = "minimal";
const { leaderCrash } = await import("../sim/studies/leaderCrash.ts");
const { margin } = await import("../sim/studies/margin.ts");
const { roundDeadlines } = await import("../sim/studies/roundDeadlines.ts");

const { values } = parseArgs({ options: { runs: { type: "string", default: "5" } } });
const runs = Number(values.runs);
const figures = join(ROOT, "docs/figures");
await mkdir(figures, { recursive: true });

const chapters: string[] = [];
for (const study of [leaderCrash, margin, roundDeadlines]) {
  const startedAt = performance.now();
  let done = 0;
  const onRun = (): void => {
    done++;
    if (process.stderr.isTTY) process.stderr.write(`\r${done} runs`);
  };
  const { name, question, figures: drawn, findings } = await study({ runs, onRun });
  for (const { file, drawing } of drawn) await writeFile(join(figures, file), `${drawing}\n`);
  chapters.push(
    [
      `## ${question}`,
      "",
      `\`sim/studies/${name}.ts\`, ${done} runs.`,
      "",
      ...drawn.map(({ file }) => `![${file}](figures/${file})`),
      "",
      ...findings.map((finding) => `- ${finding}`),
      "",
    ].join("\n"),
  );
  const seconds = ((performance.now() - startedAt) / 1_000).toFixed(0);
  console.log(`${name}: ${done} runs in ${seconds} s`);
  for (const finding of findings) console.log(`  ${finding}`);
}

const intro = [
  "# Studies",
  "",
  "Made by `npm run studies`: every run is a whole cluster of the product's nodes in the",
  "simulator, from a seed, and running it again gives the same figures.",
  "",
];
await writeFile(join(ROOT, "docs/studies.md"), [...intro, ...chapters].join("\n"));
