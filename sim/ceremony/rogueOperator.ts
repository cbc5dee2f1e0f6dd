/**
 * An operator of a ceremony who keeps to no rule but his aims: he signs what he likes with his own
 * keys, says one thing to one peer and another to the next, or nothing. What he does not want to
 * do differently he does as the protocol has it, so that his misdeed is reached.
 */
import { k1Sign } from "../../src/crypto/k1.ts";
import { parseSecretKey } from "../../src/crypto/points.ts";
import { sha256 } from "../../src/crypto/sha256.ts";
import { agreeBody, type Dealing, deal } from "../../src/dkg/dealing.ts";
import { dealingDigest, echoDigest, messageDigest, witnessDigest } from "../../src/dkg/digests.ts";
import { Echoes } from "../../src/dkg/echoes.ts";
import type { CeremonyFacts } from "../../src/dkg/facts.ts";
import { preSignedRoots } from "../../src/dkg/partials.ts";
import { PublicRecord } from "../../src/dkg/record.ts";
import { ShareInbox } from "../../src/dkg/shareInbox.ts";
import { ECHOED_PHASES } from "../../src/dkg/transcript.ts";
import { bytesOf, type PeerIndex } from "../../src/domain/keys.ts";
import { assert } from "../../src/util/assert.ts";
import {
  CEREMONY_PHASES,
  type CeremonyContent,
  type CeremonyEcho,
  type CeremonyMessage,
  type CeremonyPhase,
  decodeCeremonyFrame,
  encodeCeremonyFrame,
} from "../../src/wire/ceremony.ts";
import {
  encodeAgree,
  encodeCommit,
  encodeDeposits,
  encodeKeys,
  encodeLock,
  encodeNodes,
  encodeReveal,
  encodeVerdict,
} from "../../src/wire/ceremonyBodies.ts";

export type RogueConfig = {
  readonly facts: CeremonyFacts;
  readonly self: PeerIndex;
  readonly secretKey: Uint8Array;
  readonly seed: Uint8Array;
};

/** What he knows when he decides. */
export type RogueView = {
  readonly record: PublicRecord;
  readonly inbox: ShareInbox;
  /** What was sealed for him, by dealer. */
  readonly sealed: Map<PeerIndex, Uint8Array>;
  readonly config: RogueConfig;
};

/** Where he leaves the path; each hook gets what an honest operator would say. */
export type Misdeeds = {
  /** Before he commits to it. */
  readonly dealing?: (honest: Dealing, view: RogueView) => Dealing;
  /** Null keeps a peer waiting. */
  readonly body?: (
    honest: Uint8Array,
    at: { readonly phase: CeremonyPhase; readonly to: PeerIndex; readonly view: RogueView },
  ) => Uint8Array | null;
  readonly sealedShares?: (honest: Uint8Array | null, to: PeerIndex) => Uint8Array | null;
  readonly echo?: (
    honest: CeremonyEcho,
    at: { readonly to: PeerIndex; readonly view: RogueView },
  ) => CeremonyEcho | null;
  /** The phase in which he rushes: he speaks only after everybody else did. */
  readonly rushesIn?: CeremonyPhase;
};

export type RogueFrame = { readonly to: PeerIndex; readonly frame: Uint8Array };

export class RogueOperator {
  readonly view: RogueView;
  readonly #misdeeds: Misdeeds;
  readonly #echoes: Echoes;
  readonly #echoed = new Set<CeremonyPhase>();
  #dealing: Dealing | null = null;
  #outgoing: RogueFrame[] = [];
  readonly #said = new Map<string, RogueFrame[]>();

  constructor(config: RogueConfig, misdeeds: Misdeeds) {
    const record = new PublicRecord(config.facts);
    this.view = { record, inbox: new ShareInbox(record, config.self), sealed: new Map(), config };
    this.#misdeeds = misdeeds;
    this.#echoes = new Echoes(record);
  }

  start(): readonly RogueFrame[] {
    return this.#advance();
  }

  receive(from: PeerIndex, frame: Uint8Array): readonly RogueFrame[] {
    const decoded = decodeCeremonyFrame(frame, this.view.config.facts.shape.nodes);
    if (!decoded.ok) return [];
    const { content } = decoded.value;
    // What got lost he says again: his misdeed shall be heard, not his silence.
    if (content.kind === "want") return this.#said.get(saidTo(from, content.want.phase)) ?? [];
    if (content.kind !== "message") return [];
    const { message, sealedShares } = content;
    this.view.record.add(message);
    if (sealedShares !== null && from === message.author) {
      this.view.sealed.set(from, sealedShares);
      this.view.inbox.offer(from, sealedShares);
      this.view.inbox.open(this.view.config.seed);
    }
    return this.#advance();
  }

  #advance(): readonly RogueFrame[] {
    this.#outgoing = [];
    for (const phase of CEREMONY_PHASES) {
      if (this.#misdeeds.rushesIn === phase) {
        const others = this.view.record.missing(phase);
        if (others.some((peer) => peer !== this.view.config.self)) break;
      }
      if (this.view.record.get(phase, this.view.config.self) === undefined) this.#speak(phase);
      if (this.view.record.missing(phase).length > 0) break;
      if (ECHOED_PHASES.has(phase) && !this.#echoed.has(phase)) this.#echo(phase);
      if (phase === "verdict" && this.view.inbox.missing().length > 0) break;
    }
    return this.#outgoing;
  }

