/**
 * What a ceremony costs beside its cryptography: the keystores of one operator, written, synced and
 * read back, and the way over real libp2p, all operators in this process.
 */
import { pbkdf2 } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { createLibp2pNetwork, type Libp2pNetwork } from "../../src/adapters/p2p/libp2pNetwork.ts";
import { ceremonyScope } from "../../src/adapters/p2p/scope.ts";
import { systemClock } from "../../src/adapters/system/clock.ts";
import { createLogger } from "../../src/adapters/system/logger.ts";
import { createMetrics } from "../../src/adapters/system/metrics.ts";
import { systemRandom } from "../../src/adapters/system/random.ts";
import { openCeremonyDisk } from "../../src/cli/dkg/ceremonyDisk.ts";
import { createIdentity } from "../../src/crypto/identity.ts";
import { k1PublicKey } from "../../src/crypto/k1.ts";
import { runCeremony } from "../../src/dkg/runner.ts";
import { rootOf } from "../../src/domain/keys.ts";
import type { CeremonyChannel, Network } from "../../src/ports/network.ts";
import { assert } from "../../src/util/assert.ts";
import { fromHex } from "../../src/util/bytes.ts";
import { definitionFor, MemoryDisk } from "../../test/support/ceremonyTable.ts";
import { freePorts } from "../demo/cluster.ts";
import type { CeremonySize } from "./dkgFloor.ts";
import type { BenchRow } from "./row.ts";

/** The usual cost of a keystore's password, once to write it and once to read it back. */
const ITERATIONS = 262_144;
const DERIVATIONS_PER_KEYSTORE = 2;
const SAMPLES = 8;
const KEYSTORES = 100;
const MAX_RATIO = 2;

const derive = promisify(pbkdf2);

/** Wall time of storing one operator's keystores, beside its key derivations on all cores. */
export async function benchKeystores(): Promise<BenchRow> {
  const dataDir = mkdtempSync(join(tmpdir(), "coterie-bench-"));
  try {
    const disk = await openCeremonyDisk({
      dataDir,
      definitionHash: rootOf(new Uint8Array(32)),
      secretKey: new Uint8Array(32).fill(1),
      kdf: "pbkdf2",
    });
    await disk.open(1);
    const secrets = Array.from({ length: KEYSTORES }, (_, i) => {
      const secret = new Uint8Array(32).fill(1);
      secret[31] = i;
      return secret;
    });
    const before = await derivationMs();
    const startedAt = performance.now();
    await disk.storeShares({ secrets, groupKeys: [], pubShares: [] });
    const value = performance.now() - startedAt;
    const each = (before + (await derivationMs())) / 2;
    const floor = DERIVATIONS_PER_KEYSTORE * KEYSTORES * each;
    const ratio = value / floor;
    return {
      name: `ceremony keystores, ${KEYSTORES} of one operator, pbkdf2, written and read back`,
      value,
      unit: "ms",
      floor,
      ratio,
      limit: `at most ${MAX_RATIO}x the floor`,
      pass: ratio <= MAX_RATIO,
    };
  } finally {
    rmSync(dataDir, { recursive: true });
  }
}

/** Of one password where all cores work at it, in milliseconds. */
async function derivationMs(): Promise<number> {
  const count = SAMPLES * availableParallelism();
  const startedAt = performance.now();
  await Promise.all(
    Array.from({ length: count }, (_, i) => derive(`p${i}`, "salt", ITERATIONS, 32, "sha256")),
  );
  return (performance.now() - startedAt) / count;
}

export type SentFrame = { readonly from: number; readonly to: number; readonly frame: Uint8Array };

/**
 * CPU time and bytes of a whole ceremony over libp2p on loopback, without keystores; beside it the
 * crypto's floor and what the same connections take for the frames that have to be sent.
 */
