import assert from "node:assert/strict";
import { test } from "node:test";
import { Background } from "../../../src/core/background.ts";
import { Cancelled, FaultError } from "../../../src/domain/errors.ts";
import type { Chain } from "../../../src/eth2/chain.ts";
import { ForkWatch } from "../../../src/node/forkWatch.ts";
import { loadMutant } from "../../support/mutant.ts";
import { recordingLogger } from "../../support/quiet.ts";
import { LADDER_SPEC, ladderChain, NEVER, type RawSpec } from "../../support/rawSpec.ts";
import { VirtualClock } from "../../support/virtualClock.ts";

const HOUR_MS = 60 * 60 * 1_000;
/** The node starts on fulu, and gloas is not scheduled. */
const KNOWN = { GLOAS_FORK_EPOCH: NEVER };
const NOW = 100;
const LATER: RawSpec = { ...KNOWN, GLOAS_FORK_EPOCH: "200" };

/** A node that hears each answer an hour after the one before; null is no answer. */
async function heard(answers: readonly (RawSpec | null)[]) {
  const chain = knownChain();
  const clock = new VirtualClock(chain.slotStart(chain.firstSlot(NOW)));
  const logger = recordingLogger();
  const stopping = new AbortController();
  let next = 0;
  const spec = async (): Promise<RawSpec> => {
    const answer = answers[next++];
    if (answer) return { ...LADDER_SPEC, ...answer };
    throw new FaultError("beacon_unreachable", "in this test");
  };
  const watch = new ForkWatch({
    beacon: { spec },
    chain,
    clock,
    logger,
    background: new Background((bug) => assert.fail(String(bug))),
    signal: stopping.signal,
  });
  watch.start();
  await clock.runUntil(clock.now() + answers.length * HOUR_MS);
  stopping.abort(new Cancelled("over"));
  assert.equal(next, answers.length);
  const levels = logger.lines.map(({ level }) => level).filter((level) => level !== "debug");
  return { chain, levels, problem: watch.problem };
}

function knownChain(): Chain {
  return ladderChain(KNOWN);
}

test("ETH-8: a fork that is scheduled while the node runs is taken over", async () => {
  const { chain, levels, problem } = await heard([KNOWN, null, LATER, LATER]);
  assert.equal(chain.forkAt(199).fork.name, "fulu");
  assert.equal(chain.forkAt(200).fork.name, "gloas");
  assert.deepEqual({ levels, problem }, { levels: ["info"], problem: null });
});

test("ETH-8: an outdated beacon node takes no fork back", async () => {
  const unheardOf = { GLOAS_FORK_EPOCH: undefined, GLOAS_FORK_VERSION: undefined };
  const { chain, problem } = await heard([LATER, KNOWN, unheardOf]);
  assert.equal(chain.forkAt(200).fork.name, "gloas");
  assert.equal(problem, null);
});

test("ETH-8: what moved, changed or began already is told, and waits for a restart", async () => {
  for (const told of [
    { GLOAS_FORK_EPOCH: "90" },
    { GLOAS_FORK_EPOCH: "101" },
    { ...KNOWN, FULU_FORK_EPOCH: "300" },
    { ...KNOWN, FULU_FORK_VERSION: "0x99000000" },
    { ...KNOWN, HEZE_FORK_EPOCH: "90" },
  ]) {
    const { chain, levels, problem } = await heard([told, told]);
    assert.match(problem ?? "", /restart this node$/, JSON.stringify(told));
    assert.deepEqual(levels, ["error"]);
    assert.deepEqual(chain.spec, knownChain().spec);
    assert.equal((await heard([told, KNOWN])).problem, null, "a beacon node was in the wrong");
  }
});

test("ETH-6: a fork without a row that is scheduled later is not signed on", async () => {
  const { chain } = await heard([{ ...KNOWN, HEZE_FORK_EPOCH: "300" }]);
  assert.deepEqual([chain.isForkKnown(299), chain.isForkKnown(300)], [true, false]);
});

test("mutant: without the guard ETH-8 a fork that began is taken over", async () => {
  const patch = { find: " || fork.epoch <= epoch", replace: "" };
  const { laterSchedule } = await loadMutant<typeof import("../../../src/eth2/chainSpec.ts")>(
    "src/eth2/chainSpec.ts",
    [patch],
  );
  const told = ladderChain({ GLOAS_FORK_EPOCH: "90" }).spec;
  assert.ok(laterSchedule(knownChain().spec, told, NOW).ok);
});
