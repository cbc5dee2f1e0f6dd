/**
 * What peers send, judged one frame at a time (DKG-2, DKG-4, DKG-11): kept where it is right,
 * refused where it proves nothing, and the end of the attempt where it proves somebody guilty.
 */
import type { RejectionReason } from "../domain/errors.ts";
import type { PeerIndex } from "../domain/keys.ts";
import { assertNever } from "../util/assert.ts";
import {
  CEREMONY_PHASES,
  type CeremonyContent,
  type CeremonyEcho,
  type CeremonyMessage,
  type CeremonyPhase,
  decodeCeremonyFrame,
} from "../wire/ceremony.ts";
import { judgeBlame } from "./blame.ts";
import type { EffectList } from "./effects.ts";
import { accusation, type Ending, operatorsText } from "./ending.ts";
import type { CeremonyEvent } from "./messages.ts";
import type { CeremonyState } from "./state.ts";
import { ECHOED_PHASES } from "./transcript.ts";

type Received = Extract<CeremonyEvent, { kind: "receive" }>;

export class Reception {
  readonly #state: CeremonyState;
  readonly #effects: EffectList;
  readonly #ending: Ending;
  /** Messages of the next phase, by author. */
  readonly #early = new Map<PeerIndex, { message: CeremonyMessage; sealed: Uint8Array | null }>();

  constructor(state: CeremonyState, effects: EffectList, ending: Ending) {
    this.#state = state;
    this.#effects = effects;
    this.#ending = ending;
  }

  receive({ from, frame: bytes }: Received): void {
    const { facts } = this.#state;
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
        if (this.#ending.isOver) return;
        this.#takeMessage(from, content.message, content.sealedShares);
        return;
      case "echo":
        if (!this.#ending.isOver) this.#takeEcho(from, content.echo);
        return;
      case "blame":
        if (!this.#ending.isOver) this.#takeBlame(from, content.blame);
        return;
      default:
        assertNever(content);
    }
  }

  #takeMessage(from: PeerIndex, message: CeremonyMessage, sealed: Uint8Array | null): void {
    const { phase, author } = message;
    const ahead = orderOf(phase) - orderOf(this.#state.phase);
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
        this.#ending.blame(added.culprit, added.reason, { kind: "message", message });
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
    if (this.#state.hasVouched && orderOf(phase) < orderOf(this.#state.phase)) {
      this.#effects.reject(from, refusal("equivocation", `operator ${author} in ${phase}`));
      return;
    }
    const equivocation = this.#state.equivocationOf(first, second);
    const reason = `it signed two different ${phase} messages`;
    this.#ending.blame(author, reason, { kind: "equivocation", equivocation });
  }

  #takeEcho(from: PeerIndex, echo: CeremonyEcho): void {
    const { phase, author } = echo;
    if (!ECHOED_PHASES.has(phase)) {
      this.#effects.reject(from, refusal("malformed", `${phase} has no echo`));
      return;
    }
    if (orderOf(phase) > orderOf(this.#state.phase)) {
      this.#effects.reject(from, refusal("too_early", `operator ${author}'s ${phase} echo`));
      return;
    }
    const added = this.#state.echoes.add(echo);
    if (added.kind === "rejected") this.#effects.reject(from, added.reason);
    if (added.kind === "added") this.#effects.persistFrame({ kind: "echo", echo });
  }

  /** DKG-11: somebody else's proof counts like one's own, once it was judged. */
  #takeBlame(from: PeerIndex, bytes: Uint8Array): void {
    const judged = judgeBlame(this.#state.facts, bytes);
    if (!judged.ok) {
      this.#effects.reject(from, refusal("unjustified", judged.error));
      return;
    }
    const { culprit, reason, phase } = judged.value;
    if (this.#state.hasVouched && orderOf(phase) < orderOf(this.#state.phase)) {
      this.#effects.reject(from, refusal("too_late", `an accusation about ${phase}`));
      return;
    }
    this.#ending.abort({ reason: accusation(culprit, reason), culprit, blame: bytes });
  }

  /** DKG-15: a peer that gave this attempt up cannot be made to finish it. */
  #supersede(from: PeerIndex, attempt: number): void {
    if (this.#ending.isOver || this.#state.hasVouched) {
      this.#effects.reject(from, refusal("too_early", `of attempt ${attempt}`));
      return;
    }
    // Who left may have waited a moment longer than this node, and for the same operators.
    const silent = this.#state.silent().filter((peer) => peer !== from);
    const awaited =
      silent.length === 0
        ? ""
        : `, with no word of ${operatorsText(silent)} in the ${this.#state.phase} phase`;
    const reason = `operator ${from} began attempt ${attempt}${awaited}`;
    const missing = silent.length === 0 ? [from] : silent;
    this.#ending.abort({ reason, missing });
  }

  /** A phase began: what came too early for the last one is looked at. */
  takeEarly(): void {
    const early = [...this.#early];
    this.#early.clear();
    for (const [author, { message, sealed }] of early) {
      if (!this.#ending.isOver) this.#takeMessage(author, message, sealed);
    }
  }
}

function refusal(code: RejectionReason["code"], detail: string): RejectionReason {
  return { code, detail };
}

function orderOf(phase: CeremonyPhase): number {
  return CEREMONY_PHASES.indexOf(phase);
}
