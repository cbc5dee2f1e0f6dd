import assert from "node:assert/strict";
import { chmodSync, cpSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { decryptKeystore } from "../../../src/crypto/keystore.ts";
import type { PubKey } from "../../../src/domain/keys.ts";
import { importInterchange } from "../../../src/safety/interchange.ts";
import { runCommand } from "../../support/command.ts";
import {
  ADDRESSES,
  combine,
  copyNodes,
  HISTORY,
  interchange,
  KEYS,
  PRIVATE_CHAIN,
  ROOT,
  SQUAD,
  useSplitKeys,
  withStore,
} from "../../support/keyMoves.ts";
import { loadMutant } from "../../support/mutant.ts";
import { temporaryFolder } from "../../support/temporary.ts";

useSplitKeys();

const modeOf = (path: string): string => (statSync(path).mode & 0o777).toString(8);

// KEYS-3
test("combine: prints what is left to do, and what it did not check", async (t) => {
  const output = join(temporaryFolder(t), "keys");
  const where = ["--cluster-dir", copyNodes(t, [0, 1, 2]), "--output-dir", output];
  const done = await combine([...where, "--slashing-history", HISTORY]);
  for (const words of [/Stop the nodes of ALL operators/, /Wait two epochs/, /Not checked: /]) {
    assert.match(done.stdout, words);
  }
});

// KEYS-4
test("combine: t nodes make the old keys again, in files that no one else reads", async (t) => {
  const output = join(temporaryFolder(t), "deep", "keys");
  const clusterDir = copyNodes(t, [0, 2, 3]);
  const done = await combine([
    "--cluster-dir",
    clusterDir,
    "--output-dir",
    output,
    "--slashing-history",
    HISTORY,
  ]);
  assert.equal(done.code, 0, done.stderr);
  const files = readdirSync(output).sort();
  assert.deepEqual(files, [
    ...[0, 1].flatMap((i) => [`keystore-${i}.json`, `keystore-${i}.txt`]),
    "slashing-protection.json",
  ]);
  for (const file of files) assert.equal(modeOf(join(output, file)), "600");
  for (const [i, { secret, pubKey }] of KEYS.entries()) {
    const json = readFileSync(join(output, `keystore-${i}.json`), "utf8");
    const password = readFileSync(join(output, `keystore-${i}.txt`), "utf8");
    const opened = await decryptKeystore({ json, password });
    assert(opened.ok);
    assert.deepEqual(opened.value, secret);
    assert.equal(`0x${JSON.parse(json).pubkey}`, pubKey);
    assert(!`${done.stdout}${done.stderr}`.includes(password), "no secret is printed");
  }
});

// KEYS-5, SLASH-12
test("combine: the history goes along, so that the next signer refuses the old", async (t) => {
  const output = join(temporaryFolder(t), "keys");
  const clusterDir = copyNodes(t, [0, 1, 2]);
  const run = ["--cluster-dir", clusterDir, "--output-dir", output, "--slashing-history", HISTORY];
  assert.equal((await combine(run)).code, 0);
  const file = readFileSync(join(output, "slashing-protection.json"), "utf8");
  const dataDir = temporaryFolder(t);
  await withStore(dataDir, async (store) => {
    const imported = await importInterchange(store, file, { validatorOf: (key) => key as PubKey });
    assert(imported.ok);
    assert.equal(imported.value.validators, KEYS.length);
  });
  await withStore(dataDir, (store) => {
    const slashing = { kind: "attestation", source: 99, target: 100 } as const;
    for (const { pubKey } of KEYS) {
      assert.equal(store.check(pubKey, { slashing, signingRoot: ROOT }).isApproved, false);
    }
  });
});

test("combine: a history of the shares counts for their validators", async (t) => {
  const folder = temporaryFolder(t);
  const lock = JSON.parse(readFileSync(join(SQUAD, "node0/cluster-lock.json"), "utf8"));
  const shares = lock.distributed_validators.map(
    (validator: { public_shares: readonly string[] }) => validator.public_shares[1],
  );
  const history = join(folder, "shares.json");
  const entries = shares.map((pubkey: string) => ({ pubkey, target: 150, slot: 4_800 }));
  writeFileSync(history, interchange(entries));
  const output = join(folder, "keys");
  const clusterDir = copyNodes(t, [0, 1, 2]);
  const done = await combine([
    "--cluster-dir",
    clusterDir,
    "--output-dir",
    output,
    "--slashing-history",
    history,
  ]);
  assert.equal(done.code, 0, done.stderr);
  const { data } = JSON.parse(readFileSync(join(output, "slashing-protection.json"), "utf8"));
  assert.deepEqual(
    data.map((entry: { pubkey: string }) => entry.pubkey),
    KEYS.map(({ pubKey }) => pubKey),
  );
  assert.equal(data[0].signed_attestations[0].target_epoch, "150");
});

const REFUSALS: readonly {
  readonly name: string;
  readonly nodes: readonly number[];
  readonly spoil?: (clusterDir: string) => void | Promise<void>;
  readonly history?: readonly string[];
  readonly message: RegExp;
}[] = [
  {
    name: "fewer than t nodes",
    nodes: [1, 3],
    message: /validator 0 .* has key shares of 2 operators, 3 are needed/,
  },
  {
    name: "one node's folder twice in place of a third",
    nodes: [1, 3],
    spoil: (dir) => cpSync(join(dir, "node1"), join(dir, "again"), { recursive: true }),
    message: /has key shares of 2 operators/,
  },
  { name: "no history", nodes: [0, 1, 2], history: [], message: /slashing history is missing/ },
  {
    name: "a waived history though a node's own records show signatures",
    nodes: [0, 1, 2],
    history: ["--without-history-because", "I am sure"],
    message: /there is no history, but what .*node0 signed for 0x/,
  },
  {
    name: "a history older than a node's own records",
    nodes: [0, 1, 2],
    spoil: (dir) =>
      withStore(join(dir, "node1"), async (store) => {
        const slashing = { kind: "attestation", source: 120, target: 121 } as const;
        const { pubKey } = KEYS[1] ?? { pubKey: "" as PubKey };
        await store.transact((transaction) =>
          transaction.record({ pubKey, slashing, signingRoot: ROOT, origin: "own", shareIndex: 2 }),
        );
      }),
    message: /history\.json is older than what .*node1 signed for 0x/,
  },
  {
    name: "a node that ran a moment ago",
    nodes: [0, 1, 2],
    spoil: (dir) =>
      writeFileSync(
        join(dir, "node2", "enr-private-key.lock"),
        JSON.stringify({ command: "coterie run", timestamp: new Date().toISOString() }),
      ),
    message: /node2 \("coterie run"\) was running less than two epochs ago\n.*try again in 76\d s/,
  },
  {
    name: "a folder of another cluster",
    nodes: [0, 1, 2],
    spoil: async (dir) => {
      const other = ["--cluster-dir", join(dir, "o"), ...PRIVATE_CHAIN, ...ADDRESSES];
      await runCommand(["create", "cluster", ...other, "--insecure-keys"]);
      cpSync(join(dir, "o", "node0"), join(dir, "node9"), { recursive: true });
    },
    message: /node9\/cluster-lock\.json is the lock of another cluster/,
  },
  {
    name: "a folder without data directories",
    nodes: [],
    message: /holds no data directory with a cluster-lock\.json/,
  },
];

// KEYS-4, KEYS-5
for (const { name, nodes, spoil, history, message } of REFUSALS) {
  test(`combine: refuses ${name} and writes nothing`, async (t) => {
    const clusterDir = copyNodes(t, nodes);
    await spoil?.(clusterDir);
    const folder = temporaryFolder(t);
    const output = join(folder, "keys");
    const given = history ?? ["--slashing-history", HISTORY];
    const done = await combine(["--cluster-dir", clusterDir, "--output-dir", output, ...given]);
    assert.equal(done.code, 64, `${done.stdout}${done.stderr}`);
    assert.match(done.stderr, message);
    assert.match(done.stderr, /\nfix: /);
    assert.deepEqual(readdirSync(folder), []);
  });
}

test("combine: a mutant that does not compare with the lock writes a key of nobody", async (t) => {
  const clusterDir = copyNodes(t, [0, 1, 2]);
  const wrongIndex = {
    find: "const index = shareIndexOf(peer);",
    replace: "const index = peer + 2;",
  };
  const options = {
    clusterDir,
    outputDir: join(temporaryFolder(t), "keys"),
    history: { kind: "file", path: HISTORY, customRoot: ROOT },
    contractWallets: new Set<string>(),
  } as const;
  type Combine = typeof import("../../../src/cli/combine.ts");
  const guarded = await loadMutant<Combine>("src/cli/combine.ts", [wrongIndex]);
  await assert.rejects(guarded.combine(options), /shares of validator 0 do not make its key/);
  const blind = await loadMutant<Combine>("src/cli/combine.ts", [
    wrongIndex,
    { find: " || pubKeyOf(key.publicKey) !== pubKey", replace: "" },
  ]);
  await blind.combine(options);
  const json = JSON.parse(readFileSync(join(options.outputDir, "keystore-0.json"), "utf8"));
  assert.notEqual(`0x${json.pubkey}`, KEYS[0]?.pubKey);
});

test("combine: an existing output folder is left as it is", async (t) => {
  const output = temporaryFolder(t);
  writeFileSync(join(output, "keystore-0.json"), "mine");
  chmodSync(join(output, "keystore-0.json"), 0o600);
  const clusterDir = copyNodes(t, [0, 1, 2]);
  const done = await combine([
    "--cluster-dir",
    clusterDir,
    "--output-dir",
    output,
    "--slashing-history",
    HISTORY,
  ]);
  assert.equal(done.code, 64);
  assert.match(done.stderr, /exists already and is not overwritten/);
  assert.deepEqual(readdirSync(output), ["keystore-0.json"]);
});