export async function benchNetwork(
  size: CeremonySize,
  floors: { readonly crypto: number; readonly frames: readonly SentFrame[] },
): Promise<readonly BenchRow[]> {
  const { nodes, validators, threshold } = size;
  const transport = await transportCost(size, floors.frames);
  const { keys, definition, networks } = await networksOf(size);
  const { cpu } = await cpuWhile(async () => {
    const ends = await Promise.all(
      networks.map(({ network }, self) => {
        const secretKey = keys[self] ?? new Uint8Array();
        const identity = createIdentity({ secretKey, operators: keys.map(k1PublicKey) });
        assert(identity !== null, "each operator has its key");
        return runCeremony(
          {
            definition,
            self,
            version: "bench",
            maxAttempt: 1,
            phaseTimeoutMs: () => 600_000,
            lingerMs: 60_000,
            contractWallets: new Set(),
          },
          {
            clock: systemClock,
            random: systemRandom,
            identity,
            network,
            storage: new MemoryDisk(),
            report: () => undefined,
          },
          new AbortController().signal,
        );
      }),
    );
    assert(
      ends.every(({ kind }) => kind === "finished"),
      "every operator finishes",
    );
  });
  const bytes = sentBy(networks);
  await Promise.all(networks.map((each) => each.stop()));
  const value = cpu / nodes;
  const floor = floors.crypto + transport.cpu / nodes;
  const ratio = value / floor;
  const name = `ceremony network, ${validators} validators, ${threshold} of ${nodes}`;
  return [
    {
      name: `${name}: with the crypto`,
      value,
      unit: "ms CPU per node",
      floor,
      ratio,
      limit: `at most ${MAX_RATIO}x the floor`,
      pass: ratio <= MAX_RATIO,
    },
    {
      name: `${name}: sent`,
      value: bytes / nodes / 1e3,
      unit: "kB per node",
      floor: transport.bytes / nodes / 1e3,
      ratio: bytes / transport.bytes,
    },
  ];
}

/** Connecting, and these frames once. */
async function transportCost(size: CeremonySize, frames: readonly SentFrame[]) {
  const { networks } = await networksOf(size);
  let arrived = 0;
  const allArrived = Promise.withResolvers<void>();
  for (const { network } of networks) {
    network.onFrame("ceremony", () => {
      if (++arrived === frames.length) allArrived.resolve();
    });
  }
  const { cpu } = await cpuWhile(async () => {
    await Promise.all(networks.map(({ network }, self) => allConnected(network, self, size.nodes)));
    for (const { from, to, frame } of frames) networks[from]?.network.send(to, "ceremony", frame);
    await allArrived.promise;
  });
  const bytes = sentBy(networks);
  await Promise.all(networks.map((each) => each.stop()));
  return { cpu, bytes };
}

function allConnected(network: Network<CeremonyChannel>, self: number, nodes: number) {
  const isConnected = (): boolean =>
    Array.from({ length: nodes }, (_, peer) => peer).every(
      (peer) => peer === self || network.path(peer) !== "none",
    );
  return new Promise<void>((resolve) => {
    const look = (): void => {
      if (isConnected()) resolve();
    };
    network.onPath(look);
    look();
  });
}

async function networksOf({ nodes, threshold, validators }: CeremonySize) {
  const keys = Array.from({ length: nodes }, (_, i) => new Uint8Array(32).fill(i + 1));
  const definition = definitionFor(keys, { threshold, validators });
  const ports = await freePorts(nodes);
  const networks = await Promise.all(
    keys.map((_, self) => networkOf(self, { keys, ports, hash: definition.definition_hash })),
  );
  return { keys, definition, networks };
}

function sentBy(networks: readonly Libp2pNetwork<CeremonyChannel>[]): number {
  return networks.reduce((sum, { traffic }) => sum + traffic.total("out").bytes, 0);
}

async function cpuWhile(work: () => Promise<void>): Promise<{ readonly cpu: number }> {
  const before = process.cpuUsage();
  await work();
  const { user, system } = process.cpuUsage(before);
  return { cpu: (user + system) / 1_000 };
}

async function networkOf(
  self: number,
  shared: {
    readonly keys: readonly Uint8Array[];
    readonly ports: readonly number[];
    readonly hash: string;
  },
) {
  const { keys, ports, hash } = shared;
  const at = (port: number | undefined): string => `/ip4/127.0.0.1/tcp/${port}`;
  const network = await createLibp2pNetwork({
    secretKey: keys[self] ?? new Uint8Array(),
    self,
    peers: keys.flatMap((key, index) =>
      index === self ? [] : [{ index, publicKey: k1PublicKey(key), addresses: [at(ports[index])] }],
    ),
    listen: [at(ports[self])],
    scope: ceremonyScope(rootOf(fromHex(hash) ?? new Uint8Array())),
    validateGossip: () => "ignore",
    clock: systemClock,
    logger: createLogger({ level: "error", format: "json" }),
    metrics: createMetrics({}),
  });
  await network.start();
  return network;
}
