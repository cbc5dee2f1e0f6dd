/** `coterie sim diff` and `coterie sim replay`: where two traces part. */
import { createReadStream } from "node:fs";
import { createInterface } from "node:readline";
import { UsageError } from "../../src/domain/errors.ts";
import { openWorld } from "../simulator.ts";
import type { TraceHeader } from "./spec.ts";

/** Lines before the first difference that are shown with it. */
const CONTEXT_LINES = 3;

export async function diffTraces(
  [left, right]: readonly [string, string],
  print: (line: string) => void,
): Promise<number> {
  const [a, b] = [eventsOf(left), eventsOf(right)];
  const before: string[] = [];
  for (let line = 2; ; line++) {
    const [one, other] = [await nextOf(a), await nextOf(b)];
    if (one === null && other === null) {
      print("the traces are equal");
      return 0;
    }
    if (one !== other) {
      for (const text of before) print(`  ${text}`);
      print(`- ${one ?? "(the trace ends)"}`);
      print(`+ ${other ?? "(the trace ends)"}`);
      print(`the traces differ from line ${line} on`);
      return 1;
    }
    before.push(one ?? "");
    if (before.length > CONTEXT_LINES) before.shift();
  }
}

/** Runs a trace again and says where it differs; `until` ends the comparison at a slot. */
export async function replayTrace(
  path: string,
  { until, print }: { readonly until: number | null; readonly print: (line: string) => void },
): Promise<number> {
  const header = await headerOf(path);
  const { seed, options, scenario } = header;
  print(`seed=${seed} commit=${header.commit} ${header.command}`);
  const recorded = eventsOf(path);
  const replayed: string[] = [];
  const slots = until === null ? scenario.slots : Math.min(until, scenario.slots);
  const isWhole = slots === scenario.slots;
  const onTrace = (line: string): void => void replayed.push(line.trimEnd());
  const again = { seed, ...options };
  const world = await openWorld(again, { scenario: { ...scenario, slots }, onTrace });
  const result = await world.run();
  for (const [index, line] of replayed.entries()) {
    // A run that ends earlier stops its nodes earlier: only what came before can be compared.
    if (!isWhole && slotOf(line) === slots) break;
    const other = await nextOf(recorded);
    if (line === other) continue;
    print(`- ${other ?? "(the trace ends)"}`);
    print(`+ ${line}`);
    print(`the replay differs from line ${index + 2} on: another commit, or nondeterminism`);
    return 1;
  }
  print(isWhole ? `the replay is equal, hash ${result.hash}` : `equal up to slot ${slots}`);
  return 0;
}

function slotOf(line: string): number | null {
  const event: { readonly kind?: string; readonly slot?: number } = JSON.parse(line);
  return event.kind === "slot" ? (event.slot ?? null) : null;
}

async function headerOf(path: string): Promise<TraceHeader> {
  const first = await nextOf(linesOf(path));
  const header: unknown = first === null ? null : JSON.parse(first);
  const isHeader =
    typeof header === "object" && header !== null && "kind" in header && header.kind === "run";
  if (!isHeader) {
    throw new UsageError(`${path} does not begin with a run's header`, {
      fix: "give a file that `coterie sim --trace` wrote",
    });
  }
  return header as TraceHeader;
}

/** What follows the header. */
function eventsOf(path: string): AsyncIterator<string> {
  const lines = linesOf(path);
  let isFirst = true;
  return {
    async next() {
      if (isFirst) await lines.next();
      isFirst = false;
      return lines.next();
    },
  };
}

function linesOf(path: string): AsyncIterator<string> {
  const input = createReadStream(path);
  return createInterface({ input, crlfDelay: Infinity })[Symbol.asyncIterator]();
}

async function nextOf(lines: AsyncIterator<string>): Promise<string | null> {
  const { value, done } = await lines.next();
  return done === true ? null : value;
}
