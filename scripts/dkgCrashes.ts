/**
 * `node scripts/dkgCrashes.ts [--nodes 4] [--validators 1] [--operators 1,2]`: one ceremony for
 * every operator, or those that are named, and every write to its disk, in which that write never
 * happens and the operator starts again (JOURNAL-4). All must end with one cluster, in the first
 * attempt.
 */
import { parseArgs } from "node:util";
import { CeremonyTable } from "../test/support/ceremonyTable.ts";

/** More writes than any operator makes. */
const MAX_WRITES = 500;

const { values } = parseArgs({
  options: {
    nodes: { type: "string", default: "4" },
    validators: { type: "string", default: "1" },
    operators: { type: "string" },
  },
});
const nodes = Number(values.nodes);
const validators = Number(values.validators);
const threshold = Math.ceil((2 * nodes) / 3);
let ceremonies = 0;
let failures = 0;
const operators = values.operators?.split(",").map(Number) ?? [...Array(nodes).keys()];
for (const node of operators) {
  for (let write = 0; write < MAX_WRITES; write++) {
    const problem = await crashAt(node, write);
    if (problem === "no crash") break;
    ceremonies++;
    if (problem === null) continue;
    failures++;
    process.stdout.write(`operator ${node}, write ${write}: ${problem}\n`);
  }
  process.stdout.write(`operator ${node} done: ${ceremonies} ceremonies, ${failures} failed\n`);
}
process.exitCode = failures === 0 && ceremonies > 0 ? 0 : 1;

/** What went wrong; null when all ended well. */
async function crashAt(node: number, write: number): Promise<string | null> {
  const table = new CeremonyTable({ nodes, threshold, validators });
  const disk = table.disks[node];
  if (disk === undefined) return "no such operator";
  disk.crashAfter = write;
  for (let each = 0; each < nodes; each++) table.start(each);
  while (disk.crashAfter !== null && table.ends.size < nodes) await table.run(50);
  if (disk.crashAfter !== null) {
    await table.stop();
    return "no crash";
  }
  await table.run(5_000);
  await table.kill(node);
  table.start(node);
  await table.runToEnd();
  const hashes = new Set(table.lockHashes());
  const ended = table.disks.flatMap((_, each) => table.of(each, "ended"));
  await table.stop();
  if (table.failures.size > 0) return String([...table.failures.values()][0]);
  if (hashes.size !== 1 || hashes.has(null)) return `lock hashes ${[...hashes].join(", ")}`;
  return ended.length > 0 ? `an attempt ended: ${ended[0]?.abort.reason}` : null;
}
