/** Key ceremonies in virtual time: the product's runner and machine over bad networks and disks. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { CeremonyWorld } from "../../../sim/ceremony/ceremonyWorld.ts";
import type { Misdeeds } from "../../../sim/ceremony/rogueOperator.ts";
import { DkgChecker } from "../../../sim/checkers/dkg.ts";
import { encodeCeremonyFrame } from "../../../src/wire/ceremony.ts";
import { encodeVerdict } from "../../../src/wire/ceremonyBodies.ts";
import { CeremonyNetwork, testFacts } from "../../support/ceremonyNetwork.ts";
import { complaintAbout, resealed } from "../../support/rogueDealings.ts";

const MINUTE = 60_000;
const SIZE = { nodes: 4, threshold: 3, validators: 1 } as const;

type Changes = Omit<ConstructorParameters<typeof CeremonyWorld>[0], "definition" | "secretKeys">;

function worldOf(changes: Changes): CeremonyWorld {
  const { facts, secretKeys } = testFacts(SIZE);
  return new CeremonyWorld({ definition: facts.definition, secretKeys, ...changes });
}

function assertOneCluster(world: CeremonyWorld): void {
  assert.deepEqual(world.violations, []);
  const hashes = world.lockHashes();
  assert.equal(hashes.length, SIZE.nodes, `all finish: ${JSON.stringify([...world.ends])}`);
  assert.equal(new Set(hashes).size, 1);
  assert(world.checker.checked >= 2 * SIZE.nodes, "the checker saw what there was");
}

/** All honest operators named the rogue in the first attempt, and nobody got a cluster of it. */
function assertCaught(world: CeremonyWorld, rogue: number): void {
  assert.deepEqual(world.violations, []);
  assert.deepEqual(world.lockHashes(), []);
  for (let node = 0; node < SIZE.nodes; node++) {
    if (node === rogue) continue;
    assert.equal(world.endedAttempts(node)[0]?.culprit, rogue, `operator ${node} names him`);
  }
}

const wrongShares: Misdeeds = {
  dealing: (honest, view) =>
    resealed(honest, view, { receiver: 1, plaintext: new Uint8Array(32).fill(5) }),
};
const falseComplaint: Misdeeds = {
  body: (honest, { phase, view }) => {
    const sealed = view.sealed.get(0);
    if (phase !== "verdict" || sealed === undefined) return honest;
    return encodeVerdict({ complaints: [complaintAbout(view, 0, sealed)], silent: [] });
  },
};

