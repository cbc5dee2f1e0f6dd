/**
 * MODEL-1: explores every state that a cluster of four with one liar can reach, breadth first, and
 * checks each: agreement, validity, no honest node contradicts itself, and all that an honest node
 * states on the strength of a quorum has that quorum behind it.
 */
import { faulty, quorum } from "../../src/domain/quorum.ts";
import type { Round } from "../../src/domain/units.ts";
import { QbftInstance } from "../../src/qbft/instance.ts";
import type { Message } from "../../src/qbft/messages.ts";
import { type LocalState, LocalStates, type MachineClass, type Offer } from "./localStates.ts";
import { type NamedOffer, Offers, type Setting } from "./offers.ts";
import { StateTable } from "./stateTable.ts";
import { nameOf, wordOf } from "./vocabulary.ts";

const NODES = 4;

export type Exploration = {
  readonly maxRound: Round;
  /** Where the liar sits: 0 leads the first round, 1 the second, and so on. */
  readonly byzantine: number;
  readonly restarts?: boolean;
  readonly Machine?: MachineClass;
  readonly maxStates?: number;
  /** Told what each honest node has said, in sorted words, for every state. */
  readonly onState?: (said: readonly string[]) => void;
  /** Called now and then; exploration ends when it answers false. */
  readonly onProgress?: (progress: Progress) => boolean;
};
export type Progress = {
  readonly states: number;
  readonly explored: number;
  readonly transitions: number;
  readonly localStates: number;
  /** Steps from the start to the states explored last. */
  readonly depth: number;
};
export type Result = Progress & {
  /** Whether every reachable state was visited. */
  readonly isComplete: boolean;
  /** What is wrong with the first bad state, and the way to it; null when there is none. */
  readonly violation: { readonly what: string; readonly path: readonly string[] } | null;
};

type Triple = [number, number, number];
const NODE_NUMBERS = [0, 1, 2] as const;
type NodeNumber = (typeof NODE_NUMBERS)[number];
/** Where a node may be once it has spoken next, and how it may decide without speaking. */
type Reach = { readonly next: readonly number[]; readonly decided: readonly LocalState[] };

export function explore(options: Exploration): Result {
  return new Explorer(options).run();
}

type Book = ReturnType<Offers["bookOf"]>;
const MAX_NAMES = 2 ** 20;

class Explorer {
  readonly #options: Exploration;
  readonly #setting: Setting;
  readonly #nodes: readonly [LocalStates, LocalStates, LocalStates];
  readonly #offers: Offers;
  readonly #table = new StateTable();
  readonly #checks: Checks;
  /** By node: what a local state can come to among two other voices. */
  readonly #reach = [new Map(), new Map(), new Map()] as const satisfies Map<number, Reach>[];
  /** By node: the state after a local state and an offer, by name; -1 for none. */
  readonly #after = [new Map(), new Map(), new Map()] as const satisfies Map<number, number>[];
  readonly #voices = new Map<string, number>();
  readonly #voiceOf: readonly [number[], number[], number[]] = [[], [], []];
  #explored = 0;
  #transitions = 0;
  #depth = 0;
  /** Where the states of the next depth begin. */
  #nextDepthAt = 1;

  constructor(options: Exploration) {
    this.#options = options;
    const { maxRound, byzantine, restarts = false, Machine = QbftInstance } = options;
    const leaderOf = (round: Round): number => (round - 1) % NODES;
    this.#setting = { nodes: NODES, byzantine, maxRound, restarts, leaderOf, Machine };
    const honest = (node: NodeNumber): LocalStates => {
      const self = node < byzantine ? node : node + 1;
      return new LocalStates({ nodes: NODES, self, leaderOf, maxRound }, Machine);
    };
    this.#nodes = [honest(0), honest(1), honest(2)];
    this.#offers = new Offers(this.#setting);
    this.#checks = new Checks();
  }

