import assert from "node:assert/strict";
import { test } from "node:test";
import { decryptKeystore } from "../../src/crypto/keystore.ts";
import { readVector, vectorOptions } from "../support/vectors.ts";

const STANDARD_PASSWORD = "𝔱𝔢𝔰𝔱𝔭𝔞𝔰𝔰𝔴𝔬𝔯𝔡🔑";
const STANDARD_SECRET = "000000000019d6689c085ae165831e934ff763ae46a2a6c172b3f1b60a8ce26f";

const text = (...path: string[]) => readVector("eip2335", ...path).toString("utf8");

async function secretIn(json: string, password: string): Promise<string> {
  const result = await decryptKeystore({ json, password });
  assert(result.ok, result.ok ? "" : JSON.stringify(result.error));
  return Buffer.from(result.value).toString("hex");
}

for (const name of ["pbkdf2.json", "scrypt.json"]) {
  test(
    `KEY-1 decrypts the standard's ${name} with its password in fancy letters`,
    vectorOptions,
    async () => {
      const { password, secret, keystore } = JSON.parse(text("erc-2335", name));
      assert.equal(await secretIn(JSON.stringify(keystore), password), secret);
    },
  );
}

for (const name of ["pbkdf2-0.json", "scrypt-0.json"]) {
  test(`KEY-1 decrypts ChainSafe's ${name}`, vectorOptions, async () => {
    const { password, secret, ...keystore } = JSON.parse(text("chainsafe", name));
    assert.equal(`0x${await secretIn(JSON.stringify(keystore), password)}`, secret);
  });
}

for (const name of ["test0.json", "test1.json"]) {
  test(`KEY-1 decrypts the deposit tool's ${name}`, vectorOptions, async () => {
    const json = text("ethstaker-deposit-cli", name);
    assert.equal(await secretIn(json, STANDARD_PASSWORD), STANDARD_SECRET);
  });
}

for (const name of ["pbkdf2TestVector.json", "scryptExtraFieldTestVector.json"]) {
  test(`KEY-1 decrypts Teku's ${name}`, vectorOptions, async () => {
    assert.equal(await secretIn(text("teku", name), STANDARD_PASSWORD), STANDARD_SECRET);
  });
}

test("KEY-1 decrypts the keystore of a share that Charon wrote", vectorOptions, async () => {
  const password = text("charon", "keystore-scrypt.txt");
  const secret = await secretIn(text("charon", "keystore-scrypt.json"), password);
  assert.match(secret, /^[0-9a-f]{64}$/);
});

const unsupported = {
  "unsupportedCipherFunction.json": "crypto.cipher.function",
  "unsupportedDkLen.json": "crypto.kdf.params.dklen",
  "unsupportedPBKDF2Prf.json": "crypto.kdf.params.prf",
  "v3TestVector.json": "version",
};
for (const [name, path] of Object.entries(unsupported)) {
  test(`KEY-1 refuses Teku's ${name} naming ${path}`, vectorOptions, async () => {
    const result = await decryptKeystore({
      json: text("teku", name),
      password: STANDARD_PASSWORD,
    });
    assert(!result.ok && result.error.code === "malformed", JSON.stringify(result));
    assert.equal(result.error.path, path);
  });
}

test("KEY-1 tells a wrong password from a wrong file", vectorOptions, async () => {
  const json = JSON.stringify(JSON.parse(text("erc-2335", "pbkdf2.json")).keystore);
  const result = await decryptKeystore({ json, password: "wrong" });
  assert.deepEqual(result, { ok: false, error: { code: "wrong_password" } });
});
