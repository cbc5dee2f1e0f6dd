/**
 * EIP-2335 keystores, version 4, read strictly: what is not exactly the standard is refused by
 * name, and the decrypted key must own the public key that the file claims (KEY-1, KEY-2).
 *
 * Key derivation takes 30 ms (pbkdf2) to 0.5 s (scrypt) by design and runs on Node's thread pool.
 */
import {
  createCipheriv,
  createDecipheriv,
  pbkdf2 as pbkdf2Callback,
  scrypt as scryptCallback,
  timingSafeEqual,
} from "node:crypto";
import { promisify } from "node:util";
import { z } from "zod";
import type { Random } from "../ports/random.ts";
import { assert } from "../util/assert.ts";
import { err, ok, type Result } from "../util/result.ts";
import { uuidOf } from "../util/uuid.ts";
import { parseSecretKey, SECRET_KEY_BYTES } from "./points.ts";
import { sha256 } from "./sha256.ts";

/** `weak` is pbkdf2 with hardly any work: for test networks, where opening time matters. */
export type KeystoreKdf = "pbkdf2" | "scrypt" | "weak";

/** Why a keystore yields no key. `path` names the JSON field where one is at fault. */
export type KeystoreFault =
  | { readonly code: "malformed"; readonly path: string; readonly reason: string }
  | { readonly code: "wrong_password" }
  | { readonly code: "wrong_public_key"; readonly expected: string; readonly actual: string };

const DERIVED_KEY_BYTES = 32;
/** The cost that EIP-2335's own examples and all clients use. */
const PBKDF2_ITERATIONS = 262_144;
const WEAK_ITERATIONS = 16;
const SCRYPT_COST = 262_144;
/** What a file may cost to open (KEY-3): 40 times the usual iterations, 1 GiB of memory. */
const MAX_PBKDF2_ITERATIONS = 10_000_000;
const MAX_SCRYPT_BYTES = 1024 * 1024 * 1024;
const MAX_KEYSTORE_TEXT = 64 * 1024;

const pbkdf2 = promisify(pbkdf2Callback);
const scrypt = promisify<Buffer, Buffer, number, ScryptCost, Buffer>(scryptCallback);
type ScryptCost = {
  readonly N: number;
  readonly r: number;
  readonly p: number;
  readonly maxmem: number;
};

const hex = (bytes: number) =>
  z.string().regex(new RegExp(`^(0x)?[0-9a-fA-F]{${2 * bytes}}$`), `not ${bytes} bytes of hex`);
const anyHex = z.string().regex(/^(0x)?([0-9a-fA-F]{2}){1,64}$/, "not 1 to 64 bytes of hex");
const emptyMessage = z.literal("");

const kdfSchema = z.discriminatedUnion("function", [
  z.object({
    function: z.literal("pbkdf2"),
    params: z.object({
      dklen: z.literal(DERIVED_KEY_BYTES),
      c: z.int().min(1).max(MAX_PBKDF2_ITERATIONS),
      prf: z.literal("hmac-sha256"),
      salt: anyHex,
    }),
    message: emptyMessage,
  }),
  z.object({
    function: z.literal("scrypt"),
    params: z
      .object({
        dklen: z.literal(DERIVED_KEY_BYTES),
        n: z.int().min(2),
        r: z.int().min(1).max(1024),
        p: z.int().min(1).max(16),
        salt: anyHex,
      })
      .refine(({ n }) => Number.isInteger(Math.log2(n)), "n is no power of two")
      .refine(({ n, r }) => 128 * n * r <= MAX_SCRYPT_BYTES, "needs more than 1 GiB of memory"),
    message: emptyMessage,
  }),
]);

/** EIP-2335's JSON schema, with the functions it defines. Other fields are allowed and ignored. */
const keystoreSchema = z.object({
  crypto: z.object({
    kdf: kdfSchema,
    checksum: z.object({ function: z.literal("sha256"), message: hex(32) }),
    cipher: z.object({
      function: z.literal("aes-128-ctr"),
      params: z.object({ iv: hex(16) }),
      message: hex(SECRET_KEY_BYTES),
    }),
  }),
  pubkey: hex(48).or(z.literal("")).optional(),
  version: z.literal(4),
});
type Keystore = z.infer<typeof keystoreSchema>;

/**
 * The 32-byte secret key in a keystore's JSON text. The key must be the one of the file's `pubkey`
 * and, where given, of `publicKey` (48 bytes): labels are not trusted.
 */
export async function decryptKeystore(input: {
  readonly json: string;
  readonly password: string;
  readonly publicKey?: Uint8Array;
}): Promise<Result<Uint8Array, KeystoreFault>> {
  const parsed = parseKeystore(input.json);
  if (!parsed.ok) return parsed;
  const { crypto, pubkey } = parsed.value;
  const key = await deriveKey(crypto.kdf, normalizePassword(input.password));
  const ciphertext = bytesOfHex(crypto.cipher.message);
  const checksum = sha256(key.subarray(16, 32), ciphertext);
  if (!timingSafeEqual(checksum, bytesOfHex(crypto.checksum.message))) {
    return err({ code: "wrong_password" });
  }
  const iv = bytesOfHex(crypto.cipher.params.iv);
  const decipher = createDecipheriv("aes-128-ctr", key.subarray(0, 16), iv);
  const secret = new Uint8Array(Buffer.concat([decipher.update(ciphertext), decipher.final()]));
  return checkOwner(secret, [pubkey ?? "", Buffer.from(input.publicKey ?? []).toString("hex")]);
}

