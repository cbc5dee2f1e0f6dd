/** Key ceremonies of real processes over real connections, with crashes. */
import assert from "node:assert/strict";
import { copyFileSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import {
  type PreparedCeremony,
  prepareCeremony,
  startDkg,
} from "../../../scripts/demo/ceremony.ts";
import type { Child } from "../../../scripts/demo/processes.ts";
import { openCeremonyJournal } from "../../../src/adapters/storage/ceremonyJournal.ts";
import { parseDefinition } from "../../../src/cluster/definition.ts";
import { parseLock } from "../../../src/cluster/lock.ts";
import { verifyLock } from "../../../src/cluster/verify.ts";
import { sign, verify } from "../../../src/crypto/bls.ts";
import { parseIdentityKey } from "../../../src/crypto/identity.ts";
import { decryptKeystore } from "../../../src/crypto/keystore.ts";
import { parseSecretKey } from "../../../src/crypto/points.ts";
import { combineSignatures } from "../../../src/crypto/threshold.ts";
import { decodeJournalEntry } from "../../../src/dkg/journal.ts";
import { bytesOf, rootOf } from "../../../src/domain/keys.ts";
import { concatBytes, fromHex, toHex, uint32be } from "../../../src/util/bytes.ts";
import { runCommand } from "../../support/command.ts";
import { secretsOf } from "../../support/secrets.ts";
import { subsetsOf } from "../../support/subsets.ts";
import { temporaryFolder } from "../../support/temporary.ts";
import { until } from "../../support/until.ts";

/** An operator at a terminal: the process and everything that it ever printed. */
class Operator {
  readonly lines: string[] = [];
  readonly #ceremony: PreparedCeremony;
  readonly #node: number;
  readonly #rest: readonly string[];
  child: Child;

  constructor(ceremony: PreparedCeremony, node: number, rest: readonly string[] = []) {
    this.#ceremony = ceremony;
    this.#node = node;
    this.#rest = rest;
    this.child = this.#start();
  }

  restart(): void {
    this.child = this.#start();
  }

  reports(kind: string): readonly Readonly<Record<string, never>>[] {
    const parsed = this.lines.flatMap((line) => (line.startsWith("{") ? [JSON.parse(line)] : []));
    return parsed.filter((report) => report.kind === kind);
  }

  isIn(phase: string): boolean {
    return this.lines.some((line) => line.includes(`"phase":"${phase}"`));
  }

  #start(): Child {
    const onLine = (line: string): void => {
      this.lines.push(line);
    };
    return startDkg(this.#ceremony, this.#node, { rest: this.#rest, onLine });
  }
}

async function seated(t: TestContext, rest: readonly string[] = []) {
  const dir = temporaryFolder(t);
  const ceremony = await prepareCeremony(dir, { nodes: 4, validators: 1 });
  const operators = ceremony.dataDirs.map((_, node) => new Operator(ceremony, node, rest));
  t.after(() => Promise.all(operators.map(({ child }) => child.stop())));
  return { ceremony, operators };
}

async function assertFinished(
  { dataDirs }: PreparedCeremony,
  operators: readonly Operator[],
): Promise<void> {
  for (const { child } of operators) {
    assert.equal(await child.finish(), 0, `${child.name}: ${child.lastLines}`);
  }
  const [first, ...others] = dataDirs.map((dir) => readFileSync(join(dir, "cluster-lock.json")));
  for (const other of others) assert.deepEqual(other, first);
  for (const dir of dataDirs) {
    assert.deepEqual(readdirSync(join(dir, "dkg")), [], "nothing of the ceremony is left");
    assert.equal(readdirSync(join(dir, "validator_keys")).length, 2);
  }
}

async function keyOf(dataDir: string) {
  const base = join(dataDir, "validator_keys", "keystore-insecure-0");
  const json = readFileSync(`${base}.json`, "utf8");
  const opened = await decryptKeystore({ json, password: readFileSync(`${base}.txt`, "utf8") });
  assert.ok(opened.ok);
  return opened.value;
}

/** The secrets in a journal that a crash left behind: they must be nowhere else. */
async function journaledSecrets(path: string, dataDir: string): Promise<readonly string[]> {
  const key = readFileSync(join(dataDir, "enr-private-key"), "utf8");
  const definition = parseDefinition(
    readFileSync(join(dataDir, "cluster-definition.json"), "utf8"),
  );
  assert.ok(definition.ok);
  const hash = rootOf(fromHex(definition.value.definition_hash) ?? new Uint8Array());
  const journal = await openCeremonyJournal({
    path,
    secretKey: parseIdentityKey(key) ?? new Uint8Array(),
    context: concatBytes(bytesOf(hash), uint32be(1)),
  });
  await journal.close();
  const entries = journal.records.map(decodeJournalEntry);
  const seeds = entries.flatMap((entry) =>
    entry.ok && entry.value.kind === "entropy" ? [entry.value.seed] : [],
  );
  assert.equal(seeds.length, 1, "the journal begins with the entropy");
  return seeds.flatMap((seed) => [toHex(seed).slice(2), Buffer.from(seed).toString("base64")]);
}

test("four processes make a cluster by the README's commands, and it signs", async (t) => {
  const { ceremony, operators } = await seated(t);
  await assertFinished(ceremony, operators);
  const { dataDirs } = ceremony;
  const lock = parseLock(readFileSync(join(dataDirs[0] ?? "", "cluster-lock.json"), "utf8"));
  assert.ok(lock.ok && verifyLock(lock.value).ok);
  const verified = await runCommand(["dkg", "verify", dataDirs[2] ?? ""]);
  assert.equal(verified.code, 0, verified.stdout);
  assert.match(verified.stdout, /ok: everything holds/);

  // Any three of the key share files sign for the group, no two do.
  const message = new Uint8Array(32).fill(0x5e);
  const group = fromHex(lock.value.distributed_validators[0]?.distributed_public_key ?? "");
  assert.ok(group !== null);
  const secrets = await Promise.all(dataDirs.map(keyOf));
  const shares = secrets.map((secret, i) => ({ index: i + 1, signature: sign(secret, message) }));
  const isGroups = (subset: typeof shares): boolean => {
    const signature = combineSignatures(subset as never);
    return signature !== null && verify({ publicKey: group, message, signature });
  };
  assert.ok(subsetsOf(shares, 3).every((subset) => isGroups([...subset])));
  assert.ok(subsetsOf(shares, 2).every((subset) => !isGroups([...subset])));
  for (const [i, secret] of secrets.entries()) {
    const publicKey = parseSecretKey(secret)?.publicKey ?? new Uint8Array();
    assert.equal(toHex(publicKey), lock.value.distributed_validators[0]?.public_shares[i]);
  }
});

test("JOURNAL-4 killed in two phases and started again, all finish; no secret leaks", async (t) => {
  const { ceremony, operators } = await seated(t);
  const folder = temporaryFolder(t);
  const [, first, second] = operators;
  assert.ok(first !== undefined && second !== undefined);
  const journals: string[] = [];
  for (const [node, operator, phase] of [
    [1, first, "commit"],
    [2, second, "keys"],
  ] as const) {
    await until(`operator ${node} is in ${phase}`, () => operator.isIn(phase), 60_000);
    await operator.child.kill();
    const journal = join(folder, `journal-${node}`);
    const left = join(ceremony.dataDirs[node] ?? "", "dkg/attempt-1/journal");
    copyFileSync(left, journal);
    journals.push(journal);
    operator.restart();
  }
  await assertFinished(ceremony, operators);
  assert.deepEqual(
    operators.flatMap((operator) => operator.reports("ended")),
    [],
    "nobody gave the attempt up",
  );

  const printed = operators.map(({ lines }) => lines.join("\n"));
  const kept = journals.map((journal) => readFileSync(journal, "latin1"));
  const secrets = [
    ...(await Promise.all(ceremony.dataDirs.map(secretsOf))).flat(),
    ...(await journaledSecrets(journals[0] ?? "", ceremony.dataDirs[1] ?? "")),
    ...(await journaledSecrets(journals[1] ?? "", ceremony.dataDirs[2] ?? "")),
  ];
  const files = ceremony.dataDirs.flatMap((dir) =>
    readdirSync(dir)
      .filter((name) => name.endsWith(".json"))
      .map((name) => readFileSync(join(dir, name), "utf8")),
  );
  for (const secret of secrets) {
    const raw = Buffer.from(secret, "hex").toString("latin1");
    for (const text of [...printed, ...kept, ...files]) {
      assert.ok(!text.includes(secret), "a secret is spelt out");
      assert.ok(raw.length < 16 || !text.includes(raw), "a secret's bytes are there");
    }
  }
});

test("LOBBY-5 who does not come back is named in time, and a new attempt works", async (t) => {
  const { ceremony, operators } = await seated(t, ["--phase-timeout", "12"]);
  const [, , , lost] = operators;
  assert.ok(lost !== undefined);
  await until("operator 3 is in commit", () => lost.isIn("commit"), 60_000);
  await lost.child.kill();
  const others = operators.slice(0, 3);
  const killedAt = performance.now();
  const areTold = () => others.every((operator) => operator.reports("ended").length > 0);
  await until("the others are told", areTold, 60_000);
  assert.ok(performance.now() - killedAt < 50_000, "within a phase or two");
  for (const operator of others) {
    const line = operator.lines.find((text) => text.includes('"kind":"ended"')) ?? "";
    assert.match(line, /operator 3 said nothing in the \w+ phase/);
    assert.match(line, /"missing":\[3\]/);
  }
  for (const dir of ceremony.dataDirs) {
    const outputs = readdirSync(dir).filter((name) =>
      /lock\.json|deposit|validator_keys/.test(name),
    );
    assert.deepEqual(outputs, [], "nothing is half-written");
  }
  lost.restart();
  await assertFinished2(ceremony, operators);
});

/** After an attempt that failed its record stays. */
async function assertFinished2(ceremony: PreparedCeremony, operators: readonly Operator[]) {
  for (const { child } of operators) {
    assert.equal(await child.finish(), 0, `${child.name}: ${child.lastLines}`);
  }
  const record = join(ceremony.dataDirs[0] ?? "", "dkg", "attempts.json");
  const [attempt] = JSON.parse(readFileSync(record, "utf8"));
  assert.deepEqual(attempt.missing, [3]);
  assert.equal(attempt.culprit, null);
}
