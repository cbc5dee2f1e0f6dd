/**
 * One attempt of a ceremony as a step machine: an event in, effects out; no promise, clock,
 * randomness or log. Its state is what was said so far, so a journal of that is all that a restart
 * needs. The rules read the state, so the order of arrival does not matter (DKG-4, DKG-12).
 */
import type { PeerIndex } from "../domain/keys.ts";
import { assert, assertNever } from "../util/assert.ts";
import { equalBytes } from "../util/bytes.ts";
import {
  CEREMONY_PHASES,
  type CeremonyContent,
  type CeremonyMessage,
  type CeremonyPhase,
  decodeCeremonyFrame,
} from "../wire/ceremony.ts";
import type { Offence } from "../wire/ceremonyBlame.ts";
import { wrongSignatureReason } from "./blame.ts";
import type { CeremonyConfig } from "./ceremonyConfig.ts";
import { EffectList } from "./effects.ts";
import { Ending, operatorsText } from "./ending.ts";
import type { Judgement } from "./judge.ts";
import type { CeremonyEffect, CeremonyEvent, CeremonyProgress, JournalEntry } from "./messages.ts";
import { wrongSignersOf } from "./partials.ts";
import { Reception } from "./reception.ts";
import { CeremonyState } from "./state.ts";
import { ECHOED_PHASES } from "./transcript.ts";

export class Ceremony {
  readonly #config: CeremonyConfig;
  readonly #state: CeremonyState;
  readonly #effects: EffectList;
  readonly #ending: Ending;
  readonly #reception: Reception;
  #shown = "";

  constructor(config: CeremonyConfig) {
    this.#config = config;
    this.#state = new CeremonyState(config);
    this.#effects = new EffectList(config.facts);
    this.#ending = new Ending(this.#state, this.#effects);
    this.#reception = new Reception(this.#state, this.#effects, this.#ending);
  }

  get phase(): CeremonyPhase {
    return this.#state.phase;
  }

  /** Whether the attempt ended, either way; a finished one still answers its peers. */
  get isOver(): boolean {
    return this.#ending.isOver;
  }

  step(event: CeremonyEvent): readonly CeremonyEffect[] {
    this.#take(event);
    this.#advance();
    return this.#effects.take();
  }

  /**
   * Takes up what an earlier run of this node journaled for this attempt, instead of `entropy`.
   * What it said then, it says again to the byte: `connected` sends it.
   */
  resume(entries: readonly JournalEntry[]): readonly CeremonyEffect[] {
    for (const entry of entries) this.#replay(entry);
    // The timer of the phase that the journal ends in.
    this.#effects.push({ kind: "setTimer", phase: this.phase });
    this.#advance();
    return this.#effects.take();
  }

  /** Overwrites the secrets that the language lets it overwrite. The machine is of no use then. */
  erase(): void {
    this.#ending.isOver = true;
    this.#state.erase();
  }

  #take(event: CeremonyEvent): void {
    switch (event.kind) {
      case "entropy":
        assert(this.#state.seed === null, "an attempt has one seed");
        this.#effects.persist({ kind: "entropy", seed: event.seed });
        this.#state.seed = event.seed;
        this.#effects.push({ kind: "setTimer", phase: this.phase });
        return;
      case "receive":
        this.#reception.receive(event);
        return;
      case "connected":
        this.#repeat(event.peer);
        this.#ask(event.peer);
        return;
      case "nudge":
        this.#ask(null);
        return;
      case "deadline":
        this.#takeDeadline(event.phase);
        return;
      case "sharesStored":
        this.#takeStored(event.secrets);
        return;
      default:
        assertNever(event);
    }
  }

