/**
 * A validator client for tests and the demo. It holds one operator's key shares and behaves as the
 * clients that operators run: it polls duties once per epoch or once per slot, attests at the head
 * event or at a third of the slot, retries what was not taken, and speaks JSON or SSZ.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { BeaconConfig } from "@lodestar/config";
import * as params from "@lodestar/params";
import { type phase0, ssz } from "@lodestar/types";
import { toHex } from "../../../src/util/bytes.ts";
import {
  type ApiAnswer,
  BeaconApi,
  dataOf,
  isSsz,
  memberOf,
  type WireFormat,
} from "./beaconApi.ts";
import { signBlock } from "./signedBlock.ts";
import { attestationRoot, blockRoot, configOf, KeyShare, randaoRoot } from "./signing.ts";

export interface VcHabits {
  readonly format: WireFormat;
  readonly dutiesPer: "epoch" | "slot";
  /** A third of the slot at the latest, in both cases. */
  readonly attestsAt: "head" | "third";
}

/** Habits of the five clients, as far as they differ towards a beacon node. */
export const CLIENT_HABITS = {
  lighthouse: { format: "ssz", dutiesPer: "slot", attestsAt: "head" },
  lodestar: { format: "ssz", dutiesPer: "slot", attestsAt: "head" },
  nimbus: { format: "ssz", dutiesPer: "epoch", attestsAt: "head" },
  prysm: { format: "json", dutiesPer: "epoch", attestsAt: "third" },
  teku: { format: "json", dutiesPer: "epoch", attestsAt: "head" },
} as const satisfies Record<string, VcHabits>;

export interface VcOptions extends VcHabits {
  readonly url: string;
  /** 32 bytes each. */
  readonly secrets: readonly Uint8Array[];
  readonly slotMs: number;
  readonly token?: string;
}

export interface VcEvent {
  readonly what: "attestation_data" | "attestations" | "block" | "signed_block";
  readonly slot: number;
  readonly status: number;
  /** Body of an answer that is no success. */
  readonly message: string;
}

interface AttesterDuty {
  readonly share: KeyShare;
  readonly slot: number;
  readonly validatorIndex: number;
  readonly committeeIndex: number;
  readonly committeeLength: number;
  readonly position: number;
}
interface ProposerDuty {
  readonly share: KeyShare;
  readonly slot: number;
}

const ATTEMPTS = 3;
const RETRY_MS = 100;
/** As the most impatient client: a quarter of a slot. */
const PATIENCE = 1 / 4;
const ATTEST_AT = 1 / 3;

export class ScriptedVc {
  readonly events: VcEvent[] = [];
  readonly #options: VcOptions;
  readonly #api: BeaconApi;
  readonly #stopping = new AbortController();
  readonly #shares: ReadonlyMap<string, KeyShare>;
  readonly #attesters = new Map<number, readonly AttesterDuty[]>();
  readonly #proposers = new Map<number, readonly ProposerDuty[]>();
  readonly #heads = new Set<number>();
  #config: BeaconConfig | null = null;
  #genesisMs = 0;
  #running: Promise<void> = Promise.resolve();

  constructor(options: VcOptions) {
    this.#options = options;
    const { url, format, token = null } = options;
    this.#api = new BeaconApi({ url, format, token });
    const shares = options.secrets.map((secret) => new KeyShare(secret));
    this.#shares = new Map(shares.map((share) => [share.publicKey, share]));
  }