  run(): Result {
    const { maxStates = Number.POSITIVE_INFINITY, onProgress } = this.#options;
    this.#table.add([0, 0, 0], -1);
    for (; this.#explored < this.#table.size; this.#explored++) {
      if (this.#table.size > maxStates) return this.#result(null);
      const isLong = this.#explored % 1_000 === 999;
      if (isLong && onProgress?.(this.#progress()) === false) return this.#result(null);
      if (this.#explored === this.#nextDepthAt) {
        this.#depth++;
        this.#nextDepthAt = this.#table.size;
      }
      const bad = this.#expand(this.#explored);
      if (bad !== null) return this.#result(bad);
    }
    return this.#result(null);
  }

  /** Checks a state and adds its successors; answers what is wrong. */
  #expand(index: number): { readonly what: string; readonly at: number } | null {
    const state = this.#table.state(index);
    this.#options.onState?.(
      this.#localStates(state).map(({ voice }) => voice.map(wordOf).sort().join(", ")),
    );
    let pages: Book | null = null;
    const book = (): Book => {
      pages ??= this.#offers.bookOf(this.#localStates(state).map(({ voice }) => voice));
      return pages;
    };
    const reaches = NODE_NUMBERS.map((node) => this.#reachOf(node, state, book));
    const disagreement = this.#checks.disagreement(this.#localStates(state), reaches);
    if (disagreement !== null) return { what: disagreement, at: index };
    for (const node of NODE_NUMBERS) {
      for (const next of reaches[node]?.next ?? []) {
        this.#transitions++;
        const changed: Triple = [...state];
        changed[node] = next;
        if (!this.#table.add(changed, index)) continue;
        const what = this.#checks.of(this.#localStates(changed), node);
        if (what !== null) return { what, at: this.#table.size - 1 };
      }
    }
    return null;
  }

  /** What a node can come to with what has been said so far, before anybody says more. */
  #reachOf(node: NodeNumber, state: Triple, book: () => Book): Reach {
    const own = state[node];
    const [first = 0, second = 0] = NODE_NUMBERS.filter((other) => other !== node).map((other) =>
      this.#voice(other, state[other]),
    );
    const key = (own * 2 ** 16 + first) * 2 ** 16 + second;
    const known = this.#reach[node].get(key);
    if (known !== undefined) return known;
    const found = this.#computeReach(node, state[node], book());
    this.#reach[node].set(key, found);
    return found;
  }

  /**
   * Follows the node silently, through all that changes nothing for the others, until it speaks. A
   * decision ends a node's part and is noted beside.
   */
  #computeReach(node: NodeNumber, id: number, book: Book): Reach {
    const states = this.#nodes[node];
    const next = new Set<number>();
    const decided = new Map<string, LocalState>();
    const silent = [states.at(id)];
    const seen = new Set(silent);
    for (const from of silent) {
      for (const named of this.#offers.of(book, states, from)) {
        const to = this.#stateAfter(node, from, named);
        if (to === null || seen.has(to)) continue;
        seen.add(to);
        if (to.voice.length > from.voice.length || to.fault !== null) next.add(to.id);
        else if (to.decided === null) silent.push(to);
        else decided.set(`${to.decided.round} ${to.decided.value}`, to);
      }
    }
    return { next: [...next], decided: [...decided.values()] };
  }

  #stateAfter(node: NodeNumber, from: LocalState, { name, offer }: NamedOffer): LocalState | null {
    const states = this.#nodes[node];
    const key = from.id * MAX_NAMES + name;
    const known = this.#after[node].get(key);
    if (known !== undefined) return known < 0 ? null : states.at(known);
    const to = states.after(from, offer);
    const isKept = to !== null && !isIdle(offer, from, to);
    this.#after[node].set(key, isKept ? to.id : -1);
    return isKept ? to : null;
  }

  #localStates(state: Triple): readonly LocalState[] {
    return this.#nodes.map((states, node) => states.at(state[node] ?? 0));
  }

  /** One number for all local states that have said the same. */
  #voice(node: NodeNumber, id: number): number {
    const cache = this.#voiceOf[node];
    const states = this.#nodes[node];
    const known = cache[id];
    if (known !== undefined) return known;
    const words = states
      .at(id)
      .voice.map((said) => `${said.source}${wordOf(said)}`)
      .sort()
      .join();
    const voice = this.#voices.get(words) ?? this.#voices.size;
    this.#voices.set(words, voice);
    cache[id] = voice;
    return voice;
  }

  #progress(): Progress {
    return {
      states: this.#table.size,
      explored: this.#explored,
      transitions: this.#transitions,
      localStates: this.#nodes.reduce((sum, { all }) => sum + all.length, 0),
      depth: this.#depth,
    };
  }

  #result(bad: { readonly what: string; readonly at: number } | null): Result {
    return {
      ...this.#progress(),
      isComplete: bad === null && this.#explored === this.#table.size,
      violation: bad && { what: bad.what, path: this.#pathTo(bad.at) },
    };
  }

  /** The way to a state, one line for each step: who did what. */
  #pathTo(index: number): readonly string[] {
    const lines: string[] = [];
    for (let at = index; this.#table.parentOf(at) >= 0; at = this.#table.parentOf(at)) {
      const before = this.#localStates(this.#table.state(this.#table.parentOf(at)));
      const after = this.#localStates(this.#table.state(at));
      const node = after.findIndex((state, each) => state !== before[each]);
      const [old, fresh] = [before[node], after[node]];
      if (old === undefined || fresh === undefined) break;
      lines.push(`node ${this.#nodes[node]?.self}: ${describeStep(old, fresh)}`);
    }
    return lines.reverse();
  }
}

