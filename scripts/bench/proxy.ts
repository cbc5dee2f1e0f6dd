/** Reads that stream through the node, against a bare undici proxy in the same run. */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { Agent } from "undici";
import type { ProxyRole } from "./proxyPeer.ts";
import type { BenchRow } from "./row.ts";
import { median } from "./statistics.ts";

/** A list of some hundred validators, or a block's JSON. */
const BODY_BYTES = 300 * 1024;
const MIN_RATIO = 0.8;
const CONCURRENCY = 8;
const REQUESTS_PER_BATCH = 200;
/** Batches of the two alternate, so that what else the machine does hits both. */
const BATCHES = 9;
const PATH = "/eth/v2/beacon/blocks/head";

export async function benchProxy(progress: (text: string) => void): Promise<readonly BenchRow[]> {
  const children: ChildProcess[] = [];
  const agent = new Agent({ connections: CONCURRENCY });
  try {
    const beacon = await start(children, { kind: "beacon", bytes: BODY_BYTES });
    const bare = await start(children, { kind: "bare", upstream: beacon });
    const ours = await start(children, { kind: "ours", upstream: beacon });
    const perSecond = { bare: [] as number[], ours: [] as number[] };
    for (const url of [bare, ours]) await batch(agent, url);
    for (let i = 0; i < BATCHES; i++) {
      perSecond.bare.push(await batch(agent, bare));
      perSecond.ours.push(await batch(agent, ours));
      const [left, right] = [perSecond.bare[i] ?? 0, perSecond.ours[i] ?? 0];
      progress(`bare ${left.toFixed(0)}/s, ours ${right.toFixed(0)}/s`);
    }
    const ratio = median(perSecond.ours.map((each, i) => each / (perSecond.bare[i] ?? 1)));
    return [
      {
        name: "proxied answers of 300 KB",
        value: median(perSecond.ours),
        unit: "1/s",
        floor: median(perSecond.bare),
        ratio,
        limit: `at least ${MIN_RATIO}x a bare undici proxy`,
        pass: ratio >= MIN_RATIO,
      },
    ];
  } finally {
    await agent.destroy();
    for (const child of children) child.kill("SIGKILL");
  }
}

async function start(children: ChildProcess[], role: ProxyRole): Promise<string> {
  const child = fork(join(import.meta.dirname, "proxyPeer.ts"));
  children.push(child);
  child.send(role);
  const [url] = await once(child, "message");
  return String(url);
}

/** Answers per second. */
async function batch(agent: Agent, origin: string): Promise<number> {
  let left = REQUESTS_PER_BATCH;
  const startedAt = performance.now();
  const worker = async (): Promise<void> => {
    while (left-- > 0) {
      const { statusCode, body } = await agent.request({ origin, path: PATH, method: "GET" });
      const bytes = await body.arrayBuffer();
      if (statusCode !== 200 || bytes.byteLength < BODY_BYTES) throw new Error("a broken answer");
    }
  };
  await Promise.all(Array.from({ length: CONCURRENCY }, worker));
  return REQUESTS_PER_BATCH / ((performance.now() - startedAt) / 1_000);
}
