/**
 * Plays a QBFT cluster at random: delivers in any order, duplicates, loses, fires timers, restarts
 * nodes, and speaks for the Byzantine ones with everything that was ever signed at hand. Each
 * decision is drawn from the numbers it is given, so a run is replayed and shrunk by its numbers.
 */
import type { PeerIndex, Root } from "../../src/domain/keys.ts";
import { quorum } from "../../src/domain/quorum.ts";
import type { Round } from "../../src/domain/units.ts";
import type { Message, SignedStatement, Statement } from "../../src/qbft/messages.ts";
import { type Delivery, type QbftCluster, rootNamed } from "./qbftCluster.ts";

export type Scheme = {
  /** Chances in 1000; the rest are deliveries. */
  readonly duplicate: number;
  readonly drop: number;
  readonly timeout: number;
  readonly restart: number;
  readonly byzantine: number;
  /** No timer is fired in this round or above, so that rounds are left for recovery. */
  readonly maxTimeoutRound: Round;
  /** Commits and certificates are mostly lost, but for this node: it may decide all alone. */
  readonly favourite: PeerIndex | null;
};

/** The values that honest nodes propose are `A`, `B`, …; `Y` and `Z` are the adversary's. */
export function startWithInputs(cluster: QbftCluster): void {
  for (const node of cluster.honest) {
    cluster.start(node);
    cluster.propose(node, inputOf(node));
  }
}

export function inputOf(node: PeerIndex): Root {
  return rootNamed(String.fromCharCode("A".charCodeAt(0) + node));
}

/** A small generator, seeded by one number of a run (mulberry32). */
export class Dice {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  below(limit: number): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % limit;
  }

  pick<T>(items: readonly T[]): T | undefined {
    return items[this.below(Math.max(1, items.length))];
  }

  chance(outOf1000: number): boolean {
    return this.below(1000) < outOf1000;
  }

  shuffled<T>(items: readonly T[]): T[] {
    const left = [...items];
    const out: T[] = [];
    while (left.length > 0) out.push(...left.splice(this.below(left.length), 1));
    return out;
  }
}

/** Does one random thing for each number of `numbers`. */
export function play(cluster: QbftCluster, scheme: Scheme, numbers: readonly number[]): void {
  for (const number of numbers) act(cluster, scheme, new Dice(number));
}

function act(cluster: QbftCluster, scheme: Scheme, dice: Dice): void {
  const { pending, honest, byzantine } = cluster;
  // Once somebody has decided, hurry the others into rounds that could decide otherwise.
  const isDecided = cluster.decisions.size > 0;
  if (dice.chance(isDecided ? 4 * scheme.timeout : scheme.timeout)) {
    const node = dice.pick(honest) ?? 0;
    if (cluster.roundOf(node) < scheme.maxTimeoutRound) cluster.timeout(node);
    return;
  }
  if (dice.chance(scheme.restart)) {
    cluster.restart(dice.pick(honest) ?? 0);
    return;
  }
  if (byzantine.length > 0 && dice.chance(scheme.byzantine)) {
    lie(cluster, dice);
    return;
  }
  if (pending.length === 0) return;
  // Mostly near the front: a network reorders its neighbours more than its ends.
  const index = dice.below(dice.chance(800) ? Math.min(6, pending.length) : pending.length);
  const delivery = pending[index];
  if (delivery === undefined) return;
  const isLossy = cluster.isLossy(delivery);
  const isSecret = isLossy && isHidden(cluster, delivery, scheme.favourite) && dice.chance(900);
  if (isSecret || (isLossy && dice.chance(scheme.drop))) {
    pending.splice(index, 1);
    return;
  }
  if (isLossy && dice.chance(scheme.duplicate)) pending.push(delivery);
  cluster.deliver(index);
}

/** What would tell the others of the favourite's decision; another value's votes are welcome. */
function isHidden(
  { decisions }: QbftCluster,
  { to, ...delivery }: Delivery,
  favourite: PeerIndex | null,
): boolean {
  if (delivery.kind !== "message" || favourite === null || to === favourite) return false;
  const { type, value } = delivery.message;
  if (type !== "COMMIT" && type !== "DECIDED") return false;
  return value === (decisions.get(favourite)?.value ?? value);
}

/** One message of a Byzantine node to some of the honest ones. */
function lie(cluster: QbftCluster, dice: Dice): void {
  const source = dice.pick(cluster.byzantine) ?? 0;
  const highest = Math.max(...cluster.honest.map((node) => cluster.roundOf(node)));
  const rounds = Array.from({ length: Math.min(highest + 1, cluster.maxRound) }, (_, i) => i + 1);
  const led = rounds.filter((round) => cluster.leaderOf(round) === source);
  const statement = { ...lieOf(cluster, dice, { rounds, led }), source };
  const justification = justificationFor(cluster, dice, statement);
  const some = dice.chance(500) ? 1000 : 600;
  const to = cluster.honest.filter(() => dice.chance(some));
  const message: Message = { ...cluster.forge(statement), justification };
  cluster.inject(message, to, statement.type === "PRE-PREPARE" && dice.chance(800));
}

