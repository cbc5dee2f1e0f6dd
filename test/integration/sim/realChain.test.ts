/** `--chain real`: the whole cluster under a state transition that is not ours, in virtual time. */
import "../../support/minimalPreset.ts";
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { OpenChain } from "../../../sim/realChain.ts";
import type { TraceEvent } from "../../../sim/trace.ts";

const { openInProcess } = await import("../../../sim/devchain/inProcess.ts");
const { CALM } = await import("../../../sim/scenario.ts");
const { Simulator } = await import("../../../sim/simulator.ts");

const SCENARIO = { ...CALM, validators: 24, slots: 6 };
const OPTIONS = { seed: 7, scenario: SCENARIO, bls: "blst", chain: "real" } as const;

async function run() {
  const trace: TraceEvent[] = [];
  const onTrace = (line: string): void => void trace.push(JSON.parse(line));
  return { trace, ...(await new Simulator(OPTIONS).run({ onTrace })) };
}

/** Duties of a type that blocks of the chain show, once for each validator. */
function included(events: readonly TraceEvent[], type: string): number {
  return events.filter((event) => event.kind === "included" && event.duty.endsWith(type)).length;
}

describe("SIM-7: the real chain", () => {
  it("takes the cluster's votes and blocks into its state, alike for one seed", async () => {
    const first = await run();
    assert.deepEqual(first.violations, []);
    const checked = first.verdicts.find(({ checker }) => checker === "liveness")?.checked ?? 0;
    const votes = included(first.trace, "/attester");
    const blocks = included(first.trace, "/proposer");
    assert(votes > SCENARIO.validators / 2, `${votes} votes are in blocks`);
    assert(blocks > 0, "the cluster proposed a block");
    assert(checked >= SCENARIO.validators / 2, "liveness was asked of the chain");
    assert.equal((await run()).hash, first.hash);
  });

  it("refuses what it cannot show, with the fix", async () => {
    const transparent = new Simulator({ ...OPTIONS, bls: "transparent" });
    await assert.rejects(transparent.run(), { fix: /--bls blst/ });
    const faults = [{ kind: "reorg", depth: 1, at: 3 }] as const;
    const forked = new Simulator({ ...OPTIONS, scenario: { ...SCENARIO, faults } });
    await assert.rejects(forked.run(), { fix: /leave out reorg/ });
  });

  it("is what the simulator takes it for", () => {
    const open: OpenChain = openInProcess;
    assert.equal(typeof open, "function");
  });
});
