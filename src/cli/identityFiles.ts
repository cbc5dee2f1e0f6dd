/** The identity key file of a data directory, under our name or Charon's. */
import { access, stat } from "node:fs/promises";
import { join } from "node:path";
import { readTextFile } from "../adapters/system/files.ts";
import { parseIdentityKey } from "../crypto/identity.ts";
import { UsageError } from "../domain/errors.ts";

export const IDENTITY_FILE = "enr-private-key";
/** Charon's name for the same file; a data directory that Charon wrote works as it is. */
export const CHARON_IDENTITY_FILE = "charon-enr-private-key";

/** 64 hex digits, a prefix and line breaks. */
const MAX_KEY_TEXT_BYTES = 128;
const OTHERS_MAY_READ = 0o077;

export type IdentityKey = {
  readonly path: string;
  /** 32 bytes. */
  readonly secretKey: Uint8Array;
  /** What the operator should repair, though it stops nothing. */
  readonly warnings: readonly string[];
};

/** The path that is in use: ours, else Charon's, else ours (not existing yet). */
export async function identityPath(dataDir: string): Promise<string> {
  const own = join(dataDir, IDENTITY_FILE);
  const charon = join(dataDir, CHARON_IDENTITY_FILE);
  return !(await exists(own)) && (await exists(charon)) ? charon : own;
}

/** Throws UsageError for a file that is missing or holds no key; its content is never shown. */
export async function readIdentityKey(path: string): Promise<IdentityKey> {
  const text = await readTextFile(path, {
    maxBytes: MAX_KEY_TEXT_BYTES,
    missingFix: "name your --data-dir, or create a new identity with: coterie create enr",
  });
  const secretKey = parseIdentityKey(text);
  if (secretKey === null) {
    throw new UsageError(`${path} holds no identity key (64 hex digits)`, {
      fix: "restore the file from your backup; a new key is a new operator",
    });
  }
  return { path, secretKey, warnings: await permissionWarnings(path) };
}

/** Names a secret file that other users may read. */
export async function permissionWarnings(path: string): Promise<readonly string[]> {
  // Windows has no such permissions.
  if (process.platform === "win32") return [];
  const { mode } = await stat(path);
  if ((mode & OTHERS_MAY_READ) === 0) return [];
  const octal = (mode & 0o777).toString(8).padStart(3, "0");
  return [`${path} has mode ${octal} and other users may read it; run: chmod 600 ${path}`];
}

export async function exists(path: string): Promise<boolean> {
  try {
    await access(path);
    return true;
  } catch (error) {
    if (error instanceof Error) return false;
    throw error;
  }
}
