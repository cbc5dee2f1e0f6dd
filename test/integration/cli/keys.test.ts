import assert from "node:assert/strict";
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, type TestContext, test } from "node:test";
import { openLevel } from "../../../src/adapters/storage/level.ts";
import { systemRandom } from "../../../src/adapters/system/random.ts";
import { decryptKeystore, encryptKeystore } from "../../../src/crypto/keystore.ts";
import { parseSecretKey } from "../../../src/crypto/points.ts";
import { randomScalar, scalarBytes } from "../../../src/crypto/shamir.ts";
import { type PubKey, type Root, rootOf } from "../../../src/domain/keys.ts";
import { importInterchange } from "../../../src/safety/interchange.ts";
import { openSlashingStore } from "../../../src/safety/openSlashingStore.ts";
import type { SlashingStore } from "../../../src/safety/slashingStore.ts";
import { toHex } from "../../../src/util/bytes.ts";
import { type Finished, runCommand } from "../../support/command.ts";
import { loadMutant } from "../../support/mutant.ts";
import { temporaryFolder } from "../../support/temporary.ts";

const ADDRESS = `0x${"a1".repeat(20)}`;
const FORK_VERSION = "0x10000038";
const ROOT: Root = rootOf(new Uint8Array(32).fill(9));
const ADDRESSES = ["--fee-recipient-addresses", ADDRESS, "--withdrawal-addresses", ADDRESS];
const PRIVATE_CHAIN = ["--testnet-fork-version", FORK_VERSION];
const CHAIN_ROOT = ["--testnet-genesis-validators-root", ROOT];

type Key = { readonly secret: Uint8Array; readonly pubKey: PubKey };

/** Two validators as their old client leaves them: keystores, and what it signed. */
const KEYS: readonly Key[] = Array.from({ length: 2 }, () => {
  const secret = scalarBytes(randomScalar(systemRandom));
  const key = parseSecretKey(secret);
  assert(key !== null);
  return { secret, pubKey: toHex(key.publicKey) as PubKey };
});
const base = mkdtempSync(join(tmpdir(), "coterie-"));
const OLD_KEYS = join(base, "old");
const HISTORY = join(base, "history.json");
const SQUAD = join(base, "squad");

type Entry = { readonly pubkey: string; readonly target?: number; readonly slot?: number };

function interchange(entries: readonly Entry[], root: string = ROOT): string {
  return JSON.stringify({
    metadata: { interchange_format_version: "5", genesis_validators_root: root },
    data: entries.map(({ pubkey, target, slot }) => ({
      pubkey,
      signed_blocks: slot === undefined ? [] : [{ slot: String(slot) }],
      signed_attestations:
        target === undefined
          ? []
          : [{ source_epoch: String(target - 1), target_epoch: String(target) }],
    })),
  });
}

const COMPLETE = KEYS.map(({ pubKey }) => ({ pubkey: pubKey, target: 100, slot: 3_200 }));

before(async () => {
  mkdirSync(OLD_KEYS);
  for (const [i, { secret }] of KEYS.entries()) {
    const password = `old password ${i}`;
    const json = await encryptKeystore({ secret, password, random: systemRandom, kdf: "weak" });
    writeFileSync(join(OLD_KEYS, `keystore-m_12381_3600_${i}_0_0.json`), json);
    writeFileSync(join(OLD_KEYS, `keystore-m_12381_3600_${i}_0_0.txt`), password, { mode: 0o600 });
  }
  const stranger = { pubkey: `0x${"b7".repeat(48)}`, target: 7 };
  writeFileSync(HISTORY, interchange([...COMPLETE, stranger]));
  const done = await split(SQUAD, ["--slashing-history", HISTORY, ...CHAIN_ROOT]);
  assert.equal(done.code, 0, done.stderr);
});
after(() => rmSync(base, { recursive: true }));

function split(clusterDir: string, rest: readonly string[]): Promise<Finished> {
  const keys = ["--split-existing-keys", "--split-keys-dir", OLD_KEYS, "--insecure-keys"];
  const where = ["--cluster-dir", clusterDir, ...PRIVATE_CHAIN, ...ADDRESSES];
  return runCommand(["create", "cluster", ...where, ...keys, ...rest]);
}

function combine(rest: readonly string[]): Promise<Finished> {
  return runCommand(["combine", ...CHAIN_ROOT, ...rest]);
}

async function withStore<T>(dataDir: string, use: (store: SlashingStore) => T): Promise<T> {
  const level = await openLevel(join(dataDir, "db"));
  try {
    return await use(await openSlashingStore(level, ROOT));
  } finally {
    await level.close();
  }
}