  /** Lives by the wall clock from now on. */
  start(): void {
    this.#running = this.#run().catch((error: unknown) => {
      if (!this.#stopping.signal.aborted) throw error;
    });
  }

  /** Learns the chain; for who drives the client step by step instead of starting it. */
  async connect(): Promise<void> {
    const { signal } = this.#stopping;
    const genesis = await this.#api.awaitJson("/eth/v1/beacon/genesis", {}, signal);
    const spec = await this.#api.awaitJson("/eth/v1/config/spec", {}, signal);
    this.#config = configOf(memberOf(spec, "data"), memberOf(genesis, "data"));
    this.#genesisMs = 1_000 * Number(memberOf(memberOf(genesis, "data"), "genesis_time"));
  }

  /** Resolves once nothing of it runs any more; throws what broke it. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
  }

  /** One whole attestation duty of a slot; a test may ask for it twice. */
  async attest(slot: number): Promise<void> {
    const duties = (this.#attesters.get(this.#epochOf(slot)) ?? []).filter(
      (duty) => duty.slot === slot,
    );
    const [first] = duties;
    if (first === undefined) return;
    const { signal } = this.#stopping;
    const path = `/eth/v1/validator/attestation_data?slot=${slot}&committee_index=0`;
    const answer = await this.#retry("attestation_data", slot, () =>
      this.#api.call(path, { timeoutMs: this.#options.slotMs * PATIENCE }, signal),
    );
    if (answer?.status !== 200) return;
    const data = isSsz(answer)
      ? ssz.phase0.AttestationData.deserialize(answer.bytes)
      : ssz.phase0.AttestationData.fromJson(dataOf(answer));
    await this.#submit(slot, duties, data);
  }

  /** One whole proposal. */
  async propose(slot: number): Promise<void> {
    const duty = this.#proposers.get(this.#epochOf(slot))?.find((each) => each.slot === slot);
    if (duty === undefined) return;
    const { share } = duty;
    const reveal = toHex(share.sign(randaoRoot(this.config, slot)));
    const path = `/eth/v3/validator/blocks/${slot}?randao_reveal=${reveal}`;
    const { signal } = this.#stopping;
    const answer = await this.#retry("block", slot, () =>
      this.#api.call(path, { timeoutMs: this.#options.slotMs * PATIENCE }, signal),
    );
    if (answer?.status !== 200) return;
    const version = answer.headers.get("eth-consensus-version") ?? "";
    const signed = signBlock(answer, (root) => share.sign(blockRoot(this.config, slot, root)));
    const body = this.#options.format === "ssz" ? signed.ssz() : signed.json();
    await this.#retry("signed_block", slot, () =>
      this.#api.call(
        signed.isBlinded ? "/eth/v2/beacon/blinded_blocks" : "/eth/v2/beacon/blocks",
        { body, headers: { "eth-consensus-version": version } },
        signal,
      ),
    );
  }

  get config(): BeaconConfig {
    if (this.#config === null) throw new Error("the client has not started");
    return this.#config;
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping;
    await this.connect();
    void this.#followHeads();
    const { slotMs } = this.#options;
    // Nobody proposes the genesis block.
    for (let slot = Math.max(1, this.#slotAt(Date.now())); !signal.aborted; slot++) {
      await this.#sleepUntil(this.#genesisMs + slot * slotMs);
      await this.pollDuties(slot);
      void this.propose(slot).catch(ignoreAbort(signal));
      void this.#attestInTime(slot).catch(ignoreAbort(signal));
      // After a long stall the slots that are over are over.
      slot = Math.max(slot, this.#slotAt(Date.now()));
    }
  }

  async #followHeads(): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      try {
        for await (const event of this.#api.events("head", signal)) {
          this.#heads.add(Number(memberOf(event, "slot")));
        }
        await sleep(RETRY_MS, undefined, { signal });
      } catch (error) {
        // The node went away, or this client did: either way it asks again until it is stopped.
        if (!(error instanceof Error)) throw error;
        await sleep(RETRY_MS);
      }
    }
  }

  async #attestInTime(slot: number): Promise<void> {
    const { slotMs, attestsAt } = this.#options;
    const due = this.#genesisMs + slot * slotMs + slotMs * ATTEST_AT;
    while (Date.now() < due && !(attestsAt === "head" && this.#heads.has(slot))) {
      await sleep(Math.max(1, Math.min(10, due - Date.now())), undefined, {
        signal: this.#stopping.signal,
      });
    }
    await this.attest(slot);
  }

  /** As often as the client's habit is: called at the start of each slot. */
  async pollDuties(slot: number): Promise<void> {
    const epoch = this.#epochOf(slot);
    const isFirst = slot % params.SLOTS_PER_EPOCH === 0 || !this.#attesters.has(epoch);
    if (this.#options.dutiesPer === "epoch" && !isFirst) return;
    try {
      await this.#pollEpoch(epoch);
      if (isFirst) await this.#pollEpoch(epoch + 1);
    } catch (error) {
      // The duties that are known stand; the next slot asks again.
      if (this.#stopping.signal.aborted) throw error;
    }
  }

  async #pollEpoch(epoch: number): Promise<void> {
    const { signal } = this.#stopping;
    const ids = [...this.#shares.keys()];
    const validators = await this.#api.call(
      "/eth/v1/beacon/states/head/validators",
      { body: { ids } },
      signal,
    );
    const indices = listOf(validators).map((each) => String(memberOf(each, "index")));
    const attesters = await this.#api.call(
      `/eth/v1/validator/duties/attester/${epoch}`,
      { body: indices },
      signal,
    );
    if (attesters.status === 200) {
      this.#attesters.set(
        epoch,
        listOf(attesters).flatMap((each) => {
          const share = this.#shares.get(String(memberOf(each, "pubkey")));
          const number = (name: string): number => Number(memberOf(each, name));
          if (share === undefined) return [];
          return [
            {
              share,
              slot: number("slot"),
              validatorIndex: number("validator_index"),
              committeeIndex: number("committee_index"),
              committeeLength: number("committee_length"),
              position: number("validator_committee_index"),
            },
          ];
        }),
      );
    }
    const proposers = await this.#api.call(
      `/eth/v1/validator/duties/proposer/${epoch}`,
      {},
      signal,
    );
    if (proposers.status !== 200) return;
    this.#proposers.set(
      epoch,
      listOf(proposers).flatMap((each) => {
        const share = this.#shares.get(String(memberOf(each, "pubkey")));
        return share === undefined ? [] : [{ share, slot: Number(memberOf(each, "slot")) }];
      }),
    );
  }

  async #submit(
    slot: number,
    duties: readonly AttesterDuty[],
    data: phase0.AttestationData,
  ): Promise<void> {
    const signed = duties.map(({ share, committeeIndex, validatorIndex }) => ({
      committeeIndex,
      attesterIndex: validatorIndex,
      data,
      signature: share.sign(attestationRoot(this.config, data)),
    }));
    const version = this.config.getForkName(slot);
    const body =
      this.#options.format === "ssz"
        ? concat(signed.map((each) => ssz.electra.SingleAttestation.serialize(each)))
        : signed.map((each) => ssz.electra.SingleAttestation.toJson(each));
    await this.#retry("attestations", slot, () =>
      this.#api.call(
        "/eth/v2/beacon/pool/attestations",
        { body, headers: { "eth-consensus-version": version } },
        this.#stopping.signal,
      ),
    );
  }

  /** The last answer, after up to three attempts; null when there was none at all. */
  async #retry(
    what: VcEvent["what"],
    slot: number,
    call: () => Promise<ApiAnswer>,
  ): Promise<ApiAnswer | null> {
    for (let attempt = 1; ; attempt++) {
      const answer = await this.#try(what, slot, call);
      if (answer?.status === 200 || attempt === ATTEMPTS) return answer;
      await sleep(RETRY_MS, undefined, { signal: this.#stopping.signal });
    }
  }

  async #try(
    what: VcEvent["what"],
    slot: number,
    call: () => Promise<ApiAnswer>,
  ): Promise<ApiAnswer | null> {
    try {
      const answer = await call();
      const { status, bytes } = answer;
      const message = status === 200 ? "" : Buffer.from(bytes).toString("utf8");
      this.events.push({ what, slot, status, message });
      return answer;
    } catch (error) {
      if (this.#stopping.signal.aborted) throw error;
      this.events.push({ what, slot, status: 0, message: String(error) });
      return null;
    }
  }

  #epochOf(slot: number): number {
    return Math.floor(slot / params.SLOTS_PER_EPOCH);
  }

  #slotAt(ms: number): number {
    return Math.floor((ms - this.#genesisMs) / this.#options.slotMs);
  }

  async #sleepUntil(ms: number): Promise<void> {
    const delayMs = Math.max(0, ms - Date.now());
    await sleep(delayMs, undefined, { signal: this.#stopping.signal });
  }
}

function ignoreAbort(signal: AbortSignal): (error: unknown) => void {
  return (error) => {
    if (!signal.aborted) throw error;
  };
}

function concat(parts: readonly Uint8Array[]): Uint8Array {
  return Buffer.concat(parts);
}

function listOf(answer: ApiAnswer): readonly unknown[] {
  const data = answer.status === 200 ? dataOf(answer) : [];
  return Array.isArray(data) ? data : [];
}
