/**
 * An operator of real `coterie dkg` processes who keeps to no rule: libp2p and the product's lobby,
 * behind them whatever a test wants said.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { TestContext } from "node:test";
import type { PreparedCeremony } from "../../scripts/demo/ceremony.ts";
import { rogueNetwork } from "../../sim/ceremony/rogueNetwork.ts";
import { type Misdeeds, RogueOperator } from "../../sim/ceremony/rogueOperator.ts";
import { createLibp2pNetwork } from "../../src/adapters/p2p/libp2pNetwork.ts";
import { ceremonyScope } from "../../src/adapters/p2p/scope.ts";
import { systemClock } from "../../src/adapters/system/clock.ts";
import { systemRandom } from "../../src/adapters/system/random.ts";
import { type ClusterDefinition, parseDefinition } from "../../src/cluster/definition.ts";
import { createIdentity } from "../../src/crypto/identity.ts";
import { k1PublicKey } from "../../src/crypto/k1.ts";
import { type CeremonyFacts, ceremonyFacts } from "../../src/dkg/facts.ts";
import { runCeremony } from "../../src/dkg/runner.ts";
import { assert } from "../../src/util/assert.ts";
import { operatorKey } from "./ceremonyOperators.ts";
import { MemoryDisk } from "./ceremonyTable.ts";
import { countingMetrics, recordingLogger } from "./quiet.ts";

const PHASE_MS = 600_000;

/** Takes operator `self`'s seat until the test ends. */
export async function seatRogue(
  t: TestContext,
  ceremony: PreparedCeremony,
  rogue: { readonly self: number; readonly misdeeds: Misdeeds },
): Promise<void> {
  const { self, misdeeds } = rogue;
  const definition = definitionIn(ceremony.dataDirs[self] ?? "");
  const secretKey = operatorKey(self);
  const publicKeys = ceremony.dataDirs.map((_, node) => k1PublicKey(operatorKey(node)));
  const at = (node: number): string => `/ip4/127.0.0.1/tcp/${ceremony.ports[node]}`;
  const p2p = await createLibp2pNetwork({
    secretKey,
    self,
    peers: publicKeys.flatMap((publicKey, index) =>
      index === self ? [] : [{ index, publicKey, addresses: [at(index)] }],
    ),
    listen: [at(self)],
    scope: ceremonyScope(factsOf(definition, 1).definitionHash),
    validateGossip: () => "ignore",
    clock: systemClock,
    logger: recordingLogger(),
    metrics: countingMetrics(),
  });
  await p2p.start();
  const identity = createIdentity({ secretKey, operators: publicKeys });
  assert(identity !== null, "the operator is one of the definition's");
  const leaving = new AbortController();
  const network = rogueNetwork(p2p.network, publicKeys.length, (attempt) => {
    const facts = factsOf(definition, attempt);
    return new RogueOperator({ facts, self, secretKey, seed: systemRandom.bytes(32) }, misdeeds);
  });
  const over = runCeremony(
    {
      definition,
      self,
      version: "rogue",
      maxAttempt: 3,
      phaseTimeoutMs: () => PHASE_MS,
      lingerMs: PHASE_MS,
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
    leaving.signal,
  ).catch((error: unknown) => {
    if (error !== leaving.signal.reason) throw error;
  });
  t.after(async () => {
    leaving.abort(new Error("the test is over"));
    await over;
    await p2p.stop();
  });
}

function definitionIn(dataDir: string): ClusterDefinition {
  const text = readFileSync(join(dataDir, "cluster-definition.json"), "utf8");
  const definition = parseDefinition(text);
  assert(definition.ok, "the definition was accepted");
  return definition.value;
}

function factsOf(definition: ClusterDefinition, attempt: number): CeremonyFacts {
  const facts = ceremonyFacts(definition, attempt);
  assert(facts.ok, "the definition is one of a ceremony");
  return facts.value;
}
