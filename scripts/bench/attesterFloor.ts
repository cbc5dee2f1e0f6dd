/**
 * The least that an attester duty can cost on this machine: the bare operations that no node can do
 * without, measured one by one while the cluster under test is idle between two duties.
 */
import { rmSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { openLevel } from "../../src/adapters/storage/level.ts";
import { systemRandom } from "../../src/adapters/system/random.ts";
import { createBatchVerifier } from "../../src/crypto/bls.ts";
import { generateK1SecretKey, k1PublicKey, k1Sign, k1Verify } from "../../src/crypto/k1.ts";
import { parseSecretKey, type SigningKey } from "../../src/crypto/points.ts";
import { randomScalar, scalarBytes } from "../../src/crypto/shamir.ts";
import { combineSignatures, splitSecret } from "../../src/crypto/threshold.ts";
import { pubKeyOf, rootOf } from "../../src/domain/keys.ts";
import type { SignatureCheck, SignatureShare } from "../../src/ports/bls.ts";
import type { KeyValueStore } from "../../src/ports/keyValueStore.ts";
import { assert } from "../../src/util/assert.ts";
import { Hops } from "./hops.ts";
import { median } from "./statistics.ts";

/** Wall and CPU time of one operation in milliseconds; CPU of all threads, both ends of a hop. */
export type Cost = { readonly wallMs: number; readonly cpuMs: number };

export const OPERATIONS = [
  "verification",
  "signature",
  "hop",
  "syncedBatch",
  "shareSignature",
  "combine",
  "batchVerification",
] as const;
export type Operation = (typeof OPERATIONS)[number];

export type Floor = {
  readonly floorMs: number;
  /** One node's operations after each other. */
  readonly criticalPathMs: number;
  /** All nodes' operations on this machine's cores, none of them ever idle. */
  readonly cpuBoundMs: number;
  readonly costs: Readonly<Record<Operation, Cost>>;
};

type FloorOptions = {
  readonly directory: string;
  readonly nodes: number;
  readonly threshold: number;
  /** Validators per slot, rounded up. */
  readonly validators: number;
};

const ROUND_TRIPS_PER_SAMPLE = 16;
const RECORD_BYTES = 9;

export class FloorProbe {
  readonly #options: FloorOptions;
  readonly #hops: Hops;
  readonly #store: KeyValueStore;
  /** Remembers keys, as a node does, but no signature: those of a duty are new. */
  readonly #verifyBatch = createBatchVerifier();
  readonly #identity = generateK1SecretKey(systemRandom);
  readonly #validators: readonly ProbeValidator[];
  readonly #root = systemRandom.bytes(32);
  readonly #samples = new Map<Operation, Cost[]>();
  #batches = 0;

  private constructor(options: FloorOptions, hops: Hops, store: KeyValueStore) {
    this.#options = options;
    this.#hops = hops;
    this.#store = store;
    this.#validators = Array.from({ length: options.validators }, (_, index) =>
      createValidator(options, { root: this.#root, left: index % options.nodes }),
    );
  }

  static async start(options: FloorOptions): Promise<FloorProbe> {
    return new FloorProbe(
      options,
      await Hops.start(),
      await openLevel(join(options.directory, "floor")),
    );
  }

  /** Measures every operation once, 20 to 30 ms in all. */
  async sample(): Promise<void> {
    const { nodes } = this.#options;
    const digest = systemRandom.bytes(32);
    const publicKey = k1PublicKey(this.#identity);
    const signature = k1Sign(digest, this.#identity);
    await this.#measure("verification", verificationsOf(nodes), () => {
      assert(k1Verify({ publicKey, digest, signature }), "the floor's signature verifies");
    });
    await this.#measure("signature", SIGNATURES, () => k1Sign(digest, this.#identity));
    await this.#measure("hop", ROUND_TRIPS_PER_SAMPLE, () => this.#hops.roundTrip());
    await this.#measure("syncedBatch", SYNCED_BATCHES, () => this.#writeRecords());
    await this.#measure("shareSignature", 1, () => {
      for (const { share } of this.#validators) share.sign(this.#root);
    });
    await this.#measure("combine", 1, () => {
      for (const { shares } of this.#validators) combineSignatures(shares);
    });
    await this.#measure("batchVerification", 1, () => {
      const isValid = this.#verifyBatch(this.#validators.map(({ check }) => check));
      assert(isValid, "the floor's batch verifies");
    });
  }

  /** From the medians of all samples; the per-validator costs are those of one slot together. */
  floor(): Floor {
    const costs = Object.fromEntries(
      OPERATIONS.map((operation) => [operation, this.#cost(operation)]),
    ) as Record<Operation, Cost>;
    const { nodes } = this.#options;
    const counts: Readonly<Record<Operation, number>> = {
      verification: verificationsOf(nodes),
      signature: SIGNATURES,
      hop: HOPS,
      syncedBatch: SYNCED_BATCHES,
      shareSignature: 1,
      combine: 1,
      batchVerification: 1,
    };
    const total = (kind: keyof Cost): number =>
      OPERATIONS.reduce((sum, name) => sum + counts[name] * costs[name][kind], 0);
    const criticalPathMs = total("wallMs");
    const cpuBoundMs = (nodes * total("cpuMs")) / availableParallelism();
    const floorMs = Math.max(criticalPathMs, cpuBoundMs);
    return { floorMs, criticalPathMs, cpuBoundMs, costs };
  }

  async stop(): Promise<void> {
    await this.#hops.stop();
    await this.#store.close();
    rmSync(join(this.#options.directory, "floor"), { recursive: true });
  }

  /** One record per validator, as wide as the slashing store's. */
  #writeRecords(): Promise<void> {
    const batch = this.#batches++;
    return this.#store.batch(
      this.#validators.map(({ check }) => ({
        type: "put",
        key: `slashing/${check.publicKey.slice(2)}/attestation/${batch}/${check.signingRoot}`,
        value: new Uint8Array(RECORD_BYTES),
      })),
    );
  }

  #cost(operation: Operation): Cost {
    const samples = this.#samples.get(operation) ?? [];
    return {
      wallMs: median(samples.map(({ wallMs }) => wallMs)),
      cpuMs: median(samples.map(({ cpuMs }) => cpuMs)),
    };
  }

  async #measure(operation: Operation, times: number, work: () => unknown): Promise<void> {
    const cpuBefore = process.cpuUsage();
    const startedAt = performance.now();
    for (let i = 0; i < times; i++) await work();
    const elapsedMs = performance.now() - startedAt;
    const { user, system } = process.cpuUsage(cpuBefore);
    // A round trip is two hops of wall time; this end sees half of the CPU time of both.
    const hopsPerRoundTrip = operation === "hop" ? 2 : 1;
    const cost = {
      wallMs: elapsedMs / times / hopsPerRoundTrip,
      cpuMs: (user + system) / 1_000 / times,
    };
    this.#samples.set(operation, [...(this.#samples.get(operation) ?? []), cost]);
  }
}

