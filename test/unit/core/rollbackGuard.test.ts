import assert from "node:assert/strict";
import { test } from "node:test";
import { VirtualDisk } from "../../../sim/virtualStore.ts";
import type { Cluster } from "../../../src/cluster/cluster.ts";
import { Background } from "../../../src/core/background.ts";
import { RollbackGuard } from "../../../src/core/rollbackGuard.ts";
import type { PeerIndex } from "../../../src/domain/keys.ts";
import { MAX_WITNESS_PARTS } from "../../../src/domain/limits.ts";
import { DUTY_KINDS } from "../../../src/duties/table.ts";
import { encodeAttestationData } from "../../../src/eth2/attestationData.ts";
import { openSlashingStore } from "../../../src/safety/openSlashingStore.ts";
import { nativeProfile } from "../../../src/wire/nativeProfile.ts";
import type { StatusFrame, WitnessPart } from "../../../src/wire/profile.ts";
import { recordingLogger } from "../../support/quiet.ts";
import { CHAIN, pubKey, root } from "../../support/slashing.ts";
import { testChain } from "../../support/testChain.ts";
import { VirtualClock } from "../../support/virtualClock.ts";

const chain = testChain();
const SESSION = `0x${"01".repeat(16)}` as const;
const CLUSTER = {
  nodes: 4,
  threshold: 3,
  validators: [{ lockIndex: 0, pubKey: pubKey(1), pubShares: [1, 2, 3, 4].map(pubKey) }],
} as unknown as Cluster;

/** Node 0's guard; `hear` hands it a part of a peer's answer, as the channel would. */
async function openGuard() {
  const slashing = await openSlashingStore(new VirtualDisk().open(), CHAIN);
  let verified = 0;
  const bls = {
    verifyBatch: async (checks: readonly unknown[]): Promise<boolean> => {
      verified += checks.length;
      return true;
    },
  };
  const guard = new RollbackGuard({
    cluster: CLUSTER,
    self: 0,
    profile: nativeProfile,
    chain,
    clock: new VirtualClock(chain.slotStart(100)),
    bls,
    kindOf: ({ type }: { type: keyof typeof DUTY_KINDS }) => DUTY_KINDS[type],
    slashing,
    wait: { begin: async () => undefined },
    logger: recordingLogger(),
  } as unknown as ConstructorParameters<typeof RollbackGuard>[0]);
  type Handler = (
    from: PeerIndex,
    frame: Pick<StatusFrame & { kind: "witnesses" }, "witnesses">,
  ) => string | null;
  const handlers: Handler[] = [];
  const background = new Background((error) => assert.fail(String(error)));
  guard.attach({
    channel: { on: (_kind: string, handler: Handler) => handlers.push(handler) },
    heartbeats: { session: SESSION, onHeard: () => undefined },
    sources: { background },
    reject: () => assert.fail("nothing of it is wrong"),
  } as unknown as Parameters<RollbackGuard["attach"]>[0]);
  const [handle] = handlers;
  assert(handle !== undefined);
  return {
    guard,
    verified: (): number => verified,
    hear: (from: PeerIndex, change: Partial<WitnessPart>): string | null =>
      handle(from, {
        witnesses: {
          to: 0,
          session: SESSION,
          parts: 1,
          part: 0,
          isBlocks: false,
          statements: [statement(3)],
          ...change,
        },
      }),
  };
}

/** That validator 0's share voted for the epoch; whoever heard of it can show it for ever. */
function statement(epoch: number) {
  const data = encodeAttestationData({
    slot: chain.firstSlot(epoch),
    index: 0,
    beaconBlockRoot: root(1),
    source: { epoch: epoch - 1, root: root(1) },
    target: { epoch, root: root(2) },
  });
  return { validator: 0, data, signature: new Uint8Array(96).fill(1) };
}

test("WITNESS-2: a part that comes again is not verified again", async () => {
  const { guard, hear, verified } = await openGuard();
  assert.equal(hear(1, { parts: 2 }), null);
  for (let i = 0; i < 100; i++) assert.equal(hear(1, { parts: 2 }), "duplicate");
  assert.equal(hear(1, { parts: 2, part: 1, isBlocks: true, statements: [] }), null);
  await new Promise(setImmediate);
  assert.equal(verified(), 1);
  assert.deepEqual(guard.asks, [2, 3]);
});

test("WITNESS-2: a peer that shows old signatures without end is not listened to", async () => {
  const { guard, hear, verified } = await openGuard();
  for (let part = 0; part < MAX_WITNESS_PARTS; part++) {
    const epochs = Array.from({ length: 4 }, (_, i) => 1 + 4 * part + i);
    hear(1, { parts: MAX_WITNESS_PARTS, part, statements: epochs.map(statement) });
  }
  await new Promise(setImmediate);
  assert(verified() <= 8, `${verified()} verifications`);
  for (const peer of [2, 3]) assert.equal(hear(peer, {}), null);
  await new Promise(setImmediate);
  assert.equal(guard.problem, null, "the others' answers are enough");
});