/** Data directories of some nodes, that a test may spoil. */
function copyNodes(t: TestContext, nodes: readonly number[]): string {
  const folder = temporaryFolder(t);
  for (const node of nodes) {
    cpSync(join(SQUAD, `node${node}`), join(folder, `node${node}`), { recursive: true });
  }
  return folder;
}

const modeOf = (path: string): string => (statSync(path).mode & 0o777).toString(8);

// KEYS-2
test("split: the cluster's validators are the old keys, in the order of their keystores", () => {
  const lock = JSON.parse(readFileSync(join(SQUAD, "node0/cluster-lock.json"), "utf8"));
  assert.deepEqual(
    lock.distributed_validators.map(
      (validator: { distributed_public_key: string }) => validator.distributed_public_key,
    ),
    KEYS.map(({ pubKey }) => pubKey),
  );
});

test("split: no second deposit is prepared, and the origin of the keys is kept", () => {
  for (const node of readdirSync(SQUAD)) {
    assert(!existsSync(join(SQUAD, node, "deposit-data.json")));
    const origin = JSON.parse(readFileSync(join(SQUAD, node, "key-origin.json"), "utf8"));
    assert.deepEqual(
      origin.validators,
      KEYS.map(({ pubKey }) => pubKey),
    );
    assert.equal(origin.without_history_because, null);
  }
});

// KEYS-2, SLASH-12
test("split: every node refuses what the old client signed, and anything before it", async () => {
  for (const node of readdirSync(SQUAD)) {
    await withStore(join(SQUAD, node), (store) => {
      for (const { pubKey } of KEYS) {
        const vote = (source: number, target: number) =>
          store.check(pubKey, {
            slashing: { kind: "attestation", source, target },
            signingRoot: ROOT,
          }).isApproved;
        assert.equal(vote(99, 100), false);
        assert.equal(vote(98, 101), false, "it would surround");
        assert.equal(vote(99, 101), true);
        const block = (slot: number) =>
          store.check(pubKey, { slashing: { kind: "block", slot }, signingRoot: ROOT }).isApproved;
        assert.equal(block(3_200), false);
        assert.equal(block(3_201), true);
      }
    });
  }
});

test("split: a mutant that carries no history along signs the old target again", async (t) => {
  const { createClusterFiles } = await loadMutant<
    typeof import("../../../src/cli/createCluster.ts")
  >("src/cli/createCluster.ts", [
    {
      file: "src/cli/existingKeys.ts",
      find: "if (existing.history !== null) await importHistory",
      replace: "if (false) await importHistory",
    },
  ]);
  const clusterDir = join(temporaryFolder(t), "squad");
  const { listKeysToSplit, parseCreateClusterOptions } = await import(
    "../../../src/cli/createClusterOptions.ts"
  );
  const raw = {
    name: "mutant",
    nodes: "4",
    "cluster-dir": clusterDir,
    "testnet-fork-version": FORK_VERSION,
    "fee-recipient-addresses": ADDRESS,
    "withdrawal-addresses": ADDRESS,
    "insecure-keys": "true",
    "split-existing-keys": "true",
    "split-keys-dir": OLD_KEYS,
    "slashing-history": HISTORY,
    "testnet-genesis-validators-root": ROOT,
  };
  await createClusterFiles(parseCreateClusterOptions(raw, await listKeysToSplit(raw)));
  const approved = await withStore(
    join(clusterDir, "node0"),
    (store) =>
      store.check(KEYS[0]?.pubKey ?? ("" as PubKey), {
        slashing: { kind: "attestation", source: 99, target: 100 },
        signingRoot: rootOf(new Uint8Array(32)),
      }).isApproved,
  );
  assert.equal(approved, true, "the danger is real");
});

const BAD_HISTORIES: readonly {
  readonly name: string;
  readonly text: string;
  readonly message: RegExp;
}[] = [
  {
    name: "of another chain",
    text: interchange(COMPLETE, `0x${"00".repeat(32)}`),
    message: /is of the chain with genesis validators root 0x0000/,
  },
  {
    name: "without one of the keys",
    text: interchange(COMPLETE.slice(0, 1)),
    message: new RegExp(`says nothing of ${KEYS[1]?.pubKey.slice(0, 18)}`),
  },
  {
    name: "that is empty",
    text: interchange([]),
    message: /says nothing of 0x[0-9a-f]{16}…, 0x[0-9a-f]{16}…\n/,
  },
  {
    name: "with a key of which it lists no message",
    text: interchange([...COMPLETE.slice(0, 1), { pubkey: KEYS[1]?.pubKey ?? "" }]),
    message: /says nothing of/,
  },
  { name: "that is cut off", text: interchange(COMPLETE).slice(0, 200), message: /is no JSON/ },
];

