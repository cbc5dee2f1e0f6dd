/** Key shares of a finished ceremony on their way to a validator client's keymanager (OUT-5). */
import { readFile } from "node:fs/promises";
import { basename, join } from "node:path";
import {
  createKeymanagerClient,
  type KeymanagerClient,
  type KeystoreToPush,
} from "../../adapters/http/keymanagerClient.ts";
import { readTextFile } from "../../adapters/system/files.ts";
import { sameBytes } from "../../cluster/fields.ts";
import { parseLock } from "../../cluster/lock.ts";
import { LOCK_FILE } from "../../dkg/outputs.ts";
import { UsageError } from "../../domain/errors.ts";
import type { Root } from "../../domain/keys.ts";
import { MAX_CLUSTER_FILE_BYTES } from "../../domain/limits.ts";
import { exists } from "../identityFiles.ts";
import { listKeystores, passwordPath } from "../keystoreFiles.ts";
import { attemptsUnderWay, KEYS_DIR } from "./ceremonyDisk.ts";
import type { DkgOptions } from "./dkgOptions.ts";

const MAX_TOKEN_BYTES = 4 * 1024;

/** Its trouble is found before the ceremony, not after. */
export async function openKeymanager(
  settings: DkgOptions["keymanager"],
): Promise<KeymanagerClient | null> {
  if (settings === null) return null;
  const token = await readTextFile(settings.tokenFile, {
    maxBytes: MAX_TOKEN_BYTES,
    missingFix: "name the file in which your validator client keeps its keymanager API token",
  });
  const client = createKeymanagerClient(settings.address, token.trim());
  try {
    await client.check();
  } catch (error) {
    await client.close();
    throw error;
  }
  return client;
}

/**
 * Whether this very ceremony is over here and its keys have signed nothing yet. Throws UsageError
 * where a node has run on them: a second signer must not begin with a blank history (KEYS-1).
 */
export async function isToBePushedAgain(dataDir: string, definitionHash: Root): Promise<boolean> {
  const path = join(dataDir, LOCK_FILE);
  if (!(await exists(path)) || (await attemptsUnderWay(dataDir)).length > 0) return false;
  const text = await readTextFile(path, { maxBytes: MAX_CLUSTER_FILE_BYTES, missingFix: "" });
  const lock = parseLock(text);
  if (!lock.ok || !sameBytes(lock.value.cluster_definition.definition_hash, definitionHash)) {
    return false;
  }
  if (!(await exists(join(dataDir, "db")))) return true;
  throw new UsageError(`a node has run in ${dataDir}: its keys may have signed`, {
    fix: "stop it, and import keystores and slashing history into the validator client by hand",
  });
}

export async function pushKeystores(client: KeymanagerClient, dataDir: string): Promise<void> {
  const paths = await listKeystores(join(dataDir, KEYS_DIR), "restore it from your backup");
  const keystores: KeystoreToPush[] = [];
  // One after the other: thousands of files are more than a process may have open.
  for (const path of paths) {
    keystores.push({
      name: basename(path),
      keystore: await readFile(path, "utf8"),
      password: await readFile(passwordPath(path), "utf8"),
    });
  }
  await client.push(keystores);
}
