/**
 * A ceremony in three parts. The cryptography, all operators in this process and nothing between
 * them: CPU time of one operator beside the sum of the primitives that the protocol cannot do
 * without, each measured in the same run. Then network and keystores (`dkgShell.ts`).
 */
import { assert } from "../../src/util/assert.ts";
import { CeremonyNetwork } from "../../test/support/ceremonyNetwork.ts";
import { type CeremonySize, cpuOf, floorOf, measureCosts } from "./dkgFloor.ts";
import { benchKeystores, benchNetwork, type SentFrame } from "./dkgShell.ts";
import type { BenchRow } from "./row.ts";
import { median } from "./statistics.ts";

const SIZES: readonly CeremonySize[] = [
  { nodes: 4, threshold: 3, validators: 1 },
  { nodes: 4, threshold: 3, validators: 100 },
  { nodes: 4, threshold: 3, validators: 1000 },
  { nodes: 7, threshold: 5, validators: 100 },
];
const WARM_UP: CeremonySize = { nodes: 4, threshold: 3, validators: 1 };
const WARM_UP_ROUNDS = 5;
/** Small ceremonies are measured several times. */
const FEW = 5;
const MAX_RATIO = 2;
const MAX_MEGABYTES = 300;

export async function benchDkg(progress: (text: string) => void): Promise<readonly BenchRow[]> {
  const rows: BenchRow[] = [];
  // The first ceremony of a process is compiled, not only computed.
  for (let round = 0; round < WARM_UP_ROUNDS; round++) ceremony(WARM_UP);
  for (const size of SIZES) {
    const { nodes, threshold, validators } = size;
    const name = `ceremony crypto, ${validators} validators, ${threshold} of ${nodes}`;
    progress(name);
    const before = measureCosts();
    const memoryBefore = process.memoryUsage().rss;
    const rounds = Array.from({ length: validators < FEW ? FEW : 1 }, () => ceremony(size));
    const cpu = median(rounds.map((round) => round.cpu));
    const peak = Math.max(...rounds.map((round) => round.peak));
    const floor = (floorOf(size, before) + floorOf(size, measureCosts())) / 2;
    const value = cpu / nodes;
    const ratio = value / floor;
    rows.push({
      name,
      value,
      unit: "ms CPU per node",
      floor,
      ratio,
      limit: `at most ${MAX_RATIO}x the floor`,
      pass: ratio <= MAX_RATIO,
    });
    const megabytes = Math.max(0, peak - memoryBefore) / nodes / 1e6;
    rows.push({
      name: `${name}: memory`,
      value: megabytes,
      unit: "MB per node",
      limit: `below ${MAX_MEGABYTES}`,
      pass: megabytes < MAX_MEGABYTES,
    });
    progress(`ceremony network, ${validators} validators`);
    rows.push(...(await benchNetwork(size, { crypto: floor, frames: rounds[0]?.frames ?? [] })));
  }
  progress("ceremony keystores");
  rows.push(await benchKeystores());
  return rows;
}

function ceremony(size: CeremonySize) {
  const frames: SentFrame[] = [];
  const network = new CeremonyNetwork({
    ...size,
    tamper: (delivery) => {
      frames.push(delivery);
      return [delivery];
    },
  });
  let peak = 0;
  const cpu = cpuOf(() => {
    network.start();
    network.run(() => {
      peak = Math.max(peak, process.memoryUsage().rss);
      return false;
    });
  });
  assert(
    network.operators.every(({ outcome }) => outcome !== null),
    "every operator finishes",
  );
  return { cpu, peak, frames };
}