/** A keystore's JSON text for a BLS secret key, in the layout that staking tools read. */
export async function encryptKeystore(input: {
  readonly secret: Uint8Array;
  readonly password: string;
  readonly random: Random;
  readonly kdf?: KeystoreKdf;
  /** EIP-2334 path to the key, empty where there is none. */
  readonly path?: string;
}): Promise<string> {
  const { secret, random, kdf: kdfName = "pbkdf2", path = "" } = input;
  const publicKey = parseSecretKey(secret)?.publicKey;
  assert(publicKey !== undefined, "only valid BLS secret keys are stored");
  const kdf = kdfOf(kdfName, random.bytes(32));
  const key = await deriveKey(kdf, normalizePassword(input.password));
  const iv = random.bytes(16);
  const cipher = createCipheriv("aes-128-ctr", key.subarray(0, 16), iv);
  const ciphertext = Buffer.concat([cipher.update(secret), cipher.final()]);
  const checksum = sha256(key.subarray(16, 32), ciphertext);
  const keystore = {
    crypto: {
      kdf,
      checksum: { function: "sha256", params: {}, message: hexOf(checksum) },
      cipher: { function: "aes-128-ctr", params: { iv: hexOf(iv) }, message: hexOf(ciphertext) },
    },
    description: "",
    pubkey: hexOf(publicKey),
    path,
    uuid: uuidOf(random.bytes(16)),
    version: 4,
  };
  return `${JSON.stringify(keystore, null, 2)}\n`;
}

function parseKeystore(json: string): Result<Keystore, KeystoreFault> {
  if (json.length > MAX_KEYSTORE_TEXT) return malformed("", "longer than 64 KiB");
  const parsed = keystoreSchema.safeParse(parseJson(json));
  if (parsed.success) return ok(parsed.data);
  const [issue] = parsed.error.issues;
  return malformed(issue?.path.join(".") ?? "", issue?.message ?? "no keystore");
}

function malformed(path: string, reason: string): Result<never, KeystoreFault> {
  return err({ code: "malformed", path, reason });
}

/** Undefined for text that is no JSON, which no schema accepts. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function kdfOf(name: KeystoreKdf, salt: Uint8Array): Keystore["crypto"]["kdf"] {
  const common = { dklen: DERIVED_KEY_BYTES, salt: hexOf(salt) } as const;
  if (name === "scrypt") {
    return {
      function: "scrypt",
      params: { ...common, n: SCRYPT_COST, r: 8, p: 1 },
      message: "",
    };
  }
  return {
    function: "pbkdf2",
    params: {
      ...common,
      c: name === "weak" ? WEAK_ITERATIONS : PBKDF2_ITERATIONS,
      prf: "hmac-sha256",
    },
    message: "",
  };
}

async function deriveKey(kdf: Keystore["crypto"]["kdf"], password: Buffer): Promise<Uint8Array> {
  const salt = bytesOfHex(kdf.params.salt);
  if (kdf.function === "pbkdf2") {
    return pbkdf2(password, salt, kdf.params.c, DERIVED_KEY_BYTES, "sha256");
  }
  const { n, r, p } = kdf.params;
  // OpenSSL counts the blocks of all p lanes and some overhead against the limit.
  const maxmem = 128 * r * (n + p + 2);
  return scrypt(password, salt, DERIVED_KEY_BYTES, { N: n, r, p, maxmem });
}

/** EIP-2335: NFKD, then the control codes C0, C1 and Delete taken out, then UTF-8. */
function normalizePassword(password: string): Buffer {
  const kept = [...password.normalize("NFKD")].filter((char) => {
    const code = char.codePointAt(0) ?? 0;
    return code > 0x1f && !(code >= 0x7f && code <= 0x9f);
  });
  return Buffer.from(kept.join(""), "utf8");
}

function checkOwner(
  secret: Uint8Array,
  labels: readonly string[],
): Result<Uint8Array, KeystoreFault> {
  const key = parseSecretKey(secret);
  if (key === null) return malformed("crypto.cipher.message", "holds no valid BLS secret key");
  const actual = hexOf(key.publicKey);
  for (const label of labels) {
    const expected = label.replace(/^0x/, "").toLowerCase();
    if (expected !== "" && expected !== actual) {
      return err({ code: "wrong_public_key", expected, actual });
    }
  }
  return ok(secret);
}

function bytesOfHex(text: string): Buffer {
  return Buffer.from(text.replace(/^0x/, ""), "hex");
}

function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}
