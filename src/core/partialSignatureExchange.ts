/**
 * Carries partial signatures between the operators. Only admitted ones leave; what arrives is
 * `Received`: its author is authenticated and the duty is expected, its signatures are unchecked.
 */
import type { Admitted, PartialSignatureSet, Received } from "../domain/data.ts";
import type { Duty, DutyId } from "../domain/duty.ts";
import { dutyId } from "../domain/duty.ts";
import type { RejectionCode } from "../domain/errors.ts";
import type { LockIndex, PeerIndex } from "../domain/keys.ts";
import { shareIndexOf } from "../domain/keys.ts";
import type { Chain } from "../eth2/chain.ts";
import type { Clock } from "../ports/clock.ts";
import type { Network } from "../ports/network.ts";
import type { SafetyGate } from "../safety/gate.ts";
import { Listeners } from "../util/listeners.ts";
import type { Profile } from "../wire/profile.ts";
import type { Courier } from "./courier.ts";
import type { Deadlines } from "./deadlines.ts";
import type { DutyGater } from "./dutyGater.ts";
import type { PartialSignatureExchange, Scheduler } from "./interfaces.ts";

/** FLOW-8: a peer that comes back is told again what it may have missed of the last slots. */
const RESEND_SLOTS = 2;

type ExchangeParts = {
  readonly profile: Profile;
  readonly chain: Chain;
  readonly clock: Clock;
  readonly courier: Courier;
  readonly network: Network;
  readonly gater: DutyGater;
  readonly deadlines: Deadlines;
  readonly scheduler: Scheduler;
  readonly gate: Pick<SafetyGate, "stillAdmitted">;
  /** Validators in the cluster lock. */
  readonly validators: number;
};

export class DirectExchange implements PartialSignatureExchange {
  readonly #parts: ExchangeParts;
  readonly #received = new Listeners<[Received<PartialSignatureSet>]>();
  /** By validator: a client may hand in the signatures of one duty one by one. */
  readonly #sent = new Map<DutyId, Map<LockIndex, Admitted<PartialSignatureSet>>>();
  /** What each frame holds that may still wait somewhere. */
  readonly #frames = new WeakMap<Uint8Array, Admitted<PartialSignatureSet>>();
  /** Sets of frames that were not let out, as a whole or in part. */
  readonly #withheld = new Set<Admitted<PartialSignatureSet>>();

  constructor(parts: ExchangeParts) {
    this.#parts = parts;
    parts.courier.onFrame("partials", (author, bytes) => this.#onFrame(author, bytes));
    parts.network.onLeaving("partials", (frame) => this.#mayLeave(frame));
    parts.deadlines.onExpired((duty) => this.#sent.delete(dutyId(duty)));
    parts.network.onPath((peer, path) => {
      if (path !== "none") this.#resend(peer);
    });
  }

  onReceived(handler: (set: Received<PartialSignatureSet>) => void): void {
    this.#received.add(handler);
  }

  broadcast(set: Admitted<PartialSignatureSet>): void {
    const sent = this.#sent.get(dutyId(set.duty)) ?? new Map();
    this.#sent.set(dutyId(set.duty), sent);
    for (const { validator } of set.signatures) sent.set(validator, set);
    const current = this.#parts.gate.stillAdmitted(set);
    if (current === null) return;
    const { courier, profile } = this.#parts;
    courier.broadcast("partials", this.#frameOf(current), () =>
      profile.splitPartials(current).map((part) => profile.encodePartials(part)),
    );
  }

  async settled(): Promise<void> {
    await this.#parts.network.settled("partials");
    const withheld = [...this.#withheld];
    this.#withheld.clear();
    // Who shared a frame with what is frozen now has not left either.
    for (const set of withheld) this.broadcast(set);
  }

  #frameOf(set: Admitted<PartialSignatureSet>): Uint8Array {
    const frame = this.#parts.profile.encodePartials(set);
    this.#frames.set(frame, set);
    return frame;
  }

  /** GATE-9: asked at the socket, however long the frame waited for it. */
  #mayLeave(frame: Uint8Array): boolean {
    const set = this.#frames.get(frame);
    if (set === undefined) return true;
    const isWhole =
      this.#parts.gate.stillAdmitted(set)?.signatures.length === set.signatures.length;
    if (!isWhole) this.#withheld.add(set);
    return isWhole;
  }

  #resend(peer: PeerIndex): void {
    const { chain, clock, courier, gate } = this.#parts;
    const oldest = chain.slotAt(clock.now()) - RESEND_SLOTS;
    for (const set of new Set([...this.#sent.values()].flatMap((sent) => [...sent.values()]))) {
      const current = set.duty.slot > oldest ? gate.stillAdmitted(set) : null;
      if (current !== null) courier.send(peer, "partials", this.#frameOf(current));
    }
  }

  #onFrame(author: PeerIndex, bytes: Uint8Array): RejectionCode | null {
    const decoded = this.#parts.profile.decodePartials(bytes, shareIndexOf(author));
    if (!decoded.ok) return decoded.error.code;
    const set = decoded.value;
    const rejected = this.#parts.gater.check(set.duty) ?? this.#checkValidators(set);
    if (rejected !== null) return rejected;
    this.#received.emit(set as Received<PartialSignatureSet>);
    return null;
  }

  #checkValidators({ duty, signatures }: PartialSignatureSet): RejectionCode | null {
    const expected = this.#expected(duty);
    for (const { validator } of signatures) {
      if (validator >= this.#parts.validators) return "unknown_validator";
      if (!expected.has(validator)) return "unexpected_duty";
    }
    return null;
  }

  #expected(duty: Duty): ReadonlySet<number> {
    return new Set(this.#parts.scheduler.definitions(duty).map(({ validator }) => validator));
  }
}
