import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { VirtualDisk } from "../../../sim/virtualStore.ts";
import { CertificateArchive, isProved } from "../../../src/core/certificateArchive.ts";
import type { Duty } from "../../../src/domain/duty.ts";
import { CERTIFICATE_EPOCHS, CERTIFICATE_PRUNE_BATCH } from "../../../src/domain/limits.ts";
import { DUTY_KINDS } from "../../../src/duties/table.ts";
import { encodeAttestationData } from "../../../src/eth2/attestationData.ts";
import { openSlashingStore } from "../../../src/safety/openSlashingStore.ts";
import { nativeProfile } from "../../../src/wire/nativeProfile.ts";
import type { Certificate } from "../../../src/wire/profile.ts";
import { testIdentity } from "../../support/identities.ts";
import { recordingLogger } from "../../support/quiet.ts";
import { CHAIN, root } from "../../support/slashing.ts";
import { testChain } from "../../support/testChain.ts";

const chain = testChain();
const scope = { genesisValidatorsRoot: root(3), lockHash: root(4) };

function decisionOf(slot: number) {
  const target = { epoch: chain.epochOf(slot), root: root(2) };
  const source = { epoch: 0, root: root(1) };
  const value = encodeAttestationData({ slot, index: 0, beaconBlockRoot: root(5), source, target });
  const duty: Duty = { slot, type: "attester" };
  return { duty, value, root: nativeProfile.valueRoot(value) };
}

async function open(disk: VirtualDisk) {
  const store = disk.open();
  const slashing = await openSlashingStore(store, CHAIN);
  const kindOf = ({ type }: Pick<Duty, "type">) => DUTY_KINDS[type];
  const logger = recordingLogger();
  const parts = { store, chain, profile: nativeProfile, nodes: 4, kindOf, logger };
  const archive = await CertificateArchive.open(parts);
  slashing.join(archive);
  return { archive, slashing, store, logger };
}

describe("certificates of decisions", () => {
  test("CERT-1: are on disk with the next batch, and found after a restart", async () => {
    const disk = new VirtualDisk();
    const { archive, slashing } = await open(disk);
    const data = decisionOf(20);
    archive.keep(data, { round: 2, commits: [] });
    assert.equal((await archive.find(data.duty))?.valueRoot, data.root, "at once");
    assert.equal(archive.waiting, 1);
    assert.equal(await (await open(disk)).archive.find(data.duty), null, "no write of its own");
    await slashing.flush();
    assert.equal(archive.waiting, 0);
    const again = await (await open(disk)).archive.find(data.duty);
    assert.deepEqual([again?.round, again?.valueRoot], [2, data.root]);
    assert.deepEqual(again?.data, data.value);
    assert.equal(await (await open(disk)).archive.find({ slot: 21, type: "attester" }), null);
  });

  test("CERT-1: are forgotten after 256 epochs, some with each batch", async () => {
    const { archive, slashing, store } = await open(new VirtualDisk());
    const many = CERTIFICATE_PRUNE_BATCH + 10;
    const keep = (slot: number): void => archive.keep(decisionOf(slot), { round: 1, commits: [] });
    for (let slot = 1; slot <= many; slot++) keep(slot);
    await slashing.flush();
    const count = async (): Promise<number> => {
      let keys = 0;
      for await (const _ of store.entries({ gte: "certificate/", lt: "certificate0" })) keys++;
      return keys;
    };
    assert.equal(await count(), many);
    const later = many + CERTIFICATE_EPOCHS * chain.spec.slotsPerEpoch + 1;
    keep(later);
    await slashing.flush();
    assert.equal(await count(), many + 1 - CERTIFICATE_PRUNE_BATCH);
    await slashing.flush();
    assert.equal(await count(), 1);
    assert.equal(await archive.find(decisionOf(later).duty).then((each) => each?.duty.slot), later);
  });

  test("CERT-1: one that is damaged is not used", async () => {
    const disk = new VirtualDisk();
    const { archive, slashing, store } = await open(disk);
    const data = decisionOf(20);
    archive.keep(data, { round: 1, commits: [] });
    await slashing.flush();
    const key = "certificate/0000000000000020/attester";
    await store.batch([{ type: "put", key, value: Uint8Array.of(1, 2, 3) }]);
    const again = await open(disk);
    assert.equal(await again.archive.find(data.duty), null);
    assert(again.logger.lines.some(({ level }) => level === "warn"));
  });

  test("CERT-2: prove a decision by a quorum of signatures over it, and by nothing less", () => {
    const identities = [0, 1, 2, 3].map((self) => testIdentity(self, 4));
    const [identity] = identities;
    assert(identity !== undefined);
    const { duty, value, root: valueRoot } = decisionOf(20);
    const commit = (source: number, signed = valueRoot) => {
      const statement = {
        type: "COMMIT",
        source,
        round: 1,
        value: signed,
        preparedRound: 0,
        preparedValue: null,
      } as const;
      const digest = nativeProfile.statementDigest(scope, duty, statement);
      return { source, signature: identities[source]?.sign(digest) ?? new Uint8Array() };
    };
    const judge = { profile: nativeProfile, scope, identity };
    const proved = (commits: Certificate["commits"]): boolean =>
      isProved({ duty, round: 1, valueRoot, commits, data: value }, judge);
    assert.equal(proved([commit(0), commit(1), commit(3)]), true);
    assert.equal(proved([commit(0), commit(1)]), false, "too few");
    assert.equal(proved([commit(0), commit(1), commit(2, root(7))]), false, "of another value");
    const { signature } = commit(2);
    assert.equal(proved([commit(0), commit(1), { source: 3, signature }]), false, "by another");
    assert.equal(proved([commit(0), commit(1), { source: 4, signature }]), false, "by nobody");
    const elsewhere = { ...judge, scope: { ...scope, lockHash: root(8) } };
    const commits = [commit(0), commit(1), commit(3)];
    const certificate = { duty, round: 1, valueRoot, commits, data: value };
    assert.equal(isProved(certificate, elsewhere), false, "for another cluster");
  });
});
