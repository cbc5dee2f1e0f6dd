/** What one operator's machine knows and has: the public record, and its own secrets. */
import { signedLock } from "../cluster/preSigned.ts";
import { verifyLock } from "../cluster/verify.ts";
import { aggregate } from "../crypto/bls.ts";
import { parseSecretKey, type SigningKey } from "../crypto/points.ts";
import { seededRandom } from "../crypto/seededRandom.ts";
import { sha256 } from "../crypto/sha256.ts";
import { bytesOf, type PeerIndex, type PubKey } from "../domain/keys.ts";
import { MAX_CEREMONY_RESENDS } from "../domain/limits.ts";
import { assert } from "../util/assert.ts";
import { equalBytes } from "../util/bytes.ts";
import {
  CEREMONY_PHASES,
  type CeremonyContent,
  type CeremonyMessage,
  type CeremonyPhase,
  type CeremonyWant,
} from "../wire/ceremony.ts";
import type { Equivocation } from "../wire/ceremonyBlame.ts";
import {
  encodeAgree,
  encodeCommit,
  encodeDeposits,
  encodeKeys,
  encodeLock,
  encodeNodes,
  encodeReveal,
  encodeVerdict,
} from "../wire/ceremonyBodies.ts";
import { domainTag } from "../wire/signing.ts";
import type { Bodies } from "./bodies.ts";
import type { CeremonyConfig } from "./ceremonyConfig.ts";
import { agreeBody, type Dealing, deal } from "./dealing.ts";
import { dealingDigest, messageDigest } from "./digests.ts";
import { type EchoConflict, Echoes } from "./echoes.ts";
import type { CeremonyFacts } from "./facts.ts";
import type { CeremonyOutcome, CeremonyProgress, CeremonyShares } from "./messages.ts";
import { firstOperators, preSignedRoots } from "./partials.ts";
import { PublicRecord } from "./record.ts";
import { ShareInbox } from "./shareInbox.ts";
import { subsetsAgree } from "./testSignatures.ts";
import { ECHOED_PHASES, transcriptOf } from "./transcript.ts";

const TEST_WEIGHTS = domainTag("coterie/dkg/seed/test-weights");

export class CeremonyState {
  readonly config: CeremonyConfig;
  readonly record: PublicRecord;
  readonly echoes: Echoes;
  readonly inbox: ShareInbox;
  phase: CeremonyPhase = "agree";
  seed: Uint8Array | null = null;
  /** Shares are being written, or are read back already. */
  isStoring = false;
  areSharesStored = false;
  /** The time for sealed shares is over: dealers whose shares did not come are named. */
  isPatienceOver = false;
  readonly #settled = new Set<CeremonyPhase>();
  readonly #resends = new Map<string, number>();
  #dealing: Dealing | null = null;
  #shares: CeremonyShares | null = null;
  #keys: readonly SigningKey[] = [];
  #outcome: CeremonyOutcome["lock"] | null = null;

  constructor(config: CeremonyConfig) {
    this.config = config;
    this.record = new PublicRecord(config.facts);
    this.echoes = new Echoes(this.record);
    this.inbox = new ShareInbox(this.record, config.self);
  }

  get facts(): CeremonyFacts {
    return this.config.facts;
  }

  /** Whether others may hold this node's signature of the keys: the shares are kept from then. */
  get hasVouched(): boolean {
    return this.hasSpoken("keys");
  }

  get canJudge(): boolean {
    return this.isPatienceOver || this.inbox.missing().length === 0;
  }

  hasSpoken(phase: CeremonyPhase): boolean {
    return this.record.get(phase, this.config.self) !== undefined;
  }

  peers(): readonly PeerIndex[] {
    return firstOperators(this.facts.shape.nodes).filter((peer) => peer !== this.config.self);
  }

  /** This node's message of a phase whose predecessors are complete. */
  speak(phase: CeremonyPhase): {
    readonly message: CeremonyMessage;
    readonly body: Bodies[CeremonyPhase];
  } {
    const { body, bytes } = this.#say(phase);
    const { self: author, sign } = this.config;
    const context = this.record.context(phase);
    assert(context !== null, "a phase is spoken in when its predecessors are complete");
    const signature = sign(messageDigest(context, { phase, author, hash: sha256(bytes) }));
    return { message: { phase, author, body: bytes, signature }, body };
  }

  /** The sealed shares for a peer, made again where a restart forgot them. */
  sealedFor(peer: PeerIndex): Uint8Array | null {
    return this.#dealt().sealedShares[peer] ?? null;
  }

