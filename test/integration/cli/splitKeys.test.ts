import assert from "node:assert/strict";
import { cpSync, existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { type PubKey, rootOf } from "../../../src/domain/keys.ts";
import { runCommand } from "../../support/command.ts";
import {
  ADDRESS,
  ADDRESSES,
  CHAIN_ROOT,
  COMPLETE,
  FORK_VERSION,
  HISTORY,
  interchange,
  KEYS,
  OLD_KEYS,
  PRIVATE_CHAIN,
  ROOT,
  SQUAD,
  split,
  useSplitKeys,
  withStore,
} from "../../support/keyMoves.ts";
import { loadMutant } from "../../support/mutant.ts";
import { temporaryFolder } from "../../support/temporary.ts";

useSplitKeys();

// KEYS-1
test("split: the command of that name demands the history and prints the checklist", async (t) => {
  const dir = join(temporaryFolder(t), "squad");
  const keys = ["--split-keys-dir", OLD_KEYS, "--insecure-keys", "--cluster-dir", dir];
  const command = ["split", ...keys, ...PRIVATE_CHAIN, ...ADDRESSES];
  const refused = await runCommand(command);
  assert.equal(refused.code, 64);
  assert.match(refused.stderr, /slashing history is missing.*\nfix: stop what signs with the keys/);
  assert(!existsSync(join(dir, "node0")));
  const done = await runCommand([...command, "--slashing-history", HISTORY, ...CHAIN_ROOT]);
  assert.equal(done.code, 0, done.stderr);
  assert.match(done.stdout, /1\. Stop what signed with these keys until now/);
  assert(existsSync(join(dir, "node0", "key-origin.json")));
});

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
test("split: prints what is left to do, and what it did not check", async (t) => {
  const clusterDir = join(temporaryFolder(t), "squad");
  const done = await split(clusterDir, ["--slashing-history", HISTORY, ...CHAIN_ROOT]);
  for (const words of [/Stop what signed with these keys/, /Wait two epochs/, /Not checked: /]) {
    assert.match(done.stdout, words);
  }
});
