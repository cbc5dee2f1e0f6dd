/**
 * `coterie backup create`: everything that makes a machine this operator's node, in one encrypted
 * file (BACKUP-1). Of a running node the records come over its admin server, of one instant, while
 * it goes on signing; its files do not change.
 */
import { existsSync } from "node:fs";
import { readdir, readFile, stat } from "node:fs/promises";
import { basename, join } from "node:path";
import { linesUpTo, listAuditFiles } from "../../adapters/storage/auditFiles.ts";
import { allRecords, decodeRecords, encodeRecords } from "../../adapters/storage/storeDump.ts";
import { MODE_SECRET, writeFileAtomic } from "../../adapters/system/files.ts";
import { UsageError } from "../../domain/errors.ts";
import { MAX_BACKUP_FILE_BYTES } from "../../domain/limits.ts";
import { BACKUP_TAKEN } from "../../node/safetyControl.ts";
import { identityPath } from "../identityFiles.ts";
import { connectAdmin } from "../safety/adminClient.ts";
import { operator } from "../safety/freeze.ts";
import { withStoppedNode } from "../safety/stoppedNode.ts";
import { versionInfo } from "../version.ts";
import { type ArchiveFile, sealArchive } from "./archive.ts";
import { Contents } from "./contents.ts";
import { AUDIT_DIR, isTopFile, KEYS_DIR, KEYSTORE_NAME, LOCK_FILE } from "./files.ts";
import type { About } from "./manifest.ts";
import { readSeal, type SealSource } from "./seal.ts";
import { openImage, StoreImage } from "./storeImage.ts";

export type CreateOptions = {
  readonly dataDir: string;
  readonly out: string;
  readonly seal: SealSource;
  /** Where these lie, as `run` is told; null where it is not. */
  readonly lockFile: string | null;
  readonly privateKeyFile: string | null;
  readonly validatorKeysDir: string | null;
  readonly configFile: string | null;
  readonly json: boolean;
};

/** Writes the backup and says what is in it. */
export async function createBackup(options: CreateOptions): Promise<string> {
  const { dataDir, out } = options;
  // What is wrong with the keys is said before anything is read.
  const encrypter = await readSeal(options.seal);
  if (existsSync(out)) {
    throw new UsageError(`${out} exists already and is not overwritten`, {
      fix: "name a new file",
    });
  }
  const contents = new Contents();
  let about: Partial<About> = {};
  await withRecords(dataDir, async (image, wasRunning) => {
    const files = gather(options, contents, image);
    const finish = (): About => {
      const made = { ...contents.about(), records: image.size, ...madeNow(wasRunning) };
      about = made;
      return made;
    };
    const data = await sealArchive(files, finish, encrypter);
    await writeFileAtomic({ path: out, data, mode: MODE_SECRET });
  });
  const { size } = await stat(out);
  if (options.json) return `${JSON.stringify({ out, bytes: size, ...about })}\n`;
  return [
    `${out}: ${contents.summary()}, ${size} bytes`,
    ...contents.notes(),
    "keep its passphrase or identity apart from it; check it with: coterie backup verify",
    "it ages with every signature: restored, the node waits two epochs before it signs",
    "",
  ].join("\n");
}

function madeNow(wasRunning: boolean) {
  const { version } = versionInfo();
  return { created_at: new Date().toISOString(), version, was_running: wasRunning };
}

/** Of the running node, or under its instance lock, or of one that never ran. */
async function withRecords(
  dataDir: string,
  use: (image: StoreImage, wasRunning: boolean) => Promise<void>,
): Promise<void> {
  const by = operator();
  const admin = await connectAdmin(dataDir);
  if (admin !== null) {
    const bytes = admin.download("/admin/v1/backup", JSON.stringify({ by }));
    await use(await StoreImage.of(decodeRecords(bytes)), true);
    return;
  }
  if (!existsSync(join(dataDir, "db"))) {
    await use(new StoreImage(), false);
    return;
  }
  await withStoppedNode(dataDir, null, async ({ store, audit, project }) => {
    audit.append({ kind: "action", ...BACKUP_TAKEN, caller: by });
    await audit.flush();
    await project();
    await use(await StoreImage.of(allRecords(store)), false);
  });
}

