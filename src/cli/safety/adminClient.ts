/** Asks the running node of a data directory. */
import { FaultError, UsageError } from "../../domain/errors.ts";
import { adminAddress, adminToken } from "./adminFiles.ts";

/** A freeze waits for slow peers, an import for the disk. */
const TIMEOUT_MS = 60_000;
/** Half a gigabyte, encrypted while it comes. */
const DOWNLOAD_TIMEOUT_MS = 600_000;

export type AdminClient = {
  /** Throws what the node answered: `UsageError` for a 4xx, `FaultError` for a 5xx. */
  call(method: "GET" | "POST", path: string, body?: string): Promise<unknown>;
  /** An answer in bytes; throws `FaultError` where it breaks off. */
  download(path: string, body: string): AsyncIterable<Uint8Array>;
};

/** Null when no node runs on the data directory. */
export async function connectAdmin(dataDir: string): Promise<AdminClient | null> {
  const url = await adminAddress(dataDir);
  if (url === null) return null;
  const token = await adminToken(dataDir);
  const client: AdminClient = {
    call: async (method, path, body) =>
      answerOf(await request({ url, token }, method, { path, body })),
    download: (path, body) => download({ url, token }, path, body),
  };
  try {
    await client.call("GET", "/admin/v1/freezes");
    return client;
  } catch (error) {
    // A node that was killed leaves its address behind.
    if (error instanceof FaultError && error.code === "node_unreachable") return null;
    throw error;
  }
}

type Place = { readonly url: string; readonly token: string };

async function* download(place: Place, path: string, body: string): AsyncIterable<Uint8Array> {
  const timeoutMs = DOWNLOAD_TIMEOUT_MS;
  const response = await request(place, "POST", { path, body, timeoutMs });
  if (!response.ok) await answerOf(response);
  try {
    for await (const chunk of response.body ?? []) yield chunk;
  } catch (error) {
    const detail = `its answer broke off: ${String(error)}`;
    throw new FaultError("node_unreachable", detail, { cause: error });
  }
}

async function request(
  { url, token }: Place,
  method: "GET" | "POST",
  {
    path,
    body,
    timeoutMs = TIMEOUT_MS,
  }: {
    readonly path: string;
    readonly body: string | undefined;
    readonly timeoutMs?: number;
  },
): Promise<Response> {
  try {
    return await fetch(`${url}${path}`, {
      method,
      headers: { authorization: `Bearer ${token}` },
      ...(body === undefined ? {} : { body }),
      signal: AbortSignal.timeout(timeoutMs),
    });
  } catch (error) {
    throw new FaultError("node_unreachable", `${url}: ${String(error)}`, { cause: error });
  }
}

async function answerOf(response: Response): Promise<unknown> {
  const json: unknown = await response.json();
  if (response.ok) return json;
  const { message, fix } = json as { readonly message?: string; readonly fix?: string };
  const text = message ?? `the node answered ${response.status}`;
  if (response.status >= 500) throw new FaultError("disk_failed", text);
  throw new UsageError(text, fix === undefined ? {} : { fix });
}
