// `coterie relay` as its operator runs it; what it carries is tested in test/integration/p2p.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { Child } from "../../../scripts/demo/processes.ts";
import { MAIN, runCommand } from "../../support/command.ts";
import { eventually } from "../../support/eventually.ts";

const dir = mkdtempSync(join(tmpdir(), "coterie-"));
after(() => rmSync(dir, { recursive: true }));

const anywhere = [
  ...["--p2p-tcp-address", "127.0.0.1:0", "--http-address", "127.0.0.1:0"],
  ...["--monitoring-address", "127.0.0.1:0", "--log-format", "json"],
] as const;

type Started = { readonly http: number; readonly monitoring: number };

async function start(dataDir: string): Promise<{ child: Child; started: Started }> {
  const lines: string[] = [];
  const child = new Child({
    name: "relay",
    args: [MAIN, "relay", "--data-dir", dataDir, "--open", ...anywhere],
    onLine: (line) => lines.push(line),
  });
  after(() => child.stop());
  const line = await eventually("the relay runs", () => {
    assert.ok(child.isRunning, child.lastLines);
    return lines.find((each) => each.includes("The relay runs")) ?? null;
  });
  return { child, started: JSON.parse(line) };
}

async function addressesAt(port: number, path: string): Promise<readonly string[]> {
  return (await (await fetch(`http://127.0.0.1:${port}${path}`)).json()) as string[];
}

test("NET-13: a relay tells where it is, is alive and counted, keeps its identity", async () => {
  const dataDir = join(dir, "relay");
  const first = await start(dataDir);
  const addresses = await addressesAt(first.started.http, "/");
  assert.match(addresses[0] ?? "", /^\/ip4\/127\.0\.0\.1\/tcp\/\d+\/p2p\/16Uiu2/);
  assert.deepEqual(await addressesAt(first.started.http, "/enr"), addresses);
  const monitoring = `http://127.0.0.1:${first.started.monitoring}`;
  assert.equal((await fetch(`${monitoring}/livez`)).status, 200);
  assert.match(await (await fetch(`${monitoring}/metrics`)).text(), /coterie_relay_reservations 0/);
  assert.equal((await fetch(`http://127.0.0.1:${first.started.http}/other`)).status, 404);
  await first.child.stop();
  assert.equal(await first.child.finish(), 0, first.child.lastLines);
  assert.equal(statSync(join(dataDir, "enr-private-key")).mode & 0o777, 0o600);
  const second = await start(dataDir);
  const [again = ""] = await addressesAt(second.started.http, "/");
  assert.equal(again.split("/p2p/")[1], addresses[0]?.split("/p2p/")[1]);
});

test("CLI-3: what is wrong with a relay's options or ports is said with its fix", async (t) => {
  const said = async (...argv: readonly string[]): Promise<string> => {
    const { code, stderr } = await runCommand(["relay", "--data-dir", join(dir, "x"), ...argv]);
    assert.equal(code, 64, stderr);
    return stderr;
  };
  assert.match(await said(...anywhere), /--cluster-lock, or say --open/);
  assert.match(await said("--open", "--cluster-lock", "a.json"), /not both/);
  const missing = join(dir, "no-lock.json");
  assert.match(await said("--cluster-lock", missing, ...anywhere), /no-lock\.json does not exist/);
  assert.match(await said("--open", "--p2p-max-reservations", "many"), /--p2p-max-reservations/);
  assert.match(await said("--open", "--p2p-external-ip", "nowhere"), /--p2p-external-hostname/);
  const taken = createServer();
  await new Promise<void>((resolve) => taken.listen(0, "127.0.0.1", resolve));
  t.after(() => taken.close());
  const address = taken.address();
  assert.ok(address !== null && typeof address === "object");
  const busy = `127.0.0.1:${address.port}`;
  const [, , ...rest] = anywhere;
  assert.match(await said("--open", "--p2p-tcp-address", busy, ...rest), /another process uses/);
  assert.match(await said("--open", ...anywhere, "--http-address", busy), /choose another with/);
});
