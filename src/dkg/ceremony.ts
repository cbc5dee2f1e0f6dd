/**
 * One attempt of a ceremony as a step machine: an event in, effects out; no promise, clock,
 * randomness or log. Its state is what was said so far, so a journal of that is all that a restart
 * needs. The rules read the state, so the order of arrival does not matter (DKG-4, DKG-12).
 */
import type { RejectionReason } from "../domain/errors.ts";
import type { PeerIndex } from "../domain/keys.ts";
import { assert, assertNever } from "../util/assert.ts";
import { equalBytes } from "../util/bytes.ts";
import {
  CEREMONY_PHASES,
  type CeremonyContent,
  type CeremonyEcho,
  type CeremonyMessage,
  type CeremonyPhase,
  decodeCeremonyFrame,
} from "../wire/ceremony.ts";
import type { Offence } from "../wire/ceremonyBlame.ts";
import { accuse, judgeBlame, wrongSignatureReason } from "./blame.ts";
import type { CeremonyConfig } from "./ceremonyConfig.ts";
import { EffectList } from "./effects.ts";
import type {
  CeremonyAbort,
  CeremonyEffect,
  CeremonyEvent,
  CeremonyProgress,
  JournalEntry,
} from "./messages.ts";
import { wrongSignersOf } from "./partials.ts";
import { CeremonyState } from "./state.ts";
import { ECHOED_PHASES } from "./transcript.ts";

type Received = Extract<CeremonyEvent, { kind: "receive" }>;

export class Ceremony {
  readonly #config: CeremonyConfig;
  readonly #state: CeremonyState;
  /** Messages of the next phase, by author. */
  readonly #early = new Map<PeerIndex, { message: CeremonyMessage; sealed: Uint8Array | null }>();
  readonly #effects: EffectList;
  #shown = "";
  #isOver = false;

  constructor(config: CeremonyConfig) {
    this.#config = config;
    this.#state = new CeremonyState(config);
    this.#effects = new EffectList(config.facts);
  }

  get phase(): CeremonyPhase {
    return this.#state.phase;
  }

