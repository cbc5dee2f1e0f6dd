/**
 * Finds a signer of our validators that is not the cluster, by content (FOREIGN-1 to FOREIGN-5):
 * what was seen signed is compared with what was decided. A message that this node cannot explain
 * is asked of the peers; until one of them does, its validators sign nothing, and when enough of
 * them deny it, or another decision stands in its place, they are frozen until a human has looked.
 */
import type { Cluster } from "../cluster/cluster.ts";
import type { SlashingInput } from "../domain/data.ts";
import { type Duty, dutyId } from "../domain/duty.ts";
import type { RefusalReason } from "../domain/errors.ts";
import { FaultError } from "../domain/errors.ts";
import type { LockIndex, PeerIndex, PubKey, Signature } from "../domain/keys.ts";
import { MAX_JUDGED_SIGHTINGS } from "../domain/limits.ts";
import { faulty } from "../domain/quorum.ts";
import type { Slot } from "../domain/units.ts";
import {
  type CompactForm,
  type CompactMessage,
  compactFormOf,
  type DutyKind,
} from "../duties/kind.ts";
import type { Chain } from "../eth2/chain.ts";
import type { Bls } from "../ports/bls.ts";
import type { Clock } from "../ports/clock.ts";
import type { KeyValueStore } from "../ports/keyValueStore.ts";
import type { Logger } from "../ports/logger.ts";
import type { Gauge, Metrics } from "../ports/metrics.ts";
import { statementsNeeded } from "../safety/completeView.ts";
import type { Freeze } from "../safety/freezes.ts";
import type { GateGuard, GuardSubject } from "../safety/guards.ts";
import type { Precursors } from "../safety/precursors.ts";
import type { SlashingStore } from "../safety/slashingStore.ts";
import { BoundedCache } from "../util/boundedCache.ts";
import type { Certificate } from "../wire/profile.ts";
import type { Background } from "./background.ts";
import type { CertificateArchive } from "./certificateArchive.ts";
import { type OpenSighting, SightingBook } from "./sightingBook.ts";

/** A message that somebody signed with a validator's group key. */
export type SeenMessage = {
  readonly duty: Duty;
  readonly validator: LockIndex;
  /** 128-byte AttestationData, or 112-byte block header. */
  readonly data: Uint8Array;
  /** Null where the validator's own cannot be told from those of others. */
  readonly signature: Signature | null;
  /** In words: where it was seen. */
  readonly where: string;
};

type ForeignParts = {
  readonly cluster: Cluster;
  readonly chain: Chain;
  readonly clock: Clock;
  readonly store: KeyValueStore;
  readonly bls: Bls;
  readonly slashing: SlashingStore;
  readonly archive: CertificateArchive;
  readonly precursors: Pick<Precursors, "count">;
  readonly kindOf: (duty: Pick<Duty, "type">) => DutyKind;
  readonly logger: Logger;
  readonly metrics: Metrics;
};
/** The running node; the gate asks the guard before there is one. */
type ForeignActions = {
  readonly freeze: (freeze: Freeze) => Promise<void>;
  /** Tries again what was refused for a validator that was held. */
  readonly resume: () => void;
  readonly background: Background;
};
/** What a message is to this node. */
type Standing = "explained" | "contradicted" | "unknown";

const FOREIGN_WATCH = "the foreign signer watch";
const SINCE_PREFIX = "foreign/since/";

export class ForeignSigners implements GateGuard {
  readonly book: SightingBook;
  readonly #parts: ForeignParts;
  /** Nothing that was signed before the first start under this lock is the cluster's to explain. */
  readonly since: Slot;
  readonly #judged = new BoundedCache<string, true>(MAX_JUDGED_SIGHTINGS);
  readonly #unexplained: Gauge;
  /** Found to have another signer in this life. */
  readonly #foreign = new Set<LockIndex>();
  #actions: ForeignActions | null = null;
  #onOpened: () => void = () => undefined;

