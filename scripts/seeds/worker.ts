/** A process that runs one swarm seed after the other; scripts/seeds.ts hands them out. */
import { execFileSync } from "node:child_process";
import type { BlsChoice } from "../../sim/world.ts";

export type SeedRequest = { readonly seed: number; readonly bls: BlsChoice };
export type SeedOutcome = {
  readonly seed: number;
  /** As `coterie sim` would have ended. */
  readonly exitCode: number;
  readonly commit: string;
  readonly command: string;
  /** The first violation; empty when there is none. */
  readonly message: string;
  readonly cpuSeconds: number;
};

process.env["LODESTAR_PRESET"] = "minimal";
const { Simulator } = await import("../../sim/simulator.ts");
const { commandOf, exitCodeOf } = await import("../../sim/commands/spec.ts");
const commit = execFileSync("git", ["rev-parse", "--short=12", "HEAD"]).toString().trim();

process.on("message", (request: SeedRequest) => {
  void runSeed(request).then((outcome) => process.send?.(outcome));
});

async function runSeed({ seed, bls }: SeedRequest): Promise<SeedOutcome> {
  const before = process.cpuUsage();
  const result = await new Simulator({ seed, bls, scenario: "swarm" }).run({ isTraced: false });
  const { user, system } = process.cpuUsage(before);
  const [first] = result.violations;
  return {
    seed,
    exitCode: exitCodeOf(result),
    commit,
    command: commandOf({ seed, bls, scenario: "swarm", preset: "minimal" }),
    message: first === undefined ? "" : `${first.checker}: ${first.message}`,
    cpuSeconds: (user + system) / 1_000_000,
  };
}
