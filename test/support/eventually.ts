import assert from "node:assert/strict";

const POLL_MS = 100;

/** Asks again and again until the answer is not null; fails after the bound. */
export async function eventually<T>(
  claim: string,
  ask: () => Promise<T | null> | T | null,
  boundMs = 60_000,
): Promise<T> {
  const end = performance.now() + boundMs;
  for (;;) {
    const answer = await ask();
    if (answer !== null) return answer;
    assert(performance.now() < end, `not within ${boundMs} ms: ${claim}`);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}
