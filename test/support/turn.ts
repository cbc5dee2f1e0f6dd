/**
 * One live cluster at a time on this machine. Test files run side by side, and five busy processes
 * of each would make the clusters late for reasons that are not theirs.
 */
import assert from "node:assert/strict";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Longest wait for the others, in milliseconds: three files of a minute each, and more if busy. */
const PATIENCE_MS = 280_000;
const POLL_MS = 200;
/** An abstract socket where there are such: the kernel frees it when its holder dies. */
const ADDRESS =
  process.platform === "linux" ? "\0coterie-live-cluster" : join(tmpdir(), "coterie-live.sock");

/** Resolves when it is this process's turn, with what ends the turn. */
export async function takeTurn(): Promise<() => void> {
  const end = performance.now() + PATIENCE_MS;
  for (;;) {
    const server = await tryListen();
    if (server !== null) return () => server.close();
    assert(performance.now() < end, "another live cluster does not end; is one left running?");
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

function tryListen(): Promise<Server | null> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", (error: NodeJS.ErrnoException) =>
      error.code === "EADDRINUSE" ? resolve(null) : reject(error),
    );
    server.listen(ADDRESS, () => resolve(server.unref()));
  });
}
