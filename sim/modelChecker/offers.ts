/**
 * What may happen next to an honest node, given all that has been said. Messages stay available
 * for ever, so any order, loss and duplication are covered; and they are offered only when they can
 * make a difference, in sets: a vote that completes nothing may as well come later (MODEL-2).
 */
import type { PeerIndex } from "../../src/domain/keys.ts";
import type { Round } from "../../src/domain/units.ts";
import type { Message, Statement } from "../../src/qbft/messages.ts";
import { statementOf } from "../../src/qbft/rules.ts";
import type { LocalState, LocalStates, MachineClass, Offer } from "./localStates.ts";
import {
  claimsOf,
  message,
  proposalsOf,
  roundChangesIn,
  type Soup,
  signed,
  subsetsOf,
  VALUES,
  votesFor,
  wordOf,
} from "./vocabulary.ts";

export type Setting = {
  readonly nodes: number;
  readonly byzantine: PeerIndex;
  readonly maxRound: Round;
  /** Whether nodes may crash, forget everything and come back in quarantine, once each. */
  readonly restarts: boolean;
  readonly leaderOf: (round: Round) => PeerIndex;
  readonly Machine: MachineClass;
};
/** An offer and a number for its name: what has one name has one effect on a local state. */
export type NamedOffer = { readonly name: number; readonly offer: Offer };

/** The proposals and sets of ROUND-CHANGEs of a round, and the votes of all rounds, in one soup. */
type Page = {
  readonly proposals: readonly NamedOffer[];
  readonly roundChanges: readonly NamedOffer[];
  readonly prepares: readonly NamedOffer[];
  readonly commits: readonly NamedOffer[];
};

export class Offers {
  readonly #setting: Setting;
  readonly #names = new Map<string, number>();
  /** A proposal of the liar that the machine accepts, by what there was to justify it with. */
  readonly #accepted = new Map<string, Message | null>();

  constructor(setting: Setting) {
    this.#setting = setting;
  }

  /** All that this soup has to offer, by round. */
  bookOf(soup: Soup): ReadonlyMap<Round, Page> {
    const book = new Map<Round, Page>();
    for (let round = 1; round <= this.#setting.maxRound; round++) {
      book.set(round, {
        proposals: this.#proposals(round, soup),
        roundChanges: round === 1 ? [] : this.#roundChanges(round, soup),
        prepares: this.#votes("PREPARE", round, soup),
        commits: [...this.#votes("COMMIT", round, soup), ...this.#decisions(round, soup)],
      });
    }
    return book;
  }

  /** What of a book can make a difference to a node that has not decided. */
  *of(
    book: ReadonlyMap<Round, Page>,
    states: LocalStates,
    state: LocalState,
  ): Generator<NamedOffer> {
    const { restarts } = this.#setting;
    if (!state.isExhausted) yield this.#named("timeout", { kind: "timeout" });
    if (restarts && !state.isQuarantined) yield this.#named("restart", { kind: "restart" });
    yield* this.#inputs(states, state);
    for (const [round, page] of book) {
      yield* page.commits;
      if (round <= state.round) yield* page.prepares;
      if (round < state.round) continue;
      yield* page.proposals;
      if (round > state.round || states.leads(round)) yield* page.roundChanges;
    }
  }

  /** Inputs that matter: the leader's. The values are alike, so who speaks first says A. */
  *#inputs(states: LocalStates, state: LocalState): Generator<NamedOffer> {
    if (!states.leads(state.round) || state.input !== null) return;
    for (const value of state.round === 1 ? VALUES.slice(0, 1) : VALUES) {
      yield this.#named(`input ${value.slice(0, 3)}`, { kind: "propose", value });
    }
  }

