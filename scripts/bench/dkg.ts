/**
 * A ceremony in three parts. The cryptography, all operators in this process and nothing between
 * them: CPU time of one operator beside the sum of the primitives that the protocol cannot do
 * without, each measured in the same run. Then network and keystores (`dkgShell.ts`).
 */
import {
  aggregatePublicKeys,
  aggregateWithRandomness,
  PublicKey,
  SecretKey,
  Signature,
  verifyMultipleAggregateSignatures,
} from "@chainsafe/blst";
import { combineSignatures } from "../../src/crypto/threshold.ts";
import { assert } from "../../src/util/assert.ts";
import { CeremonyNetwork } from "../../test/support/ceremonyNetwork.ts";
import { benchKeystores, benchNetwork } from "./dkgShell.ts";
import type { BenchRow } from "./row.ts";
import { median } from "./statistics.ts";

type Size = { readonly nodes: number; readonly threshold: number; readonly validators: number };

const SIZES: readonly Size[] = [
  { nodes: 4, threshold: 3, validators: 1 },
  { nodes: 4, threshold: 3, validators: 100 },
  { nodes: 4, threshold: 3, validators: 1000 },
  { nodes: 7, threshold: 5, validators: 100 },
];
const MAX_RATIO = 2;
const MAX_MEGABYTES = 300;
/** A ceremony of one validator is fixed costs (identity keys, sealing), not curve arithmetic. */
const COMPARED_FROM = 100;
/** One deposit and one registration. */
const PRE_SIGNED = 2;
/** Digits of the weights of a batch of shares, each one addition. */
const WEIGHT_DIGITS = 34;
const BATCH = 256;
const ROUNDS = 5;

/** CPU milliseconds of one operation each. */
type Costs = Readonly<
  Record<
    "baseMultiply" | "sign" | "decodeKey" | "decodeSignature" | "verify" | "fold" | "add",
    number
  >
> & { readonly combine: (threshold: number) => number };

export async function benchDkg(progress: (text: string) => void): Promise<readonly BenchRow[]> {
  const rows: BenchRow[] = [];
  for (const size of SIZES) {
    const { nodes, threshold, validators } = size;
    const name = `ceremony crypto, ${validators} validators, ${threshold} of ${nodes}`;
    progress(name);
    const before = measureCosts();
    const memoryBefore = process.memoryUsage().rss;
    const { cpu, peak } = ceremony(size);
    const floor = (floorOf(size, before) + floorOf(size, measureCosts())) / 2;
    const value = cpu / nodes;
    const ratio = value / floor;
    rows.push(
      validators < COMPARED_FROM
        ? { name, value, unit: "ms CPU per node", floor, ratio }
        : {
            name,
            value,
            unit: "ms CPU per node",
            floor,
            ratio,
            limit: `at most ${MAX_RATIO}x the floor`,
            pass: ratio <= MAX_RATIO,
          },
    );
    const megabytes = Math.max(0, peak - memoryBefore) / nodes / 1e6;
    rows.push({
      name: `${name}: memory`,
      value: megabytes,
      unit: "MB per node",
      limit: `below ${MAX_MEGABYTES}`,
      pass: megabytes < MAX_MEGABYTES,
    });
    progress(`ceremony network, ${validators} validators`);
    rows.push(...(await benchNetwork(size, floor)));
  }
  progress("ceremony keystores");
  rows.push(await benchKeystores());
  return rows;
}

function ceremony(size: Size): { readonly cpu: number; readonly peak: number } {
  const network = new CeremonyNetwork(size);
  let peak = 0;
  const cpu = cpuOf(() => {
    network.start();
    network.run(() => {
      peak = Math.max(peak, process.memoryUsage().rss);
      return false;
    });
  });
  assert(
    network.operators.every(({ outcome }) => outcome !== null),
    "every operator finishes",
  );
  return { cpu, peak };
}

/** What one operator has to do at least, in the order of the phases. */
function floorOf({ nodes, threshold, validators }: Size, costs: Costs): number {
  const others = nodes - 1;
  const dealing = validators * (threshold * costs.baseMultiply + costs.sign);
  const dealings = others * validators * (threshold * costs.decodeKey + costs.verify);
  const shares = others * validators * threshold * WEIGHT_DIGITS * costs.add;
  // Sums over the dealers, then Horner's rule for every operator.
  const horner = (threshold - 1) * (nodes * (nodes + 3)) * costs.add;
  const keys = validators * (threshold * nodes * costs.add + horner + costs.baseMultiply);
  const roots = validators * PRE_SIGNED;
  const preSigned =
    roots * (costs.sign + nodes * costs.fold + costs.verify + costs.combine(threshold));
  const lock = validators * (costs.sign + nodes * costs.fold);
  const tests = validators * nodes * costs.decodeSignature;
  // The finished file by the verifier of such files: every key, every signature.
  const file =
    roots * costs.verify +
    validators * nodes * (2 * costs.decodeKey + costs.decodeSignature) +
    validators * threshold * costs.add;
  return dealing + dealings + shares + keys + preSigned + lock + tests + file;
}

function measureCosts(): Costs {
  const keys = Array.from({ length: BATCH }, (_, i) =>
    SecretKey.fromKeygen(new Uint8Array(32).fill(i)),
  );
  const publicKeys = keys.map((key) => key.toPublicKey());
  const message = new Uint8Array(32).fill(3);
  const messages = keys.map((_, i) => new Uint8Array(104).fill(i));
  const same = keys.map((key) => key.sign(message));
  const sets = keys.map((key, i) => {
    const msg = messages[i] ?? message;
    return { msg, pk: key.toPublicKey(), sig: key.sign(msg) };
  });
  const encodedKeys = publicKeys.map((key) => key.toBytes());
  const encoded = same.map((signature) => signature.toBytes());
  const pairs = publicKeys.map((pk, i) => ({ pk, sig: encoded[i] ?? new Uint8Array() }));
  const each = (work: () => unknown): number =>
    median(Array.from({ length: ROUNDS }, () => cpuOf(work))) / BATCH;
  const combine = (threshold: number): number =>
    each(() => {
      for (let i = 0; i < BATCH; i++) {
        combineSignatures(
          Array.from({ length: threshold }, (_, j) => ({
            index: j + 1,
            signature: encoded[(i + j) % BATCH] ?? new Uint8Array(),
          })),
        );
      }
    });
  return {
    baseMultiply: each(() => keys.map((key) => key.toPublicKey().toBytes())),
    sign: each(() => keys.map((key) => key.sign(message).toBytes())),
    decodeKey: each(() => encodedKeys.map((bytes) => PublicKey.fromBytes(bytes, true))),
    decodeSignature: each(() => encoded.map((bytes) => Signature.fromBytes(bytes, true, true))),
    verify: each(() => verifyMultipleAggregateSignatures(sets, false, true)),
    fold: each(() => aggregateWithRandomness(pairs)),
    add: each(() => aggregatePublicKeys(publicKeys, false)),
    combine,
  };
}

function cpuOf(work: () => unknown): number {
  const before = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}
