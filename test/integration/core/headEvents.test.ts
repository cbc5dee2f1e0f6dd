// A client that asks at the head event and hangs up a quarter of a slot later (VC-8).
import assert from "node:assert/strict";
import { afterEach, describe, test } from "node:test";
import { createBuiltinSigner } from "../../../src/crypto/builtinSigner.ts";
import { Cancelled } from "../../../src/domain/errors.ts";
import type { ValidatorApi } from "../../../src/ports/validatorApi.ts";
import { FakeBeacon } from "../../support/fakeBeacon.ts";
import { loadMutant, type Patch } from "../../support/mutant.ts";
import { NodeCluster } from "../../support/nodeCluster.ts";

type CreateNode = typeof import("../../../src/node/node.ts");

/** Validator 0 attests in it. */
const SLOT = FakeBeacon.slotOf(1, 0);
/** Of a slot of 12 s, in which the duty is due at 4 s. */
const EARLY_HEAD_MS = 500;
const LATE_HEAD_MS = 3_800;
const DUE_MS = 3_999;
const PATIENCE_MS = 3_000;
const STEP_MS = 10;
const NO_HOLD: Patch = {
  file: "src/core/validatorApi.ts",
  find: "if (clock.now() >= dueAt) return;",
  replace: "if (dueAt > 0) return;",
};

let cluster: NodeCluster;
afterEach(() => cluster.stop());

async function start(patches: readonly Patch[] = []): Promise<void> {
  const { createNode } = await loadMutant<CreateNode>("src/node/node.ts", patches);
  cluster = new NodeCluster({
    createNode,
    adapt: (ports) => ({ ...ports, signer: createBuiltinSigner([]) }),
  });
  await cluster.start();
  for (let slot = 0; slot < SLOT; slot++) await cluster.runSlot(slot);
}

function api(): ValidatorApi {
  return cluster.member(0).node?.validatorApi ?? assert.fail("the node runs");
}

/** Instant after the slot's start, in milliseconds. */
function now(): number {
  return cluster.clock.now() - cluster.chain.slotStart(SLOT);
}

async function runTo(ms: number): Promise<void> {
  await cluster.clock.runUntil(cluster.chain.slotStart(SLOT) + ms);
}

/** The head reaches node 0's beacon node early and the others' late, or never. */
async function runSlot(lateHeadMs: number | null): Promise<void> {
  await runTo(EARLY_HEAD_MS);
  cluster.member(0).beacon.emitHead(SLOT);
  if (lateHeadMs !== null) {
    await runTo(lateHeadMs);
    for (const { beacon } of cluster.members.slice(1)) beacon.emitHead(SLOT);
    // Frames travel in no time, but in turns of their own: time must not run ahead of them.
    for (let ms = lateHeadMs; ms < DUE_MS; ms += STEP_MS) await runTo(ms);
  }
  await runTo(11_999);
}

type Outcome = { readonly toldAt: number; readonly answered: boolean; readonly at: number };

/** Waits for its head event, asks, and hangs up when it has waited for too long. */
async function client(slot = SLOT): Promise<Outcome> {
  await cluster.clock.sleep(EARLY_HEAD_MS, new AbortController().signal);
  await api().untilAttestable(slot, new AbortController().signal);
  const toldAt = now();
  const hangUp = new AbortController();
  const timer = cluster.clock.at(cluster.clock.now() + PATIENCE_MS, () =>
    hangUp.abort(new Cancelled("the client hung up")),
  );
  const { ok } = await api().attestationData(SLOT, 0, hangUp.signal);
  timer.cancel();
  return { toldAt, answered: ok, at: now() };
}

async function outcomeOf(lateHeadMs: number | null): Promise<Outcome> {
  await runTo(0);
  const asking = client();
  await runSlot(lateHeadMs);
  return asking;
}

describe("VC-8: a client that asks at the head event", () => {
  test("hears of an early head when the cluster has decided, and is answered at once", async () => {
    await start();
    const { toldAt, answered, at } = await outcomeOf(LATE_HEAD_MS);
    assert.ok(toldAt >= LATE_HEAD_MS && toldAt < DUE_MS, `told at ${toldAt} ms`);
    assert.equal(answered, true);
    assert.ok(at - toldAt <= STEP_MS, `answered ${at - toldAt} ms later`);
  });

  test("would hang up without an answer if it heard of the head at once", async () => {
    await start([NO_HOLD]);
    const { toldAt, answered } = await outcomeOf(LATE_HEAD_MS);
    assert.deepEqual([toldAt, answered], [EARLY_HEAD_MS, false]);
  });

  test("hears of it when the duty is due at the latest", async () => {
    await start();
    // Nobody agrees: two of four nodes are gone.
    for (const node of [2, 3]) cluster.crash(node);
    const { toldAt, answered } = await outcomeOf(null);
    assert.ok(Math.abs(toldAt - DUE_MS) <= 1, `told at ${toldAt} ms`);
    assert.equal(answered, false);
  });

  test("is not held up where there is nothing to wait for", async () => {
    await start();
    await runTo(EARLY_HEAD_MS);
    const ended = AbortSignal.abort(new Cancelled("the client is gone"));
    const never = new AbortController().signal;
    // No other slot than the current one, and nothing for who is gone.
    for (const slot of [0, SLOT - 1, SLOT + 1, SLOT + 8, 2 ** 53 - 1]) {
      await api().untilAttestable(slot, never);
    }
    await api().untilAttestable(SLOT, ended);
    await runSlot(EARLY_HEAD_MS + 1);
    await api().untilAttestable(SLOT, never);
    // A slot in which no validator of the cluster attests.
    await cluster.clock.runUntil(cluster.chain.slotStart(SLOT + 1) + EARLY_HEAD_MS);
    await api().untilAttestable(SLOT + 1, never);
  });
});
