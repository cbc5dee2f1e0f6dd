/**
 * What this node can testify of its peers' signatures: of each key share the highest message that
 * it was seen to sign, with the signature that proves it, on disk (WITNESS-1). A peer whose disk
 * was set back learns from it what it signed before.
 */
import type { Cluster } from "../cluster/cluster.ts";
import type { PartialSignature, PartialSignatureSet, UnsignedData } from "../domain/data.ts";
import type { Duty, DutyId, DutyType } from "../domain/duty.ts";
import { dutyId } from "../domain/duty.ts";
import type { LockIndex, PubShare, ShareIndex } from "../domain/keys.ts";
import { SIGNATURE_BYTES } from "../domain/keys.ts";
import { WITNESS_DELAY_BPS } from "../domain/limits.ts";
import { BASIS_POINTS } from "../domain/units.ts";
import { type CompactForm, compactFormOf, type DutyKind } from "../duties/kind.ts";
import type { Chain } from "../eth2/chain.ts";
import type { Clock } from "../ports/clock.ts";
import type { KeyValueStore, StoreOperation } from "../ports/keyValueStore.ts";
import type { Logger } from "../ports/logger.ts";
import { concatBytes, equalBytes } from "../util/bytes.ts";
import { crc32 } from "../util/crc32.ts";
import type { WitnessStatement } from "../wire/profile.ts";
import type { Background } from "./background.ts";
import type { Deadlines } from "./deadlines.ts";
import type { DutyStore, Scheduler } from "./interfaces.ts";
import type { SignatureVerifier } from "./signatureVerifier.ts";
import { tasksByValidator } from "./tasks.ts";

const RANGE = { gte: "witness/", lt: "witness0" } as const;
const KEY = /^witness\/([0-9a-f]{96})\/([a-z]+)$/;
const CRC_BYTES = 4;

export type KeeperParts = {
  readonly store: KeyValueStore;
  readonly cluster: Cluster;
  readonly chain: Chain;
  readonly clock: Clock;
  readonly kindOf: (duty: Pick<Duty, "type">) => DutyKind;
  readonly deadlines: Deadlines;
  readonly logger: Logger;
};
/** What the keeper needs of the running workflow. */
export type WitnessSources = {
  readonly verifier: SignatureVerifier;
  readonly dutyStore: DutyStore;
  readonly scheduler: Scheduler;
  readonly background: Background;
};
type Highest = WitnessStatement & { readonly position: number };
type Pending = Map<ShareIndex, Map<LockIndex, PartialSignature>>;
/** What `recorded` lists of one share's owner. */
export type Testimony = {
  readonly type: DutyType;
  readonly statements: readonly WitnessStatement[];
};

export class WitnessKeeper {
  readonly #parts: KeeperParts;
  /** By PubShare and duty type. */
  readonly #highest = new Map<string, Highest>();
  readonly #pending = new Map<DutyId, Pending>();