function lieOf(
  cluster: QbftCluster,
  dice: Dice,
  { rounds, led }: { readonly rounds: readonly Round[]; readonly led: readonly Round[] },
): Statement {
  const none = { preparedRound: 0, preparedValue: null } as const;
  const value = someValue(cluster, dice);
  const round = dice.pick(rounds) ?? 1;
  const ledRound = dice.pick(led);
  if (ledRound !== undefined && dice.chance(300)) {
    return { type: "PRE-PREPARE", round: ledRound, value, ...none };
  }
  const latest = cluster.signed.findLast((message) => message.type === "PRE-PREPARE");
  if (latest !== undefined && dice.chance(400)) {
    const type = dice.chance(500) ? "PREPARE" : "COMMIT";
    return { type, round: latest.round, value: latest.value, ...none };
  }
  const type = dice.pick(LIES) ?? "PREPARE";
  if (type !== "ROUND-CHANGE") return { type, round, value, ...none };
  const next = Math.max(2, round);
  const prepared = dice.chance(500) ? 0 : 1 + dice.below(next - 1);
  const claim = { preparedRound: prepared, preparedValue: prepared === 0 ? null : value };
  return { type, round: next, value: null, ...claim };
}

const LIES = [
  "PRE-PREPARE",
  "PREPARE",
  "PREPARE",
  "COMMIT",
  "COMMIT",
  "ROUND-CHANGE",
  "DECIDED",
] as const;

function someValue(cluster: QbftCluster, dice: Dice): Root {
  if (dice.chance(cluster.decisions.size > 0 ? 500 : 200))
    return rootNamed(dice.chance(500) ? "Y" : "Z");
  const named = cluster.signed.map((message) => message.value).filter((value) => value !== null);
  return dice.pick(named) ?? rootNamed("Y");
}

/** The best justification that the signed statements allow, or a tampered one. */
function justificationFor(
  cluster: QbftCluster,
  dice: Dice,
  statement: Statement & { readonly source: PeerIndex },
): readonly SignedStatement[] {
  const { type, round, value, preparedRound, preparedValue } = statement;
  const best = (): readonly SignedStatement[] => {
    switch (type) {
      case "DECIDED":
        return votes(cluster, dice, { type: "COMMIT", round, value });
      case "ROUND-CHANGE":
        if (preparedRound === 0) return [];
        return votes(cluster, dice, {
          type: "PREPARE",
          round: preparedRound,
          value: preparedValue,
        });
      case "PRE-PREPARE":
        return round === 1 ? [] : proposalVotes(cluster, dice, statement);
      case "PREPARE":
      case "COMMIT":
        return [];
    }
  };
  const honestly = best();
  if (!dice.chance(150)) return honestly;
  // Tampered: votes for another value, one vote too few, or one of them twice.
  const [first] = honestly;
  if (first === undefined || dice.chance(300)) return honestly.slice(1);
  if (dice.chance(500)) return [...honestly.slice(1), first, first];
  const other = { type: first.type, round: first.round, value: someValue(cluster, dice) };
  return votes(cluster, dice, other);
}

function proposalVotes(
  cluster: QbftCluster,
  dice: Dice,
  { round, value }: Statement,
): readonly SignedStatement[] {
  const roundChanges = votes(cluster, dice, { type: "ROUND-CHANGE", round, value: null });
  // Either pretends that nothing is prepared, or backs the value with the PREPAREs of some round.
  if (dice.chance(300)) return roundChanges;
  const prepared = Math.max(0, ...roundChanges.map((vote) => vote.preparedRound));
  if (prepared === 0) return roundChanges;
  const prepares = votes(cluster, dice, { type: "PREPARE", round: prepared, value });
  return [...roundChanges, ...prepares];
}

/** Up to a quorum of matching statements of distinct authors, the Byzantine ones' made to fit. */
function votes(
  cluster: QbftCluster,
  dice: Dice,
  { type, round, value }: Pick<Statement, "type" | "round" | "value">,
): readonly SignedStatement[] {
  const bySource = new Map<PeerIndex, SignedStatement>();
  for (const message of cluster.signed) {
    const { justification: _, ...vote } = message;
    if (vote.type === type && vote.round === round && vote.value === value) {
      bySource.set(vote.source, vote);
    }
  }
  const none = { preparedRound: 0, preparedValue: null } as const;
  for (const source of cluster.byzantine) {
    bySource.set(source, cluster.forge({ type, round, value, source, ...none }));
  }
  return dice.shuffled([...bySource.values()]).slice(0, quorum(cluster.options.nodes));
}

/**
 * The network after it has become good: everything is delivered, and the timers of whoever lags
 * behind fire first, while the Byzantine nodes claim to have prepared what nobody heard of. Returns
 * whether every honest node has decided.
 */
export function recover(cluster: QbftCluster): boolean {
  const waiting = (): readonly PeerIndex[] =>
    cluster.honest.filter((node) => !cluster.decisions.has(node));
  cluster.flush();
  for (let guard = 0; waiting().length > 0 && guard < 50; guard++) {
    const lowest = Math.min(...waiting().map((node) => cluster.roundOf(node)));
    for (const source of cluster.byzantine) poison(cluster, source, lowest + 1);
    for (const node of waiting()) if (cluster.roundOf(node) === lowest) cluster.timeout(node);
    cluster.flush();
  }
  return waiting().length === 0;
}

/** A ROUND-CHANGE whose claim would stop an honest leader that believed it. */
function poison(cluster: QbftCluster, source: PeerIndex, round: Round): void {
  const claim = { preparedRound: round - 1, preparedValue: rootNamed("Z") };
  const vote = cluster.forge({ type: "ROUND-CHANGE", round, value: null, source, ...claim });
  cluster.inject({ ...vote, justification: [] }, cluster.honest, false);
}
