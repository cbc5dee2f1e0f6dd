/** One beacon node of a simulated world by itself, on the ground that is given. */
import assert from "node:assert/strict";
import { GENESIS_FORK_VERSION } from "../../sim/facts.ts";
import type { CreateGround } from "../../sim/ground.ts";
import { createClusterKeys, type KeyScheme } from "../../sim/keys.ts";
import { FIRST_INDEX, Ledger } from "../../sim/ledger.ts";
import { EventLoop } from "../../sim/loop.ts";
import { SeededRandom } from "../../sim/random.ts";
import { CALM } from "../../sim/scenario.ts";
import { FEE_RECIPIENT, GAS_LIMIT } from "../../sim/virtualBlocks.ts";
import { VirtualClock } from "../../sim/virtualClock.ts";
import type { BeaconBench } from "../contract/beaconNode.ts";

const GENESIS_TIME = 1_700_000_000;
const SCENARIO = { ...CALM, validators: 24, proposals: 0.5, beaconMs: 0 };
/** Of the slot: by then its block is known, and nobody has attested. */
const SETTLED = 0.3;

export async function groundBench(
  createGround: CreateGround,
  scheme: KeyScheme,
): Promise<BeaconBench> {
  const random = new SeededRandom("beacon node contract");
  const loop = new EventLoop(GENESIS_TIME * 1_000);
  const { cluster, wholeKey } = createClusterKeys({
    ...SCENARIO,
    random,
    scheme,
    identities: "transparent",
    forkVersion: GENESIS_FORK_VERSION,
    feeRecipient: FEE_RECIPIENT,
    targetGasLimit: GAS_LIMIT,
  });
  const { validators } = cluster;
  const ignore = (): void => undefined;
  const ground = createGround({
    loop,
    scenario: SCENARIO,
    slotsPerEpoch: 8,
    genesisTime: GENESIS_TIME,
    random,
    validators,
    include: ignore,
    emit: ignore,
    signAs: () => assert.fail("there is no stranger"),
    onForeign: ignore,
  });
  const { chain, judge, facts } = ground;
  const ledger = new Ledger({
    chain,
    judge,
    validators,
    bls: scheme.bls,
    now: () => loop.now,
    onIncluded: ignore,
  });
  const view = ground.createView({ self: 0, ledger, random, isRelied: true });
  const clock = new VirtualClock(loop);
  const beacon = ground.openPort(0, { facts, validators, clock, onSubmitted: ignore });
  let slot = 0;
  let recover = ignore;
  return {
    beacon,
    validators: validators.map(({ lockIndex, pubKey }) => {
      return { index: FIRST_INDEX + lockIndex, pubKey };
    }),
    sign: (index, signingRoot) => scheme.sign(wholeKey(index - FIRST_INDEX), signingRoot),
    async nextSlot() {
      await loop.run(chain.slotStart(++slot));
      ground.enterSlot(slot);
      view.enterSlot(slot);
      await loop.run(chain.slotStart(slot) + SETTLED * SCENARIO.slotMs);
      return slot;
    },
    async setReachable(isReachable) {
      recover();
      recover = isReachable ? ignore : view.impose({ kind: "beacon-offline" });
    },
    close: async () => beacon.kill(),
  };
}