describe("a ceremony in virtual time", () => {
  it("ends with one cluster over a network that loses, doubles and reorders", async () => {
    const world = worldOf({ seed: 1, lossRate: 0.1 });
    await world.run(15 * MINUTE);
    assertOneCluster(world);
  });

  it("survives a power cut of each operator at any time", async () => {
    let resumed = 0;
    for (let seed = 0; seed < 4; seed++) {
      const node = seed % SIZE.nodes;
      // The phases follow each other within about four seconds of the last operator's start.
      const crashes = [
        { node, at: 2_000 + 500 * seed, forMs: 5_000 },
        { node: (node + 1) % SIZE.nodes, at: 8_000 + 150 * seed, forMs: 9_000 },
      ];
      const world = worldOf({ seed, lossRate: 0.02, crashes });
      await world.run(20 * MINUTE);
      assertOneCluster(world);
      resumed += world.reports.filter(
        ({ report }) => report.kind === "attempt" && report.isResumed,
      ).length;
    }
    assert(resumed >= 4, `${resumed} machines took up a journal in the middle`);
  });

  it("is the same for the same seed", async () => {
    const reports = async (): Promise<string> => {
      const world = worldOf({ seed: 9, lossRate: 0.1 });
      await world.run(10 * MINUTE);
      return JSON.stringify(world.reports, (_key, value: unknown) =>
        typeof value === "bigint" ? value.toString() : value,
      );
    };
    assert.equal(await reports(), await reports());
  });

  it("names a dealer of wrong shares", async () => {
    const world = worldOf({ seed: 3, rogues: new Map([[2, wrongShares]]) });
    await world.run(10 * MINUTE);
    assertCaught(world, 2);
  });

  it("names a false complainer, over a bad network too", async () => {
    const world = worldOf({ seed: 4, lossRate: 0.03, rogues: new Map([[3, falseComplaint]]) });
    await world.run(10 * MINUTE);
    assertCaught(world, 3);
  });

  it("stops after three attempts that somebody starved (DKG-15)", async () => {
    const silent: Misdeeds = { body: (honest, { phase }) => (phase === "commit" ? null : honest) };
    const world = worldOf({ seed: 5, rogues: new Map([[1, silent]]) });
    await world.run(15 * MINUTE);
    assert.deepEqual(world.violations, []);
    assert.match(world.stopped.get(0) ?? "", /needs this operator's acceptance again/);
    assert.deepEqual(world.lockHashes(), []);
    const [first] = world.endedAttempts(0);
    assert.equal(first?.culprit, null);
    assert.deepEqual(first?.missing, [1]);
  });
});

describe("the dkg checker (CHECK-10)", () => {
  const checkerOf = (byzantine: readonly number[] = []) => {
    const reports: string[] = [];
    const checker = new DkgChecker({
      factsOf: (attempt) => testFacts({ ...SIZE, attempt }).facts,
      byzantine: new Set(byzantine),
      report: (message) => reports.push(message),
    });
    return { checker, reports };
  };
  const ended = {
    attempt: 1,
    phase: "keys",
    reason: "",
    culprit: null,
    missing: [],
    groupKeys: [],
    keepsShares: false,
  } as const;

  it("reports an honest operator accused, and an accusation without proof", () => {
    const { checker, reports } = checkerOf();
    checker.ended(0, { ...ended, culprit: 2 }, Uint8Array.of(1));
    assert.match(reports.join(), /accuses operator 2: honest.*without proof/);
  });

  it("reports deposits before the certificate, and shares given up after vouching", () => {
    const { checker, reports } = checkerOf();
    const network = new CeremonyNetwork(SIZE);
    network.start();
    network.run();
    for (const entry of network.operator(0).journal) {
      if (entry.kind === "frame") checker.journaled(0, entry.frame);
    }
    checker.ended(0, ended, null);
    assert.match(reports.pop() ?? "", /gives up shares/);
    const { facts } = testFacts(SIZE);
    const { definitionHash, attempt } = facts;
    const message = {
      phase: "deposits",
      author: 1,
      body: Uint8Array.of(1),
      signature: new Uint8Array(65),
    } as const;
    const content = { kind: "message", message, sealedShares: null } as const;
    checker.sent(1, encodeCeremonyFrame({ definitionHash, attempt, content }));
    assert.match(reports.pop() ?? "", /signs deposits when 0 vouch/);
  });

  it("reports locks that do not verify, or differ, and shares that do not make the key", () => {
    const texts = ["one", "two"].map((seed) => {
      const network = new CeremonyNetwork({ ...SIZE, seed });
      network.start();
      network.run();
      const { outcome, shares } = network.operator(0);
      assert(outcome !== null && shares !== null, "the ceremony finishes");
      return { lock: JSON.stringify(outcome.lock), shares };
    });
    const [one, two] = texts;
    assert(one !== undefined && two !== undefined, "two ceremonies");
    const { checker, reports } = checkerOf();
    checker.published(0, "{}", one.shares);
    assert.match(reports.pop() ?? "", /does not verify/);
    checker.published(0, one.lock, one.shares);
    checker.published(1, one.lock, one.shares);
    checker.published(2, one.lock, one.shares);
    assert.match(reports.pop() ?? "", /do not make the key/);
    checker.published(3, two.lock, two.shares);
    assert.match(reports.find((text) => /locks differ/.test(text)) ?? "", /locks differ/);
  });
});
