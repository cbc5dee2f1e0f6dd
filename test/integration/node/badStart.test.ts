/**
 * Starts that must fail: each in a process of its own, with an exit code, the file or flag at
 * fault, the fix, no stack trace, and nothing left that would stand in the way of the next start.
 */
import assert from "node:assert/strict";
import {
  cpSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { createCluster, freePorts } from "../../../scripts/demo/cluster.ts";
import { type Finished, runCommand } from "../../support/command.ts";
import { LiveChain } from "../../support/liveChain.ts";
import { LiveNode } from "../../support/liveNode.ts";

const EXIT_USAGE = 64;
const EXIT_TAKEN = 70;
const EXIT_FAULT = 75;
/** No beacon node is needed to find what is wrong with the files: the discard port. */
const NOWHERE = "http://127.0.0.1:9";

describe("a node that cannot start", () => {
  const dir = mkdtempSync(join(tmpdir(), "coterie-"));
  let chain: LiveChain;
  let own: readonly string[];
  let foreign: readonly string[];
  before(async () => {
    const clusters = await Promise.all([
      createCluster(join(dir, "own"), { nodes: 4, validators: 1 }),
      createCluster(join(dir, "foreign"), { nodes: 4, validators: 1, forkVersion: "0x10000910" }),
    ]);
    [own, foreign] = clusters;
    const pubKeys: readonly string[] = [];
    // Long slots: the chain is only asked who it is.
    const pace = { slotMs: 12_000, genesisDelayS: 3_600 };
    chain = await LiveChain.start({ dir: join(dir, "chain"), pubKeys, endpoints: 1, ...pace });
  });
  after(async () => {
    await chain?.close();
    rmSync(dir, { recursive: true, force: true });
  });

  let copies = 0;
  /** Node 0's directory of the cluster, to be spoilt. */
  const copyOf = (cluster: readonly string[]): string => {
    const copy = join(dir, `copy${copies++}`);
    cpSync(cluster[0] ?? "", copy, { recursive: true });
    return copy;
  };

  const damages: readonly {
    readonly name: string;
    readonly spoil: (dataDir: string) => void;
    readonly says: RegExp;
    readonly fix: RegExp;
  }[] = [
    {
      name: "a cluster lock with one byte changed",
      spoil: (dataDir) => {
        const path = join(dataDir, "cluster-lock.json");
        const text = readFileSync(path, "utf8");
        // One hex digit of the lock's last field.
        const at = text.lastIndexOf('"') - 1;
        const changed = text[at] === "0" ? "1" : "0";
        replace(path, text.slice(0, at) + changed + text.slice(at + 1));
      },
      says: /cluster-lock\.json is not valid\n {2}\w+/,
      fix: /copy the file again from another operator; details: coterie verify lock/,
    },
    {
      name: "another operator's keystores",
      spoil: (dataDir) => {
        const keys = join(dataDir, "validator_keys");
        rmSync(keys, { recursive: true });
        cpSync(join(own[1] ?? "", "validator_keys"), keys, { recursive: true });
      },
      says: /keystore-.*\.json is the key share of operator 1 for validator 0; this node is/,
      fix: /use this operator's own keystores/,
    },
    {
      name: "no keystores",
      spoil: (dataDir) => rmSync(join(dataDir, "validator_keys"), { recursive: true }),
      says: /validator_keys cannot be read: ENOENT/,
      fix: /copy this operator's validator_keys folder here, or name it: --validator-keys-dir/,
    },
    {
      name: "a wrong password",
      spoil: (dataDir) => {
        const keys = join(dataDir, "validator_keys");
        const name = readdirSync(keys).find((file) => file.endsWith(".txt")) ?? "";
        replace(join(keys, name), "not the password");
      },
      says: /the password in .*\.txt does not open .*keystore-.*\.json/,
      fix: /restore both files from the same backup/,
    },
    {
      name: "the identity key of another cluster",
      spoil: (dataDir) =>
        replace(
          join(dataDir, "enr-private-key"),
          readFileSync(join(foreign[0] ?? "", "enr-private-key"), "utf8"),
        ),
      says: /enr-private-key \(enr:.*\) is no operator's key of .*cluster-lock\.json/,
      fix: /use the identity key and the cluster lock of one and the same ceremony/,
    },
  ];
  for (const { name, spoil, says, fix } of damages) {
    it(`names file and fix for ${name}`, async () => {
      const dataDir = copyOf(own);
      spoil(dataDir);
      const finished = await runNode(dataDir, { endpoints: NOWHERE });
      assertFailed(finished, { code: EXIT_USAGE, says });
      assert.match(finished.stderr, fix);
      // OPS-1
      const secret = readFileSync(join(dataDir, "enr-private-key"), "utf8").trim();
      assert(!finished.stderr.includes(secret.replace(/^0x/, "")));
      assert.deepEqual(leftOvers(dataDir), []);
    });
  }

  it("names the flag of a busy p2p port, and gives the directory up", async () => {
    const dataDir = copyOf(own);
    const { port, server } = await occupy();
    const finished = await runNode(dataDir, { endpoints: NOWHERE, p2pPort: port });
    server.close();
    assertFailed(finished, { code: EXIT_USAGE, says: new RegExp(`127\\.0\\.0\\.1.*${port}`) });
    assert.match(finished.stderr, /--p2p-tcp-address/);
    assert(!existsSync(join(dataDir, "instance.lock")));
  });

  it("refuses a beacon node of another chain by both fork versions", async () => {
    const dataDir = copyOf(foreign);
    const finished = await runNode(dataDir, { endpoints: chain.url(0) });
    assertFailed(finished, { code: EXIT_USAGE, says: /fork version 0x10000910.*0x00000f00/s });
    assert.match(finished.stderr, /--beacon-node-endpoints/);
    assert(!existsSync(join(dataDir, "instance.lock")));
  });

  it("ETH-2: refuses a beacon node of another preset than the one it loaded", async () => {
    const dataDir = copyOf(own);
    const env = { LODESTAR_PRESET: "mainnet" };
    const finished = await runNode(dataDir, { endpoints: chain.url(0), env });
    assertFailed(finished, { code: EXIT_FAULT, says: /has "minimal", loaded is "mainnet"/ });
    assert.match(
      finished.stderr,
      /start again while the beacon node answers, or with LODESTAR_PRESET=minimal/,
    );
    assert(!existsSync(join(dataDir, "instance.lock")));
  });

  it("refuses a directory of Charon's while that Charon runs in it", async () => {
    const dataDir = copyOf(own);
    const key = join(dataDir, "charon-enr-private-key");
    renameSync(join(dataDir, "enr-private-key"), key);
    const path = `${key}.lock`;
    const renew = (): void => {
      const timestamp = new Date().toISOString();
      writeFileSync(path, JSON.stringify({ command: "charon run", timestamp }));
    };
    renew();
    const charon = setInterval(renew, 200);
    const finished = await runNode(dataDir, { endpoints: NOWHERE });
    clearInterval(charon);
    assertFailed(finished, {
      code: EXIT_FAULT,
      says: /"charon run" is running on this identity key/,
    });
    assert.match(finished.stderr, /stop it first/);
  });

  it("takes over an instance lock that nobody holds, wherever its holder died", async () => {
    const dataDir = copyOf(own);
    const { port, server } = await occupy();
    const lost = { token: "00".repeat(16), since: 0, pid: 1, host: "elsewhere" };
    const unknown = { bootId: null, pidNamespace: null, startTicks: null };
    const path = join(dataDir, "instance.lock");
    writeFileSync(path, JSON.stringify({ ...lost, ...unknown }));
    utimesSync(path, 1, 1);
    // The busy port ends this start, but behind the lock.
    const finished = await runNode(dataDir, { endpoints: NOWHERE, monitoringPort: port });
    server.close();
    assertFailed(finished, { code: EXIT_USAGE, says: /--monitoring-address/ });
    assert(!existsSync(path), "it was taken over, and given up");
  });

  it("does not touch an instance lock that it cannot read, and says what to do", async () => {
    const dataDir = copyOf(own);
    const path = join(dataDir, "instance.lock");
    writeFileSync(path, "not a lock");
    const finished = await runNode(dataDir, { endpoints: NOWHERE });
    assertFailed(finished, { code: EXIT_FAULT, says: /instance\.lock is not readable as a lock/ });
    assert.match(finished.stderr, /Make sure that no node uses this directory, then delete it/);
    assert.equal(readFileSync(path, "utf8"), "not a lock");
  });
});

describe("a node whose data directory is taken from it", () => {
  const dir = mkdtempSync(join(tmpdir(), "coterie-"));
  after(() => rmSync(dir, { recursive: true, force: true }));

  it("stops at once with 70, which is no reason to restart", async (t) => {
    const [dataDir = ""] = await createCluster(join(dir, "own"), { nodes: 4, validators: 1 });
    const [p2pPort = 0, monitoringPort = 0] = await freePorts(2);
    const ports = { p2pPort, monitoringPort };
    const node = new LiveNode({ index: 0, dataDir, endpoints: [NOWHERE], peers: "", ...ports });
    node.start();
    t.after(() => node.kill());
    await node.untilLogged(/waits for its beacon node/);
    const path = join(dataDir, "instance.lock");
    const holder = JSON.parse(readFileSync(path, "utf8"));
    writeFileSync(`${path}.new`, JSON.stringify({ ...holder, token: "00".repeat(16) }));
    renameSync(`${path}.new`, path);
    assert.equal(await node.finish(), EXIT_TAKEN, node.tail());
    assert.match(node.tail(), /error: this process lost its data directory to another program/);
    assert.match(node.tail(), /instance\.lock holds another process's token/);
    assert.equal(JSON.parse(readFileSync(path, "utf8")).token, "00".repeat(16), "it is not ours");
  });
});

type Start = {
  readonly endpoints: string;
  readonly p2pPort?: number;
  readonly monitoringPort?: number;
  readonly env?: Readonly<Record<string, string>>;
};

async function runNode(dataDir: string, start: Start): Promise<Finished> {
  const [free = 0, other = 0] = await freePorts(2);
  const { endpoints, p2pPort = free, monitoringPort = other, env = {} } = start;
  return runCommand(
    [
      ...["run", "--data-dir", dataDir, "--beacon-node-endpoints", endpoints],
      ...["--signer", "builtin", "--validator-api-address", "127.0.0.1:0"],
      ...["--p2p-tcp-address", `127.0.0.1:${p2pPort}`],
      ...["--monitoring-address", `127.0.0.1:${monitoringPort}`],
    ],
    env,
  );
}

function assertFailed(
  finished: Finished,
  expected: { readonly code: number; readonly says: RegExp },
): void {
  assert.equal(finished.code, expected.code, finished.stderr);
  assert.match(finished.stderr, /^error: /m);
  assert.match(finished.stderr, expected.says);
  assert.doesNotMatch(finished.stderr, /^\s+at |bug in coterie/m);
}

/** What a start makes before it knows that it can go on: locks and a database. */
function leftOvers(dataDir: string): readonly string[] {
  return readdirSync(dataDir).filter(
    (name) => /lock$|lock\.|^db$/.test(name) && name !== LOCK_FILE,
  );
}
const LOCK_FILE = "cluster-lock.json";

/** Some of the files are read-only, as they were made. */
function replace(path: string, text: string): void {
  rmSync(path);
  writeFileSync(path, text, { mode: 0o600 });
}

async function occupy(): Promise<{ readonly port: number; readonly server: Server }> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  assert(typeof address === "object" && address !== null);
  return { port: address.port, server };
}
