/**
 * Files that must be whole or absent, with the permissions they need. A crash at any point leaves
 * the old content or the new one, never a part of it (OPS-2).
 */
import { randomBytes } from "node:crypto";
import { link, open, rename, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { FaultError, UsageError } from "../../domain/errors.ts";

/** Secret and changing: the identity key, its lock file. */
export const MODE_SECRET = 0o600;
/** Secret and final: a keystore's password. */
export const MODE_SECRET_FINAL = 0o400;
/** Public and final: locks, keystores (encrypted), deposit data. */
export const MODE_PUBLIC_FINAL = 0o444;

export type FileToWrite = {
  readonly path: string;
  readonly data: string | Uint8Array | AsyncIterable<Uint8Array>;
  readonly mode: number;
  /** Replaces an existing file only when told to. */
  readonly overwrite?: boolean;
};

/**
 * Writes to a temporary file beside `path`, syncs it, moves it into place and syncs the folder.
 * Throws UsageError when the file exists and FaultError when the disk fails.
 */
export async function writeFileAtomic(file: FileToWrite): Promise<void> {
  const { path, data, mode } = file;
  const suffix = randomBytes(6).toString("hex");
  const temporary = join(dirname(path), `.${basename(path)}.${suffix}.tmp`);
  try {
    await writeSynced({ path: temporary, data, mode });
    if (file.overwrite === true) await rename(temporary, path);
    // A hard link fails where the name is taken, which a rename cannot.
    else await link(temporary, path);
    await syncFolder(dirname(path));
  } catch (error) {
    throw explain(path, error);
  } finally {
    await rm(temporary, { force: true });
  }
}

/**
 * At most `maxBytes` of a file's text; throws UsageError that names the file when it is missing,
 * not readable or larger. `missingFix` says what to do about a missing file.
 */
export async function readTextFile(
  path: string,
  options: { readonly maxBytes: number; readonly missingFix: string },
): Promise<string> {
  const { maxBytes, missingFix } = options;
  try {
    const handle = await open(path, "r");
    try {
      const { size } = await handle.stat();
      if (size > maxBytes) {
        throw new UsageError(`${path} has ${size} bytes; at most ${maxBytes} are read`);
      }
      return await handle.readFile("utf8");
    } finally {
      await handle.close();
    }
  } catch (error) {
    throw explain(path, error, missingFix);
  }
}

/** The operator's error behind a system call's: what is wrong with which file, and what to do. */
function explain(path: string, error: unknown, missingFix = "create the folder first"): Error {
  if (error instanceof UsageError) return error;
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  switch (code) {
    case "EEXIST":
      return new UsageError(`${path} exists already and is not overwritten`, {
        fix: "choose another folder, or move the file away if it is no longer needed",
      });
    case "ENOENT":
      return new UsageError(`${path} does not exist`, { fix: missingFix });
    case "ENOTDIR":
    case "EISDIR":
      return new UsageError(`${path} is not what it should be: a folder stands for a file`, {
        fix: "check the path",
      });
    case "EACCES":
    case "EPERM":
    case "EROFS":
      return new UsageError(`${path}: permission denied`, {
        fix: "run as the user who owns the file, or correct its owner and mode",
      });
    default:
      return new FaultError("disk_failed", `${path}: ${String(code ?? error)}`, { cause: error });
  }
}

async function writeSynced(file: FileToWrite): Promise<void> {
  const handle = await open(file.path, "wx", file.mode);
  try {
    // The process's umask narrows the mode of `open`, and readers of public files need it whole.
    await handle.chmod(file.mode);
    await handle.writeFile(file.data);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Makes the names of files in the folder durable. */
export async function syncFolder(path: string): Promise<void> {
  const handle = await open(path, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
