import assert from "node:assert/strict";
import { beforeEach, describe, test } from "node:test";
import { VirtualDisk } from "../../../sim/virtualStore.ts";
import type { Cluster } from "../../../src/cluster/cluster.ts";
import { Background } from "../../../src/core/background.ts";
import { CertificateArchive } from "../../../src/core/certificateArchive.ts";
import { ForeignSigners, type SeenMessage } from "../../../src/core/foreignSigners.ts";
import type { Duty } from "../../../src/domain/duty.ts";
import type { Root } from "../../../src/domain/keys.ts";
import { attester } from "../../../src/duties/attester.ts";
import { DUTY_KINDS } from "../../../src/duties/table.ts";
import { encodeAttestationData } from "../../../src/eth2/attestationData.ts";
import type { Bls } from "../../../src/ports/bls.ts";
import type { Freeze } from "../../../src/safety/freezes.ts";
import { openSlashingStore } from "../../../src/safety/openSlashingStore.ts";
import { nativeProfile } from "../../../src/wire/nativeProfile.ts";
import { countingMetrics, recordingLogger } from "../../support/quiet.ts";
import { CHAIN, pubKey, root } from "../../support/slashing.ts";
import { testChain } from "../../support/testChain.ts";
import { VirtualClock } from "../../support/virtualClock.ts";

const chain = testChain();
const SLOT = 20;
const DUTY: Duty = { slot: SLOT, type: "attester" };
const VALID = new Uint8Array(96).fill(1);

/** A vote for some head in {@link SLOT}. */
function vote(head: number, slot = SLOT): Uint8Array {
  const target = { epoch: chain.epochOf(slot), root: root(2) };
  const source = { epoch: target.epoch - 1, root: root(1) };
  return encodeAttestationData({ slot, index: 0, beaconBlockRoot: root(head), source, target });
}

function rootsOf(data: Uint8Array): { readonly messageRoot: Root; readonly signingRoot: Root } {
  return attester.compact?.read(data, chain) ?? assert.fail("it is a vote");
}

/** One node's view: four operators, three shares, two validators. */
async function openBench(disk = new VirtualDisk(), startSlot = 1, cluster = CLUSTER) {
  const store = disk.open();
  const slashing = await openSlashingStore(store, CHAIN);
  const logger = recordingLogger();
  const clock = new VirtualClock(chain.slotStart(startSlot));
  const kindOf = ({ type }: Pick<Duty, "type">) => DUTY_KINDS[type];
  const common = { store, chain, clock, kindOf, logger };
  const archive = await CertificateArchive.open({ ...common, profile: nativeProfile, nodes: 4 });
  const frozen: Freeze[] = [];
  const counted: string[] = [];
  const bls: Pick<Bls, "verify"> = { verify: async ({ signature }) => signature[0] === 1 };
  const foreign = await ForeignSigners.open({
    ...common,
    cluster,
    bls: bls as Bls,
    slashing,
    archive,
    precursors: { count: (kind) => void counted.push(kind) },
    metrics: countingMetrics(),
  });
  const background = new Background((error) => {
    throw error;
  });
  let resumed = 0;
  const freeze = async (each: Freeze): Promise<void> => void frozen.push(each);
  const actions = { freeze, resume: () => void resumed++, background };
  foreign.attach(actions, () => undefined);
  return {
    disk,
    slashing,
    logger,
    frozen,
    counted,
    foreign,
    resumed: () => resumed,
    see: (data: Uint8Array, change: Partial<SeenMessage> = {}): Promise<void> =>
      foreign.see({ duty: DUTY, validator: 0, data, signature: null, where: "", ...change }),
    /** The cluster decided this. */
    decide(data: Uint8Array): void {
      const value = { duty: DUTY, value: data, root: nativeProfile.valueRoot(data) };
      archive.keep(value, { round: 1, commits: [] });
    },
    only: () => foreign.book.all[0] ?? assert.fail("something is unexplained"),
    isHeld(validator: number): boolean {
      const subject = { validator, pubKey: pubKey(validator), duty: DUTY };
      return foreign.refusalOf(subject)?.code === "foreign_signer";
    },
    isRecorded(data: Uint8Array): boolean {
      const { signingRoot } = rootsOf(data);
      const records = slashing.snapshot().flatMap(([, { attestations }]) => attestations);
      return records.some((each) => each.signingRoot === signingRoot);
    },
  };
}

const VALIDATORS = [0, 1].map((lockIndex) => ({ lockIndex, pubKey: pubKey(lockIndex) }));
const CLUSTER = {
  nodes: 4,
  threshold: 3,
  lockHash: root(9),
  validators: VALIDATORS,
  validator: (key: string) => VALIDATORS.find((each) => each.pubKey === key),
} as unknown as Cluster;

let bench: Awaited<ReturnType<typeof openBench>>;
beforeEach(async () => {
  bench = await openBench();
});

