/**
 * Consensus over the network: one QBFT instance per duty. Frames are judged cheapest rule first
 * (size and shape, duty and time, then signatures) before a machine sees them.
 */
import type { UnsignedData } from "../domain/data.ts";
import type { Duty, DutyId } from "../domain/duty.ts";
import { dutyId } from "../domain/duty.ts";
import type { RejectionCode } from "../domain/errors.ts";
import type { PeerIndex } from "../domain/keys.ts";
import { DECISION_PULL_BPS, MAX_GOSSIP_PAYLOAD_BYTES, MAX_INSTANCES } from "../domain/limits.ts";
import type { BasisPoints, Millis, Round } from "../domain/units.ts";
import { BASIS_POINTS } from "../domain/units.ts";
import type { AgreedDuty, DutyKind } from "../duties/kind.ts";
import type { Chain } from "../eth2/chain.ts";
import type { Clock } from "../ports/clock.ts";
import type { Identity } from "../ports/identity.ts";
import type { Counter, Histogram, Metrics } from "../ports/metrics.ts";
import type { Network } from "../ports/network.ts";
import type { SignedStatement, Statement } from "../qbft/messages.ts";
import { assert } from "../util/assert.ts";
import { BoundedCache } from "../util/boundedCache.ts";
import { toHex } from "../util/bytes.ts";
import { Listeners } from "../util/listeners.ts";
import type { ConsensusFrame, Profile, Scope } from "../wire/profile.ts";
import type { Background } from "./background.ts";
import { CheckedSignatures } from "./checkedSignatures.ts";
import { ConsensusInstance, type DecisionProof } from "./consensusInstance.ts";
import type { Courier } from "./courier.ts";
import type { Deadlines } from "./deadlines.ts";
import type { DecidedArchive } from "./decidedArchive.ts";
import { DecisionPulls } from "./decisionPulls.ts";
import type { DutyGater } from "./dutyGater.ts";
import type { Evidence } from "./evidence.ts";
import type { Consensus, Tracker } from "./interfaces.ts";
import type { ValueChecker } from "./valueChecker.ts";
import type { VoteGuard } from "./voteGuard.ts";

type ConsensusParts = {
  readonly profile: Profile;
  readonly scope: Scope;
  readonly chain: Chain;
  readonly clock: Clock;
  readonly identity: Identity;
  readonly network: Network;
  readonly courier: Courier;
  readonly deadlines: Deadlines;
  readonly gater: DutyGater;
  readonly checker: ValueChecker;
  readonly votes: VoteGuard;
  readonly archive: DecidedArchive;
  readonly evidence: Evidence;
  readonly background: Background;
  readonly kindOf: (duty: Duty) => DutyKind;
  readonly tracker: Tracker;
  readonly metrics: Metrics;
};

export class QbftConsensus implements Consensus {
  readonly #parts: ConsensusParts;
  readonly #decided = new Listeners<[UnsignedData]>();
  readonly #proved = new Listeners<[UnsignedData, DecisionProof]>();
  readonly #instances = new Map<DutyId, ConsensusInstance>();
  readonly #checked = new Map<DutyId, CheckedSignatures>();
  readonly #decisions: DecisionPulls;
  /** Instances that were dropped lately: what was voted in them is forgotten. */
  readonly #over = new BoundedCache<DutyId, true>(MAX_INSTANCES);
  readonly #rounds: Histogram;
  readonly #refusals: Counter;

