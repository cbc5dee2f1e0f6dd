/**
 * `coterie backup restore`: a data directory out of a backup, whole or not at all, and one that
 * waits: whatever the node signed after the backup is in no record of it (BACKUP-5, WAIT-4).
 */
import { mkdir, mkdtemp, readdir, rename, rm } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { openLevel } from "../../adapters/storage/level.ts";
import { recordsOf } from "../../adapters/storage/storeDump.ts";
import { syncFolder } from "../../adapters/system/files.ts";
import { FaultError, UsageError } from "../../domain/errors.ts";
import type { KeyValueStore } from "../../ports/keyValueStore.ts";
import { waitAtNextStart } from "../../safety/migrationWait.ts";
import { assert } from "../../util/assert.ts";
import { writeNew } from "../keystoreWriter.ts";
import { operator } from "../safety/freeze.ts";
import { withStoppedNode } from "../safety/stoppedNode.ts";
import { type ArchiveFile, readArchive } from "./archive.ts";
import { Contents } from "./contents.ts";
import { IDENTITY_NAME, modeOf, RECORDS_NAME } from "./files.ts";
import type { Manifest } from "./manifest.ts";
import { type OpenSource, readOpener } from "./seal.ts";
import { problemsOf } from "./verify.ts";

export type RestoreOptions = {
  readonly path: string;
  readonly dataDir: string;
  readonly open: OpenSource;
  readonly json: boolean;
};

/** Writes the data directory and says what is left to do. */
export async function restoreBackup(options: RestoreOptions): Promise<string> {
  const dataDir = resolve(options.dataDir);
  const isThere = await requireEmpty(dataDir);
  const decrypter = await readOpener(options.open);
  // A directory that is there may be a mount point, which nothing can be moved onto.
  const building = await makeFolder(
    isThere ? join(dataDir, ".restoring-") : `${dataDir}.restoring-`,
  );
  try {
    const contents = new Contents();
    const manifest = await extractInto(building, (take) =>
      readArchive(options.path, decrypter, async (file) => {
        await contents.take(file);
        await take(file);
      }),
    );
    const [problem] = await problemsOf(manifest, contents);
    if (problem !== undefined) {
      throw new UsageError(`${options.path}: ${problem}`, { fix: "take another backup" });
    }
    if (contents.records > 0) await noteRestore(building, manifest);
    for (const folder of ["", "validator_keys", "audit", "dkg"])
      await syncIfThere(building, folder);
    await onDisk(dataDir, async () => {
      await (isThere ? moveContents(building, dataDir) : rename(building, dataDir));
      await syncFolder(isThere ? dataDir : dirname(dataDir));
    });
    return report(options, manifest, contents);
  } finally {
    await rm(building, { recursive: true, force: true });
  }
}

/** BACKUP-5: what a directory holds may be newer than any backup. False where there is none. */
async function requireEmpty(dataDir: string): Promise<boolean> {
  const names = await readdir(dataDir).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return null;
    throw new UsageError(`${dataDir} cannot be read: ${error.code}`, { fix: "check --data-dir" });
  });
  if (names === null || names.length === 0) return names !== null;
  throw new UsageError(`${dataDir} is not empty, and nothing in it is overwritten`, {
    fix:
      "if its node can still start, use it and no backup: its records are newer. Otherwise stop " +
      "the node, move the directory away and keep it, and restore again",
  });
}

type Take = (file: ArchiveFile) => Promise<void>;

async function extractInto(
  building: string,
  read: (take: Take) => Promise<Manifest>,
): Promise<Manifest> {
  const store = await openLevel(join(building, "db"));
  try {
    const manifest = await read((file) => extract(building, store, file));
    // WAIT-4: over whatever the backup knew of a wait.
    await store.batch([waitAtNextStart(reasonOf(manifest))]);
    return manifest;
  } finally {
    await store.close();
  }
}

function reasonOf({ created_at: at }: Manifest): string {
  return `it was restored from the backup of ${at}, and what it signed after that is not in it`;
}

async function extract(
  building: string,
  store: KeyValueStore,
  { name, data }: ArchiveFile,
): Promise<void> {
  if (RECORDS_NAME.test(name)) {
    const records = await recordsOf(data);
    await store.batch(records.map(([key, value]) => ({ type: "put", key, value })));
    return;
  }
  const mode = modeOf(name);
  assert(mode !== null, "an archive's names are known ones");
  const path = join(building, ...name.split("/"));
  await onDisk(path, async () => {
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    await writeNew(path, data, mode);
  });
}

/** A full disk is no damaged backup. */
async function onDisk(path: string, write: () => Promise<void>): Promise<void> {
  try {
    await write();
  } catch (error) {
    if (!(error instanceof Error && "code" in error)) throw error;
    throw new FaultError("disk_failed", `${path}: ${error.code}`, { cause: error });
  }
}

/** The store opens as a node's does, and its audit log goes on with what happened to it. */
async function noteRestore(building: string, manifest: Manifest): Promise<void> {
  await withStoppedNode(building, null, async ({ audit }) => {
    const detail = `from the backup of ${manifest.created_at}; it waits before it signs`;
    audit.append({ kind: "action", action: "restore", caller: operator(), detail });
    await audit.flush();
  });
}

async function syncIfThere(building: string, folder: string): Promise<void> {
  const names = await readdir(building);
  if (folder === "" || names.includes(folder)) await syncFolder(join(building, folder));
}

async function makeFolder(prefix: string): Promise<string> {
  try {
    await mkdir(dirname(prefix), { recursive: true, mode: 0o700 });
    return await mkdtemp(prefix);
  } catch (error) {
    if (!(error instanceof Error && "code" in error)) throw error;
    throw new UsageError(`nothing can be written to ${dirname(prefix)}: ${error.code}`, {
      fix: "name a --data-dir on a disk that this user may write to",
      cause: error,
    });
  }
}

/** BACKUP-5: the identity key comes last, and without it no node starts from what is there. */
async function moveContents(building: string, dataDir: string): Promise<void> {
  const names = await readdir(building);
  const isIdentity = (name: string): boolean => IDENTITY_NAME.test(name);
  for (const name of names.filter((each) => !isIdentity(each))) {
    await rename(join(building, name), join(dataDir, name));
  }
  await syncFolder(dataDir);
  for (const name of names.filter(isIdentity)) {
    await rename(join(building, name), join(dataDir, name));
  }
}

function report(
  { path, dataDir, json }: RestoreOptions,
  manifest: Manifest,
  contents: Contents,
): string {
  const { created_at: createdAt, operator: index } = manifest;
  if (json) {
    const { records } = contents;
    return `${JSON.stringify({ dataDir, createdAt, operator: index, records })}\n`;
  }
  return [
    `${dataDir}: restored from ${path} of ${createdAt}: ${contents.summary()}`,
    ...contents.notes(),
    "",
    "next: 1. make sure that no other machine runs this operator's node any more",
    "      2. coterie run: it waits two epochs, since its records are as old as the backup, and",
    "         its peers tell it what it signed later. coterie status shows the countdown",
    "",
  ].join("\n");
}
