/**
 * A key ceremony, watched from outside (CHECK-10): one lock for all, key shares that work, nobody
 * honest accused, no accusation without proof, no deposit signed before the key certificate, and no
 * share given up that a deposit could need.
 */
import { parseLock } from "../../src/cluster/lock.ts";
import { verifyLock } from "../../src/cluster/verify.ts";
import { parseSecretKey } from "../../src/crypto/points.ts";
import { recoverSecret } from "../../src/crypto/threshold.ts";
import { judgeBlame } from "../../src/dkg/blame.ts";
import type { CeremonyFacts } from "../../src/dkg/facts.ts";
import type { CeremonyShares } from "../../src/dkg/messages.ts";
import type { EndedAttempt } from "../../src/dkg/storage.ts";
import { type PeerIndex, pubKeyOf, shareIndexOf } from "../../src/domain/keys.ts";
import { decodeCeremonyFrame } from "../../src/wire/ceremony.ts";

export type DkgCheckContext = {
  readonly factsOf: (attempt: number) => CeremonyFacts;
  readonly byzantine: ReadonlySet<PeerIndex>;
  readonly report: (message: string) => void;
};

export class DkgChecker {
  readonly #context: DkgCheckContext;
  readonly #locks = new Map<string, PeerIndex>();
  readonly #shares = new Map<string, Map<PeerIndex, CeremonyShares>>();
  /** Operators whose keys message an honest operator has journaled, by attempt and operator. */
  readonly #vouched = new Map<string, Set<PeerIndex>>();
  #checked = 0;

  constructor(context: DkgCheckContext) {
    this.#context = context;
  }

  /** How many facts were looked at. */
  get checked(): number {
    return this.#checked;
  }

  /** An honest operator has a frame on its disk. */
  journaled(node: PeerIndex, frame: Uint8Array): void {
    const { attempt, message } = this.#messageIn(frame);
    if (message?.phase !== "keys") return;
    const key = `${attempt}/${node}`;
    this.#vouched.set(key, (this.#vouched.get(key) ?? new Set()).add(message.author));
  }

  /** An honest operator hands a frame to the network. */
  sent(node: PeerIndex, frame: Uint8Array): void {
    const { attempt, message } = this.#messageIn(frame);
    if (message?.phase !== "deposits" || message.author !== node) return;
    this.#checked++;
    const vouched = this.#vouched.get(`${attempt}/${node}`)?.size ?? 0;
    if (vouched === this.#context.factsOf(attempt).shape.nodes) return;
    this.#context.report(`operator ${node} signs deposits when ${vouched} vouch for the keys`);
  }

  /** An honest operator's attempt is over without a cluster. */
  ended(node: PeerIndex, ended: EndedAttempt, blame: Uint8Array | null): void {
    this.#checked++;
    const { attempt, culprit } = ended;
    const { byzantine, report } = this.#context;
    if (!ended.keepsShares && (this.#vouched.get(`${attempt}/${node}`)?.has(node) ?? false)) {
      report(`operator ${node} gives up shares that it vouched for`);
    }
    if (culprit === null) return;
    if (!byzantine.has(culprit)) report(`operator ${node} accuses operator ${culprit}: honest`);
    const judged = blame === null ? null : judgeBlame(this.#context.factsOf(attempt), blame);
    if (judged?.ok !== true || judged.value.culprit !== culprit) {
      report(`operator ${node} accuses operator ${culprit} without proof`);
    }
  }

  /** An honest operator has its outputs in place. */
  published(node: PeerIndex, lockText: string, shares: CeremonyShares): void {
    this.#checked++;
    const lock = parseLock(lockText);
    if (!lock.ok || !verifyLock(lock.value).ok) {
      this.#context.report(`operator ${node} writes a lock that does not verify`);
      return;
    }
    const hash = lock.value.lock_hash;
    this.#locks.set(hash, this.#locks.get(hash) ?? node);
    if (this.#locks.size > 1) {
      this.#context.report(`locks differ between operators ${[...this.#locks.values()]}`);
    }
    const ofLock = this.#shares.get(hash) ?? new Map<PeerIndex, CeremonyShares>();
    this.#shares.set(hash, ofLock.set(node, shares));
    this.#tryShares(ofLock);
  }

  /** Any t of the shares that are on disks make the keys of the lock. */
  #tryShares(byNode: ReadonlyMap<PeerIndex, CeremonyShares>): void {
    const { threshold } = this.#context.factsOf(1).shape;
    const newest = [...byNode].slice(-threshold);
    if (newest.length < threshold) return;
    for (const [validator, groupKey] of newest[0]?.[1].groupKeys.entries() ?? []) {
      const shares = newest.map(([node, { secrets }]) => ({
        index: shareIndexOf(node),
        secret: secrets[validator] ?? new Uint8Array(),
      }));
      const secret = recoverSecret(shares);
      const key = secret === null ? null : parseSecretKey(secret);
      if (key !== null && pubKeyOf(key.publicKey) === groupKey) continue;
      this.#context.report(`${threshold} key shares do not make the key of validator ${validator}`);
    }
  }

  #messageIn(frame: Uint8Array) {
    const { nodes } = this.#context.factsOf(1).shape;
    const decoded = decodeCeremonyFrame(frame, nodes);
    if (!decoded.ok || decoded.value.content.kind !== "message") {
      return { attempt: 0, message: null };
    }
    return { attempt: decoded.value.attempt, message: decoded.value.content.message };
  }
}
