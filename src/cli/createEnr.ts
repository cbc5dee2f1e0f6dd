/** `coterie create enr` and `coterie enr`: an operator's identity. */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { MODE_SECRET, writeFileAtomic } from "../adapters/system/files.ts";
import { systemRandom } from "../adapters/system/random.ts";
import { encodeEnr } from "../crypto/enr.ts";
import { formatIdentityKey } from "../crypto/identity.ts";
import { generateK1SecretKey } from "../crypto/k1.ts";
import { UsageError } from "../domain/errors.ts";
import {
  CHARON_IDENTITY_FILE,
  IDENTITY_FILE,
  identityPath,
  readIdentityKey,
} from "./identityFiles.ts";

/** Makes a new identity key and returns its record; refuses to touch an existing one. */
export async function createEnr(options: { readonly dataDir: string }): Promise<string> {
  const { dataDir } = options;
  await mkdir(dataDir, { recursive: true, mode: 0o700 });
  const path = await identityPath(dataDir);
  if (path.endsWith(CHARON_IDENTITY_FILE)) {
    throw new UsageError(`${path} exists already: this operator has an identity`, {
      fix: "show it with: coterie enr",
    });
  }
  const secretKey = generateK1SecretKey(systemRandom);
  const file = { path: join(dataDir, IDENTITY_FILE), data: formatIdentityKey(secretKey) };
  await writeFileAtomic({ ...file, mode: MODE_SECRET });
  process.stderr.write(
    `The identity key is in ${file.path}. Back it up now: a lost key is a lost operator.\n`,
  );
  return encodeEnr({ secretKey });
}

/** The record of the data directory's identity. */
export async function showEnr(options: { readonly dataDir: string }): Promise<string> {
  const key = await readIdentityKey(await identityPath(options.dataDir));
  for (const warning of key.warnings) process.stderr.write(`warning: ${warning}\n`);
  return encodeEnr({ secretKey: key.secretKey });
}
