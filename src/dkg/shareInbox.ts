/** One operator's shares as they come: sealed, opened, found right or complained about (DKG-8). */
import { proveSharedPoint } from "../crypto/dleq.ts";
import { verifyShares } from "../crypto/feldman.ts";
import { k1SharedPoint } from "../crypto/k1.ts";
import { addScalars } from "../crypto/shamir.ts";
import { type PeerIndex, shareIndexOf } from "../domain/keys.ts";
import { assert } from "../util/assert.ts";
import { type Complaint, sealedSharesBytes } from "../wire/ceremonyBodies.ts";
import { checkingRandom, receivingSecret } from "./dealing.ts";
import {
  areSealedShares,
  type DealingFor,
  ephemeralOf,
  openShares,
  sharedPointClaim,
} from "./judge.ts";
import { firstOperators } from "./partials.ts";
import type { PublicRecord } from "./record.ts";

type Opened =
  | { readonly kind: "shares"; readonly shares: readonly Uint8Array[] }
  | { readonly kind: "complaint"; readonly complaint: Complaint };

export class ShareInbox {
  readonly #record: PublicRecord;
  readonly #self: PeerIndex;
  readonly #sealed = new Map<PeerIndex, Uint8Array>();
  readonly #opened = new Map<PeerIndex, Opened>();

  constructor(record: PublicRecord, self: PeerIndex) {
    this.#record = record;
    this.#self = self;
  }

  /** Whether these are new and may be what the dealer committed to. */
  offer(dealer: PeerIndex, sealedShares: Uint8Array): boolean {
    const { validators } = this.#record.facts.shape;
    const fits = sealedShares.length === sealedSharesBytes(validators);
    if (dealer === this.#self || !fits || this.#opened.has(dealer)) return false;
    const dealing = this.#dealingOf(dealer);
    if (dealing !== null && !areSealedShares(dealing, sealedShares)) return false;
    if (dealing === null && this.#sealed.has(dealer)) return false;
    this.#sealed.set(dealer, sealedShares);
    return true;
  }

  /** The shares that this node dealt to itself. */
  keepOwn(shares: readonly Uint8Array[]): void {
    this.#opened.set(this.#self, { kind: "shares", shares });
  }

  /** Opens what can be opened: shares that are wrong become a complaint. */
  open(seed: Uint8Array): void {
    for (const [dealer, sealedShares] of this.#sealed) {
      const dealing = this.#dealingOf(dealer);
      if (dealing === null || this.#opened.has(dealer)) continue;
      // What came before the commitment to it was known may be something else: it never came.
      if (!areSealedShares(dealing, sealedShares)) this.#sealed.delete(dealer);
      else this.#opened.set(dealer, this.#openOne(seed, dealing, sealedShares));
    }
  }

  /** Dealers whose shares did not come. */
  missing(): readonly PeerIndex[] {
    return firstOperators(this.#record.facts.shape.nodes).filter(
      (dealer) => dealer !== this.#self && !this.#opened.has(dealer),
    );
  }

  /** By ascending dealer. */
  complaints(): readonly Complaint[] {
    return this.#inOrder().flatMap((opened) =>
      opened.kind === "complaint" ? [opened.complaint] : [],
    );
  }

  /** This operator's key share of each validator: the sum of what all dealers gave it. */
  sums(): readonly Uint8Array[] {
    const { nodes, validators } = this.#record.facts.shape;
    const opened = this.#inOrder();
    assert(opened.length === nodes, "every dealer's shares came");
    return Array.from({ length: validators }, (_, validator) => {
      const summands = opened.flatMap((each) => {
        assert(each.kind === "shares", "every dealer's shares are right");
        return each.shares.slice(validator, validator + 1);
      });
      const sum = addScalars(summands);
      assert(sum !== null, "a share that is zero has no public share");
      return sum;
    });
  }

  erase(): void {
    for (const opened of this.#opened.values()) {
      if (opened.kind === "shares") for (const share of opened.shares) share.fill(0);
    }
    this.#opened.clear();
    this.#sealed.clear();
  }

  #openOne(seed: Uint8Array, dealing: DealingFor, sealedShares: Uint8Array): Opened {
    const { facts } = this.#record;
    const attempt = this.#record.context("agree");
    assert(attempt !== null, "the first context needs nothing");
    const secret = receivingSecret(seed, attempt);
    const sharedPoint = k1SharedPoint(secret, ephemeralOf(dealing));
    const shares = openShares(dealing, { sealedShares, sharedPoint });
    const random = checkingRandom(seed, dealing.session, dealing.dealer);
    const claims = dealing.dealt.points.flatMap((commitments, validator) => {
      const share = shares?.[validator];
      return share === undefined ? [] : [{ commitments, share }];
    });
    const isRight =
      shares !== null &&
      claims.length === facts.shape.validators &&
      verifyShares(claims, shareIndexOf(dealing.receiver), random);
    if (isRight) {
      for (const erased of [secret, sharedPoint]) erased.fill(0);
      return { kind: "shares", shares };
    }
    const proof = proveSharedPoint(sharedPointClaim(dealing, sharedPoint), secret);
    secret.fill(0);
    const { dealer } = dealing;
    return { kind: "complaint", complaint: { dealer, sealedShares, sharedPoint, proof } };
  }

  /** Null before the dealer revealed. */
  #dealingOf(dealer: PeerIndex): DealingFor | null {
    const session = this.#record.context("commit");
    const dealt = this.#record.get("reveal", dealer)?.body;
    const receivingKey = this.#record.get("agree", this.#self)?.body.receivingKey;
    if (session === null || dealt === undefined || receivingKey === undefined) return null;
    return { session, dealer, receiver: this.#self, dealt, receivingKey };
  }

  #inOrder(): readonly Opened[] {
    return firstOperators(this.#record.facts.shape.nodes).flatMap(
      (dealer) => this.#opened.get(dealer) ?? [],
    );
  }
}