  /** The sum of what all dealers gave; every dealing must be right. */
  shares(): CeremonyShares {
    if (this.#shares !== null) return this.#shares;
    const { groupKeys, pubShares } = this.record.certainKeys();
    this.inbox.keepOwn(this.#dealt().ownShares);
    const secrets = this.inbox.sums();
    this.#keys = secrets.map(signingKey);
    for (const [validator, { publicKey }] of this.#keys.entries()) {
      const expected = pubShares[validator]?.[this.config.self];
      assert(
        expected !== undefined && equalBytes(publicKey, bytesOf(expected)),
        "right shares add up to the share of the public share",
      );
    }
    this.#shares = { secrets, groupKeys, pubShares };
    return this.#shares;
  }

  /** Keys that the reveals make; none before all of them are there. */
  knownGroupKeys(): readonly PubKey[] {
    if (this.record.missing("reveal").length > 0) return [];
    const keys = this.record.keys();
    return keys.ok ? keys.value.groupKeys : [];
  }

  isSettled(phase: CeremonyPhase): boolean {
    return this.#settled.has(phase);
  }

  /** The phase is held and right; what its messages make together is made and tested. */
  settle(phase: CeremonyPhase): void {
    this.#settled.add(phase);
    if (phase === "lock") {
      const signatures = this.record.bodies("lock").map((body) => body.signatures);
      const random = seededRandom(this.#ownSeed(), TEST_WEIGHTS);
      const agree = subsetsAgree(signatures, this.facts.shape, random);
      assert(agree, "verified key shares make one signature, whichever t of them sign");
    }
    if (phase === "nodes") this.#outcome = this.#buildLock();
  }

  /** Who says that whose shares did not come; null when nobody says so. */
  silentDealers(): string | null {
    if (this.record.missing("verdict").length > 0) return null;
    const statements = this.record
      .bodies("verdict")
      .flatMap(({ silent }, receiver) =>
        silent.map((dealer) => `operator ${receiver} got no shares from operator ${dealer}`),
      );
    return statements.length === 0 ? null : statements.join(", ");
  }

  /** Peers without whom the phase does not end. */
  silent(): readonly PeerIndex[] {
    const { messages, echoes } = this.progress();
    const missing = messages.length > 0 ? messages : echoes;
    return missing.filter((peer) => peer !== this.config.self);
  }

  progress(): CeremonyProgress {
    const { phase } = this;
    return {
      phase,
      messages: this.record.missing(phase),
      echoes: ECHOED_PHASES.has(phase) ? this.echoes.missing(phase) : [],
      sealedShares: phase === "reveal" || phase === "verdict" ? this.inbox.missing() : [],
    };
  }

  wants(): readonly CeremonyWant[] {
    const notSelf = (peers: readonly PeerIndex[]): readonly PeerIndex[] =>
      peers.filter((peer) => peer !== this.config.self);
    const { phase, messages, echoes, sealedShares } = this.progress();
    const wants: readonly CeremonyWant[] = [
      { phase, messages: notSelf(messages), echoes: notSelf(echoes), sealedShares: [] },
      { phase: "reveal", messages: [], echoes: [], sealedShares: notSelf(sealedShares) },
    ];
    return wants.filter(
      (want) => want.messages.length + want.echoes.length + want.sealedShares.length > 0,
    );
  }

  /** What is at hand of what a peer asks for, as often as one may ask. */
  answersTo(peer: PeerIndex, want: CeremonyWant): readonly CeremonyContent[] {
    const { phase } = want;
    const wanted = [
      ...want.messages.map((author) => this.#messageFor(peer, phase, author)),
      ...want.echoes.map((author) => this.#echoOf(phase, author)),
      ...want.sealedShares
        .filter((dealer) => dealer === this.config.self)
        .map((dealer) => this.#messageFor(peer, "reveal", dealer)),
    ];
    return wanted.filter((content) => content !== null).filter(() => this.#mayResend(peer, phase));
  }

  /** What this node said in the current phase and the one before; a peer is at most one behind. */
  saidTo(peer: PeerIndex): readonly CeremonyContent[] {
    const at = CEREMONY_PHASES.indexOf(this.phase);
    return CEREMONY_PHASES.slice(Math.max(0, at - 1), at + 1)
      .flatMap((phase) => [
        this.#messageFor(peer, phase, this.config.self),
        this.#echoOf(phase, this.config.self),
      ])
      .filter((content) => content !== null);
  }

  equivocationOf(first: CeremonyMessage, second: CeremonyMessage): Equivocation {
    return {
      phase: first.phase,
      firstHash: sha256(first.body),
      firstSignature: first.signature,
      secondHash: sha256(second.body),
      secondSignature: second.signature,
    };
  }

  conflictReason(conflict: EchoConflict): string {
    return conflict.kind === "madeUp"
      ? `its ${this.phase} echo names a message that its author did not sign`
      : `it signed two different ${this.phase} messages`;
  }

  outcome(): CeremonyOutcome {
    assert(this.#outcome !== null, "the nodes phase is settled");
    const deposits = this.record.validators().flatMap((validator) => validator.deposits);
    const transcript = transcriptOf(this.record, (phase) => this.echoes.of(phase));
    return { lock: this.#outcome, deposits, transcript };
  }

  erase(): void {
    this.inbox.erase();
    this.seed?.fill(0);
    for (const share of this.#dealing?.ownShares ?? []) share.fill(0);
    for (const secret of this.#shares?.secrets ?? []) secret.fill(0);
    this.#dealing = null;
    this.#shares = null;
    this.#keys = [];
  }

  #say(phase: CeremonyPhase): { readonly body: Bodies[CeremonyPhase]; readonly bytes: Uint8Array } {
    switch (phase) {
      case "agree": {
        const attempt = this.#contextOf("agree");
        const { self: author, version } = this.config;
        const body = agreeBody({ seed: this.#ownSeed(), attempt, author, version });
        return { body, bytes: encodeAgree(body) };
      }
      case "commit": {
        const { dealt } = this.#dealt();
        const session = this.#contextOf("commit");
        const digest = dealingDigest(session, this.config.self, encodeReveal(dealt));
        return { body: { digest }, bytes: encodeCommit({ digest }) };
      }
      case "reveal": {
        const { dealt } = this.#dealt();
        return { body: dealt, bytes: encodeReveal(dealt) };
      }
      case "verdict": {
        const body = { complaints: this.inbox.complaints(), silent: this.inbox.missing() };
        return { body, bytes: encodeVerdict(body) };
      }
      case "keys": {
        const body = { keysHash: bytesOf(this.record.certainKeys().keysHash) };
        return { body, bytes: encodeKeys(body) };
      }
      case "deposits": {
        const roots = this.record.signings().map((signing) => preSignedRoots(signing).map(bytesOf));
        const body = {
          signatures: this.#shareKeys().map((key, v) =>
            (roots[v] ?? []).map((root) => key.sign(root)),
          ),
        };
        return { body, bytes: encodeDeposits(body) };
      }
      case "lock": {
        const lockHash = bytesOf(this.record.lockRoot());
        const signatures = this.#shareKeys().map((key) => key.sign(lockHash));
        const body = { lockHash, signatures };
        return { body, bytes: encodeLock(body) };
      }
      case "nodes": {
        const body = { signature: this.config.sign(bytesOf(this.record.lockRoot())) };
        return { body, bytes: encodeNodes(body) };
      }
    }
  }

  #shareKeys(): readonly SigningKey[] {
    assert(this.shares().secrets.length === this.#keys.length, "a key for each share");
    return this.#keys;
  }

  #dealt(): Dealing {
    if (this.#dealing !== null) return this.#dealing;
    this.#dealing = deal({
      seed: this.#ownSeed(),
      session: this.#contextOf("commit"),
      dealer: this.config.self,
      shape: this.facts.shape,
      receivingKeys: this.record.bodies("agree").map(({ receivingKey }) => receivingKey),
    });
    return this.#dealing;
  }

  #buildLock(): CeremonyOutcome["lock"] {
    const partials = this.record.bodies("lock").flatMap(({ signatures }) => signatures);
    const sum = aggregate(partials);
    assert(sum !== null, "verified signatures add up");
    const nodes = this.record.bodies("nodes").map(({ signature }) => signature);
    const lock = signedLock(this.record.unsignedLock(), { aggregate: sum, nodes });
    const verified = verifyLock(lock, this.facts.contractWallets);
    assert(verified.ok, `a ceremony's lock verifies: ${JSON.stringify(verified)}`);
    return verified.value;
  }

  #messageFor(peer: PeerIndex, phase: CeremonyPhase, author: PeerIndex): CeremonyContent | null {
    const message = this.record.get(phase, author)?.message;
    if (message === undefined) return null;
    const isOwnReveal = phase === "reveal" && author === this.config.self;
    const sealedShares = isOwnReveal && this.seed !== null ? this.sealedFor(peer) : null;
    return { kind: "message", message, sealedShares };
  }

  #echoOf(phase: CeremonyPhase, author: PeerIndex): CeremonyContent | null {
    const echo = this.echoes.get(phase, author);
    return echo === undefined ? null : { kind: "echo", echo };
  }

  #mayResend(peer: PeerIndex, phase: CeremonyPhase): boolean {
    const key = `${peer}/${phase}`;
    const count = (this.#resends.get(key) ?? 0) + 1;
    this.#resends.set(key, count);
    return count <= MAX_CEREMONY_RESENDS * this.facts.shape.nodes;
  }

  #contextOf(phase: CeremonyPhase): Uint8Array {
    const context = this.record.context(phase);
    assert(context !== null, `the ${phase} phase is reached`);
    return context;
  }

  #ownSeed(): Uint8Array {
    assert(this.seed !== null, "an attempt begins with its entropy");
    return this.seed;
  }
}

function signingKey(secret: Uint8Array): SigningKey {
  const key = parseSecretKey(secret);
  assert(key !== null, "a key share is a secret key");
  return key;
}
