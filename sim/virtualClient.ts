/**
 * A scripted validator client in the node's process: it learns its duties from the beacon node, and
 * calls the node's validator API as a real one calls the Beacon API, slot by slot, with the habits
 * that a fault gives it. It signs whatever the node hands it: what protects it is the node.
 */
import type { SigningTask } from "../src/domain/data.ts";
import type { Millis, Slot } from "../src/domain/units.ts";
import { attestationDataRoot } from "../src/eth2/attestationData.ts";
import type { SubmittedBlock } from "../src/eth2/blocks.ts";
import type { Chain } from "../src/eth2/chain.ts";
import {
  attesterDomain,
  computeSigningRoot,
  epochRoot,
  proposerDomain,
  randaoDomain,
} from "../src/eth2/signing.ts";
import type { AttestationData, SubmittedAttestation } from "../src/eth2/types.ts";
import type { Denial, ValidatorApi } from "../src/ports/validatorApi.ts";
import { assert } from "../src/util/assert.ts";
import type { BeaconView } from "./ground.ts";
import type { ClusterKeys } from "./keys.ts";
import { FIRST_INDEX } from "./ledger.ts";
import type { EventLoop } from "./loop.ts";
import type { Machine } from "./machine.ts";
import type { ClientFault } from "./scenario.ts";

type ClientOptions = {
  readonly loop: EventLoop;
  readonly chain: Chain;
  readonly keys: ClusterKeys;
  readonly machine: Machine;
  readonly view: BeaconView;
  readonly say: (message: string) => void;
  readonly onSigned: (tasks: readonly SigningTask[]) => void;
};

/** Pause before a request that was answered with 503 is sent again. */
const RETRY_MS: Millis = 300;
const MAX_TRIES = 3;
/** Of the slot: when clients ask for what they attest. */
const ATTEST_SHARE = 1 / 3;

export class VirtualClient {
  readonly #options: ClientOptions;
  readonly #faults = new Set<ClientFault>();
  /** Counts its lives: what an earlier one was doing is lost. */
  #life = 0;

  constructor(options: ClientOptions) {
    this.#options = options;
  }

  impose(fault: ClientFault): () => void {
    this.#faults.add(fault);
    if (fault.kind === "client-restarts") this.#life++;
    return () => {
      this.#faults.delete(fault);
    };
  }

