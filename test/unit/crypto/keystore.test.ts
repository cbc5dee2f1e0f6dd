import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { decryptKeystore, encryptKeystore } from "../../../src/crypto/keystore.ts";
import { parseSecretKey } from "../../../src/crypto/points.ts";
import { scalarBytes } from "../../../src/crypto/shamir.ts";
import { loadMutant } from "../../support/mutant.ts";
import { seededRandom } from "../../support/random.ts";

type Keystore = typeof import("../../../src/crypto/keystore.ts");

const SECRET = scalarBytes(0xc07e41en);
const OTHER = parseSecretKey(scalarBytes(5n))?.publicKey ?? new Uint8Array();

function stored(password = "right"): Promise<string> {
  return encryptKeystore({ secret: SECRET, password, random: seededRandom(1), kdf: "weak" });
}

/** The keystore's JSON with one field replaced. */
async function changed(path: readonly string[], value: unknown): Promise<string> {
  const json = JSON.parse(await stored());
  const last = path.at(-1) ?? "";
  path.slice(0, -1).reduce((node, key) => node[key], json)[last] = value;
  return JSON.stringify(json);
}

test("KEY-1 what is encrypted decrypts, whatever the password's spelling", async () => {
  const passwords = fc.string({ unit: "grapheme", maxLength: 12 });
  await fc.assert(
    fc.asyncProperty(passwords, async (password) => {
      const json = await stored(password);
      const composed = await decryptKeystore({ json, password: password.normalize("NFC") });
      assert.deepEqual(composed, { ok: true, value: SECRET });
    }),
    { numRuns: 30 },
  );
});

test("KEY-1 control characters in a password do not count", async () => {
  const opened = await decryptKeystore({ json: await stored(), password: "\u0007ri\u007fght\r\n" });
  assert.equal(opened.ok, true);
});

test("KEY-1 pbkdf2 is the default, at the standard's cost", async () => {
  const json = await encryptKeystore({ secret: SECRET, password: "p", random: seededRandom(2) });
  const { kdf } = JSON.parse(json).crypto;
  assert.deepEqual([kdf.function, kdf.params.c], ["pbkdf2", 262_144]);
  assert.equal((await decryptKeystore({ json, password: "p" })).ok, true);
});

test("KEY-1 scrypt round trip", async () => {
  const input = { secret: SECRET, password: "p", random: seededRandom(2), kdf: "scrypt" } as const;
  const json = await encryptKeystore(input);
  assert.deepEqual(await decryptKeystore({ json, password: "p" }), { ok: true, value: SECRET });
});

test("KEY-2 a keystore under another key's name is refused", async () => {
  const label = Buffer.from(OTHER).toString("hex");
  const relabelled = await decryptKeystore({
    json: await changed(["pubkey"], label),
    password: "right",
  });
  assert(!relabelled.ok && relabelled.error.code === "wrong_public_key");
  assert.equal(relabelled.error.expected, label);
  const expected = await decryptKeystore({
    json: await stored(),
    password: "right",
    publicKey: OTHER,
  });
  assert(!expected.ok && expected.error.code === "wrong_public_key");
});

test("KEY-2 mutant: without the check the label is believed", async () => {
  const mutant = await loadMutant<Keystore>("src/crypto/keystore.ts", [
    { find: 'if (expected !== "" && expected !== actual)', replace: "if (expected === null)" },
  ]);
  const json = await changed(["pubkey"], Buffer.from(OTHER).toString("hex"));
  assert.equal((await mutant.decryptKeystore({ json, password: "right" })).ok, true);
});

test("KEY-1 each field that is not the standard's is named", async () => {
  const cases: readonly (readonly [readonly string[], unknown])[] = [
    [["version"], 3],
    [["crypto", "kdf", "function"], "argon2"],
    [["crypto", "kdf", "params", "dklen"], 31],
    [["crypto", "kdf", "params", "prf"], "hmac-sha512"],
    [["crypto", "kdf", "params", "salt"], "zz"],
    [["crypto", "kdf", "message"], "00"],
    [["crypto", "checksum", "function"], "md5"],
    [["crypto", "checksum", "message"], "00"],
    [["crypto", "cipher", "function"], "aes-256-ctr"],
    [["crypto", "cipher", "params", "iv"], "00"],
    [["crypto", "cipher", "message"], "00".repeat(31)],
    [["pubkey"], "00"],
  ];
  for (const [path, value] of cases) {
    const result = await decryptKeystore({ json: await changed(path, value), password: "right" });
    assert(!result.ok && result.error.code === "malformed", path.join("."));
    assert.equal(result.error.path, path.join("."));
  }
});

test("KEY-3 a file may not ask for unbounded work or memory", async () => {
  const pbkdf2 = await changed(["crypto", "kdf", "params", "c"], 2 ** 40);
  const salt = "00".repeat(32);
  const scrypt = await changed(["crypto", "kdf"], {
    function: "scrypt",
    params: { dklen: 32, n: 2 ** 30, r: 8, p: 1, salt },
    message: "",
  });
  for (const json of [pbkdf2, scrypt, " ".repeat(70_000), "{", "null", ""]) {
    const result = await decryptKeystore({ json, password: "right" });
    assert(!result.ok && result.error.code === "malformed");
  }
});

test("KEY-1 a changed ciphertext or checksum reads as a wrong password", async () => {
  for (const path of [
    ["crypto", "cipher", "message"],
    ["crypto", "checksum", "message"],
  ]) {
    const json = await changed(path, "11".repeat(32));
    const result = await decryptKeystore({ json, password: "right" });
    assert.deepEqual(result, { ok: false, error: { code: "wrong_password" } });
  }
});

test("faults never show the secret or the password", async () => {
  const secret = Buffer.from(SECRET).toString("hex");
  const json = await changed(["pubkey"], Buffer.from(OTHER).toString("hex"));
  for (const password of ["right", "wrong-but-telling"]) {
    const shown = JSON.stringify(await decryptKeystore({ json, password }));
    assert(!shown.includes(secret) && !shown.includes("telling"));
  }
});