  constructor(parts: ConsensusParts) {
    this.#parts = parts;
    this.#rounds = parts.metrics.histogram({
      name: "consensus_decided_round",
      help: "Round in which an instance was decided",
      labels: ["duty"],
      buckets: [1, 2, 3, 4, 5, 6],
    });
    this.#refusals = parts.metrics.counter({
      name: "consensus_values_refused_total",
      help: "Proposed values that this node refused to prepare",
      labels: ["duty"],
    });
    this.#decisions = new DecisionPulls({
      ...parts,
      patienceMs: this.#partOfSlot(DECISION_PULL_BPS),
      askAll: (duty) => this.#askPeers(duty),
      ask: (peer, duty) => this.#askPeer(peer, duty),
    });
    parts.deadlines.onExpired((duty) => this.#drop(duty));
    parts.courier.onFrame("consensus", (from, bytes) => this.#onFrame(from, bytes));
  }

  onDecided(handler: (data: UnsignedData) => void): void {
    this.#decided.add(handler);
  }

  /** Every decision that consensus made here, with the votes that prove it. */
  onProved(handler: (data: UnsignedData, proof: DecisionProof) => void): void {
    this.#proved.add(handler);
  }

  participate(duty: Duty): void {
    if (this.#parts.kindOf(duty).consensus === "none") return;
    const instance = this.#instanceOf(duty);
    if (instance === null) return;
    const decided = this.#parts.archive.find(duty);
    if (decided === null) {
      // The disk syncs while the value is fetched: the first vote finds the slot recorded.
      if (this.#maySend(duty)) this.#whenRecorded(duty, () => undefined);
      else this.#askWhatWasDecided(duty);
      return;
    }
    // FLOW-10: it goes on from the decision of its former life, and serves its bytes to peers.
    instance.restore(decided);
    this.#decided.emit(decided);
  }

  propose(data: UnsignedData): void {
    if (this.#parts.kindOf(data.duty).consensus === "none") this.#decided.emit(data);
    else this.#instanceOf(data.duty)?.propose(data);
  }

  /** CERT-3: in a slot of its former life a node does not vote, but it can still sign. */
  #askWhatWasDecided(duty: Duty): void {
    this.#parts.tracker.noted(duty, "this node was restarted in this slot and did not vote in it");
    this.#decisions.want(duty);
  }

  stop(): void {
    this.#decisions.stop();
    for (const instance of this.#instances.values()) instance.stop();
    this.#instances.clear();
    this.#checked.clear();
  }

  #instanceOf(duty: Duty): ConsensusInstance | null {
    const known = this.#instances.get(dutyId(duty));
    if (known !== undefined) return known;
    const signal = this.#parts.deadlines.signalOf(duty);
    if (signal.aborted || this.#instances.size >= MAX_INSTANCES) return null;
    const instance = this.#createInstance(duty);
    this.#instances.set(dutyId(duty), instance);
    return instance;
  }

  #createInstance(duty: Duty): ConsensusInstance {
    const { profile, clock, chain, identity, courier, background, tracker } = this.#parts;
    const labels = { duty: duty.type };
    const kind = this.#parts.kindOf(duty);
    assert(kind.consensus === "agree", `nobody votes on a ${duty.type} duty`);
    const dueAt = kind.dueAt(chain, duty.slot);
    const endsAt = (round: Round): Millis =>
      round === 0 ? dueAt : dueAt + this.#partOfSlot(profile.roundEnd(duty.type, round));
    return new ConsensusInstance({
      duty,
      nodes: identity.nodes,
      self: identity.self,
      maySend: this.#maySend(duty),
      leaderOf: (round) => profile.leaderOf(duty, round, identity.nodes),
      roundEndsAt: endsAt,
      pullPatienceMs: this.#partOfSlot(kind.pullPatienceBps),
      clock,
      sign: (statement) => this.#sign(duty, statement),
      whenRecorded: (send) => this.#whenRecorded(duty, send),
      broadcast: (frame, holders) => this.#broadcast(frame, holders),
      sendTo: (peer, frame) => courier.send(peer, "consensus", profile.encodeConsensus(frame)),
      judge: (data, round, certified) =>
        this.#parts.checker.judge(
          data,
          { round, startsAt: endsAt(round - 1), endsAt: endsAt(round) },
          certified,
        ),
      background: (work) => background.run(work, (fault) => tracker.noted(duty, fault.code)),
      onRefused: (round, reason) => {
        this.#refusals.add(1, labels);
        tracker.noted(duty, `value refused in round ${round}: ${reason}`);
      },
      onRejected: ({ message, reason, conflicting }, from) => {
        if (conflicting !== undefined) this.#parts.evidence.keep(duty, message, conflicting);
        // Only what an author signed is the author's to answer for: whoever hands a message on may
        // spoil its justification, or repeat it without end.
        const isAuthors = !["unjustified", "malformed", "duplicate"].includes(reason);
        this.#reject(isAuthors ? message.source : (from ?? message.source), reason);
      },
      onRound: (round) => {
        if (round > 1) tracker.noted(duty, `round ${round - 1} ended without a decision`);
      },
      onDecided: (data, proof) => {
        this.#decisions.settle(duty);
        // VALUE-6: nothing behind this point has to expect what it cannot read.
        const flaw = this.#parts.checker.flawOf(data);
        if (flaw !== null) {
          tracker.noted(
            duty,
            `the cluster decided what this node refuses, compare releases: ${flaw}`,
          );
          return;
        }
        this.#rounds.observe(proof.round, labels);
        this.#keep(kind, data);
        this.#proved.emit(data, proof);
        this.#decided.emit(data);
      },
    });
  }

  /** FLOW-10; not waited for: whatever is signed meanwhile has a record of its own. */
  #keep(kind: AgreedDuty, data: UnsignedData): void {
    const { archive, background, tracker } = this.#parts;
    if (!kind.isDurable) return;
    background.run(
      () => archive.keep(data),
      (fault) => tracker.noted(data.duty, fault.code),
    );
  }

  #partOfSlot(bps: BasisPoints): Millis {
    return Math.floor((this.#parts.chain.spec.slotDurationMs * bps) / BASIS_POINTS);
  }

  /**
   * VALUE-5: without the value to whom has it. A value too large for gossip stays behind there,
   * too: whoever misses it pulls it.
   */
  #broadcast(
    frame: ConsensusFrame & { readonly kind: "message" },
    holders: ReadonlySet<PeerIndex>,
  ): void {
    const { courier, profile } = this.#parts;
    const whole = profile.encodeConsensus(frame);
    const bare = frame.value && profile.encodeConsensus({ ...frame, value: null });
    courier.broadcast(
      "consensus",
      (peer) => (bare !== null && holders.has(peer) ? bare : whole),
      () => [bare !== null && whole.length > MAX_GOSSIP_PAYLOAD_BYTES ? bare : whole],
    );
  }

  #sign(duty: Duty, statement: Statement): SignedStatement {
    const { profile, scope, identity } = this.#parts;
    const authored = { ...statement, source: identity.self };
    const digest = profile.statementDigest(scope, duty, authored);
    return { ...authored, signature: identity.sign(digest) };
  }

  /** VOTE-1: the slot is on disk before the first vote of the slot leaves. */
  #whenRecorded(duty: Duty, send: () => void): void {
    const { votes, background, tracker } = this.#parts;
    if (votes.isRecorded(duty.slot)) {
      send();
      return;
    }
    background.run(
      async () => {
        await votes.record(duty.slot);
        send();
      },
      (fault) => tracker.noted(duty, fault.code),
    );
  }

  #onFrame(from: PeerIndex, bytes: Uint8Array): RejectionCode | null {
    const decoded = this.#parts.profile.decodeConsensus(bytes);
    if (!decoded.ok) return decoded.error.code;
    const frame = decoded.value;
    // RANDAO-3: no honest node wants a vote on what every node computes.
    const kind = this.#parts.kindOf(frame.duty);
    if (kind.consensus === "none") return "malformed";
    // VALUE-7: votes name roots by the dozen, and what is asked for is kept until the deadline.
    if (valueBytesOf(frame) > kind.maxValueBytes) return "malformed";
    const misplaced = this.#parts.gater.check(frame.duty);
    if (misplaced !== null) return misplaced;
    const instance = this.#instanceOf(frame.duty);
    if (instance === null) return "over_limit";
    switch (frame.kind) {
      case "message":
        return this.#onMessage(instance, frame, from);
      case "pull":
        instance.servePull(from, frame.value);
        return null;
      case "decision":
        instance.serveDecision(from);
        return null;
      case "value":
        return instance.receiveValue(this.#dataOf(frame.duty, frame.value)) ? null : "duplicate";
    }
  }

  #onMessage(
    instance: ConsensusInstance,
    { duty, message, value }: ConsensusFrame & { readonly kind: "message" },
    from: PeerIndex,
  ): RejectionCode | null {
    // In its own life a node knows what it said; after a restart peers may tell it (VOTE-2).
    const isOwn = message.source === this.#parts.identity.self;
    if (isOwn && this.#maySend(duty)) return "duplicate";
    const statements = [message, ...message.justification];
    if (!statements.every((statement) => this.#isSigned(duty, statement))) return "bad_signature";
    const data = value === null ? null : this.#dataOf(duty, value);
    if (data !== null && data.root !== message.value) return "value_mismatch";
    instance.receive(message, from, data);
    return null;
  }

  #dataOf(duty: Duty, value: Uint8Array): UnsignedData {
    return { duty, value, root: this.#parts.profile.valueRoot(value) };
  }

  #isSigned(duty: Duty, statement: SignedStatement): boolean {
    const { profile, scope, identity } = this.#parts;
    const digest = profile.statementDigest(scope, duty, statement);
    const { source, signature } = statement;
    const key = `${toHex(digest)}${toHex(signature)}`;
    const checked = this.#checked.get(dutyId(duty)) ?? new CheckedSignatures();
    if (checked.has(source, key)) return true;
    if (!identity.verify(source, digest, signature)) return false;
    this.#checked.set(dutyId(duty), checked);
    checked.add(source, key);
    return true;
  }

  #reject(peer: PeerIndex, code: RejectionCode): void {
    this.#parts.courier.reject("consensus", peer, code);
  }

  #askPeer(peer: PeerIndex, duty: Duty): void {
    const { courier, profile } = this.#parts;
    courier.send(peer, "consensus", profile.encodeConsensus({ kind: "decision", duty }));
  }

  #askPeers(duty: Duty): void {
    const { nodes, self } = this.#parts.identity;
    for (let peer = 0; peer < nodes; peer++) if (peer !== self) this.#askPeer(peer, duty);
  }

  /** VOTE-1, and VOTE-4: a clock that is set back brings no duty to life again. */
  #maySend(duty: Duty): boolean {
    return this.#parts.votes.maySend(duty.slot) && this.#over.get(dutyId(duty)) === undefined;
  }

  #drop(duty: Duty): void {
    const id = dutyId(duty);
    if (this.#instances.has(id)) this.#over.set(id, true);
    this.#decisions.settle(duty);
    this.#instances.get(id)?.stop();
    this.#instances.delete(id);
    this.#checked.delete(id);
  }
}

function valueBytesOf(frame: ConsensusFrame): number {
  const carriesValue = frame.kind === "message" || frame.kind === "value";
  return carriesValue ? (frame.value?.length ?? 0) : 0;
}