  private constructor(parts: ForeignParts, book: SightingBook, since: Slot) {
    this.#parts = parts;
    this.book = book;
    this.since = since;
    this.#unexplained = parts.metrics.gauge({
      name: "unexplained_sightings",
      help: "Signed messages of the cluster's validators that nobody has explained yet",
    });
    this.#unexplained.set(book.size);
  }

  /** Reads what was not explained before the restart: its validators are held from the start. */
  static async open(parts: ForeignParts): Promise<ForeignSigners> {
    const { store, logger, chain, kindOf } = parts;
    const since = await sinceOf(parts);
    // FOREIGN-1: what was seen under another lock names its validators, by their place in that one.
    const read = (duty: Duty, data: Uint8Array): CompactMessage | null =>
      duty.slot <= since ? null : (compactFormOf(kindOf(duty))?.read(data, chain) ?? null);
    const book = await SightingBook.open({ store, logger, read });
    return new ForeignSigners(parts, book, since);
  }

  /** From here on it can act on what it finds; `onOpened` hears when there is somebody to ask. */
  attach(actions: ForeignActions, onOpened: () => void): void {
    this.#actions = actions;
    this.#onOpened = onOpened;
  }

  /** FOREIGN-3: nothing is signed for a validator while a message of it is unexplained. */
  refusalOf({ validator, pubKey }: GuardSubject): RefusalReason | null {
    if (!this.book.held.has(validator)) return null;
    const sighting = this.book.all.find((each) => each.isHeld && each.validators.has(validator));
    const what = sighting === undefined ? "a message" : describe(sighting);
    return { code: "foreign_signer", detail: `${pubKey} signed ${what}. ${ASKING}` };
  }

  /** In words for readiness; null while nothing is held. */
  get problem(): string | null {
    const { held } = this.book;
    const [first] = held;
    if (first === undefined) return null;
    return (
      `for ${held.size} validators, of which validator ${first} is the first, since no peer has ` +
      "explained yet what they were seen to sign"
    );
  }

  /** Whether somebody else may be signing for the validator. */
  isSuspect(validator: LockIndex): boolean {
    return this.#foreign.has(validator) || this.book.all.some((s) => s.validators.has(validator));
  }

  /** What is held, as the operator's list of freezes shows it. */
  get holds(): readonly Freeze[] {
    return [...this.book.held].map((validator) => ({
      scope: "all",
      validator: this.#pubKeyOf(validator),
      reason: "it was seen to sign what no peer has explained yet",
      by: FOREIGN_WATCH,
    }));
  }

  /** Its operator knows better; null lets every validator go. False where nothing was held. */
  release(pubKey: PubKey | null): boolean {
    const validator = pubKey === null ? null : this.#parts.cluster.validator(pubKey)?.lockIndex;
    const isHeld =
      validator === null ? this.book.held.size > 0 : this.book.held.has(validator ?? -1);
    if (!isHeld || validator === undefined) return false;
    this.book.release(validator);
    this.#changed();
    return true;
  }

  /** Whether a decision that this node can show explains the data, whoever signed it. */
  async isExplained(duty: Duty, data: Uint8Array): Promise<boolean> {
    return (await this.#standingOf(duty, data)) === "explained";
  }

  /** FOREIGN-1: judges a message once. */
  async see(seen: SeenMessage): Promise<void> {
    const { duty, validator, data, signature } = seen;
    const message = this.#form(duty)?.read(data, this.#parts.chain) ?? null;
    if (message === null || duty.slot <= this.since) return;
    const name = `${dutyId(duty)}/${message.messageRoot}/${validator}`;
    if (this.#judged.get(name) !== undefined) return;
    const publicKey = this.#pubKeyOf(validator);
    const { signingRoot } = message;
    if (signature !== null) {
      const isGroups = await this.#parts.bls.verify({ publicKey, signingRoot, signature });
      // Whoever says so says it of somebody else's signature.
      if (!isGroups) return this.#tellForged(seen);
      await this.#record(publicKey, message);
    }
    const isOwn = this.#parts.slashing.isOwn(publicKey, signingRoot);
    const standing = isOwn ? "explained" : await this.#standingOf(duty, data);
    this.#judged.set(name, true);
    if (standing === "explained") return;
    const open = { duty, data, message };
    if (standing === "contradicted") {
      await this.#freeze(open, [validator], `the cluster decided otherwise (${seen.where})`);
      return;
    }
    const { clock } = this.#parts;
    const crowdedOut = this.book.add({ ...open, validator }, clock.monotonic());
    if (crowdedOut !== null)
      await this.conclude(crowdedOut, "too much was seen that nobody could be asked about");
    this.#changed();
    this.#onOpened();
  }

  /** FOREIGN-2: a peer shows a decision; the caller has checked that a quorum signed it. */
  async shown(sighting: OpenSighting, certificate: Certificate): Promise<void> {
    const form = this.#form(sighting.duty);
    // Of a block the certificate's signatures do not cover the header: that is the peer's word.
    if (form?.isWhole !== true) return;
    const isExplained = form.explains(certificate.data, sighting.data, this.#parts.chain);
    if (isExplained) this.#explained(sighting);
    else await this.conclude(sighting, "the cluster decided otherwise");
  }

  /** FOREIGN-2: a peer says whether it knows the message as the cluster's. */
  async answered(sighting: OpenSighting, peer: PeerIndex, isKnown: boolean): Promise<void> {
    const { nodes, threshold } = this.#parts.cluster;
    sighting.answers.set(peer, isKnown);
    const known = [...sighting.answers.values()].filter((each) => each).length;
    const denied = sighting.answers.size - known;
    // One of f+1 is honest; and t signers have an honest one among so many, this node included.
    if (known > faulty(nodes)) this.#explained(sighting);
    else if (denied + 1 >= statementsNeeded(nodes, threshold)) {
      await this.conclude(sighting, `${denied} peers and this node know nothing of it`);
    }
  }

  /** FOREIGN-3: it has been asked for long enough to stop until there is an answer. */
  hold(sighting: OpenSighting): void {
    const isFirst = this.book.held.size === 0;
    this.book.hold(sighting);
    const { duty, validators } = sighting;
    const text =
      "Validators were seen to sign what nobody has explained yet; they sign nothing until then.";
    const fields = { duty, validators: [...validators] };
    // Once, and not for each of what a node sees that is cut off from its peers.
    if (isFirst) this.#parts.logger.warn(text, fields);
    else this.#parts.logger.debug(text, fields);
    this.#changed();
  }

  /** FOREIGN-4: somebody else signs. */
  async conclude(sighting: OpenSighting, why: string): Promise<void> {
    // Frozen first, so that there is no moment in between.
    const frozen = this.#freeze(sighting, [...sighting.validators], why);
    this.book.close(sighting);
    this.#changed();
    await frozen;
  }

  #explained(sighting: OpenSighting): void {
    const wasHeld = sighting.isHeld;
    this.book.close(sighting);
    this.#changed();
    if (!wasHeld) return;
    const { duty, validators } = sighting;
    const fields = { duty, validators: [...validators] };
    this.#parts.logger.debug("A peer explained what validators were seen to sign.", fields);
    if (this.book.held.size === 0) {
      this.#parts.logger.info("Everything that was seen is explained; signing goes on.");
    }
    this.#actions?.resume();
  }

  async #freeze(
    sighting: Pick<OpenSighting, "duty" | "message">,
    validators: readonly LockIndex[],
    why: string,
  ): Promise<void> {
    const { logger, precursors } = this.#parts;
    const { duty } = sighting;
    logger.error("Somebody else signs with validators of this cluster; they are frozen.", {
      duty,
      validators,
      messageRoot: sighting.message.messageRoot,
      reason: why,
      remedy: REMEDY,
    });
    const reason = `somebody else signed ${describe(sighting)}: ${why}. ${REMEDY}`;
    await Promise.all(
      validators.map(async (validator) => {
        precursors.count("foreign_signer");
        this.#foreign.add(validator);
        const pubKey = this.#pubKeyOf(validator);
        try {
          await this.#actions?.freeze({
            scope: "all",
            validator: pubKey,
            reason,
            by: FOREIGN_WATCH,
          });
        } catch (error) {
          if (!(error instanceof FaultError)) throw error;
          // It holds in this life; what is seen next writes it again.
          logger.error("A freeze could not be written.", { pubKey, reason: error.message });
        }
      }),
    );
  }

  /** FOREIGN-5: a verified signature exists, and binds whoever made it. */
  async #record(pubKey: PubKey, { slashing, signingRoot }: CompactMessage): Promise<void> {
    const message: SlashingInput & { readonly signingRoot: typeof signingRoot } = {
      ...slashing,
      signingRoot,
    };
    try {
      await this.#parts.slashing.transact((t) => t.witness(pubKey, message, "seen"));
    } catch (error) {
      if (!(error instanceof FaultError)) throw error;
      this.#parts.logger.warn("A signature that was seen could not be recorded yet.", {
        reason: error.message,
      });
    }
  }

  async #standingOf(duty: Duty, data: Uint8Array): Promise<Standing> {
    const form = this.#form(duty);
    const certificate = await this.#parts.archive.find(duty);
    if (form === null || certificate === null) return "unknown";
    const isExplained = form.explains(certificate.data, data, this.#parts.chain);
    return isExplained ? "explained" : "contradicted";
  }

  #tellForged({ duty, validator, where }: SeenMessage): void {
    this.#parts.logger.warn(
      "A signature that is not the validator's was shown as its own; the beacon node may lie.",
      { duty, validator, where },
    );
  }

  /** What is held changed, or who waits: the disk follows. */
  #changed(): void {
    this.#unexplained.set(this.book.size);
    const { logger } = this.#parts;
    this.#actions?.background.run(
      () => this.book.save(),
      ({ message }) => logger.warn("What was seen could not be written.", { reason: message }),
    );
  }

  #form(duty: Pick<Duty, "type">): CompactForm | null {
    return compactFormOf(this.#parts.kindOf(duty));
  }

  #pubKeyOf(validator: LockIndex): PubKey {
    const known = this.#parts.cluster.validators[validator];
    if (known === undefined) throw new RangeError(`the lock has no validator ${validator}`);
    return known.pubKey;
  }
}

const ASKING =
  "Neither this node nor a peer that it reached has explained it yet; as soon as one does, " +
  "signing goes on by itself. If it was you, stop every other signer and run: coterie unfreeze";
const REMEDY =
  "Find every machine that may hold the whole key or t of its shares and stop it before you " +
  "unfreeze";

function describe({ duty, message }: Pick<OpenSighting, "duty" | "message">): string {
  return `${message.messageRoot} for ${dutyId(duty)}`;
}

/** The slot of the first start under this lock. */
async function sinceOf({ store, cluster, chain, clock }: ForeignParts): Promise<Slot> {
  const key = `${SINCE_PREFIX}${cluster.lockHash.slice(2)}`;
  const kept = await store.get(key);
  const slot = kept === undefined ? Number.NaN : Number(new TextDecoder().decode(kept));
  const now = chain.slotAt(clock.now());
  // A clock that was ahead at the first start would keep this node from looking until then.
  if (Number.isSafeInteger(slot) && slot <= now) return slot;
  await store.batch([{ type: "put", key, value: new TextEncoder().encode(String(now)) }]);
  return now;
}