  private constructor(parts: KeeperParts) {
    this.#parts = parts;
    parts.deadlines.onExpired((duty) => this.#pending.delete(dutyId(duty)));
  }

  /** Reads what was witnessed before the restart; what is damaged testifies nothing. */
  static async open(parts: KeeperParts): Promise<WitnessKeeper> {
    const keeper = new WitnessKeeper(parts);
    for await (const [key, value] of parts.store.entries(RANGE)) keeper.#load(key, value);
    return keeper;
  }

  /** Takes a peer's partial signatures; they are checked later, off the critical path. */
  received(set: PartialSignatureSet, sources: WitnessSources): void {
    const { duty, shareIndex } = set;
    if (this.#formOf(duty.type) === null || this.#parts.deadlines.isExpired(duty)) return;
    const known = this.#pending.get(dutyId(duty));
    const pending: Pending = known ?? new Map();
    this.#pending.set(dutyId(duty), pending);
    const ofShare = pending.get(shareIndex) ?? new Map<LockIndex, PartialSignature>();
    pending.set(shareIndex, ofShare);
    for (const partial of set.signatures) {
      // The first one stays, as in the partial signature store (FLOW-5).
      if (!ofShare.has(partial.validator)) ofShare.set(partial.validator, partial);
    }
    if (known !== undefined) return;
    const signal = this.#parts.deadlines.signalOf(duty);
    sources.background.run(
      async () => {
        const data = await sources.dutyStore.awaitData(duty, signal);
        await this.#parts.clock.sleep(this.#delayMs(), signal);
        await this.#check(data, sources);
      },
      (fault) => this.#tellFault(fault),
    );
  }

  /** Checks what waits, decided duties only; before this node testifies. */
  async settle(sources: WitnessSources): Promise<void> {
    for (const data of sources.dutyStore.decided()) await this.#check(data, sources);
  }

  /** The highest message of each kind that the share was seen to sign for each validator. */
  testimonyOf(share: ShareIndex): readonly Testimony[] {
    const types = new Map<DutyType, WitnessStatement[]>();
    for (const { lockIndex, pubShares } of this.#parts.cluster.validators) {
      const pubShare = pubShares[share - 1];
      if (pubShare === undefined) continue;
      for (const type of WITNESSED) {
        const highest = this.#highest.get(nameOf(pubShare, type));
        if (highest === undefined) continue;
        const statements = types.get(type) ?? [];
        types.set(type, statements);
        statements.push({ ...highest, validator: lockIndex });
      }
    }
    return [...types].map(([type, statements]) => ({ type, statements }));
  }

  async #check(data: UnsignedData, sources: WitnessSources): Promise<void> {
    const { duty } = data;
    const pending = this.#pending.get(dutyId(duty));
    const form = this.#formOf(duty.type);
    if (pending === undefined || form === null) return;
    // What arrives from here on is collected and checked anew.
    this.#pending.delete(dutyId(duty));
    const definitions = sources.scheduler.definitions(duty);
    const tasks = this.#parts.kindOf(duty).tasks(data, definitions, this.#parts.chain);
    const rootOf = new Map(tasks.map(({ validator, messageRoot }) => [validator, messageRoot]));
    const received = [...pending].flatMap(([share, partials]) =>
      [...partials.values()]
        .filter(({ validator, messageRoot }) => rootOf.get(validator) === messageRoot)
        .map((partial) => ({ ...partial, share })),
    );
    const valid = await sources.verifier.validWitnesses(received, tasksByValidator(tasks));
    const bytesOf = new Map(
      definitions.map((d) => [d.validator, form.signed(data, d, this.#parts.chain)]),
    );
    await this.#record(
      duty.type,
      valid.map(({ share, validator, signature }) => ({
        share,
        validator,
        signature,
        data: bytesOf.get(validator) ?? new Uint8Array(),
      })),
    );
  }

  /** One synced batch; only what is higher than what is kept. */
  async #record(
    type: DutyType,
    seen: readonly (WitnessStatement & { readonly share: ShareIndex })[],
  ): Promise<void> {
    const operations: StoreOperation[] = [];
    // Most of a slot's shares sign the same bytes: those are read once.
    let read: { readonly data: Uint8Array; readonly position: number | null } | null = null;
    for (const { share, ...statement } of seen) {
      const pubShare = this.#parts.cluster.validators[statement.validator]?.pubShares[share - 1];
      const { data } = statement;
      if (read === null || !equalBytes(read.data, data)) {
        read = { data, position: this.#positionOf(type, data) };
      }
      const { position } = read;
      if (pubShare === undefined || position === null) continue;
      const name = nameOf(pubShare, type);
      if (position <= (this.#highest.get(name)?.position ?? -1)) continue;
      // A copy: views of a frame would keep all of it in memory.
      const kept = { ...statement, signature: statement.signature.slice(), position };
      this.#highest.set(name, kept);
      operations.push({ type: "put", key: name, value: encode(name, kept) });
    }
    if (operations.length > 0) await this.#parts.store.batch(operations);
  }

  #load(key: string, value: Uint8Array): void {
    const [, pubShare, name] = KEY.exec(key) ?? [];
    const type = WITNESSED.find((one) => one === name);
    const statement = decode(key, value);
    const position =
      type === undefined || statement === null ? null : this.#positionOf(type, statement.data);
    if (pubShare === undefined || statement === null || position === null) {
      this.#parts.logger.warn("A witness record is damaged and is not used.", { key });
      return;
    }
    this.#highest.set(key, { ...statement, validator: 0, position });
  }

  /** Target epoch or slot; null when the bytes are no such message. */
  #positionOf(type: DutyType, data: Uint8Array): number | null {
    const message = this.#formOf(type)?.read(data, this.#parts.chain)?.slashing;
    if (message === undefined) return null;
    return message.kind === "block" ? message.slot : message.target;
  }

  #formOf(type: DutyType): CompactForm | null {
    return compactFormOf(this.#parts.kindOf({ type }));
  }

  #delayMs(): number {
    return (this.#parts.chain.spec.slotDurationMs * WITNESS_DELAY_BPS) / BASIS_POINTS;
  }

  #tellFault({ message }: Error): void {
    this.#parts.logger.warn("What peers signed could not be recorded as a witness.", {
      reason: message,
    });
  }
}

/** Kinds of duty whose messages can be slashed. */
const WITNESSED: readonly DutyType[] = ["attester", "proposer"];

function nameOf(pubShare: PubShare, type: DutyType): string {
  return `witness/${pubShare.slice(2)}/${type}`;
}

function encode(key: string, { data, signature }: WitnessStatement): Uint8Array {
  const body = concatBytes(data, signature);
  const checksum = Buffer.alloc(CRC_BYTES);
  checksum.writeUInt32BE(crc32(body, crc32(key)));
  return concatBytes(body, checksum);
}

function decode(key: string, value: Uint8Array): Omit<WitnessStatement, "validator"> | null {
  const at = value.length - CRC_BYTES;
  if (at <= SIGNATURE_BYTES) return null;
  const body = value.subarray(0, at);
  const expected = Buffer.from(value.subarray(at)).readUInt32BE(0);
  if (crc32(body, crc32(key)) !== expected) return null;
  return {
    data: body.slice(0, at - SIGNATURE_BYTES),
    signature: body.slice(at - SIGNATURE_BYTES),
  };
}
