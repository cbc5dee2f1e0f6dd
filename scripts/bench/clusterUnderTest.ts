/** What benchmarks of whole clusters have in common: waiting, and counting at the streams. */
import type { RunningNode } from "../demo/cluster.ts";
import { MetricsPage } from "./nodeMetrics.ts";

export type Volume = { readonly frames: number; readonly bytes: number };
/** Sent by all nodes together, as counted at their streams. */
export type Sent = Readonly<Record<"consensus" | "partials", Volume>>;

const READY_WITHIN_MS = 60_000;
const READY_POLL_MS = 200;

export async function untilReady(running: readonly RunningNode[]): Promise<void> {
  const deadline = Date.now() + READY_WITHIN_MS;
  for (const { child, monitoringUrl } of running) {
    while (!(await isReady(monitoringUrl))) {
      if (!child.isRunning || Date.now() > deadline) {
        throw new Error(`${child.name} does not get ready:\n${child.lastLines}`);
      }
      await sleepUntil(Date.now() + READY_POLL_MS);
    }
  }
}

export async function countSent(running: readonly RunningNode[]): Promise<Sent> {
  const pages = await Promise.all(
    running.map(({ monitoringUrl }) => MetricsPage.read(monitoringUrl)),
  );
  const sent = (channel: string): Volume => {
    const labels = { channel, direction: "out" };
    const total = (name: string): number =>
      pages.reduce((sum, page) => sum + page.total(name, labels), 0);
    return {
      frames: total("coterie_p2p_frames_total"),
      bytes: total("coterie_p2p_bytes_total"),
    };
  };
  return { consensus: sent("consensus"), partials: sent("partials") };
}

export function difference(after: Volume, before: Volume): Volume {
  return { frames: after.frames - before.frames, bytes: after.bytes - before.bytes };
}

export function sleepUntil(instant: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, Math.max(0, instant - Date.now())));
}

async function isReady(monitoringUrl: string): Promise<boolean> {
  try {
    return (await fetch(`${monitoringUrl}/readyz`)).ok;
  } catch (error) {
    // Nothing listens yet.
    if (error instanceof TypeError) return false;
    throw error;
  }
}