/** Whether what was taken may as well be taken later, together with what it then completes. */
function isIdle(offer: Offer, from: LocalState, to: LocalState): boolean {
  const isSilent =
    to.voice.length === from.voice.length && to.decided === null && to.fault === null;
  if (!isSilent || to.round !== from.round) return false;
  return offer.kind === "messages" || (offer.kind === "proposal" && !offer.accepted);
}

function describeStep(before: LocalState, after: LocalState): string {
  const said = after.voice.slice(before.voice.length).map(wordOf);
  const parts = said.map((word) => `says ${word}`);
  if (after.decided !== null && before.decided === null) {
    parts.push(`decides ${nameOf(after.decided.value)} in round ${after.decided.round}`);
  }
  if (after.isQuarantined && !before.isQuarantined) parts.push("restarts");
  if (after.round > before.round) parts.push(`is in round ${after.round}`);
  return parts.length === 0 ? "takes messages" : parts.join(", ");
}

/** The invariants of one state, of which only one node's part is new. */
class Checks {
  /** Words that a local state has said, by state. */
  readonly #said = new WeakMap<LocalState, ReadonlySet<string>>();
  /** What has to be behind a local state: words, and how many honest authors each needs. */
  readonly #needs = new WeakMap<LocalState, ReadonlyMap<string, number>>();

  /** After one node has spoken: whether it was entitled to what it said. */
  of(states: readonly LocalState[], changed: number): string | null {
    const state = states[changed];
    return state === undefined ? null : (state.fault ?? this.#unsupported(states, state));
  }

  /**
   * Whether two nodes can decide differently on what has been said. A decided node says no more,
   * so one that could decide and does not is on every way on which it decides.
   */
  disagreement(states: readonly LocalState[], reaches: readonly Reach[]): string | null {
    const first = reaches.find(({ decided }) => decided.length > 0);
    if (first === undefined) return null;
    for (const [node, { decided }] of reaches.entries()) {
      for (const end of decided) {
        const value = end.decided?.value;
        const differs = reaches.some(
          (other, index) =>
            index !== node && other.decided.some((each) => each.decided?.value !== value),
        );
        if (differs) return "two nodes decide differently";
        const isPrepared = states.some(({ voice }) =>
          voice.some((said) => said.type === "PREPARE" && said.value === value),
        );
        if (!isPrepared) return "what is decided was prepared by nobody";
        const unsupported = end.fault ?? this.#unsupported(states, end);
        if (unsupported !== null) return unsupported;
      }
    }
    return null;
  }

  #unsupported(states: readonly LocalState[], state: LocalState): string | null {
    for (const [word, needed] of this.#needsOf(state)) {
      const authors = states.filter((each) => this.#saidBy(each).has(word)).length;
      if (authors < needed) return `stated with ${authors} honest ${word} behind it, not ${needed}`;
    }
    return null;
  }

  #saidBy(state: LocalState): ReadonlySet<string> {
    const known = this.#said.get(state);
    if (known !== undefined) return known;
    const words = new Set(
      state.voice.flatMap((said) => [wordOf(said), `${said.type} ${said.round}`]),
    );
    this.#said.set(state, words);
    return words;
  }

  #needsOf(state: LocalState): ReadonlyMap<string, number> {
    const known = this.#needs.get(state);
    if (known !== undefined) return known;
    const honest = quorum(NODES) - faulty(NODES);
    const needs = new Map<string, number>();
    for (const said of state.voice) for (const word of neededFor(said)) needs.set(word, honest);
    const { decided } = state;
    if (decided !== null) needs.set(`COMMIT ${decided.round} ${nameOf(decided.value)}`, honest);
    this.#needs.set(state, needs);
    return needs;
  }
}

/** What a quorum must have said before an honest node says this. */
function neededFor(said: Message): readonly string[] {
  const { type, round, value, preparedRound, preparedValue } = said;
  switch (type) {
    case "COMMIT":
      return [`PREPARE ${round} ${nameOf(value)}`];
    case "ROUND-CHANGE":
      return preparedRound === 0 ? [] : [`PREPARE ${preparedRound} ${nameOf(preparedValue)}`];
    case "PRE-PREPARE":
      return round === 1 ? [] : [`ROUND-CHANGE ${round}`];
    default:
      return [];
  }
}
