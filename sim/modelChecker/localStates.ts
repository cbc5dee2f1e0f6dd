/**
 * One honest node as an automaton that is discovered on the way. A state is what the node's future
 * depends on; a transition is computed once, by stepping the machine under test, and looked up
 * ever after. The machine is rebuilt from the events that led to the state, so nothing of it is
 * modelled here: what it says and does is all that is looked at.
 */
import type { PeerIndex, Root } from "../../src/domain/keys.ts";
import type { Round } from "../../src/domain/units.ts";
import type { QbftInstance } from "../../src/qbft/instance.ts";
import type { Message, QbftEffect, QbftEvent } from "../../src/qbft/messages.ts";
import type { QbftConfig } from "../../src/qbft/state.ts";
import { message, nameOf, signed, VALUES, wordOf } from "./vocabulary.ts";

export type Machine = Pick<QbftInstance, "step" | "round" | "isDecided">;
/** The machine under test; a mutant has the same shape. */
export type MachineClass = new (config: QbftConfig) => Machine;

/** Something that may happen to a node in one go. */
export type Offer =
  | { readonly kind: "timeout" }
  | { readonly kind: "restart" }
  | { readonly kind: "propose"; readonly value: Root }
  /** Messages taken one after the other, until the node does something. */
  | { readonly kind: "votes"; readonly messages: readonly Message[] }
  /** Messages taken one after the other, all of them. */
  | { readonly kind: "messages"; readonly messages: readonly Message[] }
  /** A proposal, and the driver's verdict should the machine ask for one. */
  | { readonly kind: "proposal"; readonly message: Message; readonly accepted: boolean };

export type LocalState = {
  readonly id: number;
  readonly round: Round;
  readonly decided: { readonly value: Root; readonly round: Round } | null;
  readonly isExhausted: boolean;
  readonly isQuarantined: boolean;
  readonly input: Root | null;
  /** All that it has said, also before a restart. */
  readonly voice: readonly Message[];
  /** What the machine went through since it was made. */
  readonly history: readonly QbftEvent[];
  /** Proposals in its log for its round and later ones, with the verdict if there is one. */
  readonly proposals: ReadonlyMap<Round, string>;
  /** ROUND-CHANGEs in its log that may still count. */
  readonly roundChanges: readonly Message[];
  /** What it did against its own rules, in words. */
  readonly fault: string | null;
};

type Draft = {
  -readonly [Key in Exclude<keyof LocalState, "id" | "voice" | "history">]: LocalState[Key];
} & {
  readonly voice: Message[];
  readonly history: QbftEvent[];
  readonly proposals: Map<Round, string>;
  roundChanges: Message[];
  verdict: boolean;
};

export class LocalStates {
  readonly all: LocalState[] = [];
  readonly #config: QbftConfig;
  readonly #Machine: MachineClass;
  readonly #ids = new Map<string, number>();

  constructor(config: Omit<QbftConfig, "maySend">, Machine: MachineClass) {
    this.#config = { ...config, maySend: true };
    this.#Machine = Machine;
    this.#begin();
  }

  get self(): PeerIndex {
    return this.#config.self;
  }

  at(id: number): LocalState {
    const state = this.all[id];
    if (state === undefined) throw new RangeError(`no local state ${id}`);
    return state;
  }

  leads(round: Round): boolean {
    return this.#config.leaderOf(round) === this.#config.self;
  }

  /** Where `offer` leads from `from`; null when it changes nothing that matters. */
  after(from: LocalState, offer: Offer): LocalState | null {
    const draft = draftOf(from);
    if (offer.kind === "restart") this.#restart(draft);
    else {
      const machine = this.#machineOf(from);
      this.#apply(machine, draft, offer);
    }
    const next = this.#interned(draft);
    return next.id === from.id ? null : next;
  }