  #proposals(round: Round, soup: Soup): readonly NamedOffer[] {
    return this.#proposalsFor(round, soup).flatMap((proposal) =>
      [true, false].map((accepted) =>
        this.#named(`${wordOf(proposal)} ${accepted}`, {
          kind: "proposal",
          message: proposal,
          accepted,
        }),
      ),
    );
  }

  #proposalsFor(round: Round, soup: Soup): readonly Message[] {
    const { byzantine, leaderOf } = this.#setting;
    if (leaderOf(round) !== byzantine) {
      return soup.flatMap((voice) =>
        voice.filter((each) => each.type === "PRE-PREPARE" && each.round === round),
      );
    }
    return VALUES.flatMap((value) => {
      const found = this.#acceptable(statementOf("PRE-PREPARE", round, value), soup);
      return found === null ? [] : [found];
    });
  }

  /**
   * The first proposal with this statement that the machine accepts. Whether it does depends on the
   * message alone (QBFT-2), so a fresh machine is asked, and one that is accepted is enough.
   */
  #acceptable({ round, value }: Statement, soup: Soup): Message | null {
    const { byzantine } = this.#setting;
    if (value === null) return null;
    const material = soup
      .flatMap((voice) =>
        voice.filter((each) => each.type === "ROUND-CHANGE" || each.type === "PREPARE"),
      )
      .map((each) => `${each.source}${wordOf(each)}`)
      .sort();
    const key = `${round}${value.slice(0, 3)}${material.join()}`;
    const known = this.#accepted.get(key);
    if (known !== undefined) return known;
    let found: Message | null = null;
    const machine = this.#freshMachine();
    for (const proposal of proposalsOf({ round, value }, { soup, byzantine })) {
      const effects = machine.step({ kind: "receive", message: proposal });
      if (effects.some(({ kind }) => kind === "reject")) continue;
      found = proposal;
      break;
    }
    this.#accepted.set(key, found);
    return found;
  }

  #freshMachine(): InstanceType<MachineClass> {
    const { nodes, byzantine, leaderOf, maxRound, Machine } = this.#setting;
    const self = (byzantine + 1) % nodes;
    return new Machine({ nodes, self, leaderOf, maxRound, maySend: false });
  }

  #votes(type: "PREPARE" | "COMMIT", round: Round, soup: Soup): readonly NamedOffer[] {
    return VALUES.map((value) => {
      const statement = statementOf(type, round, value);
      const votes = votesFor(statement, { soup, byzantine: this.#setting.byzantine });
      return this.#named(`${wordOf(statement)} ${votes.length}`, {
        kind: "votes",
        messages: votes.map((vote) => message(vote)),
      });
    });
  }

  /** A DECIDED by the liar with all the COMMITs that there are, and with its own three times. */
  #decisions(round: Round, soup: Soup): readonly NamedOffer[] {
    const { byzantine } = this.#setting;
    return VALUES.flatMap((value) => {
      const decided = signed(statementOf("DECIDED", round, value), byzantine);
      const commits = votesFor(statementOf("COMMIT", round, value), { soup, byzantine });
      const own = commits.slice(0, 1);
      return [commits, [...own, ...own, ...own]].map((votes, index) =>
        this.#named(`${wordOf(decided)} ${index} ${commits.length}`, {
          kind: "messages",
          messages: [message(decided, votes)],
        }),
      );
    });
  }

  /** Each set of the honest ROUND-CHANGEs of one round, with none or one of the liar's. */
  #roundChanges(round: Round, soup: Soup): readonly NamedOffer[] {
    const honest = roundChangesIn(soup, round);
    const claims = claimsOf(round, { soup, byzantine: this.#setting.byzantine });
    return subsetsOf(honest).flatMap((set) =>
      [set, ...claims.map((claim) => [...set, claim])]
        .filter((messages) => messages.length > 0)
        .map((messages) => {
          const words = messages.map(
            (each) => `${each.source}${wordOf(each)}${each.justification.length}`,
          );
          return this.#named(words.join(), { kind: "messages", messages });
        }),
    );
  }

  #named(text: string, offer: Offer): NamedOffer {
    const name = this.#names.get(text) ?? this.#names.size;
    this.#names.set(text, name);
    return { name, offer };
  }
}