describe("a message of our validator that was seen", () => {
  test("FOREIGN-1: is nothing where it is what was decided, or what this node signed", async () => {
    bench.decide(vote(5));
    await bench.see(vote(5));
    const signed = {
      slashing: { kind: "attestation", source: 1, target: 2 },
      ...rootsOf(vote(6)),
    } as const;
    await bench.slashing.transact((t) =>
      t.record({ pubKey: pubKey(1), origin: "own", shareIndex: 1, ...signed }),
    );
    await bench.see(vote(6), { validator: 1 });
    assert.deepEqual([bench.frozen, bench.foreign.book.size], [[], 0]);
  });

  test("FOREIGN-4: freezes at once where the cluster decided otherwise, and once", async () => {
    bench.decide(vote(5));
    await bench.see(vote(6));
    await bench.see(vote(6));
    assert.deepEqual(
      bench.frozen.map(({ scope, validator, by }) => [scope, validator, by]),
      [["all", pubKey(0), "the foreign signer watch"]],
    );
    assert.match(bench.frozen[0]?.reason ?? "", /20\/attester: the cluster decided otherwise/);
    assert.deepEqual(bench.counted, ["foreign_signer"]);
    assert(
      bench.logger.lines.some(({ level, message }) => level === "error" && /frozen/.test(message)),
    );
  });

  test("FOREIGN-3: holds its validator once it was asked for long enough", async () => {
    await bench.see(vote(5));
    assert.equal(bench.isHeld(0), false, "asked first");
    bench.foreign.hold(bench.only());
    assert.deepEqual([bench.isHeld(0), bench.isHeld(1)], [true, false]);
    assert.match(bench.foreign.problem ?? "", /for 1 validators, of which validator 0/);
    assert.deepEqual(
      bench.foreign.holds.map(({ validator }) => validator),
      [pubKey(0)],
    );
    assert.deepEqual(bench.counted, []);
  });

  test("FOREIGN-2: is explained by f+1 peers that know it, and by no single one", async () => {
    await bench.see(vote(5));
    bench.foreign.hold(bench.only());
    await bench.foreign.answered(bench.only(), 1, true);
    assert.equal(bench.isHeld(0), true);
    await bench.foreign.answered(bench.only(), 2, true);
    assert.deepEqual([bench.isHeld(0), bench.resumed(), bench.frozen], [false, 1, []]);
  });

  test("FOREIGN-2: is denied by so many peers that an honest signer is among them", async () => {
    await bench.see(vote(5));
    await bench.foreign.answered(bench.only(), 1, false);
    await bench.foreign.answered(bench.only(), 3, true);
    assert.deepEqual(bench.frozen, []);
    await bench.foreign.answered(bench.only(), 2, false);
    assert.equal(bench.frozen.length, 1);
    assert.equal(bench.foreign.book.size, 0);
  });

  test("FOREIGN-2: is judged by the certificate that a peer shows", async () => {
    const certificateOf = (data: Uint8Array) => ({
      duty: DUTY,
      round: 1,
      valueRoot: nativeProfile.valueRoot(data),
      commits: [],
      data,
    });
    await bench.see(vote(5));
    await bench.foreign.shown(bench.only(), certificateOf(vote(5)));
    assert.deepEqual([bench.foreign.book.size, bench.frozen], [0, []]);
    await bench.see(vote(6));
    await bench.foreign.shown(bench.only(), certificateOf(vote(5)));
    assert.equal(bench.frozen.length, 1);
  });

  test("FOREIGN-5: enters the rules only where its signature was verified", async () => {
    await bench.see(vote(5));
    assert.equal(bench.isRecorded(vote(5)), false, "an aggregate says what it likes");
    await bench.see(vote(6), { signature: VALID });
    assert.equal(bench.isRecorded(vote(6)), true);
    await bench.see(vote(7), { signature: new Uint8Array(96) });
    assert.equal(bench.isRecorded(vote(7)), false);
    assert.equal(bench.foreign.book.find({ duty: DUTY, ...rootsOf(vote(7)) }), undefined);
  });

  test("FOREIGN-3: is not forgotten by a restart, and let go by its operator", async () => {
    await bench.see(vote(5));
    await bench.see(vote(5), { validator: 1 });
    bench.foreign.hold(bench.only());
    await bench.foreign.book.save();
    const again = await openBench(bench.disk);
    assert.deepEqual([again.isHeld(0), again.isHeld(1)], [true, true]);
    assert.equal(again.foreign.release(pubKey(0)), true);
    assert.deepEqual([again.isHeld(0), again.isHeld(1)], [false, true]);
    assert.equal(again.foreign.release(pubKey(0)), false);
    await again.foreign.answered(again.only(), 1, true);
    await again.foreign.answered(again.only(), 2, true);
    await again.foreign.book.save();
    const later = await openBench(bench.disk);
    assert.equal(later.foreign.book.size, 0);
  });

  test("FOREIGN-3: holds no validator that a smaller lock does not have", async () => {
    for (const validator of [0, 1]) await bench.see(vote(5), { validator });
    await bench.see(vote(6), { validator: 1 });
    for (const each of bench.foreign.book.all) bench.foreign.hold(each);
    await bench.foreign.book.save();
    const smaller = { ...CLUSTER, validators: VALIDATORS.slice(0, 1) } as unknown as Cluster;
    const again = await openBench(bench.disk, 1, smaller);
    assert.deepEqual(
      again.foreign.holds.map(({ validator }) => validator),
      [pubKey(0)],
    );
    for (const each of again.foreign.book.all) await again.foreign.conclude(each, "test");
    assert.deepEqual(
      again.frozen.map(({ validator }) => validator),
      [pubKey(0)],
    );
  });

  test("FOREIGN-1: is looked at again once a clock that was ahead is right", async () => {
    const { disk, foreign } = await openBench(new VirtualDisk(), 1_000_000);
    assert.equal(foreign.since, 1_000_000);
    const again = await openBench(disk);
    await again.see(vote(5));
    assert.equal(again.foreign.book.size, 1);
    assert.equal((await openBench(disk, 2)).foreign.since, 1, "and that start is remembered");
  });

  test("FOREIGN-1: of a slot before the first start under the lock is passed over", async () => {
    await bench.see(vote(5, 1), { duty: { slot: 1, type: "attester" } });
    assert.equal(bench.foreign.book.size, 0);
  });
});