  #begin(): void {
    const draft: Draft = {
      round: 1,
      decided: null,
      isExhausted: false,
      isQuarantined: false,
      input: null,
      voice: [],
      history: [],
      proposals: new Map(),
      roundChanges: [],
      fault: null,
      verdict: true,
    };
    this.#open(draft);
    this.#interned(draft);
  }

  /** Starts a machine that has every value's bytes: one that lacks them says less, never more. */
  #open(draft: Draft): void {
    const machine = new this.#Machine({ ...this.#config, maySend: !draft.isQuarantined });
    for (const value of VALUES) this.#step(machine, draft, { kind: "value", value });
    this.#step(machine, draft, { kind: "start" });
  }

  #restart(draft: Draft): void {
    draft.isQuarantined = true;
    draft.round = 1;
    draft.input = null;
    draft.history.length = 0;
    draft.proposals.clear();
    draft.roundChanges = [];
    this.#open(draft);
  }

  #apply(machine: Machine, draft: Draft, offer: Exclude<Offer, { kind: "restart" }>): void {
    switch (offer.kind) {
      case "timeout":
        if (draft.round === this.#config.maxRound) draft.isExhausted = true;
        this.#step(machine, draft, { kind: "timeout", round: draft.round });
        return;
      case "propose":
        draft.input = offer.value;
        this.#step(machine, draft, { kind: "propose", value: offer.value });
        return;
      case "proposal":
        draft.verdict = offer.accepted;
        this.#step(machine, draft, { kind: "receive", message: offer.message });
        return;
      case "votes": {
        const { length } = draft.voice;
        for (const each of offer.messages) {
          this.#step(machine, draft, { kind: "receive", message: each });
          if (draft.voice.length > length || draft.decided !== null) return;
        }
        return;
      }
      case "messages":
        for (const each of offer.messages)
          this.#step(machine, draft, { kind: "receive", message: each });
        return;
    }
  }

  #step(machine: Machine, draft: Draft, event: QbftEvent): void {
    const effects = machine.step(event);
    if (effects.some(({ kind }) => kind === "reject")) return;
    draft.history.push(event);
    if (event.kind === "receive") noteReceived(draft, event.message);
    draft.round = machine.round;
    for (const effect of effects) this.#perform(machine, draft, effect);
  }

  #perform(machine: Machine, draft: Draft, effect: QbftEffect): void {
    switch (effect.kind) {
      case "broadcast": {
        const said = message(signed(effect.statement, this.self), effect.justification);
        draft.fault ??= this.#faultOf(draft, said);
        draft.voice.push(said);
        return;
      }
      case "validate": {
        const { value, round } = effect;
        const verdict = draft.verdict
          ? ({ accepted: true } as const)
          : ({ accepted: false, reason: "refused" } as const);
        draft.proposals.set(round, `${nameOf(value)}${verdict.accepted ? "+" : "-"}`);
        this.#step(machine, draft, { kind: "validated", value, round, verdict });
        return;
      }
      case "decide":
        if (draft.decided !== null && draft.decided.value !== effect.value) {
          draft.fault = "decides twice and differently";
        }
        draft.decided ??= { value: effect.value, round: effect.round };
        return;
      default:
        return;
    }
  }

  /** What is wrong with saying this, for whoever looks at this node alone; null for nothing. */
  #faultOf(draft: Draft, said: Message): string | null {
    const { type, round, value } = said;
    const word = wordOf(said);
    if (draft.isQuarantined) return `speaks in quarantine: ${word}`;
    if (draft.voice.some((before) => before.type === type && before.round === round)) {
      return `says ${type} ${round} twice`;
    }
    if (type === "PREPARE" && draft.proposals.get(round) !== `${nameOf(value)}+`) {
      return `says ${word} without having accepted it`;
    }
    const peer = new this.#Machine({
      ...this.#config,
      self: (this.self + 1) % this.#config.nodes,
      maySend: false,
    });
    const isRejected = peer
      .step({ kind: "receive", message: said })
      .some(({ kind }) => kind === "reject");
    return isRejected ? `says ${word} without its justification` : null;
  }

  /** What a ROUND-CHANGE would claim now: the machine itself says it, in a copy that times out. */
  #claim(draft: Draft): string {
    const isOver = draft.decided !== null || draft.isExhausted || draft.isQuarantined;
    if (isOver || draft.round === this.#config.maxRound) return "";
    const machine = this.#machineOf(draft);
    const effects = machine.step({ kind: "timeout", round: draft.round });
    return effects
      .map((effect) => (effect.kind === "broadcast" ? wordOf(effect.statement) : ""))
      .join("");
  }

  #machineOf({ history, isQuarantined }: Pick<LocalState, "history" | "isQuarantined">): Machine {
    const machine = new this.#Machine({ ...this.#config, maySend: !isQuarantined });
    for (const event of history) machine.step(event);
    return machine;
  }

  #interned(draft: Draft): LocalState {
    this.#forgetWhatIsOver(draft);
    const key = [
      draft.round,
      draft.isExhausted,
      draft.isQuarantined,
      nameOf(draft.input),
      draft.decided === null ? "-" : `${nameOf(draft.decided.value)}${draft.decided.round}`,
      draft.voice.map(wordOf).sort().join(),
      [...draft.proposals].sort().join(),
      draft.roundChanges
        .map((each) => `${each.source}${wordOf(each)}`)
        .sort()
        .join(),
      this.#claim(draft),
      draft.fault,
    ].join("|");
    const known = this.#ids.get(key);
    if (known !== undefined) return this.at(known);
    const { verdict: _, ...state } = draft;
    const interned: LocalState = { ...state, id: this.all.length };
    this.#ids.set(key, interned.id);
    this.all.push(interned);
    return interned;
  }

  /** Drops what can have no effect any more, so that states that act alike are one. */
  #forgetWhatIsOver(draft: Draft): void {
    if (draft.decided !== null && !draft.isQuarantined) {
      draft.round = 0;
      draft.input = null;
      draft.isExhausted = false;
      draft.history.length = 0;
      draft.proposals.clear();
      draft.roundChanges = [];
      return;
    }
    for (const round of draft.proposals.keys()) {
      if (round < draft.round) draft.proposals.delete(round);
    }
    const isOpen = (round: Round): boolean =>
      this.leads(round) &&
      !draft.voice.some((said) => said.type === "PRE-PREPARE" && said.round === round);
    draft.roundChanges = draft.roundChanges.filter(
      ({ round }) => round > draft.round || (round === draft.round && isOpen(round)),
    );
  }
}

function noteReceived(draft: Draft, received: Message): void {
  if (received.type === "ROUND-CHANGE") draft.roundChanges.push(received);
  if (received.type === "PRE-PREPARE") draft.proposals.set(received.round, nameOf(received.value));
}

function draftOf(state: LocalState): Draft {
  const { id: _, ...rest } = state;
  return {
    ...rest,
    voice: [...state.voice],
    history: [...state.history],
    proposals: new Map(state.proposals),
    roundChanges: [...state.roundChanges],
    verdict: true,
  };
}
