/** `create dkg`, `dkg review` and `dkg accept`, as operators type them. */
import assert from "node:assert/strict";
import { existsSync, mkdirSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { readDefinitionFile } from "../../../src/cli/dkg/definitionFile.ts";
import { parseLock } from "../../../src/cluster/lock.ts";
import { verifyLock } from "../../../src/cluster/verify.ts";
import { encodeEnr } from "../../../src/crypto/enr.ts";
import { formatIdentityKey } from "../../../src/crypto/identity.ts";
import { MAX_CLUSTER_FILE_BYTES } from "../../../src/domain/limits.ts";
import { runCommand } from "../../support/command.ts";
import { temporaryFolder } from "../../support/temporary.ts";
import { readVector, vectorOptions } from "../../support/vectors.ts";

const ADDRESS = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed";

function squad(t: TestContext) {
  const folder = temporaryFolder(t);
  const operators = [1, 2, 3, 4].map((i) => operatorIn(join(folder, `operator${i}`), i));
  const create = (...rest: readonly string[]) =>
    runCommand([
      ...["create", "dkg", "--name", "squad", "--output-dir", folder, "--network", "hoodi"],
      ...["--operator-enrs", operators.map(({ enr }) => enr).join(",")],
      ...rest,
    ]);
  return { folder, operators, create, path: join(folder, "cluster-definition.json") };
}

/** What `coterie create enr` leaves behind, without a process for it. */
function operatorIn(dataDir: string, seed: number) {
  const secretKey = new Uint8Array(32).fill(seed);
  mkdirSync(dataDir, { mode: 0o700 });
  writeFileSync(join(dataDir, "enr-private-key"), formatIdentityKey(secretKey), { mode: 0o600 });
  return { dataDir, enr: encodeEnr({ secretKey }) };
}

const MONEY = ["--withdrawal-addresses", ADDRESS, "--fee-recipient-addresses", ADDRESS];

test("DEF-4 creator and operators see the same words, and the terms in full", async (t) => {
  const { create, path, operators } = squad(t);
  const amounts = ["--deposit-amounts", "1,31", "--num-validators", "2"];
  const created = await create(...MONEY, ...amounts);
  assert.equal(created.code, 0, created.stderr);
  assert.match(created.stdout, /3 of 4: any 3 together can sign, 2 cannot/);
  const words = /^fingerprint {2}(\S+)$/m.exec(created.stdout)?.[1] ?? "";
  assert.equal(words.split("-").length, 6);

  const dataDir = operators[2]?.dataDir ?? "";
  const review = await runCommand(["dkg", "review", path, "--data-dir", dataDir]);
  assert.equal(review.code, 0, review.stderr);
  assert.match(review.stdout, new RegExp(`^fingerprint {2}${words}$`, "m"));
  assert.match(review.stdout, new RegExp(`2 validators to ${ADDRESS}`));
  assert.match(review.stdout, /2 {2}enr:\S+ {2}← you/);
  const json = await runCommand(["dkg", "review", path, "--data-dir", dataDir, "--json"]);
  const summary = JSON.parse(json.stdout);
  assert.deepEqual(summary.depositAmountsEth, ["1", "31"]);
  assert.equal(summary.fingerprint, words);
});

test("DEF-2 create dkg refuses a wrong or missing checksum, and writes nothing", async (t) => {
  const { create, path } = squad(t);
  for (const wrong of [
    ADDRESS.toLowerCase(),
    ADDRESS.replace("5aA", "5AA"),
    `0x${"0".repeat(40)}`,
  ]) {
    const refused = await create(
      ...["--withdrawal-addresses", wrong, "--fee-recipient-addresses", ADDRESS],
    );
    assert.equal(refused.code, 64);
    assert.match(refused.stderr, /--withdrawal-addresses: .*(checksum|zero address).*\nfix: /);
    assert.ok(!existsSync(path));
  }
});

test("DEF-5 accept takes the words, of an operator only, and binds the definition", async (t) => {
  const { create, path, operators, folder } = squad(t);
  const created = await create(...MONEY);
  const words = /^fingerprint {2}(\S+)$/m.exec(created.stdout)?.[1] ?? "";
  const accept = (dataDir: string, ...rest: readonly string[]) =>
    runCommand(["dkg", "accept", path, "--data-dir", dataDir, ...rest]);
  const dataDir = operators[0]?.dataDir ?? "";

  const unseen = await accept(dataDir);
  assert.equal(unseen.code, 64);
  assert.match(unseen.stderr, /no terminal .*\nfix: .*--fingerprint/);
  const wrong = await accept(dataDir, "--fingerprint", "abandon ability able about above absent");
  assert.equal(wrong.code, 64);
  assert.match(wrong.stderr, /not the words of this definition/);
  assert.ok(!existsSync(join(dataDir, "dkg-acceptance.json")));

  const accepted = await accept(dataDir, "--fingerprint", words.replaceAll("-", " "));
  assert.equal(accepted.code, 0, accepted.stderr);
  assert.match(accepted.stdout, /accepted as operator 0/);
  const copy = readFileSync(join(dataDir, "cluster-definition.json"), "utf8");
  assert.equal(copy, readFileSync(path, "utf8"));
  assert.equal((await accept(dataDir, "--fingerprint", words)).code, 0, "twice is no harm");

  const stranger = join(folder, "stranger");
  operatorIn(stranger, 5);
  const refused = await accept(stranger, "--fingerprint", words);
  assert.equal(refused.code, 64);
  assert.match(refused.stderr, /is no operator's key of this definition/);
});

test("DEF-1 an edited definition is refused by its field", async (t) => {
  const { create, folder, path } = squad(t);
  await create(...MONEY);
  const edited = join(folder, "edited.json");
  const other = "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359";
  writeFileSync(edited, readFileSync(path, "utf8").replaceAll(ADDRESS, other));
  const review = await runCommand(["dkg", "review", edited]);
  assert.equal(review.code, 64);
  assert.match(review.stderr, /edited\.json is not valid\n {2}config_hash does not match/);
});

test("DEF-1 a file of any size is refused before it is read (Trail of Bits 9)", async (t) => {
  const path = join(temporaryFolder(t), "cluster-definition.json");
  writeFileSync(path, "{");
  truncateSync(path, MAX_CLUSTER_FILE_BYTES + 1);
  const review = await runCommand(["dkg", "review", path]);
  assert.equal(review.code, 64);
  assert.match(review.stderr, /has 536870913 bytes; at most 536870912 are read/);
});

test(
  "DEF-6 an execution client judges a Safe's approval (ChainSecurity 004)",
  vectorOptions,
  async (t) => {
    const folder = temporaryFolder(t);
    const lock = JSON.parse(readVector("obol-sdk", "cluster-lock-with-safe.json").toString("utf8"));
    const path = join(folder, "cluster-definition.json");
    writeFileSync(path, JSON.stringify(lock.cluster_definition));
    const calls: string[] = [];
    let answer = `0x1626ba7e${"00".repeat(28)}`;
    let chainId = "0x1";
    const server = createServer((request, response) => {
      let body = "";
      request.on("data", (chunk) => {
        body += chunk;
      });
      request.on("end", () => {
        const { method, params } = JSON.parse(body);
        if (method === "eth_call") calls.push(params[0].to);
        const result = method === "eth_chainId" ? chainId : answer;
        response.end(JSON.stringify({ jsonrpc: "2.0", id: 1, result }));
      });
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    t.after(() => server.close());
    const { port } = server.address() as AddressInfo;
    const review = (...rest: readonly string[]) => runCommand(["dkg", "review", path, ...rest]);
    const endpoint = ["--execution-client-rpc-endpoint", `http://127.0.0.1:${port}`];

    const unasked = await review();
    assert.equal(unasked.code, 64);
    assert.match(unasked.stderr, /operators\[3\]\.config_signature/);
    const confirmed = await review(...endpoint);
    assert.equal(confirmed.code, 0, confirmed.stderr);
    assert.deepEqual(
      calls.map((address) => address.toLowerCase()),
      ["0x4d6c432b7e2f326b4ddf524ea9e56649e5a7c298", "0x4d6c432b7e2f326b4ddf524ea9e56649e5a7c298"],
    );
    // The ceremony verifies its lock with what was confirmed here.
    const { contractWallets } = await readDefinitionFile({
      path,
      contractWallets: new Set(),
      executionEndpoint: endpoint[1] ?? "",
    });
    const parsed = parseLock(JSON.stringify(lock));
    assert.ok(parsed.ok && verifyLock(parsed.value, contractWallets).ok);
    assert.ok(!verifyLock(parsed.value).ok);
    answer = `0x${"00".repeat(32)}`;
    const denied = await review(...endpoint);
    assert.equal(denied.code, 64);
    assert.match(denied.stderr, /operators\[3\]\.enr_signature/);
    chainId = `0x${(560_048).toString(16)}`;
    assert.match((await review(...endpoint)).stderr, /is on chain 560048, the cluster's is 1/);
  },
);
