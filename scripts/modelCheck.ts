/**
 * `npm run modelcheck [-- --rounds 3 --seats 0,1 --restarts --minutes 30]`: every state that a
 * cluster of four with one liar can reach, for each seat of the liar (MODEL-1). Ends with 1 on a
 * violation, which is shown with its way, and says how far it came when time or memory ran out.
 */
import { parseArgs } from "node:util";
import { explore, type Progress } from "../sim/modelChecker/explore.ts";

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "2" },
    seats: { type: "string" },
    restarts: { type: "boolean", default: false },
    minutes: { type: "string", default: "8" },
    gigabytes: { type: "string", default: "8" },
  },
});
const maxRound = Number(values.rounds);
const limitSeconds = 60 * Number(values.minutes);
const limitBytes = Number(values.gigabytes) * 2 ** 30;
// Leaders take turns, so all seats behind the last round's leader are alike: one stands for them.
const seats =
  values.seats?.split(",").map(Number) ??
  Array.from({ length: Math.min(maxRound + 1, 4) }, (_, seat) => seat);

let total = 0;
for (const byzantine of seats) {
  const startedAt = process.cpuUsage();
  const seconds = (): number => process.cpuUsage(startedAt).user / 1e6;
  let saidAt = 0;
  const onProgress = (progress: Progress): boolean => {
    if (seconds() - saidAt > 10) {
      saidAt = seconds();
      console.log(`  … ${line(progress)}, ${seconds().toFixed(0)} s`);
    }
    return total + seconds() < limitSeconds && process.memoryUsage().rss < limitBytes;
  };
  const { restarts } = values;
  const result = explore({ maxRound, byzantine, restarts, onProgress });
  total += seconds();
  const verdict =
    result.violation?.what ?? (result.isComplete ? "complete, no violation" : "stopped");
  const memory = (process.memoryUsage().rss / 2 ** 20).toFixed(0);
  console.log(
    `rounds ${maxRound}, the liar in seat ${byzantine}: ${verdict}; ${line(result)}, ` +
      `${seconds().toFixed(1)} s, ${memory} MiB`,
  );
  for (const step of result.violation?.path ?? []) console.log(`    ${step}`);
  if (result.violation !== null) process.exitCode = 1;
}
console.log(`${total.toFixed(0)} CPU seconds in all`);

function line({ states, explored, transitions, localStates, depth }: Progress): string {
  const of = explored < states ? `${explored} of ${states}` : `${states}`;
  const found = `${of} states, ${transitions} transitions, ${localStates} local states`;
  return `${found}, ${depth} steps deep`;
}