// KEYS-1
for (const { name, text, message } of BAD_HISTORIES) {
  test(`split: refuses a history ${name} and leaves nothing behind`, async (t) => {
    const folder = temporaryFolder(t);
    const history = join(folder, "history.json");
    writeFileSync(history, text);
    const clusterDir = join(folder, "squad");
    const done = await split(clusterDir, ["--slashing-history", history, ...CHAIN_ROOT]);
    assert.equal(done.code, 64, done.stderr);
    assert.match(done.stderr, message);
    assert.match(done.stderr, /\nfix: /);
    assert.deepEqual(readdirSync(clusterDir), []);
  });
}

// KEYS-1
test("split: demands the history, or the reason why there is none, which it keeps", async (t) => {
  const clusterDir = join(temporaryFolder(t), "squad");
  const silent = await split(clusterDir, []);
  assert.equal(silent.code, 64);
  assert.match(silent.stderr, /slashing history is missing: without it they can be made to sign/);
  assert.match(silent.stderr, /fix: stop what signs with the keys now, export/);
  const both = ["--slashing-history", HISTORY, "--without-history-because", "x"];
  assert.match((await split(clusterDir, both)).stderr, /exclude each other/);

  const reason = "never deposited";
  const done = await split(clusterDir, ["--without-history-because", reason]);
  assert.equal(done.code, 0, done.stderr);
  const origin = JSON.parse(readFileSync(join(clusterDir, "node2/key-origin.json"), "utf8"));
  assert.equal(origin.without_history_because, reason);
  assert.equal(origin.slashing_history, null);
});

test("split: refuses a key twice, a wrong password, and a count that does not fit", async (t) => {
  const folder = temporaryFolder(t);
  const keys = join(folder, "keys");
  cpSync(OLD_KEYS, keys, { recursive: true });
  const [name = ""] = readdirSync(keys).filter((file) => file.endsWith(".json"));
  for (const end of ["json", "txt"]) {
    const from = join(keys, name.replace("json", end));
    cpSync(from, join(keys, `keystore-again.${end}`));
  }
  const history = ["--slashing-history", HISTORY, ...CHAIN_ROOT];
  const run = (...rest: readonly string[]) =>
    runCommand([
      ...["create", "cluster", "--cluster-dir", join(folder, "squad"), ...PRIVATE_CHAIN],
      ...[...ADDRESSES, "--split-existing-keys", "--split-keys-dir", keys, ...history, ...rest],
    ]);
  assert.match((await run()).stderr, /holds a key that another keystore holds too/);
  assert.match((await run("--num-validators", "5")).stderr, /there are 3 keys to split/);
  writeFileSync(join(keys, "keystore-again.txt"), "5ec2e7-wrong");
  const wrong = await run();
  assert.match(wrong.stderr, /keystore-again\.txt does not open/);
  assert(!wrong.stderr.includes("5ec2e7"));
});

test("split flags without keys to split are refused, not passed over", async () => {
  const lone = ["create", "cluster", ...PRIVATE_CHAIN, ...ADDRESSES, "--slashing-history", HISTORY];
  assert.match((await runCommand(lone)).stderr, /--slashing-history: new keys have no history/);
  const half = ["create", "cluster", ...PRIVATE_CHAIN, ...ADDRESSES, "--split-existing-keys"];
  assert.match((await runCommand(half)).stderr, /belong together/);
});

// KEYS-3
test("split and combine print what is left to do, and what they did not check", async (t) => {
  const folder = temporaryFolder(t);
  const again = await split(join(folder, "a"), ["--slashing-history", HISTORY, ...CHAIN_ROOT]);
  for (const words of [/Stop what signed with these keys/, /Wait two epochs/, /Not checked: /]) {
    assert.match(again.stdout, words);
  }
  const output = join(folder, "keys");
  const done = await combine([
    "--cluster-dir",
    copyNodes(t, [0, 1, 2]),
    "--output-dir",
    output,
    "--slashing-history",
    HISTORY,
  ]);
  for (const words of [/Stop the nodes of ALL operators/, /Wait two epochs/, /Not checked: /]) {
    assert.match(done.stdout, words);
  }
});

// KEYS-4
test("combine: t nodes make the old keys again, in files that only their owner reads", async (t) => {
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
  const { recoverSecret } = await import("../../../src/crypto/threshold.ts");
  assert(recoverSecret([{ index: 1, secret: KEYS[0]?.secret ?? new Uint8Array() }]) !== null);
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
