// The commands over what a node may sign, on a stopped node: freeze, slashing history, audit.
import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { acquireInstanceLock } from "../../../src/adapters/storage/instanceLock.ts";
import { systemClock } from "../../../src/adapters/system/clock.ts";
import { systemRandom } from "../../../src/adapters/system/random.ts";
import { operator } from "../../../src/cli/safety/freeze.ts";
import { readOperator } from "../../../src/cli/safety/slashing.ts";
import { writeStatement } from "../../../src/cli/safety/statements.ts";
import type { PubKey } from "../../../src/domain/keys.ts";
import { openNode, serveAdmin } from "../../support/backups.ts";
import { runCommand } from "../../support/command.ts";

const folder = mkdtempSync(join(tmpdir(), "coterie-"));
const nodeDir = (index: number): string => join(folder, "squad", `node${index}`);
const file = (name: string): string => join(folder, name);
const ROOT = `0x${"04".repeat(32)}`;
const PRIVATE_CHAIN = ["--testnet-genesis-validators-root", ROOT];
let pubKey: string;

before(async () => {
  const address = `0x${"a1".repeat(20)}`;
  const created = await runCommand([
    ...["create", "cluster", "--cluster-dir", join(folder, "squad"), "--insecure-keys"],
    ...["--testnet-fork-version", "0x10000038", "--fee-recipient-addresses", address],
    ...["--withdrawal-addresses", address],
  ]);
  assert.equal(created.code, 0, created.stderr);
  const lock = JSON.parse(readFileSync(join(nodeDir(0), "cluster-lock.json"), "utf8"));
  pubKey = lock.distributed_validators[0].distributed_public_key;
});
after(() => rmSync(folder, { recursive: true }));

function interchange(target: number, key = pubKey): string {
  return JSON.stringify({
    metadata: { interchange_format_version: "5", genesis_validators_root: ROOT },
    data: [
      {
        pubkey: key,
        signed_blocks: [{ slot: `${32 * target}` }],
        signed_attestations: [{ source_epoch: `${target - 1}`, target_epoch: `${target}` }],
      },
    ],
  });
}

async function run(...argv: readonly string[]) {
  const outcome = await runCommand([...argv]);
  return { ...outcome, ok: outcome.code === 0 };
}
const at = (node: number, ...argv: readonly string[]) => run(...argv, "--data-dir", nodeDir(node));
async function json(node: number, ...argv: readonly string[]) {
  const { ok, stdout, stderr } = await at(node, ...argv, "--json");
  assert(ok, stderr);
  return JSON.parse(stdout);
}

describe("a data directory that never signed", () => {
  test("refuses freeze and export with the way out, and needs a private chain's root", async () => {
    const frozen = await at(3, "freeze", "--reason", "drill");
    assert.equal(frozen.code, 64);
    assert.match(frozen.stderr, /has never run[\s\S]*FREEZE/);
    writeFileSync(file("early.json"), interchange(5));
    const imported = await at(3, "slashing", "import", file("early.json"));
    assert.equal(imported.code, 64);
    assert.match(imported.stderr, /has never run/);
  });
});

describe("SLASH-8: slashing import, status and verify", () => {
  test("imports before the first start, adds nothing the second time, and shows it", async () => {
    writeFileSync(file("history.json"), interchange(10));
    const first = await json(0, "slashing", "import", file("history.json"), ...PRIVATE_CHAIN);
    assert.deepEqual(first, { validators: 1, added: 2 });
    const second = await json(0, "slashing", "import", file("history.json"));
    assert.deepEqual(second, { validators: 1, added: 0 });
    const [row] = await json(0, "slashing", "status");
    assert.deepEqual(row.attestation, { source: 9, target: 10 });
    assert.deepEqual(row.block, { slot: 320 });
    assert.deepEqual(row.frozen, []);
    assert(!existsSync(join(nodeDir(0), "instance.lock")), "the lock is given back");
  });

  test("refuses a key of nobody, and names the field", async () => {
    writeFileSync(file("stranger.json"), interchange(10, `0x${"ab".repeat(48)}`));
    const imported = await at(0, "slashing", "import", file("stranger.json"));
    assert.equal(imported.code, 64);
    assert.match(imported.stderr, /data\[0\]\.pubkey.*no validator of the cluster lock/);
    const verified = await at(0, "slashing", "verify", file("stranger.json"));
    assert.equal(verified.code, 1);
    assert.match(verified.stdout, /no key of this cluster/);
    const good = await json(0, "slashing", "verify", file("history.json"));
    assert.deepEqual(good, { isValid: true, keys: 1, missing: 0, problems: [] });
  });

  test("refuses while another process owns the directory", async () => {
    const lock = await acquireInstanceLock({
      directory: nodeDir(0),
      clock: systemClock,
      random: systemRandom,
      onLost: () => assert.fail("the command took the lock"),
    });
    const imported = await at(0, "slashing", "import", file("history.json"));
    lock.release();
    assert.equal(imported.code, 75);
    assert.match(imported.stderr, /is held by process/);
  });
});

