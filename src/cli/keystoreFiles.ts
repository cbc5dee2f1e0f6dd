/**
 * Folders of EIP-2335 keystores `keystore….json`, each with its password beside it in a `.txt` of
 * the same name: how staking tools, Charon and this program keep keys.
 */
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { readTextFile } from "../adapters/system/files.ts";
import { decryptKeystore, type KeystoreFault } from "../crypto/keystore.ts";
import { parseSecretKey } from "../crypto/points.ts";
import { UsageError } from "../domain/errors.ts";
import { MAX_JSON_DEPTH } from "../domain/limits.ts";
import { assert } from "../util/assert.ts";
import { toHex } from "../util/bytes.ts";
import { parseJson } from "../util/json.ts";

export type OpenedKeystore = {
  readonly path: string;
  /** 32 bytes. */
  readonly secret: Uint8Array;
  /** 48 bytes, lower-case 0x hex. */
  readonly publicKey: `0x${string}`;
};

const KEYSTORE_NAME = /^keystore.*\.json$/;
const MAX_KEYSTORE_BYTES = 64 * 1024;
const MAX_PASSWORD_BYTES = 1024;
/** Two cores; scrypt at its usual cost needs 256 MiB for each. */
const PARALLEL_KEYSTORES = 2;
/** Problems that are named at once; the rest is counted. */
const MAX_NAMED_PROBLEMS = 5;

/** Paths of the folder's keystores; throws UsageError with `fix` where there is none. */
export async function listKeystores(dir: string, fix: string): Promise<readonly string[]> {
  try {
    const names = (await readdir(dir)).filter((name) => KEYSTORE_NAME.test(name)).sort();
    if (names.length > 0) return names.map((name) => join(dir, name));
  } catch (error) {
    if (!(error instanceof Error && "code" in error)) throw error;
    throw new UsageError(`${dir} cannot be read: ${error.code}`, { fix, cause: error });
  }
  throw new UsageError(`${dir} holds no keystore-N.json`, { fix });
}

/**
 * Opens keystores, a few at a time. `judge` sees the public key that a file claims before the file
 * is opened and the true one afterwards, and throws UsageError for a key that does not belong.
 * Throws one UsageError that names every file at fault.
 */
export async function openKeystores(
  paths: readonly string[],
  judge: (path: string, publicKey: `0x${string}`) => void,
  onOpened: (keystore: OpenedKeystore) => Promise<void> | void = () => undefined,
): Promise<readonly OpenedKeystore[]> {
  const opened: OpenedKeystore[] = [];
  const problems = new Map<string, UsageError>();
  const waiting = [...paths];
  const openNext = async (): Promise<void> => {
    for (let path = waiting.shift(); path !== undefined; path = waiting.shift()) {
      try {
        const keystore = await openKeystore(path, judge);
        opened.push(keystore);
        await onOpened(keystore);
      } catch (error) {
        if (!(error instanceof UsageError)) throw error;
        problems.set(path, error);
      }
    }
  };
  await Promise.all(Array.from({ length: PARALLEL_KEYSTORES }, openNext));
  // In the order of the files, whichever was read first.
  if (problems.size > 0) throw joinProblems(paths.flatMap((path) => problems.get(path) ?? []));
  return opened.sort((a, b) => paths.indexOf(a.path) - paths.indexOf(b.path));
}

export function passwordPath(keystorePath: string): string {
  return keystorePath.replace(/\.json$/, ".txt");
}

async function openKeystore(
  path: string,
  judge: (path: string, publicKey: `0x${string}`) => void,
): Promise<OpenedKeystore> {
  const json = await readTextFile(path, { maxBytes: MAX_KEYSTORE_BYTES, missingFix: "" });
  // The label first: a wrong owner is named without the cost, or the password, of opening it.
  const label = labelOf(json);
  if (label !== null) judge(path, label);
  const password = await readTextFile(passwordPath(path), {
    maxBytes: MAX_PASSWORD_BYTES,
    missingFix: `put the password of ${path} into it`,
  });
  const opened = await decryptKeystore({ json, password });
  if (!opened.ok) throw keystoreError(path, opened.error);
  const key = parseSecretKey(opened.value);
  assert(key !== null, "an opened keystore holds a key");
  const publicKey = toHex(key.publicKey);
  judge(path, publicKey);
  return { path, secret: opened.value, publicKey };
}

/** The public key that the keystore claims, in our spelling; null when it claims none. */
export function labelOf(json: string): `0x${string}` | null {
  const parsed = parseJson(json, MAX_JSON_DEPTH);
  if (!parsed.ok || typeof parsed.value !== "object" || parsed.value === null) return null;
  const label = "pubkey" in parsed.value ? parsed.value["pubkey"] : null;
  if (typeof label !== "string" || label === "") return null;
  return `0x${label.replace(/^0x/, "").toLowerCase()}`;
}

function keystoreError(path: string, fault: KeystoreFault): UsageError {
  switch (fault.code) {
    case "malformed": {
      const field = fault.path === "" ? "" : ` at ${fault.path}`;
      return new UsageError(`${path} is no EIP-2335 keystore${field}: ${fault.reason}`, {
        fix: "restore the file from your backup",
      });
    }
    case "wrong_password":
      return new UsageError(`the password in ${passwordPath(path)} does not open ${path}`, {
        fix: "restore both files from the same backup",
      });
    case "wrong_public_key":
      return new UsageError(`${path} claims another public key than its secret has`, {
        fix: "the file was changed; restore it from your backup",
      });
  }
}

function joinProblems(problems: readonly UsageError[]): UsageError {
  const named = problems.slice(0, MAX_NAMED_PROBLEMS).map((problem) => problem.message);
  const more = problems.length - named.length;
  const message = [...named, ...(more > 0 ? [`and ${more} more like these`] : [])].join("\n  ");
  const fix = problems[0]?.fix;
  return new UsageError(message, fix === undefined ? {} : { fix });
}
