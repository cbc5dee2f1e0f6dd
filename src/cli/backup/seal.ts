/**
 * The encryption of backups: age (https://age-encryption.org/v1), so that any age program opens
 * them, too. A passphrase or private key comes from a file, never from the command line (CLI-4).
 */
import { Decrypter, Encrypter } from "age-encryption";
import { readTextFile } from "../../adapters/system/files.ts";
import { UsageError } from "../../domain/errors.ts";

export type SealSource = {
  readonly passphraseFile: string | null;
  /** Public keys `age1…`. */
  readonly recipients: readonly string[];
  readonly recipientsFile: string | null;
};
export type OpenSource = {
  readonly passphraseFile: string | null;
  readonly identityFile: string | null;
};

const MAX_FILE_BYTES = 64 * 1024;
const MIN_PASSPHRASE = 12;

/** Throws UsageError naming what is missing or wrong. */
export async function readSeal(source: SealSource): Promise<Encrypter> {
  const { passphraseFile, recipients, recipientsFile } = source;
  const named = recipientsFile === null ? [] : await linesOf(recipientsFile);
  const keys = [...recipients, ...named];
  if ((passphraseFile === null) === (keys.length === 0)) {
    throw new UsageError("a backup is encrypted for a passphrase or for recipients, one of them", {
      fix: "give --passphrase-file; or --recipients age1…, or --recipients-file",
    });
  }
  const encrypter = new Encrypter();
  if (passphraseFile !== null) encrypter.setPassphrase(await readPassphrase(passphraseFile));
  for (const key of keys) {
    requireKey(() => encrypter.addRecipient(key), `"${key}" is no age recipient (age1…)`);
  }
  return encrypter;
}

export async function readOpener(source: OpenSource): Promise<Decrypter> {
  const { passphraseFile, identityFile } = source;
  if ((passphraseFile === null) === (identityFile === null)) {
    throw new UsageError("a backup is opened with its passphrase or with an age identity", {
      fix: "give --passphrase-file or --identity-file, whichever it was made for",
    });
  }
  const decrypter = new Decrypter();
  if (passphraseFile !== null) decrypter.addPassphrase(await readPassphrase(passphraseFile));
  const identities = identityFile === null ? [] : await linesOf(identityFile);
  for (const identity of identities) {
    const problem = `${identityFile} holds a line that is no age identity (AGE-SECRET-KEY-…)`;
    requireKey(() => decrypter.addIdentity(identity), problem);
  }
  return decrypter;
}

/** The file's first line, whatever follows its end. */
async function readPassphrase(path: string): Promise<string> {
  const missingFix = "write a long passphrase into it, and keep a copy apart from the backup";
  const text = await readTextFile(path, { maxBytes: MAX_FILE_BYTES, missingFix });
  const passphrase = text.split(/\r?\n/)[0]?.trim() ?? "";
  if (passphrase.length >= MIN_PASSPHRASE) return passphrase;
  throw new UsageError(`${path} holds no passphrase of at least ${MIN_PASSPHRASE} characters`, {
    fix: missingFix,
  });
}

/** As age writes such files: `#` begins a comment. */
async function linesOf(path: string): Promise<readonly string[]> {
  const missingFix = "check the path; age-keygen makes such a file";
  const text = await readTextFile(path, { maxBytes: MAX_FILE_BYTES, missingFix });
  const lines = text.split(/\r?\n/).map((line) => line.trim());
  const keys = lines.filter((line) => line !== "" && !line.startsWith("#"));
  if (keys.length > 0) return keys;
  throw new UsageError(`${path} holds no key`, { fix: missingFix });
}

function requireKey(add: () => void, problem: string): void {
  try {
    add();
  } catch (cause) {
    // The library says what is wrong with the text, and the text may be a secret.
    throw new UsageError(problem, { fix: "copy the key again, whole", cause });
  }
}
