/**
 * The simulator as a library: `import { Simulator } from "coterie/sim"`. A run is described by
 * plain data, so that it can be written down, sent to somebody and run again to the same trace.
 */
import { UsageError } from "../src/domain/errors.ts";
import { MAX_NODES, MAX_VALIDATORS, MIN_NODES } from "../src/domain/limits.ts";
import { quorum } from "../src/domain/quorum.ts";
import type { Millis, Slot } from "../src/domain/units.ts";
import { BEHAVIOUR_NAMES } from "./byzantine/behaviours.ts";
import { SeededRandom } from "./random.ts";
import { CALM, type Fault, type Scenario } from "./scenario.ts";
import { swarmScenario } from "./swarm.ts";
import {
  type BlsChoice,
  createWorld,
  type RunResult,
  slotsPerEpoch,
  type World,
  type WorldOptions,
} from "./world.ts";

export type ChainChoice = "virtual" | "real";

export type SimulatorOptions = {
  readonly seed: string | number;
  /** `calm`, `swarm`, or one of your own; calm unless given. */
  readonly scenario?: "calm" | "swarm" | Scenario;
  readonly nodes?: number;
  /** A quorum of the nodes unless given. */
  readonly threshold?: number;
  readonly validators?: number;
  readonly epochs?: number;
  readonly slotMs?: Millis;
  /** Transparent unless given: insecure algebra that costs a thousandth (SIM-5). */
  readonly bls?: BlsChoice;
  /** The virtual chain unless given; the dev chain's state transition asks for `bls: "blst"`. */
  readonly chain?: ChainChoice;
  /** Keeps only these faults of the scenario, by their position: what `sim shrink` found. */
  readonly faults?: readonly number[];
};

export type Observer = {
  /** Gets each line of the trace. */
  readonly onTrace?: (line: string) => void;
  /** False where the verdict alone is of interest: the run has no hash then, and costs less. */
  readonly isTraced?: boolean;
  readonly onSlot?: (slot: Slot) => void;
};

export class Simulator {
  /** What is going to happen: read it, change a copy, run that. */
  readonly scenario: Scenario;
  readonly #options: SimulatorOptions;

  /** Throws UsageError for a cluster that cannot be. */
  constructor(options: SimulatorOptions) {
    this.#options = options;
    this.scenario = checked(scenarioOf(options));
  }

  /** Runs the scenario from its start; every run of the same options gives the same trace. */
  async run(observer: Observer = {}): Promise<RunResult> {
    return (await openWorld(this.#options, { scenario: this.scenario, ...observer })).run();
  }
}

/** A world as it is asked for, on the chain that is asked for. */
export async function openWorld(
  { seed, bls = "transparent", chain = "virtual" }: Omit<SimulatorOptions, "scenario">,
  parts: Pick<WorldOptions, "scenario" | "onTrace" | "isTraced" | "onSlot">,
): Promise<World> {
  if (chain === "virtual") return createWorld({ seed, bls, ...parts });
  const { flawOnRealChain, realGround } = await import("./realGround.ts");
  const flaw = flawOnRealChain(parts.scenario, bls);
  if (flaw !== null) throw new UsageError("the real chain cannot run this", { fix: flaw });
  return createWorld({ seed, bls, createGround: await realGround(), ...parts });
}

function scenarioOf(options: SimulatorOptions): Scenario {
  const { scenario = "calm", faults } = options;
  const whole = namedScenario(scenario, options);
  if (faults === undefined) return whole;
  return { ...whole, faults: whole.faults.filter((_, position) => faults.includes(position)) };
}

function namedScenario(scenario: "calm" | "swarm" | Scenario, options: SimulatorOptions): Scenario {
  if (scenario === "swarm") {
    const random = new SeededRandom(`swarm/${options.seed}`);
    return swarmScenario({ random, slotsPerEpoch: slotsPerEpoch(), behaviours: BEHAVIOUR_NAMES });
  }
  const base = scenario === "calm" ? CALM : scenario;
  const { nodes = base.nodes, validators = base.validators, slotMs = base.slotMs } = options;
  const isResized = options.nodes !== undefined;
  const threshold = options.threshold ?? (isResized ? quorum(nodes) : base.threshold);
  const slots = options.epochs === undefined ? base.slots : options.epochs * slotsPerEpoch();
  return { ...base, nodes, threshold, validators, slotMs, slots };
}

function checked(scenario: Scenario): Scenario {
  const { nodes, threshold, validators, slots, slotMs, faults } = scenario;
  const within = (value: number, from: number, to: number): boolean =>
    Number.isInteger(value) && value >= from && value <= to;
  const flaws: readonly (readonly [boolean, string])[] = [
    [within(nodes, MIN_NODES, MAX_NODES), `nodes: ${MIN_NODES} to ${MAX_NODES}`],
    [within(threshold, 1, nodes), `threshold: 1 to the ${nodes} nodes`],
    [within(validators, 1, MAX_VALIDATORS), `validators: 1 to ${MAX_VALIDATORS}`],
    [within(slots, 1, 10_000_000), "epochs: at least 1"],
    [within(slotMs, 100, 60_000), "slot length: 100 to 60000 ms"],
    [faults.every((fault) => isOfNodes(fault, nodes)), `faults: of nodes 0 to ${nodes - 1}`],
  ];
  const flaw = flaws.find(([isFine]) => !isFine);
  if (flaw !== undefined) {
    throw new UsageError("the scenario cannot be simulated", { fix: flaw[1] });
  }
  return scenario;
}

function isOfNodes(fault: Fault, nodes: number): boolean {
  return !("nodes" in fault) || (fault.nodes ?? []).every((node) => node >= 0 && node < nodes);
}
