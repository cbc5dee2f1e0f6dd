/** The simulator's beacon node by itself, on a virtual chain of a few whole keys. */
import { BeaconPort } from "../../sim/beaconPort.ts";
import { chainOf, GENESIS_FORK_VERSION } from "../../sim/facts.ts";
import { createClusterKeys } from "../../sim/keys.ts";
import { FIRST_INDEX, Ledger } from "../../sim/ledger.ts";
import { EventLoop } from "../../sim/loop.ts";
import { SeededRandom } from "../../sim/random.ts";
import { transparentScheme } from "../../sim/transparentBls.ts";
import { VirtualBeaconNode } from "../../sim/virtualBeaconNode.ts";
import { FEE_RECIPIENT, GAS_LIMIT } from "../../sim/virtualBlocks.ts";
import { VirtualChain } from "../../sim/virtualChain.ts";
import { VirtualClock } from "../../sim/virtualClock.ts";
import { VirtualJudge } from "../../sim/virtualJudge.ts";
import { rootOf } from "../../src/domain/keys.ts";
import type { BeaconBench } from "../contract/beaconNode.ts";

const VALIDATORS = 24;
const SLOT_MS = 12_000;
const FACTS = {
  slotMs: SLOT_MS,
  slotsPerEpoch: 8,
  genesisTime: 1_700_000_000,
  genesisValidatorsRoot: rootOf(new Uint8Array(32).fill(7)),
};
/** Of the slot: by then its block is known. */
const SETTLED = 0.5;

export async function virtualBeaconBench(): Promise<BeaconBench> {
  const random = new SeededRandom("beacon node contract");
  const chain = chainOf(FACTS);
  const loop = new EventLoop(chain.slotStart(0));
  const { cluster, scheme, wholeKey } = createClusterKeys({
    nodes: 4,
    threshold: 3,
    validators: VALIDATORS,
    random,
    scheme: transparentScheme,
    identities: "transparent",
    forkVersion: GENESIS_FORK_VERSION,
    feeRecipient: FEE_RECIPIENT,
    targetGasLimit: GAS_LIMIT,
  });
  const { validators } = cluster;
  const ignore = (): void => undefined;
  const virtualChain = new VirtualChain({
    loop,
    chain,
    random,
    validators: VALIDATORS,
    proposals: 0.5,
    onBlock: (block) => view.hear(block),
  });
  const judge = new VirtualJudge(virtualChain);
  const ledger = new Ledger({
    chain,
    judge,
    validators,
    bls: scheme.bls,
    now: () => loop.now,
    onIncluded: ignore,
  });
  const parts = { self: 0, loop, chain: virtualChain, judge, ledger, random, answerMs: 0 };
  const view = new VirtualBeaconNode({ ...parts, isRelied: true, onHead: ignore });
  const clock = new VirtualClock(loop);
  const beacon = new BeaconPort({ view, facts: FACTS, validators, clock, onSubmitted: ignore });
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
      virtualChain.enterSlot(slot);
      view.enterSlot(slot);
      await loop.run(chain.slotStart(slot) + SETTLED * SLOT_MS);
      return slot;
    },
    async setReachable(isReachable) {
      recover();
      recover = isReachable ? ignore : view.impose({ kind: "beacon-offline" });
    },
    close: async () => beacon.kill(),
  };
}
