/**
 * `npm run slashing:soak [-- --steps 3000000 --seed 1]`: random lives of the slashing store, with
 * several shares, imports, failing writes and restarts, against the reference model of EIP-3076
 * (SLASH-7, STORE-6). Ends with 1 at the first contradiction and prints its seed and shrunk steps.
 */
import { parseArgs } from "node:util";
import fc from "fast-check";
import {
  advancing,
  assertHarmless,
  SlashingWalk,
  type Step,
  stepOf,
  VALIDATORS,
} from "../test/support/slashingWalk.ts";

/** Of each kind of walk, for one seed of fast-check; each line of the output is one such seed. */
const STEPS = 100_000;

type Kind = {
  readonly walks: fc.Arbitrary<readonly Step[]>;
  /** Steps of a walk at most. */
  readonly longest: number;
  /** Failing writes may leave the model behind: then only what was let out is judged. */
  readonly isCompared: boolean;
};
/** Few epochs, so that messages meet; more of them; and more than are kept. */
const KINDS: readonly Kind[] = [
  { walks: walksOf(12, 60), longest: 60, isCompared: true },
  { walks: walksOf(60, 80), longest: 80, isCompared: false },
  { walks: advancing(400), longest: 400, isCompared: false },
];

const { values } = parseArgs({
  options: {
    steps: { type: "string", default: "3000000" },
    seed: { type: "string", default: String(Date.now() % 1_000_000) },
  },
});
const wanted = Number(values.steps);
const startedAt = performance.now();
let taken = 0;
let signed = 0;
for (let seed = Number(values.seed); taken < wanted; seed++) {
  for (const kind of KINDS) await soak(kind, seed);
  const seconds = ((performance.now() - startedAt) / 1_000).toFixed(0);
  process.stdout.write(`seed ${seed}: ${taken} steps, ${signed} signed, ${seconds} s\n`);
}
process.stdout.write(`${taken} steps, ${signed} messages signed, no contradiction\n`);

async function soak({ walks, longest, isCompared }: Kind, seed: number): Promise<void> {
  const property = fc.asyncProperty(walks, async (steps) => {
    const run = await SlashingWalk.start();
    run.isCompared = isCompared;
    for (const step of steps) if (!isCompared || !isFailure(step)) await run.take(step);
    taken += steps.length;
    for (const validator of VALIDATORS) {
      const emitted = run.emitted(validator);
      signed += emitted.length;
      assertHarmless(emitted);
    }
  });
  const numRuns = Math.ceil(STEPS / longest);
  await fc.assert(property, { numRuns, seed });
}

function walksOf(highest: number, maxLength: number): fc.Arbitrary<readonly Step[]> {
  return fc.array(stepOf(highest), { minLength: 10, maxLength });
}

function isFailure({ type }: Step): boolean {
  return type === "failNextWrite";
}
