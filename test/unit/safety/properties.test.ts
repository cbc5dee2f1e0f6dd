/**
 * Random interleavings of signing with several shares, imports, failing writes and restarts,
 * against the reference model of `slashingModel.ts`. A failure prints the seed and the shrunk
 * steps; `npm run slashing:soak` takes millions of them.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { VirtualDisk } from "../../../sim/virtualStore.ts";
import type { SlashingInput } from "../../../src/domain/data.ts";
import { exportInterchange } from "../../../src/safety/interchange.ts";
import { openSlashingStore } from "../../../src/safety/openSlashingStore.ts";
import { CHAIN, pubKey, root } from "../../support/slashing.ts";
import {
  advancing,
  assertHarmless,
  importText,
  messageOf,
  SlashingWalk,
  someRoot,
  stepOf,
  VALIDATORS,
} from "../../support/slashingWalk.ts";

const RUNS = 400;

test("SLASH-7: decides like the model, over shares, imports and restarts", async (t) => {
  const seed = seedOf(t.name);
  t.diagnostic(`seed ${seed}`);
  let signed = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(stepOf(12), { minLength: 10, maxLength: 40 }), async (steps) => {
      const run = await SlashingWalk.start();
      for (const step of steps) if (step.type !== "failNextWrite") await run.take(step);
      for (const key of VALIDATORS) signed += run.emitted(key).length;
    }),
    { numRuns: RUNS, seed },
  );
  assert(signed > RUNS, `the danger is present: ${signed} messages were signed`);
});

test("STORE-6: never emits two contradicting messages, whatever writes fail", async (t) => {
  const seed = seedOf(t.name);
  t.diagnostic(`seed ${seed}`);
  await fc.assert(
    fc.asyncProperty(fc.array(stepOf(60), { minLength: 10, maxLength: 60 }), async (steps) => {
      const run = await SlashingWalk.start();
      run.isCompared = false;
      for (const step of steps) await run.take(step);
      for (const key of VALIDATORS) assertHarmless(run.emitted(key));
    }),
    { numRuns: RUNS, seed },
  );
});

test("STORE-5: never contradicts itself over a history longer than it keeps", async (t) => {
  const seed = seedOf(t.name);
  t.diagnostic(`seed ${seed}`);
  await fc.assert(
    fc.asyncProperty(advancing(260), async (steps) => {
      const run = await SlashingWalk.start();
      run.isCompared = false;
      for (const step of steps) await run.take(step);
      const emitted = run.emitted(1);
      assert(emitted.length > 48, "the history is pruned on the way");
      assertHarmless(emitted);
    }),
    { numRuns: 20, seed },
  );
});

test("SLASH-10: what was exported and imported elsewhere decides no looser", async (t) => {
  const seed = seedOf(t.name);
  t.diagnostic(`seed ${seed}`);
  await fc.assert(
    fc.asyncProperty(
      fc.array(stepOf(12), { minLength: 5, maxLength: 30 }),
      fc.array(messageOf(14, someRoot), { minLength: 20, maxLength: 20 }),
      async (steps, probes) => {
        const run = await SlashingWalk.start();
        for (const step of steps) if (step.type !== "failNextWrite") await run.take(step);
        const moved = await openSlashingStore(new VirtualDisk().open(), CHAIN);
        await importText(moved, JSON.stringify(exportInterchange(run.store)));
        for (const { signingRoot, ...slashing } of probes) {
          const candidate = {
            slashing: slashing as SlashingInput,
            signingRoot: signingRoot ?? root(1),
          };
          const before = run.store.check(pubKey(1), candidate).isApproved;
          const after = moved.check(pubKey(1), candidate).isApproved;
          assert(before || !after, `${JSON.stringify(candidate)} was refused and is approved`);
        }
      },
    ),
    { numRuns: RUNS, seed },
  );
});

/** Another one each day, and the same for everybody on that day. */
function seedOf(name: string): number {
  const day = Math.floor(Date.now() / 86_400_000);
  return [...name].reduce((hash, char) => (hash * 31 + char.charCodeAt(0)) | 0, day);
}
