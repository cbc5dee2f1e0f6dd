/**
 * Which preset (sizes of the SSZ containers) this process uses. The types read LODESTAR_PRESET once
 * when they load, so this runs before anything that leads to them is imported, and imports none of
 * them itself (CLI-5).
 */
import { UsageError } from "../domain/errors.ts";

export const PRESETS = ["mainnet", "minimal", "gnosis"] as const;
export type Preset = (typeof PRESETS)[number];

/** Time for one beacon node to answer, in milliseconds. */
const REQUEST_TIMEOUT_MS = 3_000;
/** A configuration has some 200 short entries. */
const MAX_SPEC_BYTES = 1024 * 1024;

/**
 * The preset of the first beacon node that answers; null when none does, or not with a
 * configuration. The node then starts on mainnet's and refuses a chain of another preset (ETH-2).
 */
export async function askPreset(endpoints: readonly string[]): Promise<Preset | null> {
  for (const preset of await Promise.all(endpoints.map(askEndpoint))) {
    if (preset !== null) return preset;
  }
  return null;
}

/** Makes the types that are imported from now on use `preset`. */
export function usePreset(preset: Preset): void {
  process.env["LODESTAR_PRESET"] = preset;
}

async function askEndpoint(endpoint: string): Promise<Preset | null> {
  const url = new URL(`${endpoint.replace(/\/+$/, "")}/eth/v1/config/spec`);
  const headers = new Headers({ accept: "application/json" });
  if (url.username !== "") {
    const credentials = `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`;
    headers.set("authorization", `Basic ${Buffer.from(credentials).toString("base64")}`);
    url.username = "";
    url.password = "";
  }
  const name = await fetchPresetName(url, headers);
  if (name === null) return null;
  const preset = PRESETS.find((known) => known === name);
  if (preset !== undefined) return preset;
  throw new UsageError(`the beacon node at ${url.host} uses the unknown preset "${name}"`, {
    fix: `point --beacon-node-endpoints at a chain of the presets ${PRESETS.join(", ")}`,
  });
}

/** Null for whatever is no answer: the beacon client, not this first look, judges beacon nodes. */
async function fetchPresetName(url: URL, headers: Headers): Promise<string | null> {
  try {
    const signal = AbortSignal.timeout(REQUEST_TIMEOUT_MS);
    const response = await fetch(url, { headers, signal });
    if (!response.ok || response.body === null) return null;
    const spec: unknown = JSON.parse(await readLimited(response.body));
    return presetNameIn(spec);
  } catch (error) {
    if (error instanceof Error) return null;
    throw error;
  }
}

async function readLimited(body: ReadableStream<Uint8Array>): Promise<string> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of body) {
    length += chunk.length;
    if (length > MAX_SPEC_BYTES) throw new Error("the answer is too long");
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

function presetNameIn(spec: unknown): string | null {
  if (typeof spec !== "object" || spec === null || !("data" in spec)) return null;
  const { data } = spec;
  if (typeof data !== "object" || data === null || !("PRESET_BASE" in data)) return null;
  return typeof data.PRESET_BASE === "string" ? data.PRESET_BASE : null;
}
