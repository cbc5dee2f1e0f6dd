/** Key ceremonies of real processes that a culprit spoils, and one that nobody can dial. */
import assert from "node:assert/strict";
import { copyFileSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { Child } from "../../../scripts/demo/processes.ts";
import { seated } from "../../support/ceremonyOperators.ts";
import { MAIN, runCommand } from "../../support/command.ts";
import { seatRogue } from "../../support/rogueCeremonyPeer.ts";
import { resealed } from "../../support/rogueDealings.ts";
import { temporaryFolder } from "../../support/temporary.ts";
import { until } from "../../support/until.ts";

const ROGUE = 2;

test("DKG-8 a dealer of wrong shares is named in blame.json, which anybody judges", async (t) => {
  const { ceremony, operators } = await seated(t, { nodes: 3, who: [0, 1] });
  await seatRogue(t, ceremony, {
    self: ROGUE,
    misdeeds: {
      dealing: (honest, view) =>
        resealed(honest, view, { receiver: 1, plaintext: new Uint8Array(32).fill(7) }),
    },
  });
  for (const { child, dataDir } of operators) {
    assert.equal(await child.finish(), 1, child.lastLines);
    assert.match(child.lastLines, /error: operator 2 is to blame: the share of validator 0 for op/);
    assert.match(child.lastLines, /fix: the proof against operator 2 is in .*blame\.json/);
    assert.deepEqual(readdirSync(dataDir).sort(), [
      "blame.json",
      "cluster-definition.json",
      "dkg",
      "dkg-acceptance.json",
      "enr-private-key",
    ]);
    assert.deepEqual(readdirSync(join(dataDir, "dkg")), ["attempts.json"], "the journal is gone");
    const [ended] = JSON.parse(readFileSync(join(dataDir, "dkg/attempts.json"), "utf8"));
    assert.equal(ended.culprit, ROGUE);
    assert.equal(ended.group_keys.length, 1, "the key that he may have seen is on record");
  }

  // A stranger's laptop: the definition and the proof, nothing else.
  const folder = temporaryFolder(t);
  for (const name of ["blame.json", "cluster-definition.json"]) {
    copyFileSync(join(operators[0]?.dataDir ?? "", name), join(folder, name));
  }
  const path = join(folder, "blame.json");
  const verified = await runCommand(["dkg", "verify", folder]);
  assert.equal(verified.code, 0, verified.stdout);
  assert.match(verified.stdout, /guilty {7}operator 2, as proved/);
  const blame = readFileSync(path, "utf8");
  const judged = async (changed: string): Promise<string> => {
    writeFileSync(path, changed);
    const { code, stdout } = await runCommand(["dkg", "verify", folder, "--json"]);
    assert.equal(code, 1, stdout);
    return JSON.parse(stdout)
      .faults.map((fault: { path: string }) => fault.path)
      .join(" ");
  };
  assert.equal(await judged(blame.replace('"culprit": 2', '"culprit": 1')), "culprit");
  const evidence = /"evidence": "(0x[0-9a-f]+)"/.exec(blame)?.[1] ?? "";
  const last = evidence.at(-1) === "0" ? "1" : "0";
  assert.equal(await judged(blame.replace(evidence, evidence.slice(0, -1) + last)), "evidence");
});

test("LOBBY-2 operators whom nobody can dial make a cluster over a relay alone", async (t) => {
  const relay = await startRelay(temporaryFolder(t));
  t.after(() => relay.child.stop());
  // Listening nowhere is what a router that lets nobody in makes of a node; the last word holds.
  const hidden = ["--p2p-tcp-address", "off", "--p2p-no-member-relay"];
  const rest = ["--p2p-relays", relay.url, ...hidden];
  const { operators } = await seated(t, { nodes: 3, of: () => ({ rest }) });
  for (const { child } of operators) assert.equal(await child.finish(), 0, child.lastLines);
  const locks = operators.map(({ dataDir }) => readFileSync(join(dataDir, "cluster-lock.json")));
  for (const lock of locks) assert.deepEqual(lock, locks[0]);
  for (const operator of operators) {
    const paths = operator.lines.flatMap((line) => /"path":"(\w+)"/g.exec(line)?.slice(1) ?? []);
    assert.ok(paths.includes("relayed") && !paths.includes("direct"), [...new Set(paths)].join());
  }
});

async function startRelay(dataDir: string): Promise<{ child: Child; url: string }> {
  mkdirSync(dataDir, { recursive: true });
  const lines: string[] = [];
  const anywhere = ["--p2p-tcp-address", "127.0.0.1:0", "--http-address", "127.0.0.1:0"];
  const child = new Child({
    name: "relay",
    args: [
      ...[MAIN, "relay", "--data-dir", dataDir, "--open", ...anywhere],
      ...["--monitoring-address", "127.0.0.1:0", "--log-format", "json"],
    ],
    onLine: (line) => lines.push(line),
  });
  const told = () => lines.find((line) => line.includes("The relay runs"));
  await until("the relay runs", () => told() !== undefined, 60_000);
  return { child, url: `http://127.0.0.1:${JSON.parse(told() ?? "{}").http}` };
}
