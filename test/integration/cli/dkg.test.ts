/** Key ceremonies of real processes over real connections, with crashes. */
import assert from "node:assert/strict";
import { cpSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { type PreparedCeremony, prepareCeremony } from "../../../scripts/demo/ceremony.ts";
import { openCeremonyJournal } from "../../../src/adapters/storage/ceremonyJournal.ts";
import { parseDefinition } from "../../../src/cluster/definition.ts";
import { parseLock } from "../../../src/cluster/lock.ts";
import { verifyLock } from "../../../src/cluster/verify.ts";
import { sign, verify } from "../../../src/crypto/bls.ts";
import { parseIdentityKey } from "../../../src/crypto/identity.ts";
import { k1PublicKey } from "../../../src/crypto/k1.ts";
import { decryptKeystore } from "../../../src/crypto/keystore.ts";
import { parseSecretKey } from "../../../src/crypto/points.ts";
import { combineSignatures } from "../../../src/crypto/threshold.ts";
import { deal, receivingSecret } from "../../../src/dkg/dealing.ts";
import { ceremonyFacts } from "../../../src/dkg/facts.ts";
import { decodeJournalEntry } from "../../../src/dkg/journal.ts";
import { PublicRecord } from "../../../src/dkg/record.ts";
import { parseTranscript } from "../../../src/dkg/transcript.ts";
import { bytesOf } from "../../../src/domain/keys.ts";
import { concatBytes, equalBytes, fromHex, toHex, uint32be } from "../../../src/util/bytes.ts";
import { decodeReveal } from "../../../src/wire/ceremonyBodies.ts";
import { type Operator, seated } from "../../support/ceremonyOperators.ts";
import { makeCertificate } from "../../support/certificate.ts";
import { runCommand } from "../../support/command.ts";
import { KeymanagerStub } from "../../support/keymanagerStub.ts";
import { secretsOf, spellingsOf } from "../../support/secrets.ts";
import { subsetsOf } from "../../support/subsets.ts";
import { temporaryFolder } from "../../support/temporary.ts";
import { until } from "../../support/until.ts";

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

/** What a crash left behind in a journal, and what follows from it: it must be nowhere else. */
async function journaledSecrets(copy: string, dataDir: string): Promise<readonly string[]> {
  const definition = parseDefinition(readText(dataDir, "cluster-definition.json"));
  const transcript = parseTranscript(readText(dataDir, "transcript.json"));
  assert.ok(definition.ok && transcript.ok);
  const facts = ceremonyFacts(definition.value, 1);
  assert.ok(facts.ok);
  const journal = await openCeremonyJournal({
    path: join(copy, "journal"),
    secretKey: parseIdentityKey(readText(dataDir, "enr-private-key")) ?? new Uint8Array(),
    context: concatBytes(bytesOf(facts.value.definitionHash), uint32be(1)),
  });
  await journal.close();
  const [first] = journal.records.map(decodeJournalEntry);
  assert.ok(first?.ok && first.value.kind === "entropy", "the journal begins with the entropy");
  const { seed } = first.value;
  const record = new PublicRecord(facts.value);
  for (const [author, { body, signature }] of transcript.value.agree.messages.entries()) {
    const message = { phase: "agree" as const, author, body: bytesIn(body) };
    assert.equal(record.add({ ...message, signature: bytesIn(signature) }).kind, "added");
  }
  const [attempt, session] = [record.context("agree"), record.context("commit")];
  assert.ok(attempt !== null && session !== null);
  const receivingKeys = record.bodies("agree").map(({ receivingKey }) => receivingKey);
  const receiving = receivingSecret(seed, attempt);
  const dealer = receivingKeys.findIndex((key) => equalBytes(key, k1PublicKey(receiving)));
  const { shape } = facts.value;
  const { dealt, ownShares } = deal({ seed, session, dealer, shape, receivingKeys });
  const { commitments } = dealt;
  const revealed = decodeReveal(
    bytesIn(transcript.value.reveal.messages[dealer]?.body ?? ""),
    shape,
  );
  assert.ok(revealed.ok);
  assert.deepEqual(commitments, revealed.value.commitments, "these are the shares that it dealt");
  return [seed, receiving, ...ownShares].flatMap(spellingsOf);
}

/** Every file of the folder but those that are there to keep a secret. */
function openFilesIn(folder: string): readonly { readonly name: string; readonly text: string }[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((path) => !/enr-private-key$|keystore-[\w-]+\.txt$/.test(path))
    .map((name) => ({ name, text: readFileSync(name, "latin1") }));
}

function readText(dataDir: string, name: string): string {
  return readFileSync(join(dataDir, name), "utf8");
}

function bytesIn(hex: string): Uint8Array {
  return fromHex(hex) ?? new Uint8Array();
}

/** A validator client beside operator 0, over https where there is a tool to make certificates. */
async function keymanagerFor(t: TestContext) {
  const folder = temporaryFolder(t);
  const certificate = makeCertificate(folder);
  const stub = new KeymanagerStub("token-of-the-client", certificate);
  const address = await stub.listen();
  t.after(() => stub.close());
  const token = join(folder, "api-token.txt");
  writeFileSync(token, "token-of-the-client\n");
  const rest = ["--keymanager-address", address, "--keymanager-token-file", token];
  const env = certificate === null ? {} : { NODE_EXTRA_CA_CERTS: certificate.certFile };
  return { stub, options: { rest, env } };
}

/** OUT-5: the first push is refused, and the same command sends the keystore again. */
async function assertPushedInTheEnd(stub: KeymanagerStub, operator: Operator | undefined) {
  assert.ok(operator !== undefined);
  stub.answer = () => ({ status: "error", message: "disk full" });
  assert.equal(await operator.child.finish(), 75, operator.child.lastLines);
  assert.match(operator.child.lastLines, /keystore-insecure-0\.json: error, disk full/);
  const db = join(operator.dataDir, "db");
  mkdirSync(db);
  operator.restart();
  assert.equal(await operator.child.finish(), 64, "a node has run: the keys may have signed");
  assert.match(operator.child.lastLines, /a node has run in .*\n.*slashing history/);
  rmdirSync(db);
  stub.answer = () => ({ status: "imported" });
  operator.restart();
  assert.equal(await operator.child.finish(), 0, operator.child.lastLines);
  const [refused, taken] = stub.imports;
  assert.deepEqual(taken, refused, "the same again");
  const keys = join(operator.dataDir, "validator_keys");
  assert.deepEqual(taken, {
    keystores: [readText(keys, "keystore-insecure-0.json")],
    passwords: [readText(keys, "keystore-insecure-0.txt")],
  });
}

test("four processes make a cluster by the README's commands, and it signs", async (t) => {
  const keymanager = await keymanagerFor(t);
  const { ceremony, operators } = await seated(t, {
    prepare: (_, nodes) => prepareCeremony(temporaryFolder(t), { nodes, validators: 1 }),
    of: (node) => (node === 0 ? keymanager.options : {}),
  });
  await assertPushedInTheEnd(keymanager.stub, operators[0]);
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
  const rest = ["--log-level", "debug", "--log-format", "json"];
  const { ceremony, operators } = await seated(t, { of: () => ({ rest }) });
  const folder = temporaryFolder(t);
  const [, first, second] = operators;
  assert.ok(first !== undefined && second !== undefined);
  for (const [node, operator, phase] of [
    [1, first, "commit"],
    [2, second, "keys"],
  ] as const) {
    await until(`operator ${node} is in ${phase}`, () => operator.isIn(phase), 60_000);
    await operator.child.kill();
    cpSync(join(operator.dataDir, "dkg/attempt-1"), join(folder, `${node}`), { recursive: true });
    operator.restart();
  }
  await assertFinished(ceremony, operators);
  assert.deepEqual(
    operators.flatMap((operator) => operator.reports("ended")),
    [],
    "nobody gave the attempt up",
  );

  const secrets = [
    ...(await Promise.all(ceremony.dataDirs.map(secretsOf))).flat(),
    ...(await journaledSecrets(join(folder, "1"), first.dataDir)),
    ...(await journaledSecrets(join(folder, "2"), second.dataDir)),
  ];
  const files = [folder, ...ceremony.dataDirs].flatMap(openFilesIn);
  const printed = operators.map(({ lines }, node) => ({
    name: `what operator ${node} printed`,
    text: Buffer.from(lines.join("\n")).toString("latin1"),
  }));
  assert.ok(
    printed.every(({ text }) => /"level":"?debug/.test(text)),
    "at every level",
  );
  assert.ok(files.some(({ name }) => name.endsWith("journal")) && files.length > 25);
  for (const { name, text } of [...files, ...printed]) {
    for (const secret of secrets) assert.ok(!text.includes(secret), `${name} shows a secret`);
  }
});

test("LOBBY-5 who does not come back is named in time, and a new attempt works", async (t) => {
  const rest = ["--phase-timeout", "12"];
  const { ceremony, operators } = await seated(t, { of: () => ({ rest }) });
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
