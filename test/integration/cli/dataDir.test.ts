import assert from "node:assert/strict";
import {
  chmodSync,
  cpSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, type TestContext, test } from "node:test";
import { systemRandom } from "../../../src/adapters/system/random.ts";
import { type DataDir, type DataDirPaths, readDataDir } from "../../../src/cli/dataDir.ts";
import { decryptKeystore, encryptKeystore } from "../../../src/crypto/keystore.ts";
import { recoverSecret } from "../../../src/crypto/threshold.ts";
import { UsageError } from "../../../src/domain/errors.ts";
import { runCommand } from "../../support/command.ts";
import { loadMutant } from "../../support/mutant.ts";
import { temporaryFolder } from "../../support/temporary.ts";

const ADDRESS = `0x${"a1".repeat(20)}`;
const KEYSTORE = "validator_keys/keystore-insecure-0.json";
const PASSWORD = "validator_keys/keystore-insecure-0.txt";

/** Two clusters as `create cluster` makes them: `squad` with two validators, `other` with one. */
const pristine = mkdtempSync(join(tmpdir(), "coterie-"));
before(async () => {
  for (const [name, validators] of [
    ["squad", "2"],
    ["other", "1"],
  ] as const) {
    const addresses = ["--fee-recipient-addresses", ADDRESS, "--withdrawal-addresses", ADDRESS];
    const size = ["--num-validators", validators, "--cluster-dir", join(pristine, name)];
    const chain = ["--testnet-fork-version", "0x10000038", "--insecure-keys"];
    const created = await runCommand(["create", "cluster", ...size, ...addresses, ...chain]);
    assert.equal(created.code, 0, created.stderr);
  }
});
after(() => rmSync(pristine, { recursive: true }));

const pristineFile = (path: string): Buffer => readFileSync(join(pristine, path));

/** Every key and password that a message could give away. */
function secrets(): readonly string[] {
  return readdirSync(pristine, { recursive: true, encoding: "utf8" })
    .filter((name) => /enr-private-key$|\.txt$/.test(name))
    .map((name) => pristineFile(name).toString())
    .concat("5ec2e7-wrong");
}

/** A copy of squad's node 0 that a test may spoil. */
function copyNode(t: TestContext): string {
  const folder = temporaryFolder(t);
  cpSync(join(pristine, "squad/node0"), folder, { recursive: true });
  for (const name of readdirSync(folder, { recursive: true, encoding: "utf8" })) {
    if (/\.(json|txt)$/.test(name)) chmodSync(join(folder, name), 0o600);
  }
  return folder;
}

const pathsOf = (folder: string): DataDirPaths => ({
  dataDir: folder,
  lockFile: join(folder, "cluster-lock.json"),
  privateKeyFile: null,
  validatorKeysDir: join(folder, "validator_keys"),
  contractWallets: new Set(),
});

const read = (folder: string): Promise<DataDir> => readDataDir(pathsOf(folder));

test("reads what create cluster wrote: cluster, identity and every share", async (t) => {
  const dataDir = await read(copyNode(t));
  assert.equal(dataDir.identity.self, 0);
  assert.equal(dataDir.cluster.threshold, 3);
  assert.deepEqual(
    dataDir.shares.map(({ validator, secret }) => [validator, secret.length]),
    [
      [0, 32],
      [1, 32],
    ],
  );
  assert.deepEqual(dataDir.warnings, []);
});

test("reads a data directory as Charon lays it out", async (t) => {
  const folder = copyNode(t);
  renameSync(join(folder, "enr-private-key"), join(folder, "charon-enr-private-key"));
  for (const i of [0, 1]) {
    for (const end of ["json", "txt"]) {
      const [from, to] = [`keystore-insecure-${i}.${end}`, `keystore-${i}.${end}`];
      renameSync(join(folder, "validator_keys", from), join(folder, "validator_keys", to));
    }
  }
  const dataDir = await read(folder);
  assert.equal(dataDir.identityPath, join(folder, "charon-enr-private-key"));
  assert.equal(dataDir.shares.length, 2);
});