  #replay(entry: JournalEntry): void {
    const state = this.#state;
    switch (entry.kind) {
      case "entropy":
        state.seed = entry.seed;
        return;
      case "sealedShares":
        state.inbox.offer(entry.dealer, entry.sealedShares);
        return;
      case "sharesStored":
        state.areSharesStored = true;
        return;
      case "aborted":
        this.#ending.isOver = true;
        return;
      case "frame": {
        const frame = decodeCeremonyFrame(entry.frame, state.facts.shape.nodes);
        assert(frame.ok, "the journal holds frames that were accepted");
        const { content } = frame.value;
        if (content.kind === "message") {
          const added = state.record.add(content.message);
          // The own complaint, before a crash kept its dealer's conviction from the journal.
          if (added.kind === "fault") this.#blame(added, content.message);
          else assert(added.kind === "added", `a journaled message is ${added.kind}`);
        } else if (content.kind === "echo") {
          assert(state.echoes.add(content.echo).kind === "added", "a journaled echo is signed");
        }
        return;
      }
      default:
        assertNever(entry);
    }
  }

  #takeDeadline(phase: CeremonyPhase): void {
    const state = this.#state;
    if (this.#ending.isOver || phase !== this.phase) return;
    // DKG-14: silence is named, and blamed for nothing.
    // First whoever lacks shares says so; then there is time to hear it (DKG-8).
    if (phase === "verdict" && !state.isPatienceOver) {
      state.isPatienceOver = true;
      this.#effects.push({ kind: "setTimer", phase });
      return;
    }
    const missing = state.silent();
    if (missing.length === 0) this.#effects.push({ kind: "setTimer", phase });
    else {
      const reason = `${operatorsText(missing)} said nothing in the ${phase} phase`;
      this.#ending.abort({ reason, missing });
    }
  }

  #takeStored(secrets: readonly Uint8Array[]): void {
    const state = this.#state;
    const shares = state.shares();
    const isSame =
      secrets.length === shares.secrets.length &&
      shares.secrets.every((secret, v) => equalBytes(secret, secrets[v] ?? new Uint8Array()));
    if (!isSame) {
      const reason = "what was read back from the disk are not the key shares that were written";
      this.#ending.abort({ reason });
      return;
    }
    state.areSharesStored = true;
    this.#effects.persist({ kind: "sharesStored" });
  }

  /** Each rule disables itself, and phases only grow, so this ends. */
  #advance(): void {
    while (!this.#ending.isOver && this.#applyRule());
    this.#showProgress();
  }

  #applyRule(): boolean {
    const state = this.#state;
    if (state.seed === null) return false;
    state.inbox.open(state.seed);
    if (!state.hasSpoken(this.phase)) return this.#speakIfReady();
    const conflict = ECHOED_PHASES.has(this.phase) ? state.echoes.conflict(this.phase) : null;
    if (conflict !== null) {
      const offence: Offence =
        conflict.kind === "madeUp"
          ? { kind: "echo", echo: conflict.echo }
          : { kind: "equivocation", equivocation: conflict.equivocation };
      this.#ending.blame(conflict.culprit, state.conflictReason(conflict), offence);
      return false;
    }
    if (state.record.missing(this.phase).length > 0) return false;
    if (!this.#settlePhase()) return false;
    return this.#echoOrEnter();
  }

  #speakIfReady(): boolean {
    const state = this.#state;
    if (this.phase === "verdict" && !state.canJudge) return false;
    if (this.phase === "keys" && !this.#prepareKeys()) return false;
    const { message, body } = state.speak(this.phase);
    // A verdict may convict a dealer, and its author believes that like everybody else (DKG-8).
    const verdict = this.phase === "verdict" ? state.record.add(message) : null;
    if (verdict === null) state.record.addOwn(message, body);
    this.#effects.persistFrame({ kind: "message", message, sealedShares: null });
    this.#sendOwn(message);
    if (verdict?.kind === "fault") this.#blame(verdict, message);
    return true;
  }

  #blame({ culprit, reason }: Judgement, message: CeremonyMessage): void {
    this.#ending.blame(culprit, reason, { kind: "message", message });
  }

  /** DKG-9: the shares are on disk, and were read back, before anybody is told so. */
  #prepareKeys(): boolean {
    const state = this.#state;
    const keys = state.record.keys();
    if (!keys.ok) {
      this.#ending.abort({ reason: keys.error });
      return false;
    }
    if (state.areSharesStored) return true;
    if (!state.isStoring) {
      state.isStoring = true;
      this.#effects.push({ kind: "storeShares", shares: state.shares() });
    }
    return false;
  }

  /** Whether the phase, which is held whole, is right as a whole; once per phase. */
  #settlePhase(): boolean {
    const state = this.#state;
    const { phase } = this;
    if (state.record.missing(phase).length > 0) return false;
    if (state.isSettled(phase)) return true;
    const trouble = state.silentDealers();
    if (phase === "verdict" && trouble !== null) {
      this.#ending.abort({ reason: trouble });
      return false;
    }
    const [wrong] = wrongSignersOf(state.record, phase);
    if (wrong !== undefined) {
      const message = state.record.get(phase, wrong)?.message;
      assert(message !== undefined, "the phase is held");
      this.#ending.blame(wrong, wrongSignatureReason(phase), { kind: "message", message });
      return false;
    }
    state.settle(phase);
    return true;
  }

  #echoOrEnter(): boolean {
    const state = this.#state;
    const { phase } = this;
    if (ECHOED_PHASES.has(phase)) {
      if (state.echoes.get(phase, this.#config.self) === undefined) {
        const echo = state.echoes.own(phase, this.#config.self, this.#config.sign);
        assert(state.echoes.add(echo).kind === "added", "the own echo is right");
        this.#effects.persistFrame({ kind: "echo", echo });
        this.#effects.broadcast({ kind: "echo", echo });
        return true;
      }
      if (state.echoes.missing(phase).length > 0) return false;
    }
    const next = CEREMONY_PHASES[CEREMONY_PHASES.indexOf(phase) + 1];
    if (next === undefined) this.#finish();
    else this.#enter(next);
    return !this.#ending.isOver;
  }

  #enter(phase: CeremonyPhase): void {
    this.#state.phase = phase;
    this.#effects.push({ kind: "setTimer", phase });
    this.#reception.takeEarly();
  }

  #finish(): void {
    this.#ending.isOver = true;
    this.#effects.push({ kind: "finish", outcome: this.#state.outcome() });
  }

  /** To one peer: what this node said in this phase and the one before. */
  #repeat(peer: PeerIndex): void {
    for (const content of this.#state.saidTo(peer)) this.#effects.send(peer, content);
  }

  /** Asks one peer, or all, for what is missing. */
  #ask(peer: PeerIndex | null): void {
    if (this.#ending.isOver) return;
    for (const want of this.#state.wants()) {
      const content: CeremonyContent = { kind: "want", want };
      if (peer === null) this.#effects.broadcast(content);
      else this.#effects.send(peer, content);
    }
  }

  #sendOwn(message: CeremonyMessage): void {
    if (message.phase !== "reveal") {
      this.#effects.broadcast({ kind: "message", message, sealedShares: null });
      return;
    }
    for (const peer of this.#state.peers()) {
      const sealedShares = this.#state.sealedFor(peer);
      this.#effects.send(peer, { kind: "message", message, sealedShares });
    }
  }

  #showProgress(): void {
    const progress: CeremonyProgress = this.#state.progress();
    const text = JSON.stringify(progress);
    if (text === this.#shown || this.#ending.isOver) return;
    this.#shown = text;
    this.#effects.push({ kind: "progress", progress });
  }
}
