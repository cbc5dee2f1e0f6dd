/**
 * Asks the peers about messages that this node cannot explain, in rounds and within limits, and
 * answers theirs (FOREIGN-2).
 */
import type { Cluster } from "../cluster/cluster.ts";
import type { Duty } from "../domain/duty.ts";
import { dutyId } from "../domain/duty.ts";
import type { RejectionCode } from "../domain/errors.ts";
import type { PeerIndex } from "../domain/keys.ts";
import {
  MAX_SIGHTING_LOOKUPS,
  SIGHTING_RETRY_MS,
  SIGHTING_ROUND_MS,
  SIGHTINGS_PER_ROUND,
} from "../domain/limits.ts";
import { compactFormOf, type DutyKind } from "../duties/kind.ts";
import type { Chain } from "../eth2/chain.ts";
import type { Clock, Timer } from "../ports/clock.ts";
import type { Identity } from "../ports/identity.ts";
import type { Logger } from "../ports/logger.ts";
import type { Network } from "../ports/network.ts";
import type { SlashingStore } from "../safety/slashingStore.ts";
import type { Profile, Scope, Sighting, StatusFrame } from "../wire/profile.ts";
import type { Background } from "./background.ts";
import { type CertificateArchive, isProved } from "./certificateArchive.ts";
import type { ForeignSigners } from "./foreignSigners.ts";
import type { OpenSighting } from "./sightingBook.ts";
import type { Answer, StatusChannel } from "./statusChannel.ts";

type InquiryParts = {
  readonly cluster: Cluster;
  readonly chain: Chain;
  readonly clock: Clock;
  readonly identity: Identity;
  readonly network: Pick<Network, "path">;
  readonly profile: Profile;
  readonly scope: Scope;
  readonly channel: StatusChannel;
  readonly archive: CertificateArchive;
  readonly slashing: SlashingStore;
  readonly foreign: ForeignSigners;
  readonly kindOf: (duty: Pick<Duty, "type">) => DutyKind;
  readonly background: Background;
  readonly logger: Logger;
  readonly signal: AbortSignal;
};
type AnswerFrame = StatusFrame & { readonly kind: "answer" };

export class SightingInquiry {
  readonly #parts: InquiryParts;
  readonly #lookups = new Map<PeerIndex, number>();
  #timer: Timer | null = null;

  constructor(parts: InquiryParts) {
    this.#parts = parts;
    const { channel, signal } = parts;
    channel.on("query", (from, { sighting }, { answer }) => this.#lookUp(from, sighting, answer));
    channel.on("answer", (from, frame, { isDirect }) => this.#hear(from, frame, isDirect));
    signal.addEventListener("abort", () => this.#timer?.cancel(), { once: true });
  }

  /** Goes on in rounds for as long as something is unexplained. */
  start(): void {
    const { foreign, signal } = this.#parts;
    if (this.#timer !== null || foreign.book.size === 0 || signal.aborted) return;
    this.#round();
  }

  #round(): void {
    const { clock, foreign } = this.#parts;
    this.#timer = null;
    if (foreign.book.size === 0) return;
    this.#timer = clock.at(clock.now() + SIGHTING_ROUND_MS, () => this.#round());
    const all = foreign.book.all;
    for (let peer = 0; peer < this.#parts.identity.nodes; peer++) this.#ask(peer, all);
    const patienceMs = this.#parts.chain.spec.slotDurationMs;
    for (const sighting of all) {
      const isDue = clock.monotonic() - sighting.openedAt >= patienceMs;
      if (isDue && !sighting.isHeld) foreign.hold(sighting);
    }
  }

  #ask(peer: PeerIndex, all: readonly OpenSighting[]): void {
    const { identity, network, clock, channel } = this.#parts;
    if (peer === identity.self || network.path(peer) === "none") return;
    const now = clock.monotonic();
    let asked = 0;
    for (const { duty, message, validators, answers, askedAt } of all) {
      const [validator] = validators;
      const isRecent = now - (askedAt.get(peer) ?? -Infinity) < SIGHTING_RETRY_MS;
      if (validator === undefined || answers.has(peer) || isRecent) continue;
      if (++asked > SIGHTINGS_PER_ROUND) return;
      askedAt.set(peer, now);
      const { messageRoot } = message;
      channel.send(peer, { kind: "query", sighting: { duty, validator, messageRoot } });
    }
  }

  #lookUp(from: PeerIndex, sighting: Sighting, answer: Answer): RejectionCode | null {
    const { cluster, background, logger } = this.#parts;
    if (cluster.validators[sighting.validator] === undefined) return "unknown_validator";
    const running = this.#lookups.get(from) ?? 0;
    if (running >= MAX_SIGHTING_LOOKUPS) return "over_limit";
    this.#lookups.set(from, running + 1);
    background.run(
      async () => {
        try {
          answer(await this.#answerTo(sighting));
        } finally {
          this.#lookups.set(from, (this.#lookups.get(from) ?? 1) - 1);
        }
      },
      ({ message }) => logger.warn("A peer's question was not answered.", { reason: message }),
    );
    return null;
  }

  async #answerTo(sighting: Sighting): Promise<AnswerFrame> {
    const { archive, cluster, slashing, chain, kindOf } = this.#parts;
    const { duty, validator, messageRoot } = sighting;
    const form = compactFormOf(kindOf(duty));
    const pubKey = cluster.validators[validator]?.pubKey;
    const certificate = await archive.find(duty);
    if (form === null || pubKey === undefined) {
      return { kind: "answer", sighting, isKnown: false, certificate: null };
    }
    const decided = certificate && form.read(certificate.data, chain);
    const isKnown =
      decided?.messageRoot === messageRoot ||
      slashing.isOwn(pubKey, form.signingRoot(messageRoot, duty.slot, chain));
    return { kind: "answer", sighting, isKnown, certificate };
  }

  #hear(
    from: PeerIndex,
    { sighting, isKnown, certificate }: AnswerFrame,
    isDirect: boolean,
  ): RejectionCode | null {
    const { foreign, background, logger } = this.#parts;
    const open = foreign.book.find(sighting);
    // What others asked comes by gossip, too.
    if (open === undefined || open.answers.has(from)) return "duplicate";
    // FOREIGN-2: what an operator knows it knows for good, but a denial is of its time: one that
    // was fetched before anybody had signed would convict the cluster itself.
    const isCounted = isKnown || isDirect;
    if (!isCounted && certificate === null) return "duplicate";
    const isShown = certificate !== null && dutyId(certificate.duty) === dutyId(open.duty);
    if (certificate !== null && !(isShown && isProved(certificate, this.#parts))) {
      return "bad_certificate";
    }
    background.run(
      async () => {
        if (certificate !== null) await foreign.shown(open, certificate);
        const isOpen = foreign.book.find(sighting) === open;
        if (isCounted && isOpen) await foreign.answered(open, from, isKnown);
      },
      ({ message }) => logger.warn("What a peer answered was lost.", { reason: message }),
    );
    return null;
  }
}