type Case = {
  readonly name: string;
  /** Spoils the folder. */
  readonly spoil: (folder: string) => void | Promise<void>;
  readonly message: RegExp;
  readonly fix: RegExp;
};

const CASES: readonly Case[] = [
  {
    name: "another operator's keystore",
    spoil: (folder) => {
      writeFileSync(join(folder, KEYSTORE), pristineFile(`squad/node2/${KEYSTORE}`));
      writeFileSync(join(folder, PASSWORD), pristineFile(`squad/node2/${PASSWORD}`));
    },
    message:
      /insecure-0\.json is the key share of operator 2 for validator 0; this node is operator 0/,
    fix: /nobody may hold two shares/,
  },
  {
    name: "another operator's keystore under this operator's label",
    spoil: (folder) => {
      const own = JSON.parse(readFileSync(join(folder, KEYSTORE), "utf8"));
      const foreign = JSON.parse(pristineFile(`squad/node2/${KEYSTORE}`).toString());
      const forged = JSON.stringify({ ...foreign, pubkey: own.pubkey });
      writeFileSync(join(folder, KEYSTORE), forged);
      writeFileSync(join(folder, PASSWORD), pristineFile(`squad/node2/${PASSWORD}`));
    },
    message: /insecure-0\.json claims another public key than its secret has/,
    fix: /restore it/,
  },
  {
    name: "a keystore of another cluster",
    spoil: (folder) => {
      writeFileSync(join(folder, KEYSTORE), pristineFile(`other/node0/${KEYSTORE}`));
    },
    message: /insecure-0\.json .* is no key share of this cluster/,
    fix: /one and the same ceremony/,
  },
  {
    name: "a validator's whole key",
    spoil: async (folder) => {
      const json = await encryptKeystore({
        secret: await wholeKey(),
        password: "p",
        random: systemRandom,
        kdf: "weak",
      });
      writeFileSync(join(folder, KEYSTORE), json);
      writeFileSync(join(folder, PASSWORD), "p");
    },
    message: /insecure-0\.json is a validator's whole key, not a share of it/,
    fix: /remove it from this machine/,
  },
  {
    name: "a wrong password",
    spoil: (folder) => writeFileSync(join(folder, PASSWORD), "5ec2e7-wrong"),
    message: /the password in .*insecure-0\.txt does not open .*insecure-0\.json/,
    fix: /same backup/,
  },
  {
    name: "a missing password",
    spoil: (folder) => rmSync(join(folder, PASSWORD)),
    message: /insecure-0\.txt does not exist/,
    fix: /put the password of .*insecure-0\.json into it/,
  },
  {
    name: "a truncated keystore",
    spoil: (folder) => {
      const text = readFileSync(join(folder, KEYSTORE), "utf8");
      writeFileSync(join(folder, KEYSTORE), text.slice(0, text.length / 2));
    },
    message: /insecure-0\.json is no EIP-2335 keystore/,
    fix: /backup/,
  },
  {
    name: "no keystores",
    spoil: (folder) => {
      rmSync(join(folder, "validator_keys"), { recursive: true });
    },
    message: /validator_keys cannot be read: ENOENT/,
    fix: /--validator-keys-dir/,
  },
  {
    name: "no identity key",
    spoil: (folder) => rmSync(join(folder, "enr-private-key")),
    message: /enr-private-key does not exist/,
    fix: /coterie create enr/,
  },
  {
    name: "no lock",
    spoil: (folder) => rmSync(join(folder, "cluster-lock.json")),
    message: /cluster-lock\.json does not exist/,
    fix: /--lock-file/,
  },
  {
    name: "a truncated lock",
    spoil: (folder) => writeFileSync(join(folder, "cluster-lock.json"), '{"cluster_definition":'),
    message: /cluster-lock\.json is not valid\n {2}the file is no JSON/,
    fix: /coterie verify lock/,
  },
  {
    name: "a lock with one changed digit",
    spoil: (folder) => {
      const path = join(folder, "cluster-lock.json");
      const text = readFileSync(path, "utf8");
      writeFileSync(path, text.replace('"name": "coterie"', '"name": "coterif"'));
    },
    message: /cluster-lock\.json is not valid\n {2}cluster_definition\.config_hash does not match/,
    fix: /coterie verify lock/,
  },
  {
    name: "the lock of another cluster",
    spoil: (folder) => {
      const other = pristineFile("other/node0/cluster-lock.json");
      writeFileSync(join(folder, "cluster-lock.json"), other);
    },
    message: /enr-private-key \(enr:.*\) is no operator's key of .*cluster-lock\.json/,
    fix: /one and the same ceremony/,
  },
];