  enterSlot(slot: Slot): void {
    const { loop, chain } = this.#options;
    if (this.#has("client-silent") || this.#has("client-restarts")) return;
    const lateMs = this.#each("client-late").reduce((sum, { byMs }) => sum + byMs, 0);
    const life = this.#life;
    const start = chain.slotStart(slot) + lateMs;
    loop.at(start, () => void this.#propose(slot, life));
    const attestAt = start + ATTEST_SHARE * chain.spec.slotDurationMs;
    loop.at(attestAt, () => void this.#attest(slot, life));
  }

  async #attest(slot: Slot, life: number): Promise<void> {
    const { keys, chain, view } = this.#options;
    const seats = new Set(view.seatedIn(slot));
    const seated = keys.shares(this.#options.machine.self).filter(({ validator }) => {
      return seats.has(validator);
    });
    if (seated.length === 0) return;
    const answer = await this.#ask(life, (api, signal) => api.attestationData(slot, 0, signal));
    if (answer === null) return;
    const data = this.#has("client-lies") ? twisted(answer) : answer;
    const root = attestationDataRoot(data);
    const signingRoot = computeSigningRoot(root, attesterDomain(chain, data.target.epoch));
    const slashing = {
      kind: "attestation" as const,
      source: data.source.epoch,
      target: data.target.epoch,
    };
    this.#options.onSigned(
      seated.map(({ validator }) => {
        const pubKey = this.#pubKeyOf(validator);
        return { validator, pubKey, messageRoot: root, signingRoot, slashing };
      }),
    );
    const attestations = seated.map(({ validator, secret }): SubmittedAttestation => {
      const signature = keys.scheme.sign(secret, signingRoot);
      return {
        data,
        seat: { kind: "validator", validatorIndex: FIRST_INDEX + validator },
        signature,
      };
    });
    await this.#submit(life, async (api, signal) => {
      const denials = await api.submitAttestations(attestations, signal);
      return denials.find((denial) => denial !== null) ?? null;
    });
  }

  async #propose(slot: Slot, life: number): Promise<void> {
    const { keys, chain, view, machine } = this.#options;
    const validator = view.proposerIn(slot);
    const share = keys.shares(machine.self).find((each) => each.validator === validator);
    if (validator === null || share === undefined) return;
    const epoch = chain.epochOf(slot);
    const revealRoot = computeSigningRoot(epochRoot(epoch), randaoDomain(chain, epoch));
    const reveal = keys.scheme.sign(share.secret, revealRoot);
    const proposal = await this.#ask(life, (api, signal) => api.proposal(slot, reveal, signal));
    if (proposal === null) return;
    const signingRoot = computeSigningRoot(proposal.root, proposerDomain(chain, epoch));
    const pubKey = this.#pubKeyOf(validator);
    const slashing = { kind: "block" as const, slot: proposal.slot };
    const { root: messageRoot, proposerIndex } = proposal;
    this.#options.onSigned([{ validator, pubKey, messageRoot, signingRoot, slashing }]);
    const signature = keys.scheme.sign(share.secret, signingRoot);
    const block: SubmittedBlock = { slot, proposerIndex, root: messageRoot, signature };
    await this.#submit(life, (api, signal) => api.submitBlock(block, signal));
  }

  /** Asks until there is an answer, as clients do that are told 503; null when there is none. */
  async #ask<T>(
    life: number,
    request: (
      api: ValidatorApi,
      signal: AbortSignal,
    ) => Promise<{ ok: true; value: T } | { ok: false; error: Denial }>,
  ): Promise<T | null> {
    for (let attempt = 1; attempt <= MAX_TRIES; attempt++) {
      const api = this.#api(life);
      if (api !== null) {
        const answer = await request(api, new AbortController().signal);
        if (answer.ok) return this.#life === life ? answer.value : null;
        this.#options.say(`was denied: ${answer.error.code}`);
      }
      await this.#pause();
    }
    return null;
  }

  async #submit(
    life: number,
    request: (api: ValidatorApi, signal: AbortSignal) => Promise<Denial | null>,
  ): Promise<void> {
    const again = this.#each("client-retries").reduce((sum, { times }) => sum + times, 0);
    for (let i = 0; i <= again; i++) {
      const api = this.#api(life);
      if (api === null) return;
      const denial = await request(api, new AbortController().signal);
      if (denial !== null) this.#options.say(`was denied: ${denial.code}`);
    }
  }

  #api(life: number): ValidatorApi | null {
    return this.#life === life ? (this.#options.machine.node?.validatorApi ?? null) : null;
  }

  #pause(): Promise<void> {
    const { loop } = this.#options;
    return new Promise((resolve) => loop.at(loop.now + RETRY_MS, resolve));
  }

  #pubKeyOf(validator: number): SigningTask["pubKey"] {
    const pubKey = this.#options.keys.cluster.validators[validator]?.pubKey;
    assert(pubKey !== undefined, "a share belongs to a validator of the lock");
    return pubKey;
  }

  #has(kind: ClientFault["kind"]): boolean {
    return this.#each(kind).length > 0;
  }

  #each<K extends ClientFault["kind"]>(kind: K): readonly (ClientFault & { kind: K })[] {
    const found: (ClientFault & { kind: K })[] = [];
    for (const fault of this.#faults) {
      if (fault.kind === kind) found.push(fault as ClientFault & { kind: K });
    }
    return found;
  }
}

/** The same vote for another head: what a client signs that was told otherwise by somebody else. */
function twisted(data: AttestationData): AttestationData {
  return { ...data, beaconBlockRoot: data.target.root };
}
