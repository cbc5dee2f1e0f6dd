/** A run as the command line says it, and the line that says it again. */
import type { Scenario } from "../scenario.ts";
import type { SimulatorOptions } from "../simulator.ts";
import type { RunResult, Violation } from "../world.ts";

/** The first line of a trace file: enough to run it again, wherever its scenario came from. */
export type TraceHeader = {
  readonly kind: "run";
  readonly seed: string;
  readonly commit: string;
  readonly preset: string;
  readonly command: string;
  readonly options: Omit<SimulatorOptions, "scenario" | "seed">;
  readonly scenario: Scenario;
};

/** How a run is called: what is not said has its default. */
export type RunSpec = Omit<SimulatorOptions, "scenario"> & {
  /** A name, or the path of a file. */
  readonly scenario: string;
  readonly preset: string;
};

export const EXIT_CODES = { ok: 0, crash: 127, liveness: 128, correctness: 129 } as const;
export type SimExitCode = (typeof EXIT_CODES)[keyof typeof EXIT_CODES];

export function exitCodeOf({ violations }: Pick<RunResult, "violations">): SimExitCode {
  const has = (kind: Violation["kind"]): boolean => violations.some((each) => each.kind === kind);
  if (has("correctness")) return EXIT_CODES.correctness;
  if (has("crash")) return EXIT_CODES.crash;
  return has("liveness") ? EXIT_CODES.liveness : EXIT_CODES.ok;
}

/** The one line that reproduces the run (SIM-6). */
export function commandOf(spec: RunSpec): string {
  const flags: readonly (readonly [string, unknown])[] = [
    ["nodes", spec.nodes],
    ["threshold", spec.threshold],
    ["validators", spec.validators],
    ["epochs", spec.epochs],
    ["seed", spec.seed],
    ["scenario", spec.scenario],
    ["slot-ms", spec.slotMs],
    ["bls", spec.bls === "blst" ? "blst" : undefined],
    ["chain", spec.chain === "real" ? "real" : undefined],
    ["preset", spec.preset === "minimal" ? undefined : spec.preset],
    ["faults", spec.faults?.length === 0 ? "none" : spec.faults?.join(",")],
  ];
  const said = flags.filter(([, value]) => value !== undefined && value !== "");
  return ["coterie sim", ...said.map(([name, value]) => `--${name} ${value}`)].join(" ");
}
