/**
 * Anti-rollback (WITNESS-2 to WITNESS-4): before its first signature after a start a node hears
 * from t−1 peers what its own shares signed. What they prove and its records lack shows that its
 * disk was set back: the watermarks rise over it at once, and the node waits.
 */
import type { Cluster } from "../cluster/cluster.ts";
import type { Duty } from "../domain/duty.ts";
import type { RefusalReason, RejectionCode } from "../domain/errors.ts";
import { FaultError } from "../domain/errors.ts";
import type { PeerIndex, PubKey } from "../domain/keys.ts";
import { shareIndexOf } from "../domain/keys.ts";
import { HEARTBEAT_MS, MAX_WITNESS_PARTS } from "../domain/limits.ts";
import type { Millis } from "../domain/units.ts";
import { type CompactMessage, compactFormOf, type DutyKind } from "../duties/kind.ts";
import type { Chain } from "../eth2/chain.ts";
import type { Bls } from "../ports/bls.ts";
import type { Clock } from "../ports/clock.ts";
import type { Logger } from "../ports/logger.ts";
import type { MigrationWait } from "../safety/migrationWait.ts";
import type { SlashingStore } from "../safety/slashingStore.ts";
import { WaitingBoard } from "../util/waitingBoard.ts";
import type { Profile, SignedHeartbeat, WitnessPart, WitnessStatement } from "../wire/profile.ts";
import type { Heartbeats } from "./heartbeats.ts";
import type { Answer, StatusChannel } from "./statusChannel.ts";
import type { WitnessKeeper, WitnessSources } from "./witnessKeeper.ts";

type GuardParts = {
  readonly cluster: Cluster;
  readonly self: PeerIndex;
  readonly profile: Profile;
  readonly chain: Chain;
  readonly clock: Clock;
  readonly bls: Bls;
  readonly kindOf: (duty: Pick<Duty, "type">) => DutyKind;
  readonly keeper: WitnessKeeper;
  readonly slashing: SlashingStore;
  readonly wait: MigrationWait;
  readonly logger: Logger;
};
/** The running node; the gate asks the guard before there is one. */
type Running = {
  readonly channel: StatusChannel;
  readonly heartbeats: Heartbeats;
  readonly sources: WitnessSources;
  readonly reject: (peer: PeerIndex, code: RejectionCode) => void;
};
type Proved = { readonly pubKey: PubKey; readonly message: CompactMessage };

/** One of each kind; an answer whose parts were lost may be put together anew, with later ones. */
const STATEMENTS_PER_VALIDATOR = 8;
/** Not every heartbeat that asks is answered: the answer may be under way. */
const ANSWER_PAUSE_MS: Millis = 1.5 * HEARTBEAT_MS;

export class RollbackGuard {
  readonly #parts: GuardParts;
  /** Parts of each peer's answer that are here. */
  readonly #collected = new Map<PeerIndex, Set<number>>();
  /** Those that were looked at, and how many statements they held. */
  readonly #heard = new Map<PeerIndex, { readonly parts: Set<number>; statements: number }>();
  readonly #answered = new Set<PeerIndex>();
  /** Of each operator, not of each session: a liar can name as many sessions as it likes. */
  readonly #lastAnswer = new Map<PeerIndex, Millis>();
  readonly #witnessed = new WaitingBoard<"enough", true>();
  constructor(parts: GuardParts) {
    this.#parts = parts;
  }