  /** Whether the attempt ended, either way; a finished one still answers its peers. */
  get isOver(): boolean {
    return this.#isOver;
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
    this.#isOver = true;
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
        this.#receive(event);
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
        this.#isOver = true;
        return;
      case "frame": {
        const frame = decodeCeremonyFrame(entry.frame, state.facts.shape.nodes);
        assert(frame.ok, "the journal holds frames that were accepted");
        const { content } = frame.value;
        if (content.kind === "message") {
          const added = state.record.add(content.message);
          assert(added.kind === "added", `a journaled message is ${added.kind}`);
        } else if (content.kind === "echo") {
          assert(state.echoes.add(content.echo).kind === "added", "a journaled echo is signed");
        }
        return;
      }
      default:
        assertNever(entry);
    }
  }

  #receive({ from, frame: bytes }: Received): void {
    const { facts } = this.#config;
    const frame = decodeCeremonyFrame(bytes, facts.shape.nodes);
    if (!frame.ok) {
      this.#effects.reject(from, frame.error);
      return;
    }
    const { definitionHash, attempt, content } = frame.value;
    if (definitionHash !== facts.definitionHash) {
      this.#effects.reject(from, refusal("wrong_cluster", "another definition"));
      return;
    }
    if (attempt < facts.attempt) {
      this.#effects.reject(from, refusal("too_late", `of attempt ${attempt}`));
      return;
    }
    if (attempt > facts.attempt) {
      this.#supersede(from, attempt);
      return;
    }
    this.#takeContent(from, content);
  }

  #takeContent(from: PeerIndex, content: CeremonyContent): void {
    switch (content.kind) {
      case "want":
        for (const answer of this.#state.answersTo(from, content.want))
          this.#effects.send(from, answer);
        return;
      case "message":
        if (this.#isOver) return;
        this.#takeMessage(from, content.message, content.sealedShares);
        return;
      case "echo":
        if (!this.#isOver) this.#takeEcho(from, content.echo);
        return;
      case "blame":
        if (!this.#isOver) this.#takeBlame(from, content.blame);
        return;
      default:
        assertNever(content);
    }
  }

  #takeMessage(from: PeerIndex, message: CeremonyMessage, sealed: Uint8Array | null): void {
    const { phase, author } = message;
    const ahead = orderOf(phase) - orderOf(this.phase);
    if (ahead > 0) {
      // Only its author can be a phase ahead of this node, and only by one (DKG-4).
      if (ahead === 1 && from === author) this.#early.set(author, { message, sealed });
      else this.#effects.reject(from, refusal("too_early", `operator ${author}'s ${phase}`));
      return;
    }
    const added = this.#state.record.add(message);
    switch (added.kind) {
      case "added":
        this.#effects.persistFrame({ kind: "message", message, sealedShares: null });
        break;
      case "known":
        break;
      case "early":
        this.#effects.reject(from, refusal("too_early", phase));
        return;
      case "rejected":
        this.#effects.reject(from, added.reason);
        return;
      case "equivocation":
        this.#takeEquivocation(from, added.first, message);
        return;
      case "fault":
        this.#blame(added.culprit, added.reason, { kind: "message", message });
        return;
      default:
        assertNever(added);
    }
    if (sealed !== null && from === author) this.#takeSealed(author, sealed);
  }

  #takeSealed(dealer: PeerIndex, sealedShares: Uint8Array): void {
    if (!this.#state.inbox.offer(dealer, sealedShares)) return;
    this.#effects.persist({ kind: "sealedShares", dealer, sealedShares });
  }

  #takeEquivocation(from: PeerIndex, first: CeremonyMessage, second: CeremonyMessage): void {
    const { phase, author } = second;
    // Once the keys are vouched for, the earlier phases are over for good.
    if (this.#state.hasVouched && orderOf(phase) < orderOf(this.phase)) {
      this.#effects.reject(from, refusal("equivocation", `operator ${author} in ${phase}`));
      return;
    }
    const equivocation = this.#state.equivocationOf(first, second);
    const reason = `it signed two different ${phase} messages`;
    this.#blame(author, reason, { kind: "equivocation", equivocation });
  }

  #takeEcho(from: PeerIndex, echo: CeremonyEcho): void {
    const { phase, author } = echo;
    if (!ECHOED_PHASES.has(phase)) {
      this.#effects.reject(from, refusal("malformed", `${phase} has no echo`));
      return;
    }
    if (orderOf(phase) > orderOf(this.phase)) {
      this.#effects.reject(from, refusal("too_early", `operator ${author}'s ${phase} echo`));
      return;
    }
    const added = this.#state.echoes.add(echo);
    if (added.kind === "rejected") this.#effects.reject(from, added.reason);
    if (added.kind === "added") this.#effects.persistFrame({ kind: "echo", echo });
  }

  /** DKG-11: somebody else's proof counts like one's own, once it was judged. */
  #takeBlame(from: PeerIndex, bytes: Uint8Array): void {
    const judged = judgeBlame(this.#config.facts, bytes);
    if (!judged.ok) {
      this.#effects.reject(from, refusal("unjustified", judged.error));
      return;
    }
    const { culprit, reason, phase } = judged.value;
    if (this.#state.hasVouched && orderOf(phase) < orderOf(this.phase)) {
      this.#effects.reject(from, refusal("too_late", `an accusation about ${phase}`));
      return;
    }
    this.#abort({ reason: nameOf(culprit, reason), culprit, blame: bytes, missing: [] });
  }

  /** DKG-15: a peer that gave this attempt up cannot be made to finish it. */
  #supersede(from: PeerIndex, attempt: number): void {
    if (this.#isOver || this.#state.hasVouched) {
      this.#effects.reject(from, refusal("too_early", `of attempt ${attempt}`));
      return;
    }
    // Who left may have waited a moment longer than this node, and for the same operators.
    const silent = this.#state.silent().filter((peer) => peer !== from);
    const awaited =
      silent.length === 0
        ? ""
        : `, with no word of ${operators(silent)} in the ${this.phase} phase`;
    const reason = `operator ${from} began attempt ${attempt}${awaited}`;
    const missing = silent.length === 0 ? [from] : silent;
    this.#abort({ reason, culprit: null, blame: null, missing });
  }

  #takeDeadline(phase: CeremonyPhase): void {
    const state = this.#state;
    if (this.#isOver || phase !== this.phase) return;
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
      const reason = `${operators(missing)} said nothing in the ${phase} phase`;
      this.#abort({ reason, culprit: null, blame: null, missing });
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
      this.#abort({ reason, culprit: null, blame: null, missing: [] });
      return;
    }
    state.areSharesStored = true;
    this.#effects.persist({ kind: "sharesStored" });
  }

  /** Each rule disables itself, and phases only grow, so this ends. */
  #advance(): void {
    while (!this.#isOver && this.#applyRule());
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
      this.#blame(conflict.culprit, state.conflictReason(conflict), offence);
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
    state.record.addOwn(message, body);
    this.#effects.persistFrame({ kind: "message", message, sealedShares: null });
    this.#sendOwn(message);
    return true;
  }

  /** DKG-9: the shares are on disk, and were read back, before anybody is told so. */
  #prepareKeys(): boolean {
    const state = this.#state;
    const keys = state.record.keys();
    if (!keys.ok) {
      this.#abort({ reason: keys.error, culprit: null, blame: null, missing: [] });
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
      this.#abort({ reason: trouble, culprit: null, blame: null, missing: [] });
      return false;
    }
    const [wrong] = wrongSignersOf(state.record, phase);
    if (wrong !== undefined) {
      const message = state.record.get(phase, wrong)?.message;
      assert(message !== undefined, "the phase is held");
      this.#blame(wrong, wrongSignatureReason(phase), { kind: "message", message });
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
    const next = CEREMONY_PHASES[orderOf(phase) + 1];
    if (next === undefined) this.#finish();
    else this.#enter(next);
    return !this.#isOver;
  }

  #enter(phase: CeremonyPhase): void {
    this.#state.phase = phase;
    this.#effects.push({ kind: "setTimer", phase });
    const early = [...this.#early];
    this.#early.clear();
    for (const [author, { message, sealed }] of early) {
      if (!this.#isOver) this.#takeMessage(author, message, sealed);
    }
  }

  #finish(): void {
    this.#isOver = true;
    this.#effects.push({ kind: "finish", outcome: this.#state.outcome() });
  }

  #blame(culprit: PeerIndex, reason: string, offence: Offence): void {
    const blame = accuse(this.#state.record, culprit, offence);
    this.#effects.broadcastBlame(blame);
    this.#abort({ reason: nameOf(culprit, reason), culprit, blame, missing: [] });
  }

  #abort(abort: Pick<CeremonyAbort, "reason" | "culprit" | "blame" | "missing">): void {
    const { hasVouched } = this.#state;
    const groupKeys = this.#state.knownGroupKeys();
    this.#isOver = true;
    if (!hasVouched) {
      const { reason } = abort;
      this.#effects.persist({ kind: "aborted", reason, groupKeys });
    }
    const { phase } = this;
    this.#effects.push({
      kind: "abort",
      abort: { ...abort, phase, groupKeys, keepsShares: hasVouched },
    });
  }

  /** To one peer: what this node said in this phase and the one before. */
  #repeat(peer: PeerIndex): void {
    for (const content of this.#state.saidTo(peer)) this.#effects.send(peer, content);
  }

  /** Asks one peer, or all, for what is missing. */
  #ask(peer: PeerIndex | null): void {
    if (this.#isOver) return;
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
    if (text === this.#shown || this.#isOver) return;
    this.#shown = text;
    this.#effects.push({ kind: "progress", progress });
  }
}

function refusal(code: RejectionReason["code"], detail: string): RejectionReason {
  return { code, detail };
}

function orderOf(phase: CeremonyPhase): number {
  return CEREMONY_PHASES.indexOf(phase);
}

function operators(peers: readonly PeerIndex[]): string {
  return peers.map((peer) => `operator ${peer}`).join(", ");
}

function nameOf(culprit: PeerIndex, reason: string): string {
  return `operator ${culprit} is to blame: ${reason}`;
}