  #speak(phase: CeremonyPhase): void {
    const honest = this.#honest(phase);
    const { body = (bytes: Uint8Array) => bytes, sealedShares = (sealed) => sealed } =
      this.#misdeeds;
    let own: CeremonyMessage | null = null;
    for (const to of this.#peers()) {
      const said = body(honest, { phase, to, view: this.view });
      if (said === null) continue;
      const message = signMessageAs(this.view, phase, said);
      own ??= message;
      const sealed = this.#dealing?.sealedShares[to] ?? null;
      const beside = phase === "reveal" ? sealedShares(sealed, to) : null;
      this.#send(to, phase, { kind: "message", message, sealedShares: beside });
    }
    // To himself he says what he said first; where nobody would accept it, he stops here.
    this.view.record.add(own ?? signMessageAs(this.view, phase, honest));
  }

  #echo(phase: CeremonyPhase): void {
    this.#echoed.add(phase);
    const { self, secretKey } = this.view.config;
    const honest = this.#echoes.own(phase, self, (digest) => k1Sign(digest, secretKey));
    const { echo = (same: CeremonyEcho) => same } = this.#misdeeds;
    for (const to of this.#peers()) {
      const said = echo(honest, { to, view: this.view });
      if (said !== null) this.#send(to, phase, { kind: "echo", echo: said });
    }
  }

  #honest(phase: CeremonyPhase): Uint8Array {
    const { record, inbox, config } = this.view;
    const { facts, self, seed, secretKey } = config;
    const context = record.context("agree") ?? new Uint8Array();
    switch (phase) {
      case "agree":
        return encodeAgree(agreeBody({ seed, attempt: context, author: self, version: "rogue" }));
      case "commit": {
        const session = record.context("commit") ?? new Uint8Array();
        const receivingKeys = record.bodies("agree").map(({ receivingKey }) => receivingKey);
        const honest = deal({ seed, session, dealer: self, shape: facts.shape, receivingKeys });
        this.#dealing = this.#misdeeds.dealing?.(honest, this.view) ?? honest;
        inbox.keepOwn(this.#dealing.ownShares);
        return encodeCommit({
          digest: dealingDigest(session, self, encodeReveal(this.#dealing.dealt)),
        });
      }
      case "reveal":
        assert(this.#dealing !== null, "he committed to something");
        return encodeReveal(this.#dealing.dealt);
      case "verdict":
        return encodeVerdict({ complaints: [], silent: [] });
      case "keys":
        return encodeKeys({ keysHash: bytesOf(record.certainKeys().keysHash) });
      case "deposits": {
        const roots = record.signings().map((signing) => preSignedRoots(signing).map(bytesOf));
        return encodeDeposits({
          signatures: this.#keys().map((key, v) => (roots[v] ?? []).map((root) => key.sign(root))),
        });
      }
      case "lock": {
        const lockHash = bytesOf(record.lockRoot());
        return encodeLock({ lockHash, signatures: this.#keys().map((key) => key.sign(lockHash)) });
      }
      case "nodes":
        return encodeNodes({ signature: k1Sign(bytesOf(record.lockRoot()), secretKey) });
    }
  }

  #keys() {
    return this.view.inbox.sums().map((secret) => {
      const key = parseSecretKey(secret);
      assert(key !== null, "a sum of shares is a key");
      return key;
    });
  }

  #peers(): readonly PeerIndex[] {
    const { facts, self } = this.view.config;
    return Array.from({ length: facts.shape.nodes }, (_, peer) => peer).filter(
      (peer) => peer !== self,
    );
  }

  #send(to: PeerIndex, phase: CeremonyPhase, content: CeremonyContent): void {
    const { definitionHash, attempt } = this.view.config.facts;
    const frame = { to, frame: encodeCeremonyFrame({ definitionHash, attempt, content }) };
    this.#outgoing.push(frame);
    const key = saidTo(to, phase);
    this.#said.set(key, [...(this.#said.get(key) ?? []), frame]);
  }
}

function saidTo(peer: PeerIndex, phase: CeremonyPhase): string {
  return `${peer}/${phase}`;
}

/** The message of a phase with any body, signed. */
function signMessageAs(
  { record, config }: RogueView,
  phase: CeremonyPhase,
  body: Uint8Array,
): CeremonyMessage {
  const { self: author, secretKey } = config;
  const context = record.context(phase);
  assert(context !== null, "the phase is reached");
  const digest = messageDigest(context, { phase, author, hash: sha256(body) });
  return { phase, author, body, signature: k1Sign(digest, secretKey) };
}

/** The echo of a phase with any content, signed. */
export function signEchoAs(
  { record, config }: RogueView,
  echo: Omit<CeremonyEcho, "signature" | "author">,
): CeremonyEcho {
  const { self: author, secretKey } = config;
  const context = record.context(echo.phase);
  assert(context !== null, "the phase is reached");
  const said = { ...echo, author, witnessDigest: witnessDigest(echo.witnesses) };
  return { ...echo, author, signature: k1Sign(echoDigest(context, said), secretKey) };
}