  /** Begins to answer peers and to take their answers. */
  attach(running: Running): void {
    const { channel, heartbeats } = running;
    channel.on("witnesses", (from, { witnesses }) => this.#hear(running, from, witnesses));
    heartbeats.onHeard((signed, answer) => this.#answer(running, signed, answer));
  }

  /** Peers that have not told yet what they know of this node's signatures. */
  get asks(): readonly PeerIndex[] {
    const { cluster, self } = this.#parts;
    const peers = Array.from({ length: cluster.nodes }, (_, peer) => peer);
    return peers.filter((peer) => peer !== self && !this.#answered.has(peer));
  }

  /** Resolves once enough peers have answered; rejects with the signal's reason. */
  async untilWitnessed(signal: AbortSignal): Promise<void> {
    await this.#witnessed.wait("enough", signal);
  }

  /** WITNESS-3: null once t−1 peers have answered. */
  refusalOf(): RefusalReason | null {
    if (this.#isWitnessed) return null;
    return { code: "unwitnessed", detail: `${this.problem}. ${HEAR_FIRST}` };
  }

  /** In words for readiness; null once enough peers have answered. */
  get problem(): string | null {
    if (this.#isWitnessed) return null;
    const missing = this.asks.join(", ");
    return (
      `since this start ${this.#answered.size} of ${this.#needed} needed peers have said what ` +
      `they saw this node sign; missing: ${missing}`
    );
  }

  get #needed(): number {
    return this.#parts.cluster.threshold - 1;
  }

  get #isWitnessed(): boolean {
    return this.#answered.size >= this.#needed;
  }

  /** WITNESS-2: to the one live session of a peer, and to nobody who shares its identity. */
  #answer({ sources }: Running, { author, heartbeat }: SignedHeartbeat, answer: Answer): void {
    const { self, clock, keeper, logger } = this.#parts;
    if (!heartbeat.asks.includes(self)) return;
    const now = clock.monotonic();
    if (now - (this.#lastAnswer.get(author) ?? -Infinity) < ANSWER_PAUSE_MS) return;
    this.#lastAnswer.set(author, now);
    sources.background.run(
      async () => {
        await keeper.settle(sources);
        for (const witnesses of this.#testimonyFor(author, heartbeat.session)) {
          answer({ kind: "witnesses", witnesses });
        }
      },
      ({ message }) => logger.warn("A peer's witness request was not answered.", { message }),
    );
  }

  #testimonyFor(to: PeerIndex, session: WitnessPart["session"]): readonly WitnessPart[] {
    const { keeper, profile } = this.#parts;
    const parts = keeper
      .testimonyOf(shareIndexOf(to))
      .flatMap(({ type, statements }) =>
        profile
          .splitWitnesses(statements)
          .map((split) => ({ isBlocks: type === "proposer", statements: split })),
      );
    const some = parts.length > 0 ? parts : [{ isBlocks: false, statements: [] }];
    return some
      .slice(0, MAX_WITNESS_PARTS)
      .map((part, i) => ({ to, session, parts: some.length, part: i, ...part }));
  }

  #hear(running: Running, from: PeerIndex, witnesses: WitnessPart): RejectionCode | null {
    const { self, logger } = this.#parts;
    // What is gossiped for others, and answers to a former life, say nothing to this one.
    const isForUs = witnesses.to === self && witnesses.session === running.heartbeats.session;
    if (!isForUs || this.#answered.has(from)) return "duplicate";
    const heard = this.#heard.get(from) ?? { parts: new Set(), statements: 0 };
    this.#heard.set(from, heard);
    // Each statement is a verification: an answer comes again until it is here, but costs once.
    if (heard.parts.has(witnesses.part)) return "duplicate";
    heard.statements += witnesses.statements.length;
    const most = STATEMENTS_PER_VALIDATOR * this.#parts.cluster.validators.length;
    if (heard.statements > most) return "over_limit";
    heard.parts.add(witnesses.part);
    running.sources.background.run(
      () => this.#take(running, from, witnesses),
      ({ message }) =>
        logger.error("What a peer proved could not be written yet; it holds all the same.", {
          reason: message,
        }),
    );
    return null;
  }

  async #take(running: Running, from: PeerIndex, witnesses: WitnessPart): Promise<void> {
    const proved = await this.#prove(witnesses);
    if (proved === null) {
      // WITNESS-4: raises nothing, counts for nothing, and its sender answers for it.
      running.reject(from, "bad_witness");
      return;
    }
    await this.#raise(from, proved);
    const parts = this.#collected.get(from) ?? new Set<number>();
    this.#collected.set(from, parts.add(witnesses.part));
    if (parts.size < witnesses.parts) return;
    this.#answered.add(from);
    if (this.#isWitnessed) this.#witnessed.put("enough", true);
  }

  /** The statements as messages of ours; null unless each of them is proved. */
  async #prove({ isBlocks, statements }: WitnessPart): Promise<readonly Proved[] | null> {
    const read = statements.map((statement) => this.#read(statement, isBlocks));
    const claims = read.filter((claim) => claim !== null);
    if (claims.length < read.length) return null;
    const checks = claims.map(({ check }) => check);
    return (await this.#parts.bls.verifyBatch(checks)) ? claims : null;
  }

  #read({ validator, data, signature }: WitnessStatement, isBlocks: boolean) {
    const { cluster, self, chain, kindOf } = this.#parts;
    const known = cluster.validators[validator];
    const publicKey = known?.pubShares[self];
    const form = compactFormOf(kindOf({ type: isBlocks ? "proposer" : "attester" }));
    const message = form?.read(data, chain) ?? null;
    if (known === undefined || publicKey === undefined || message === null) return null;
    const check = { publicKey, signingRoot: message.signingRoot, signature };
    return { pubKey: known.pubKey, message, check };
  }

  /** WITNESS-4: what is proved and not recorded here was signed by a disk that is gone. */
  async #raise(from: PeerIndex, proved: readonly Proved[]): Promise<void> {
    const { slashing, wait, logger } = this.#parts;
    const gaps = proved.filter(({ pubKey, message }) => slashing.isMissing(pubKey, message));
    const [first] = gaps;
    if (first === undefined) return;
    const what = describe(first.message);
    logger.error(
      "A peer proved that this node signed what its records do not hold: the data directory was " +
        "set back. Its watermarks were raised, and it signs nothing for two epochs. Make sure " +
        "that no other copy of this data directory is in use.",
      { peer: from, missing: gaps.length, first: what },
    );
    // First in memory: nothing is admitted between the proof and its record.
    const waiting = wait.begin(
      `its records lack ${what}, which peer ${from} proved that it signed`,
    );
    const writing = slashing.transact((transaction) => {
      for (const { pubKey, message } of gaps) transaction.adopt(pubKey, message);
    });
    const outcomes = await Promise.allSettled([waiting, writing]);
    for (const outcome of outcomes) {
      if (outcome.status === "rejected" && !(outcome.reason instanceof FaultError)) {
        throw outcome.reason;
      }
    }
  }
}

const HEAR_FIRST =
  "Nothing is signed before, since a data directory that was set back does not know what it " +
  "signed. Check that enough peers run and are reachable";

function describe({ slashing }: CompactMessage): string {
  return slashing.kind === "block"
    ? `the block of slot ${slashing.slot}`
    : `the attestation ${slashing.source} → ${slashing.target}`;
}