describe("VIEW-1: slashing export", () => {
  before(async () => {
    for (const node of [1, 2]) {
      writeFileSync(file(`node${node}.json`), interchange(10 + node));
      await json(node, "slashing", "import", file(`node${node}.json`), ...PRIVATE_CHAIN);
    }
  });
  const highestOf = (name: string) => {
    const { data } = JSON.parse(readFileSync(file(name), "utf8"));
    return data.map((each: { pubkey: string; signed_attestations: object[] }) => [
      each.pubkey,
      each.signed_attestations.at(-1),
    ]);
  };

  test("the share view is for this operator's validator client", async () => {
    const report = await json(0, "slashing", "export", "--out", file("share.json"));
    assert.equal(report.validators, 1);
    const lock = JSON.parse(readFileSync(join(nodeDir(0), "cluster-lock.json"), "utf8"));
    const [share] = lock.distributed_validators[0].public_shares;
    assert.deepEqual(highestOf("share.json"), [[share, { source_epoch: "9", target_epoch: "10" }]]);
    assert.equal(statSync(file("share.json")).mode & 0o777, 0o600);
  });

  test("the validator view is refused with fewer than n−t+f+1 operators' word", async () => {
    const alone = await at(
      0,
      "slashing",
      "export",
      "--view",
      "validator",
      "--out",
      file("no.json"),
    );
    assert.equal(alone.code, 64);
    assert.match(alone.stderr, /needs the word of 3 operators, there are 1[\s\S]*--minify-at/);
    assert(!existsSync(file("no.json")));
  });

  test("with enough statements it is the union of what the operators signed", async () => {
    for (const node of [1, 2]) {
      const name = file(`statement${node}.json`);
      await json(node, "slashing", "export", "--view", "statement", "--out", name);
    }
    const statements = [1, 2].map((node) => file(`statement${node}.json`)).join(",");
    const view = ["slashing", "export", "--view", "validator"];
    const out = file("validator.json");
    const { covers } = await json(0, ...view, "--statements", statements, "--out", out);
    assert.match(covers, /everything that the cluster signed, by 3 operators' word/);
    const expected = [[pubKey, { source_epoch: "11", target_epoch: "12" }]];
    assert.deepEqual(highestOf("validator.json"), expected);

    const node = await openNode(nodeDir(0));
    const close = await serveAdmin(nodeDir(0), { control: node.control });
    const argv = [...view, "--statements", statements, "--out"];
    const running = await at(0, ...argv, file("running.json"));
    assert.equal(running.code, 64);
    assert.match(running.stderr, /the node signs[\s\S]*coterie freeze/);
    const everybody = { scope: "all", validator: null } as const;
    await node.control.freeze({ ...everybody, reason: "the keys move", by: "test" });
    const frozen = await at(0, ...argv, file("frozen.json"));
    assert.equal(frozen.code, 0, frozen.stderr);
    await node.control.unfreeze(everybody, "test");
    await close();
    await node.close();

    const twice = [1, 1].map((node) => file(`statement${node}.json`)).join(",");
    const counted = await at(0, ...view, "--statements", twice, "--out", file("twice.json"));
    assert.match(counted.stderr, /there are 2/, "one operator counts once");

    const forged = readFileSync(file("statement2.json"), "utf8").replace('"12"', '"10"');
    writeFileSync(file("forged.json"), forged);
    const pair = `${file("statement1.json")},${file("forged.json")}`;
    const refused = await at(0, ...view, "--statements", pair, "--out", file("forgery.json"));
    assert.equal(refused.code, 64);
    assert.match(refused.stderr, /is not signed by operator 2, or was changed since/);

    const { cluster, identity } = await readOperator(nodeDir(2));
    const odd = [
      ["0xzz", { source: 1, target: 2 }],
      [pubKey, { source: 1, target: 2 ** 53 }],
    ] as const;
    for (const [key, attestation] of odd) {
      const highest = new Map([[key as PubKey, { attestation, block: null }]]);
      writeFileSync(file("odd.json"), writeStatement(cluster, identity, highest));
      const { stderr } = await at(0, ...view, "--statements", file("odd.json"), "--out", "odd.out");
      assert.match(stderr, /odd\.json says of 0x.* what no node of this cluster does/);
    }
  });

  test("minified it refuses everything up to the epoch, and says so", async () => {
    const argv = ["slashing", "export", "--view", "validator", "--minify-at", "50"];
    const { covers } = await json(0, ...argv, "--out", file("minified.json"));
    assert.match(covers, /minified to epoch 50, by 1 of 3/);
    const expected = [[pubKey, { source_epoch: "50", target_epoch: "50" }]];
    assert.deepEqual(highestOf("minified.json"), expected);
  });
});

describe("FREEZE-1: freeze and unfreeze of a stopped node", () => {
  test("go where the user has a number and no name, as in a container", () => {
    const nameOf = (): string => {
      const code = "ERR_SYSTEM_ERROR";
      throw Object.assign(new Error("uv_os_get_passwd returned ENOENT"), { code });
    };
    assert.match(operator(nameOf), /^user \d+ by command$/);
    assert.match(operator(), /\S+ by command$/);
  });

  test("holds for the next start, and is lifted by its own name only", async () => {
    const frozen = await json(0, "freeze", "--scope", "attest", "--reason", "maintenance");
    assert.deepEqual(
      frozen.map(({ scope, validator, reason }: Record<string, unknown>) => [
        scope,
        validator,
        reason,
      ]),
      [["attest", null, "maintenance"]],
    );
    const wrong = await at(0, "unfreeze", "--scope", "propose");
    assert.equal(wrong.code, 64);
    assert.match(wrong.stderr, /no freeze of propose[\s\S]*frozen are: attest of all validators/);
    assert.deepEqual(await json(0, "unfreeze", "--scope", "attest"), []);
  });

  test("refuses a scope, a validator or a missing reason by name", async () => {
    assert.match((await at(0, "freeze", "--scope", "x", "--reason", "y")).stderr, /--scope: "x"/);
    assert.match((await at(0, "freeze")).stderr, /--reason is required/);
    const key = await at(0, "freeze", "--validator", "0x12", "--reason", "y");
    assert.match(key.stderr, /--validator is no public key/);
  });
});
