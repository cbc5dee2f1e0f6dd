/**
 * How the commands find a running node: the bearer token and the address, each in a file of the
 * data directory. Whoever can read the token can read the keys beside it (ADMIN-1).
 */
import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { MODE_SECRET, readTextFile, writeFileAtomic } from "../../adapters/system/files.ts";
import { UsageError } from "../../domain/errors.ts";

const TOKEN_FILE = "admin-token";
const ADDRESS_FILE = "admin-address";
const TOKEN_BYTES = 32;
const MAX_FILE_BYTES = 1_024;

/** The data directory's token, made at the first start. */
export async function adminToken(dataDir: string): Promise<string> {
  const path = join(dataDir, TOKEN_FILE);
  if (!existsSync(path)) {
    const data = `${randomBytes(TOKEN_BYTES).toString("hex")}\n`;
    await writeFileAtomic({ path, data, mode: MODE_SECRET });
  }
  const missingFix = "start the node once";
  const token = (await readTextFile(path, { maxBytes: MAX_FILE_BYTES, missingFix })).trim();
  if (/^[\x21-\x7e]{32,}$/.test(token)) return token;
  throw new UsageError(`${path} holds no token of at least 32 characters`, {
    fix: "delete it and start the node again, which writes a new one",
  });
}

/** Tells the commands where the node answers, for as long as it runs. */
export async function publishAdminAddress(dataDir: string, url: string): Promise<void> {
  const path = join(dataDir, ADDRESS_FILE);
  await writeFileAtomic({ path, data: `${url}\n`, mode: MODE_SECRET, overwrite: true });
}

export async function withdrawAdminAddress(dataDir: string): Promise<void> {
  await rm(join(dataDir, ADDRESS_FILE), { force: true });
}

/** Null when no node of this data directory has said that it runs. */
export async function adminAddress(dataDir: string): Promise<string | null> {
  const path = join(dataDir, ADDRESS_FILE);
  return existsSync(path) ? (await readFile(path, "utf8")).trim() : null;
}
