/**
 * One attempt of a ceremony as a step machine: an event in, effects out; no promise, clock,
 * randomness or log. Its state is what was said so far, so a journal of that is all that a restart
 * needs; the rules read the state, so the order of arrival does not matter (DKG-4, DKG-12).
 */
import type { RejectionReason } from "../domain/errors.ts";
import { MAX_FRAME_BYTES } from "../domain/limits.ts";
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
  encodeCeremonyFrame,
} from "../wire/ceremony.ts";
import { type CeremonyBlame, encodeBlame, type Offence } from "../wire/ceremonyBlame.ts";
import type { CeremonyConfig } from "./ceremonyConfig.ts";
import { judgeBlame, wrongSignatureReason } from "./blame.ts";
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
  #effects: CeremonyEffect[] = [];
  #shown = "";
  #isOver = false;

  constructor(config: CeremonyConfig) {
    this.#config = config;
    this.#state = new CeremonyState(config);
  }

  get phase(): CeremonyPhase {
    return this.#state.phase;
  }

  /** Whether the attempt ended, either way; a finished one still answers its peers. */
  get isOver(): boolean {
    return this.#isOver;
  }

  step(event: CeremonyEvent): readonly CeremonyEffect[] {
    this.#effects = [];
    this.#take(event);
    this.#advance();
    return this.#effects;
  }

  /**
   * Takes up what an earlier run of this node journaled for this attempt, instead of `entropy`.
   * What it said then, it says again to the byte: `connected` sends it.
   */
  resume(entries: readonly JournalEntry[]): readonly CeremonyEffect[] {
    this.#effects = [];
    for (const entry of entries) this.#replay(entry);
    // The timer of the phase that the journal ends in.
    this.#push({ kind: "setTimer", phase: this.phase });
    this.#advance();
    return this.#effects;
  }

  /** Overwrites what secrets the language lets it overwrite; the machine is of no use afterwards. */
  erase(): void {
    this.#isOver = true;
    this.#state.erase();
  }

  #take(event: CeremonyEvent): void {
    switch (event.kind) {
      case "entropy":
        assert(this.#state.seed === null, "an attempt has one seed");
        this.#push({ kind: "persist", entry: { kind: "entropy", seed: event.seed } });
        this.#state.seed = event.seed;
        this.#push({ kind: "setTimer", phase: this.phase });
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
    if (!frame.ok) return this.#reject(from, frame.error);
    const { definitionHash, attempt, content } = frame.value;
    if (definitionHash !== facts.definitionHash) {
      return this.#reject(from, { code: "wrong_cluster", detail: "another definition" });
    }
    if (attempt < facts.attempt) {
      return this.#reject(from, { code: "too_late", detail: `of attempt ${attempt}` });
    }
    if (attempt > facts.attempt) return this.#supersede(from, attempt);
    this.#takeContent(from, content);
  }

  #takeContent(from: PeerIndex, content: CeremonyContent): void {
    switch (content.kind) {
      case "want":
        for (const answer of this.#state.answersTo(from, content.want)) this.#send(from, answer);
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
      else this.#reject(from, { code: "too_early", detail: `operator ${author}'s ${phase}` });
      return;
    }
    const added = this.#state.record.add(message);
    switch (added.kind) {
      case "added":
        this.#persistFrame({ kind: "message", message, sealedShares: null });
        break;
      case "known":
        break;
      case "early":
        return this.#reject(from, { code: "too_early", detail: phase });
      case "rejected":
        return this.#reject(from, added.reason);
      case "equivocation":
        return this.#takeEquivocation(from, added.first, message);
      case "fault":
        return this.#blame(added.culprit, added.reason, { kind: "message", message });
      default:
        assertNever(added);
    }
    if (sealed !== null && from === author) this.#takeSealed(author, sealed);
  }

  #takeSealed(dealer: PeerIndex, sealedShares: Uint8Array): void {
    if (!this.#state.inbox.offer(dealer, sealedShares)) return;
    this.#push({ kind: "persist", entry: { kind: "sealedShares", dealer, sealedShares } });
  }

  #takeEquivocation(from: PeerIndex, first: CeremonyMessage, second: CeremonyMessage): void {
    const { phase, author } = second;
    // Once the keys are vouched for, the earlier phases are over for good.
    if (this.#state.hasVouched && orderOf(phase) < orderOf(this.phase)) {
      this.#reject(from, { code: "equivocation", detail: `operator ${author} in ${phase}` });
      return;
    }
    const equivocation = this.#state.equivocationOf(first, second);
    const reason = `it signed two different ${phase} messages`;
    this.#blame(author, reason, { kind: "equivocation", equivocation });
  }

  #takeEcho(from: PeerIndex, echo: CeremonyEcho): void {
    const { phase, author } = echo;
    if (!ECHOED_PHASES.has(phase)) {
      return this.#reject(from, { code: "malformed", detail: `${phase} has no echo` });
    }
    if (orderOf(phase) > orderOf(this.phase)) {
      return this.#reject(from, { code: "too_early", detail: `operator ${author}'s ${phase} echo` });
    }
    const added = this.#state.echoes.add(echo);
    if (added.kind === "rejected") this.#reject(from, added.reason);
    if (added.kind === "added") this.#persistFrame({ kind: "echo", echo });
  }

  /** DKG-11: somebody else's proof counts like one's own, once it was judged. */
  #takeBlame(from: PeerIndex, bytes: Uint8Array): void {
    const judged = judgeBlame(this.#config.facts, bytes);
    if (!judged.ok) return this.#reject(from, { code: "unjustified", detail: judged.error });
    const { culprit, reason, phase } = judged.value;
    if (this.#state.hasVouched && orderOf(phase) < orderOf(this.phase)) {
      return this.#reject(from, { code: "too_late", detail: `an accusation about ${phase}` });
    }
    this.#abort({ reason: nameOf(culprit, reason), culprit, blame: bytes, missing: [] });
  }

  /** A peer that gave this attempt up cannot be made to finish it. */
  #supersede(from: PeerIndex, attempt: number): void {
    if (this.#isOver || this.#state.hasVouched) {
      return this.#reject(from, { code: "too_early", detail: `of attempt ${attempt}` });
    }
    const reason = `operator ${from} began attempt ${attempt}`;
    this.#abort({ reason, culprit: null, blame: null, missing: [from] });
  }

  #takeDeadline(phase: CeremonyPhase): void {
    const state = this.#state;
    if (this.#isOver || phase !== this.phase) return;
    if (phase === "verdict" && !state.hasSpoken("verdict")) {
      state.isPatienceOver = true;
      this.#push({ kind: "setTimer", phase });
      return;
    }
    const missing = state.silent();
    if (missing.length === 0) this.#push({ kind: "setTimer", phase });
    else {
      const who = missing.map((peer) => `operator ${peer}`).join(", ");
      const reason = `${who} said nothing in the ${phase} phase`;
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
      return this.#abort({ reason, culprit: null, blame: null, missing: [] });
    }
    state.areSharesStored = true;
    this.#push({ kind: "persist", entry: { kind: "sharesStored" } });
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
    this.#persistFrame({ kind: "message", message, sealedShares: null });
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
      this.#push({ kind: "storeShares", shares: state.shares() });
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
        this.#persistFrame({ kind: "echo", echo });
        this.#push({ kind: "broadcast", frame: this.#frame({ kind: "echo", echo }) });
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
    this.#push({ kind: "setTimer", phase });
    const early = [...this.#early];
    this.#early.clear();
    for (const [author, { message, sealed }] of early) {
      if (!this.#isOver) this.#takeMessage(author, message, sealed);
    }
  }

  #finish(): void {
    this.#isOver = true;
    this.#push({ kind: "finish", outcome: this.#state.outcome() });
  }

  #blame(culprit: PeerIndex, reason: string, offence: Offence): void {
    const phase =
      offence.kind === "equivocation"
        ? offence.equivocation.phase
        : offence.kind === "echo"
          ? offence.echo.phase
          : offence.message.phase;
    const context = CEREMONY_PHASES.slice(0, orderOf(phase)).flatMap((earlier) =>
      this.#state.record.messages(earlier),
    );
    const evidence: CeremonyBlame = { culprit, context, offence };
    const blame = encodeBlame(evidence);
    if (blame.length + FRAME_OVERHEAD_BYTES <= MAX_FRAME_BYTES) {
      this.#push({ kind: "broadcast", frame: this.#frame({ kind: "blame", blame }) });
    }
    this.#abort({ reason: nameOf(culprit, reason), culprit, blame, missing: [] });
  }

  #abort(abort: Pick<CeremonyAbort, "reason" | "culprit" | "blame" | "missing">): void {
    const { hasVouched } = this.#state;
    const groupKeys = this.#state.knownGroupKeys();
    this.#isOver = true;
    if (!hasVouched) {
      const { reason } = abort;
      this.#push({ kind: "persist", entry: { kind: "aborted", reason, groupKeys } });
    }
    const { phase } = this;
    this.#push({ kind: "abort", abort: { ...abort, phase, groupKeys, keepsShares: hasVouched } });
  }

  /** To one peer: what this node said in this phase and the one before. */
  #repeat(peer: PeerIndex): void {
    for (const content of this.#state.saidTo(peer)) this.#send(peer, content);
  }

  /** Asks one peer, or all, for what is missing. */
  #ask(peer: PeerIndex | null): void {
    if (this.#isOver) return;
    for (const want of this.#state.wants()) {
      const content: CeremonyContent = { kind: "want", want };
      if (peer === null) this.#push({ kind: "broadcast", frame: this.#frame(content) });
      else this.#send(peer, content);
    }
  }

  #sendOwn(message: CeremonyMessage): void {
    if (message.phase !== "reveal") {
      const frame = this.#frame({ kind: "message", message, sealedShares: null });
      this.#push({ kind: "broadcast", frame });
      return;
    }
    for (const peer of this.#state.peers()) {
      const sealedShares = this.#state.sealedFor(peer);
      this.#send(peer, { kind: "message", message, sealedShares });
    }
  }

  #showProgress(): void {
    const progress: CeremonyProgress = this.#state.progress();
    const text = JSON.stringify(progress);
    if (text === this.#shown || this.#isOver) return;
    this.#shown = text;
    this.#push({ kind: "progress", progress });
  }

  #persistFrame(content: CeremonyContent): void {
    const entry: JournalEntry = { kind: "frame", frame: this.#frame(content) };
    this.#push({ kind: "persist", entry });
  }

  #send(peer: PeerIndex, content: CeremonyContent): void {
    this.#push({ kind: "send", peer, frame: this.#frame(content) });
  }

  #frame(content: CeremonyContent): Uint8Array {
    const { definitionHash, attempt } = this.#config.facts;
    return encodeCeremonyFrame({ definitionHash, attempt, content });
  }

  #reject(from: PeerIndex, reason: RejectionReason): void {
    this.#push({ kind: "reject", from, reason });
  }

  #push(effect: CeremonyEffect): void {
    this.#effects.push(effect);
  }
}

const FRAME_OVERHEAD_BYTES = 1024;

function orderOf(phase: CeremonyPhase): number {
  return CEREMONY_PHASES.indexOf(phase);
}

function nameOf(culprit: PeerIndex, reason: string): string {
  return `operator ${culprit} is to blame: ${reason}`;
}