const SIGNATURES = 3;
const HOPS = 4;
const SYNCED_BATCHES = 2;

/** The proposal, and a PREPARE and a COMMIT of every peer. */
function verificationsOf(nodes: number): number {
  return 1 + 2 * (nodes - 1);
}

type ProbeValidator = {
  readonly share: SigningKey;
  readonly shares: readonly SignatureShare[];
  readonly check: SignatureCheck;
};

/** A validator with the signatures of all shares but one (`left`), so that all mixes occur. */
function createValidator(
  { nodes, threshold }: FloorOptions,
  { root, left }: { readonly root: Uint8Array; readonly left: number },
): ProbeValidator {
  const secret = scalarBytes(randomScalar(systemRandom));
  const split = splitSecret({ secret, threshold, shares: nodes, random: systemRandom });
  const keys = (split ?? []).map(({ index, secret }) => ({ index, key: parseSecretKey(secret) }));
  const shares = keys
    .filter((_, position) => position !== left)
    .slice(0, threshold)
    .map(({ index, key }) => ({ index, signature: key?.sign(root) ?? new Uint8Array() }));
  const group = parseSecretKey(secret);
  const share = keys[0]?.key;
  assert(group !== null && share !== null && share !== undefined, "a random scalar is a key");
  const publicKey = pubKeyOf(group.publicKey);
  const check = { publicKey, signingRoot: rootOf(root), signature: group.sign(root) };
  return { share, shares, check };
}
