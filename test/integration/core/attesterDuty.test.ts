import assert from "node:assert/strict";
import { afterEach, describe, test } from "node:test";
import { FaultError } from "../../../src/domain/errors.ts";
import { computeSigningRootOf, verifySubmitted } from "../../support/attestations.ts";
import { blockRoot, FakeBeacon, FIRST_INDEX } from "../../support/fakeBeacon.ts";
import { loadMutant } from "../../support/mutant.ts";
import { NodeCluster } from "../../support/nodeCluster.ts";

let cluster: NodeCluster;
afterEach(() => cluster.stop());

/** Validator 0 attests in slot 9, the second of epoch 1. */
const SLOT = FakeBeacon.slotOf(1, 0);

/** The distinct attestations that any beacon node was handed for a slot, by validator. */
function submittedFor(slot: number): Map<number, Set<string>> {
  const byValidator = new Map<number, Set<string>>();
  for (const { beacon } of cluster.members) {
    for (const attestation of beacon.submitted.filter(({ data }) => data.slot === slot)) {
      const roots = byValidator.get(attestation.validatorIndex) ?? new Set();
      byValidator.set(attestation.validatorIndex, roots.add(computeSigningRootOf(attestation)));
    }
  }
  return byValidator;
}

async function run(options: ConstructorParameters<typeof NodeCluster>[0], setUp: () => void) {
  cluster = new NodeCluster(options);
  await cluster.start();
  setUp();
  for (let slot = 0; slot <= SLOT + 1; slot++) await cluster.runSlot(slot);
}

describe("one attester duty, from the scheduler to the beacon node", () => {
  test("all four nodes hand one and the same valid group signature over", async () => {
    await run({}, () => undefined);
    for (const { beacon } of cluster.members) {
      const mine = beacon.submitted.filter(({ data }) => data.slot === SLOT);
      assert.equal(mine.length, 1);
      assert.ok(mine.every((attestation) => verifySubmitted(attestation, cluster.cluster)));
    }
    assert.deepEqual(
      [...submittedFor(SLOT)].map(([v, roots]) => [v, roots.size]),
      [[FIRST_INDEX, 1]],
    );
  });

  test("three live nodes of four suffice, whoever is down", async () => {
    for (const down of [0, 1, 2, 3]) {
      await run({}, () => cluster.crash(down));
      assert.equal(submittedFor(SLOT).size, 1, `node ${down} down`);
      cluster.stop();
    }
  });

  test("two live nodes of four sign nothing", async () => {
    await run({}, () => {
      cluster.crash(0);
      cluster.crash(2);
    });
    assert.equal(submittedFor(SLOT).size, 0);
  });

  test("a beacon node that is away costs its operator nothing but its own submission", async () => {
    await run({}, () => undefined);
    cluster.stop();
    cluster = new NodeCluster();
    await cluster.start();
    for (let slot = 0; slot < SLOT; slot++) await cluster.runSlot(slot);
    cluster.member(1).beacon.faults.isOffline = true;
    await cluster.runSlot(SLOT);
    assert.equal(submittedFor(SLOT).size, 1);
    assert.equal(cluster.member(1).beacon.submitted.filter((a) => a.data.slot === SLOT).length, 0);
    cluster.member(1).beacon.faults.isOffline = false;
    await cluster.runSlot(SLOT + 1);
    const late = cluster.member(1).beacon.submitted.filter((a) => a.data.slot === SLOT);
    assert.equal(late.length, 1, "FLOW-7: it is handed over once the beacon node is back");
  });

  test("a broken link between two nodes costs nothing: gossip goes around it", async () => {
    await run({}, () => {
      cluster.hub.cut(0, 1);
      cluster.hub.cut(2, 3);
    });
    for (const { beacon } of cluster.members) {
      assert.equal(beacon.submitted.filter(({ data }) => data.slot === SLOT).length, 1);
    }
  });

  test("every validator of a slot is in the same submission", async () => {
    await run({ validators: 17 }, () => undefined);
    // Positions 0, 8 and 16 share the slot.
    assert.deepEqual(
      [...submittedFor(SLOT).keys()].sort((a, b) => a - b),
      [FIRST_INDEX, FIRST_INDEX + 8, FIRST_INDEX + 16],
    );
  });

  test("the value travels once to each peer", async () => {
    cluster = new NodeCluster();
    const carried: string[] = [];
    await cluster.start();
    const value = await cluster.member(0).beacon.attestationData(SLOT);
    const needle = value.beaconBlockRoot.slice(2);
    for (const node of cluster.members.keys()) {
      cluster.hub.tap(node, (hop) => {
        if (Buffer.from(hop.bytes).toString("hex").includes(needle)) {
          carried.push(`${hop.from}-${hop.to}`);
        }
        return [hop.bytes];
      });
    }
    for (let slot = 0; slot <= SLOT; slot++) await cluster.runSlot(slot);
    assert.equal(carried.length, 3, `once from the leader to each of the others: ${carried}`);
  });
});

describe("a beacon node that lists a validator twice", () => {
  test("FLOW-2: stops nobody: the first seat counts", async () => {
    const failed: unknown[] = [];
    await run({}, () => {
      const { beacon, node } = cluster.member(0);
      void node?.failure.then((reason) => failed.push(reason));
      const once = beacon.attesterDuties.bind(beacon);
      beacon.attesterDuties = async (...asked) => {
        const { dependentRoot, duties } = await once(...asked);
        return { dependentRoot, duties: [...duties, ...duties] };
      };
    });
    assert.deepEqual(failed, []);
    assert.equal(
      cluster.member(0).beacon.submitted.filter(({ data }) => data.slot === SLOT).length,
      1,
    );
  });
});

describe("a beacon node in trouble that seats everybody anew", () => {
  /** Node 0's does not take the attestation; a reorg later, its validator sits elsewhere. */
  async function seatedAnew(options: ConstructorParameters<typeof NodeCluster>[0] = {}) {
    cluster = new NodeCluster(options);
    await cluster.start();
    const { beacon, node } = cluster.member(0);
    const failed: unknown[] = [];
    void node?.failure.then((reason) => failed.push(reason));
    const take = beacon.submitAttestations;
    for (let slot = 0; slot < SLOT; slot++) await cluster.runSlot(slot);
    beacon.submitAttestations = async () => {
      throw new FaultError("beacon_unreachable", "it is busy");
    };
    await cluster.runSlot(SLOT);
    const root = blockRoot(7);
    beacon.attesterDuties = async () => ({ dependentRoot: root, duties: [] });
    beacon.emitHead(SLOT, { previousDutyDependentRoot: root, currentDutyDependentRoot: root });
    await cluster.clock.runUntil(cluster.clock.now() + 3_000);
    beacon.submitAttestations = take;
    await cluster.clock.runUntil(cluster.clock.now() + 3_000);
    const submitted = beacon.submitted.filter(({ data }) => data.slot === SLOT).length;
    return { failed, submitted };
  }

  test("ATT-9: gets what was signed with the seats of then", async () => {
    assert.deepEqual(await seatedAnew(), { failed: [], submitted: 1 });
  });

  test("ATT-9: mutant: by the seats of now the attestation is lost", async () => {
    const { createNode } = await loadMutant<typeof import("../../../src/node/node.ts")>(
      "src/node/node.ts",
      [
        {
          file: "src/core/broadcaster.ts",
          find: "{ duty, signatures, definitions, signal });",
          replace:
            "{ duty, signatures, definitions: this.#parts.scheduler.definitions(duty), signal });",
        },
      ],
    );
    assert.deepEqual(await seatedAnew({ createNode }), { failed: [], submitted: 0 });
  });
});
