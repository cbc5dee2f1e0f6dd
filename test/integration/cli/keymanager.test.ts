/** Key shares on their way to a validator client; `dkg.test.ts` has a whole ceremony with one. */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { createKeymanagerClient } from "../../../src/adapters/http/keymanagerClient.ts";
import { makeCertificate } from "../../support/certificate.ts";
import { KeymanagerStub } from "../../support/keymanagerStub.ts";
import { loadMutant } from "../../support/mutant.ts";
import { temporaryFolder } from "../../support/temporary.ts";

const TOKEN = "api-token-0x1";

async function stubOf(t: TestContext, stub: KeymanagerStub) {
  const url = await stub.listen();
  t.after(() => stub.close());
  const clientWith = (token: string) => {
    const client = createKeymanagerClient(url, token);
    t.after(() => client.close());
    return client;
  };
  return { stub, clientWith };
}

function keystoresOf(count: number) {
  return Array.from({ length: count }, (_, i) => ({
    name: `keystore-${i}.json`,
    keystore: `{"number":${i}}`,
    password: `password ${i}`,
  }));
}

test("OUT-5 keystores go out with the token, in order, their passwords beside them", async (t) => {
  const { stub, clientWith } = await stubOf(t, new KeymanagerStub(TOKEN));
  const client = clientWith(TOKEN);
  await client.check();
  await client.push(keystoresOf(45));
  const sent = stub.imports.map(({ keystores }) => keystores.length);
  assert.deepEqual(sent, [20, 20, 5]);
  assert.deepEqual(
    stub.imports.flatMap(({ keystores }) => keystores),
    keystoresOf(45).map(({ keystore }) => keystore),
  );
  assert.equal(stub.imports[2]?.passwords[4], "password 44");
});

test("OUT-5 a wrong token is found out before anything is sent", async (t) => {
  const { stub, clientWith } = await stubOf(t, new KeymanagerStub(TOKEN));
  const client = clientWith("another");
  await assert.rejects(client.check(), /it answered 401/);
  await assert.rejects(client.push(keystoresOf(1)), /it answered 401/);
  assert.deepEqual(stub.imports, []);
});

test("OUT-5 those that are not taken are named, all others are taken", async (t) => {
  const { stub, clientWith } = await stubOf(t, new KeymanagerStub(TOKEN));
  const client = clientWith(TOKEN);
  stub.answer = (i) =>
    i === 3 ? { status: "error", message: "bad\u0007 key" } : { status: "duplicate" };
  await assert.rejects(client.push(keystoresOf(24)), (error: Error) => {
    assert.match(error.message, /keystore-3\.json: error, bad\? key/);
    assert.match(error.message, /keystore-23\.json: error/);
    assert.doesNotMatch(error.message, /password|keystore-2\.json/);
    return true;
  });
  assert.equal(stub.imports.length, 2, "a refusal in the first request keeps back nothing");
  stub.answer = () => ({ status: "imported" });
  await client.push(keystoresOf(24));
});

test("OUT-5 an answer that is no keymanager's is refused", async (t) => {
  const { stub, clientWith } = await stubOf(t, new KeymanagerStub(TOKEN));
  stub.answer = () => ({ status: 7 as unknown as string });
  await assert.rejects(clientWith(TOKEN).push(keystoresOf(1)), /does not fit the keymanager API/);
});

test("OUT-5 a certificate that does not verify gets nothing (ChainSecurity 001)", async (t) => {
  const certificate = makeCertificate(temporaryFolder(t));
  if (certificate === null) return t.skip("there is no openssl on this machine");
  const { stub, clientWith } = await stubOf(t, new KeymanagerStub(TOKEN, certificate));
  const client = clientWith(TOKEN);
  await assert.rejects(client.check(), /self-signed certificate/);
  await assert.rejects(client.push(keystoresOf(1)), /self-signed certificate/);
  assert.equal(stub.requests, 0, "not even the token left");
});

test("OUT-5 a mutant that believes any certificate shows it token and keys", async (t) => {
  const certificate = makeCertificate(temporaryFolder(t));
  if (certificate === null) return t.skip("there is no openssl on this machine");
  const mutant = await loadMutant<typeof import("../../../src/adapters/http/keymanagerClient.ts")>(
    "src/adapters/http/keymanagerClient.ts",
    [{ find: "new Agent({", replace: "new Agent({ connect: { rejectUnauthorized: false }," }],
  );
  const stub = new KeymanagerStub(TOKEN, certificate);
  const client = mutant.createKeymanagerClient(await stub.listen(), TOKEN);
  t.after(async () => {
    await client.close();
    stub.close();
  });
  await client.push(keystoresOf(1));
  assert.deepEqual(stub.imports[0]?.passwords, ["password 0"]);
});

test("OUT-5 without https keys go nowhere but to this machine", () => {
  for (const address of ["http://vc.example", "http://10.0.0.7:5062", "ftp://127.0.0.1", "vc"]) {
    assert.throws(() => createKeymanagerClient(address, TOKEN), /https/);
  }
});
