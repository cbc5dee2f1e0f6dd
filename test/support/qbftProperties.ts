/** The claims about a QBFT cluster as properties, so that mutants can be held against them too. */
import fc from "fast-check";
import type { PeerIndex } from "../../src/domain/keys.ts";
import { MAX_ROUND } from "../../src/domain/limits.ts";
import { faulty } from "../../src/domain/quorum.ts";
import type { Round } from "../../src/domain/units.ts";
import { Dice, play, recover, type Scheme, startWithInputs } from "./qbftAdversary.ts";
import { type MachineClass, QbftCluster } from "./qbftCluster.ts";

export type Trial = {
  readonly nodes: number;
  /** Draws who is Byzantine, and how many of at most f. */
  readonly cast: number;
  readonly numbers: readonly number[];
};

/** Trials of clusters of 4, 7 and 10; longer for the larger, whose phases have more messages. */
export function trials(size: { readonly actions: number }): fc.Arbitrary<Trial> {
  return fc.constantFrom(4, 4, 4, 4, 4, 4, 7, 10).chain((nodes) =>
    fc.record({
      nodes: fc.constant(nodes),
      cast: fc.nat(),
      numbers: fc.array(fc.nat(), {
        minLength: size.actions,
        maxLength: Math.ceil((size.actions * nodes) / 4),
        size: "max",
      }),
    }),
  );
}

const HOSTILE: Scheme = {
  duplicate: 50,
  drop: 50,
  timeout: 15,
  restart: 0,
  byzantine: 250,
  maxTimeoutRound: MAX_ROUND,
  favourite: null,
};
const RESTARTING: Scheme = { ...HOSTILE, restart: 4 };
/** A prelude that leaves the rounds which liveness needs: f+1 of them have an honest leader. */
const PRELUDE: Scheme = { ...HOSTILE, drop: 100, maxTimeoutRound: 3 };
const RECOVERY_MAX_ROUND = 9;

/** Agreement, validity, no double vote, and every decision proved: see the cluster's checks. */
export function violationsUnderAttack(trial: Trial, Instance: MachineClass): readonly string[] {
  const cluster = castOf(trial, Instance);
  startWithInputs(cluster);
  play(cluster, { ...HOSTILE, favourite: favouriteOf(trial, cluster) }, trial.numbers);
  cluster.flush();
  return cluster.violations;
}

/** The same with nodes that crash, forget everything and come back in quarantine. */
export function violationsUnderRestarts(trial: Trial, Instance: MachineClass): readonly string[] {
  const cluster = castOf(trial, Instance);
  startWithInputs(cluster);
  play(cluster, RESTARTING, trial.numbers);
  cluster.flush();
  return cluster.violations;
}

/** After any prelude a good network lets everybody decide and have the value. */
export function undecidedAfterRecovery(trial: Trial, Instance: MachineClass): readonly string[] {
  const cluster = castOf(trial, Instance, RECOVERY_MAX_ROUND);
  startWithInputs(cluster);
  play(cluster, PRELUDE, trial.numbers);
  if (recover(cluster)) {
    const isHere = cluster.honest.every((node) => {
      const decided = cluster.decisions.get(node);
      return decided !== undefined && cluster.hasBytes(node, decided.value);
    });
    return isHere ? cluster.violations : ["a decided value's bytes did not arrive"];
  }
  const rounds = cluster.honest.map((node) => `${node} in round ${cluster.roundOf(node)}`);
  return [`not everybody decided: ${rounds.join(", ")}`];
}

/** Without a single honest timeout no number of f lies takes an honest node out of round 1. */
export function roundsWithoutTimeouts(trial: Trial, Instance: MachineClass): readonly string[] {
  const cluster = castOf(trial, Instance);
  startWithInputs(cluster);
  play(cluster, { ...HOSTILE, timeout: 0 }, trial.numbers);
  cluster.flush();
  return cluster.honest
    .filter((node) => cluster.roundOf(node) !== 1)
    .map((node) => `${node} was lured to round ${cluster.roundOf(node)}`);
}

function castOf(
  { nodes, cast }: Trial,
  Instance: MachineClass,
  maxRound: Round = MAX_ROUND,
): QbftCluster {
  const dice = new Dice(cast);
  const all = dice.shuffled(Array.from({ length: nodes }, (_, index) => index));
  // Mostly as many liars as are tolerated.
  const liars = dice.chance(100) ? dice.below(faulty(nodes) + 1) : faulty(nodes);
  return new QbftCluster({ nodes, byzantine: all.slice(0, liars), maxRound, Instance });
}

function favouriteOf({ cast }: Trial, { honest }: QbftCluster): PeerIndex | null {
  const dice = new Dice(cast + 1);
  return dice.chance(850) ? (dice.pick(honest) ?? null) : null;
}
