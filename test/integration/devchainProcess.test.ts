import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { interopSecretKey } from "../../sim/devchain/interopKeys.ts";
import { toHex } from "../../src/util/bytes.ts";

const MAIN = fileURLToPath(new URL("../../sim/devchain/main.ts", import.meta.url));
const EXIT_USAGE = 64;

interface Ready {
  readonly type: string;
  readonly urls: readonly string[];
  readonly controlUrl: string;
  readonly packFrom: string;
  readonly validators: readonly { readonly index: number; readonly pubkey: string }[];
}

describe("dev chain as a process", () => {
  const directory = mkdtempSync(join(tmpdir(), "devchain-"));
  after(() => rmSync(directory, { recursive: true }));
  const keysFile = (content: string): string => {
    const file = join(directory, "keys.json");
    writeFileSync(file, content);
    return file;
  };

  it("says when it serves, places the given keys last, and ends on SIGTERM", async () => {
    const pubkeys = [1000, 1001].map((i) => toHex(interopSecretKey(i).toPublicKey().toBytes()));
    const file = keysFile(JSON.stringify(pubkeys));
    const child = start("--validators-file", file, "--slot-ms", "250", "--genesis-delay", "1");
    try {
      const ready = await readLine(child);
      assert.equal(ready.type, "ready");
      assert.equal(ready.packFrom, "aggregates");
      assert.deepEqual(ready.validators, [
        { index: 64, pubkey: pubkeys[0] },
        { index: 65, pubkey: pubkeys[1] },
      ]);
      assert.equal(ready.urls.length, 2);
      const headSlot = await waitForHead(ready, 2);
      assert.ok(headSlot >= 2);
    } finally {
      child.kill("SIGTERM");
    }
    const [code, signal] = await once(child, "exit");
    assert.deepEqual([code, signal], [0, null]);
  });

  it("takes the keys from a cluster lock, and listens where it is told", async () => {
    const distributed_public_key = toHex(interopSecretKey(1_002).toPublicKey().toBytes());
    const lock = keysFile(JSON.stringify({ distributed_validators: [{ distributed_public_key }] }));
    const child = start("--validators-file", lock, "--host", "127.0.0.2");
    try {
      const ready = await readLine(child);
      assert.deepEqual(ready.validators, [{ index: 64, pubkey: distributed_public_key }]);
      const path = "eth/v1/node/version";
      const url = ready.urls[0] ?? "";
      assert.equal((await fetch(`${url.replace("127.0.0.1", "127.0.0.2")}/${path}`)).status, 200);
      await assert.rejects(fetch(`${url}/${path}`));
    } finally {
      child.kill("SIGTERM");
      await once(child, "exit");
    }
  });

  it("names the option that is wrong and exits 64", async () => {
    await assertUsage(/--fork takes one of electra, fulu, gloas/, "--fork", "deneb");
    await assertUsage(/--plain takes whole numbers from 64/, "--plain", "8");
    await assertUsage(/entry 0 is not a 0x public key/, "--validators-file", keysFile('["0x12"]'));
    const noPoint = `["0x${"11".repeat(48)}"]`;
    await assertUsage(/no BLS12-381 key/, "--validators-file", keysFile(noPoint));
    await assertUsage(/Unknown option '--forks'/, "--forks", "fulu");
  });
});

function start(...rest: readonly string[]): ChildProcess {
  const options = [MAIN, "--json", "--ports", "0,0", ...rest];
  return spawn(process.execPath, options, { stdio: ["ignore", "pipe", "pipe"] });
}

async function readLine({ stdout }: ChildProcess): Promise<Ready> {
  assert.ok(stdout);
  const [line] = await once(createInterface({ input: stdout }), "line");
  return JSON.parse(String(line)) as Ready;
}

/** Polls the chain until its head reaches `slot`; bounded by the test runner's own timeout. */
async function waitForHead({ controlUrl, urls }: Ready, slot: number): Promise<number> {
  const events = await fetch(`${urls[0]}/eth/v1/events?topics=head`);
  const reader = events.body?.getReader() ?? assert.fail("no event stream");
  for (;;) {
    const status = await fetch(`${controlUrl}/dev/status`);
    const { headSlot } = (await status.json()) as { headSlot: number };
    if (headSlot >= slot) return headSlot;
    await reader.read();
  }
}

async function assertUsage(message: RegExp, ...rest: readonly string[]): Promise<void> {
  const child = start(...rest);
  let stderr = "";
  child.stderr?.on("data", (chunk: Buffer) => {
    stderr += chunk.toString();
  });
  const [code] = await once(child, "close");
  assert.match(stderr, message);
  assert.equal(code, EXIT_USAGE);
}