/** Records first, since the rest is measured against them; each file is looked at as it goes. */
async function* gather(
  options: CreateOptions,
  contents: Contents,
  image: StoreImage,
): AsyncIterable<ArchiveFile> {
  // A backup that would not open again is none.
  const opened = await openImage(image);
  let part = 0;
  for await (const data of encodeRecords(allRecords(image))) {
    const name = `records/${String(part++).padStart(6, "0")}.bin`;
    await contents.take({ name, data });
    yield { name, data };
  }
  for await (const file of filesOf(options, opened?.audit.head.sequence ?? 0)) {
    await contents.take(file);
    yield file;
  }
  const [problem] = await contents.problems();
  if (problem !== undefined) {
    throw new UsageError(`the data directory is not complete: ${problem}`, {
      fix: "name what lies elsewhere: --lock-file, --private-key-file, --validator-keys-dir",
    });
  }
}

async function* filesOf(options: CreateOptions, auditEnd: number): AsyncIterable<ArchiveFile> {
  const { dataDir } = options;
  yield* auditOf(dataDir, auditEnd);
  const identity = options.privateKeyFile ?? (await identityPath(dataDir));
  const isElsewhere = (name: string): boolean =>
    (options.privateKeyFile !== null && /enr-private-key$/.test(name)) ||
    (options.lockFile !== null && name === LOCK_FILE) ||
    (options.configFile !== null && name === "config.json");
  const names = (await readdir(dataDir)).filter((name) => isTopFile(name) && !isElsewhere(name));
  for (const name of names.sort()) yield await fileOf(name, join(dataDir, name));
  if (options.privateKeyFile !== null) yield await fileOf("enr-private-key", identity);
  if (options.lockFile !== null) yield await fileOf(LOCK_FILE, options.lockFile);
  if (options.configFile !== null) yield await fileOf("config.json", options.configFile);
  const attempts = join(dataDir, "dkg", "attempts.json");
  if (existsSync(attempts)) yield await fileOf("dkg/attempts.json", attempts);
  const keysDir = options.validatorKeysDir ?? join(dataDir, KEYS_DIR);
  if (options.validatorKeysDir === null && !existsSync(keysDir)) return;
  for (const each of (await readdir(keysDir)).sort()) {
    const name = `${KEYS_DIR}/${each}`;
    if (KEYSTORE_NAME.test(name)) yield await fileOf(name, join(keysDir, each));
  }
}

/** BACKUP-3: what the running node added since its records were read is left out. */
async function* auditOf(dataDir: string, end: number): AsyncIterable<ArchiveFile> {
  const directory = join(dataDir, AUDIT_DIR);
  if (end === 0 || !existsSync(directory)) return;
  const removed = join(directory, "removed.json");
  if (existsSync(removed)) yield await fileOf(`${AUDIT_DIR}/removed.json`, removed);
  for (const path of listAuditFiles(directory)) {
    const { name, data } = await fileOf(`${AUDIT_DIR}/${basename(path)}`, path);
    const text = linesUpTo(new TextDecoder().decode(data), end);
    if (text !== "") yield { name, data: new TextEncoder().encode(text) };
  }
}

async function fileOf(name: string, path: string): Promise<ArchiveFile> {
  try {
    const { size } = await stat(path);
    if (size > MAX_BACKUP_FILE_BYTES) {
      throw new UsageError(`${path} has ${size} bytes; at most ${MAX_BACKUP_FILE_BYTES} are read`);
    }
    return { name, data: new Uint8Array(await readFile(path)) };
  } catch (error) {
    if (error instanceof UsageError || !(error instanceof Error && "code" in error)) throw error;
    throw new UsageError(`${path} cannot be read: ${error.code}`, {
      fix: "run as the user who owns the data directory; after a rotation of the audit log, again",
      cause: error,
    });
  }
}
