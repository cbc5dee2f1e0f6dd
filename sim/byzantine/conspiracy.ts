/**
 * What the Byzantine operators of one run know of each other. A single one conspires with itself;
 * with more than f of them the lies fit together, which is what a checker has to catch (BYZ-4).
 */
import type { Duty } from "../../src/domain/duty.ts";
import { dutyId } from "../../src/domain/duty.ts";
import type { PeerIndex, Root } from "../../src/domain/keys.ts";
import type { Round } from "../../src/domain/units.ts";
import { Listeners } from "../../src/util/listeners.ts";

/** A proposal in two versions, one for each half of the honest operators. */
export type Fork = {
  readonly duty: Duty;
  readonly round: Round;
  readonly sides: readonly [Side, Side];
};
export type Side = { readonly root: Root; readonly value: Uint8Array };

/** Proposals in two versions that are remembered: a dozen slots of every round. */
const MAX_FORKS = 64;

export class Conspiracy {
  readonly #members = new Set<PeerIndex>();
  readonly #forks = new Map<string, Fork>();
  readonly #forked = new Listeners<[Fork]>();

  join(member: PeerIndex): void {
    this.#members.add(member);
  }

  isMember(peer: PeerIndex): boolean {
    return this.#members.has(peer);
  }

  /** Which half an operator belongs to; members, and everybody at once, are in the first. */
  sideOf(peer: PeerIndex | null, nodes: number): 0 | 1 {
    const honest = Array.from({ length: nodes }, (_, node) => node).filter(
      (node) => !this.isMember(node),
    );
    const position = peer === null ? -1 : honest.indexOf(peer);
    return position < Math.ceil(honest.length / 2) ? 0 : 1;
  }

  /** Tells all members, this one included. */
  fork(fork: Fork): void {
    this.#forks.set(`${dutyId(fork.duty)}/${fork.round}`, fork);
    for (const oldest of this.#forks.keys()) {
      if (this.#forks.size <= MAX_FORKS) break;
      this.#forks.delete(oldest);
    }
    this.#forked.emit(fork);
  }

  forkOf(duty: Duty, round: Round): Fork | undefined {
    return this.#forks.get(`${dutyId(duty)}/${round}`);
  }

  /** Any fork of the duty, whatever its round. */
  forkOfDuty(duty: Duty): Fork | undefined {
    return [...this.#forks.values()].find((fork) => dutyId(fork.duty) === dutyId(duty));
  }

  onFork(handler: (fork: Fork) => void): void {
    this.#forked.add(handler);
  }
}