// CLI-6, CLI-7
for (const { name, spoil, message, fix } of CASES) {
  test(`refuses ${name}, naming file, problem and fix but no secret`, async (t) => {
    const folder = copyNode(t);
    await spoil(folder);
    await assert.rejects(read(folder), (error) => {
      assert.ok(error instanceof UsageError, String(error));
      assert.match(error.message, message);
      assert.match(error.fix ?? "", fix);
      const printed = `${error.message}${error.fix}`;
      for (const secret of secrets()) assert.ok(!printed.includes(secret), printed);
      return true;
    });
  });
}

test("mutant: without the owner's check the node would sign with another's share", async (t) => {
  const folder = copyNode(t);
  await CASES[0]?.spoil(folder);
  const mutant = await loadMutant<typeof import("../../../src/cli/dataDir.ts")>(
    "src/cli/dataDir.ts",
    [{ file: "src/cli/keystores.ts", find: "if (place.peer !== self)", replace: "if (false)" }],
  );
  const { shares } = await mutant.readDataDir(pathsOf(folder));
  assert.equal(shares.length, 2);
});

test("mutant: without the verification the node would run under a changed lock", async (t) => {
  const folder = copyNode(t);
  const lock = join(folder, "cluster-lock.json");
  const text = readFileSync(lock, "utf8");
  writeFileSync(lock, text.replace('"name": "coterie"', '"name": "coterif"'));
  const mutant = await loadMutant<typeof import("../../../src/cli/dataDir.ts")>(
    "src/cli/dataDir.ts",
    [
      {
        file: "src/cli/clusterFile.ts",
        find: "parsed.ok ? verifyLock(parsed.value, contractWallets) : parsed",
        replace: "(parsed as never)",
      },
    ],
  );
  assert.equal((await mutant.readDataDir(pathsOf(folder))).cluster.name, "coterif");
});

test("all keystores at fault are named at once", async (t) => {
  const folder = copyNode(t);
  for (const i of [0, 1]) {
    writeFileSync(join(folder, `validator_keys/keystore-insecure-${i}.txt`), "wrong");
  }
  await assert.rejects(
    read(folder),
    /insecure-0\.txt does not open[\s\S]*insecure-1\.txt does not/,
  );
});

test("a validator without a share is a warning: the others are not held back", async (t) => {
  const folder = copyNode(t);
  rmSync(join(folder, KEYSTORE));
  const { shares, warnings } = await read(folder);
  assert.deepEqual(
    shares.map(({ validator }) => validator),
    [1],
  );
  assert.match(warnings.join(), /no key share for 1 of the cluster's 2 validators/);
});

test("secrets that others may read are a warning with the command that repairs it", async (t) => {
  const folder = copyNode(t);
  chmodSync(join(folder, PASSWORD), 0o644);
  chmodSync(join(folder, "enr-private-key"), 0o640);
  const { warnings } = await read(folder);
  assert.equal(warnings.length, 2);
  for (const warning of warnings) assert.match(warning, /has mode 6\d\d .* run: chmod 600 /);
});

/** The key that a dealer forgets and three shares make again. */
async function wholeKey(): Promise<Uint8Array> {
  const shares = await Promise.all(
    [0, 1, 2].map(async (node) => {
      const json = pristineFile(`squad/node${node}/${KEYSTORE}`).toString();
      const password = pristineFile(`squad/node${node}/${PASSWORD}`).toString();
      const opened = await decryptKeystore({ json, password });
      assert.ok(opened.ok);
      return { index: node + 1, secret: opened.value };
    }),
  );
  const secret = recoverSecret(shares);
  assert.ok(secret !== null);
  return secret;
}
