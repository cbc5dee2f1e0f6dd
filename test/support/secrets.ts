/** Everything secret in a data directory, in the spellings in which it could be written. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { decryptKeystore } from "../../src/crypto/keystore.ts";
import { toHex } from "../../src/util/bytes.ts";

/** The identity key, each keystore's password and the key share in it. */
export async function secretsOf(dataDir: string): Promise<readonly string[]> {
  const names = readdirSync(dataDir, { recursive: true, encoding: "utf8" });
  const read = (name: string): string => readFileSync(join(dataDir, name), "utf8").trim();
  const identityKeys = names.filter((name) => /enr-private-key$/.test(name)).map(read);
  const keystores = names.filter((name) => /keystore-.*\.json$/.test(name));
  assert(identityKeys.length === 1 && keystores.length > 0, `${dataDir} holds secrets`);
  const secrets = await Promise.all(
    keystores.map(async (name) => {
      const password = read(name.replace(/json$/, "txt"));
      const opened = await decryptKeystore({ json: read(name), password });
      assert(opened.ok, `${name} opens`);
      return [password, ...spellingsOf(opened.value)];
    }),
  );
  const identity = Buffer.from(identityKeys[0]?.replace(/^0x/, "") ?? "", "hex");
  return [...spellingsOf(identity), ...secrets.flat()];
}

/**
 * Hexadecimal, base64 of both alphabets, the integer, the bytes as numbers and as they are, each
 * also from the last byte to the first.
 */
export function spellingsOf(secret: Uint8Array): readonly string[] {
  return [secret, secret.toReversed()].flatMap((bytes) => {
    const buffer = Buffer.from(bytes);
    const hex = toHex(bytes).slice(2);
    return [
      ...[hex, hex.toUpperCase(), BigInt(`0x${hex}`).toString()],
      ...[buffer.toString("base64"), buffer.toString("base64url")],
      ...[bytes.join(","), bytes.join(", "), buffer.toString("latin1")],
    ];
  });
}
