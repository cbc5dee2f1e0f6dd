import assert from "node:assert/strict";

/** Waits until `holds` does, looking every few milliseconds; fails after the bound. */
export async function until(claim: string, holds: () => boolean, boundMs = 10_000): Promise<void> {
  const end = performance.now() + boundMs;
  while (!holds()) {
    assert(performance.now() < end, `not within ${boundMs} ms: ${claim}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
