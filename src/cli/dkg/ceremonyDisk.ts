/**
 * The ceremony's files in a data directory: `dkg/attempt-N/` with journal and staged key shares
 * while it runs, `dkg/attempts.json` with what failed, and in the end the outputs in their place.
 */
import { mkdir, readdir, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import {
  type CeremonyJournal,
  isJournalBegun,
  openCeremonyJournal,
} from "../../adapters/storage/ceremonyJournal.ts";
import {
  MODE_PUBLIC_FINAL,
  MODE_SECRET_FINAL,
  readTextFile,
  syncFolder,
  writeFileAtomic,
} from "../../adapters/system/files.ts";
import type { KeystoreKdf } from "../../crypto/keystore.ts";
import { writeBlame } from "../../dkg/blameFile.ts";
import type { CeremonyShares } from "../../dkg/messages.ts";
import { LOCK_FILE, type OutputFile } from "../../dkg/outputs.ts";
import type { CeremonyStorage, EndedAttempt } from "../../dkg/storage.ts";
import { UsageError } from "../../domain/errors.ts";
import { bytesOf, type PubKey, type Root } from "../../domain/keys.ts";
import { assert } from "../../util/assert.ts";
import { concatBytes, equalBytes, uint32be } from "../../util/bytes.ts";
import { CEREMONY_PHASES } from "../../wire/ceremony.ts";
import { exists } from "../identityFiles.ts";
import { openKeystores } from "../keystoreFiles.ts";
import { writeKeystores, writeNew } from "../keystoreWriter.ts";

export type CeremonyDiskOptions = {
  readonly dataDir: string;
  readonly definitionHash: Root;
  /** The identity key, 32 bytes. */
  readonly secretKey: Uint8Array;
  readonly kdf: KeystoreKdf;
  /** Steps of writing key shares and reading them back, as many for the one as for the other. */
  readonly onKeystores?: (done: number, total: number) => void;
};

export const KEYS_DIR = "validator_keys";
const JOURNAL = "journal";
const MAX_ATTEMPTS_BYTES = 16 * 1024 * 1024;

/** An attempt of which nobody knows here any more what was said. */
const FORGOTTEN = {
  phase: "keys",
  culprit: null,
  missing: [],
  groupKeys: [],
  keepsShares: true,
} as const satisfies Omit<EndedAttempt, "attempt" | "reason">;

const endedSchema = z.object({
  attempt: z.int().min(1),
  ended_at: z.string(),
  definition_hash: z.string(),
  phase: z.enum(CEREMONY_PHASES),
  reason: z.string(),
  culprit: z.int().nullable(),
  missing: z.array(z.int()),
  group_keys: z.array(z.string()),
  keeps_shares: z.boolean(),
});
type EndedRow = z.infer<typeof endedSchema>;

/** Throws UsageError where the directory holds a cluster, or the rest of another ceremony. */
export async function openCeremonyDisk(options: CeremonyDiskOptions): Promise<CeremonyStorage> {
  const { dataDir } = options;
  const folder = join(dataDir, "dkg");
  await mkdir(folder, { recursive: true, mode: 0o700 });
  await syncFolder(dataDir);
  const rows = await readAttempts(join(folder, "attempts.json"));
  const current = Math.max(0, ...(await attemptsUnderWay(dataDir)));
  const disk = new CeremonyDisk(options, { folder, rows, current });
  await disk.requireFree();
  await disk.closeForgotten();
  return disk;
}

/** Attempts at a definition that are on record, as `dkg accept` needs them. */
export async function attemptsMade(dataDir: string): Promise<number> {
  const rows = await readAttempts(join(dataDir, "dkg", "attempts.json"));
  return Math.max(0, ...rows.map(({ attempt }) => attempt));
}

/** Attempts that were begun and are not over: what was said in them is in their journals. */
export async function attemptsUnderWay(dataDir: string): Promise<readonly number[]> {
  const folder = join(dataDir, "dkg");
  const open = await openAttempts(folder);
  const areBegun = await Promise.all(
    open.map((attempt) => isJournalBegun(join(folderOf(folder, attempt), JOURNAL))),
  );
  return open.filter((_, i) => areBegun[i]);
}

class CeremonyDisk implements CeremonyStorage {
  readonly #options: CeremonyDiskOptions;
  readonly #folder: string;
  #rows: readonly EndedRow[];
  #current: number;
  #isPublished = false;
  #journal: CeremonyJournal | null = null;

  constructor(
    options: CeremonyDiskOptions,
    found: {
      readonly folder: string;
      readonly rows: readonly EndedRow[];
      readonly current: number;
    },
  ) {
    this.#options = options;
    this.#folder = found.folder;
    this.#rows = found.rows;
    this.#current = found.current;
  }

  /** OUT-3: nothing of another cluster is in the way. */
  async requireFree(): Promise<void> {
    const { dataDir } = this.#options;
    this.#isPublished = await exists(join(dataDir, LOCK_FILE));
    if (this.#current > 0) return;
    for (const name of [LOCK_FILE, KEYS_DIR]) {
      if (!(await exists(join(dataDir, name)))) continue;
      throw new UsageError(`${join(dataDir, name)} exists already: this node has a cluster`, {
        fix: "use another --data-dir for another cluster, with an identity of its own",
      });
    }
  }

  ended(): readonly EndedAttempt[] {
    return this.#rows.map((row) => ({
      attempt: row.attempt,
      phase: row.phase,
      reason: row.reason,
      culprit: row.culprit,
      missing: row.missing,
      groupKeys: row.group_keys as PubKey[],
      keepsShares: row.keeps_shares,
    }));
  }

  current(): number {
    return this.#current;
  }

  isPublished(): boolean {
    return this.#isPublished;
  }

  async open(attempt: number): Promise<readonly Uint8Array[]> {
    const { secretKey, definitionHash } = this.#options;
    await this.#journal?.close();
    this.#current = attempt;
    await mkdir(this.#dir(), { recursive: true, mode: 0o700 });
    await syncFolder(this.#folder);
    this.#journal = await openCeremonyJournal({
      path: join(this.#dir(), JOURNAL),
      secretKey,
      context: concatBytes(bytesOf(definitionHash), uint32be(attempt)),
    });
    await syncFolder(this.#dir());
    return this.#journal.records;
  }

  async append(record: Uint8Array): Promise<void> {
    assert(this.#journal !== null, "an attempt was opened");
    await this.#journal.append(record);
  }

  async storeShares(shares: CeremonyShares): Promise<readonly Uint8Array[]> {
    const kept = join(this.#dir(), KEYS_DIR);
    const published = join(this.#options.dataDir, KEYS_DIR);
    for (const dir of [published, kept]) {
      if (!(await exists(dir))) continue;
      const found = await readShares(dir, shares);
      if (found !== null) return found;
      // Half of an earlier run, or of another attempt: never what was acknowledged.
      assert(dir === kept, "published shares are those of the ceremony");
      await rm(dir, { recursive: true });
    }
    const building = `${kept}.tmp`;
    await rm(building, { recursive: true, force: true });
    await mkdir(building, { mode: 0o700 });
    const isWeak = this.#options.kdf === "weak";
    const count = shares.secrets.length;
    const onStep = (done: number): void => this.#options.onKeystores?.(done, 2 * count);
    await writeKeystores(
      shares.secrets.map((secret, i) => ({
        secret,
        base: join(building, `keystore${isWeak ? "-insecure" : ""}-${i}`),
      })),
      {
        kdf: this.#options.kdf,
        keystoreMode: MODE_PUBLIC_FINAL,
        passwordMode: MODE_SECRET_FINAL,
        onWritten: onStep,
      },
    );
    await syncFolder(building);
    await rename(building, kept);
    await syncFolder(this.#dir());
    const stored = await readShares(kept, shares, (read) => onStep(count + read));
    assert(stored !== null, "what was written is what is read back");
    return stored;
  }

  async end(ended: EndedAttempt, blame: Uint8Array | null): Promise<void> {
    if (blame !== null) {
      const path = join(this.#options.dataDir, "blame.json");
      const data = writeBlame({
        definitionHash: this.#options.definitionHash,
        attempt: ended.attempt,
        culprit: ended.culprit ?? 0,
        reason: ended.reason,
        evidence: blame,
      });
      await writeFileAtomic({ path, data, mode: MODE_PUBLIC_FINAL, overwrite: true });
    }
    await this.#writeRows([...this.#rows, this.#rowOf(ended)]);
    if (!ended.keepsShares) await this.#eraseAttempt();
    await this.close();
    this.#current = 0;
  }

  async reopen(attempt: number): Promise<boolean> {
    const isKept = (row: EndedRow): boolean => row.attempt === attempt && row.keeps_shares;
    const journal = join(folderOf(this.#folder, attempt), JOURNAL);
    if (!this.#rows.some(isKept) || !(await isJournalBegun(journal))) return false;
    await this.#writeRows(this.#rows.filter((row) => !isKept(row)));
    this.#current = attempt;
    return true;
  }

  async publish(files: readonly OutputFile[]): Promise<void> {
    const { dataDir } = this.#options;
    const staged = join(this.#dir(), KEYS_DIR);
    const isStaged = await exists(staged);
    // A lock without them, and the journal erased, would be a share that nobody has any more.
    if (!isStaged && !(await exists(join(dataDir, KEYS_DIR)))) {
      throw new UsageError(`the key shares that were written to ${staged} are gone`, {
        fix: "put that folder back from your backup; until then nothing of the ceremony is erased",
      });
    }
    const building = join(this.#dir(), "outputs");
    await rm(building, { recursive: true, force: true });
    await mkdir(building, { mode: 0o700 });
    for (const { name, text } of files) {
      await writeNew(join(building, name), text, MODE_PUBLIC_FINAL);
      const back = await readFile(join(building, name), "utf8");
      assert(back === text, `${name} is read back as it was written`);
    }
    await syncFolder(building);
    if (isStaged) await rename(staged, join(dataDir, KEYS_DIR));
    // In this order: the lock, which makes the directory a node's, is the last.
    for (const { name } of files) await rename(join(building, name), join(dataDir, name));
    await syncFolder(dataDir);
    this.#isPublished = true;
  }

  async erase(): Promise<void> {
    await this.#eraseAttempt();
    this.#current = 0;
  }

  async close(): Promise<void> {
    await this.#journal?.close();
    this.#journal = null;
  }

  /** JOURNAL-5: an attempt that has key shares and no journal is over, and its shares stay. */
  async closeForgotten(): Promise<void> {
    for (const attempt of await openAttempts(this.#folder)) {
      const folder = folderOf(this.#folder, attempt);
      const keys = join(folder, KEYS_DIR);
      if ((await isJournalBegun(join(folder, JOURNAL))) || !(await exists(keys))) continue;
      const reason = `its journal is gone; its key shares are in ${keys}`;
      await this.#writeRows([...this.#rows, this.#rowOf({ ...FORGOTTEN, attempt, reason })]);
    }
  }

  async #eraseAttempt(): Promise<void> {
    // Attempts that only others remember have nothing here.
    if (this.#current === 0) return;
    await this.#journal?.erase();
    this.#journal = null;
    await rm(this.#dir(), { recursive: true, force: true });
    await syncFolder(this.#folder);
  }

  #rowOf(ended: EndedAttempt): EndedRow {
    return {
      attempt: ended.attempt,
      ended_at: new Date().toISOString(),
      definition_hash: this.#options.definitionHash,
      phase: ended.phase,
      reason: ended.reason,
      culprit: ended.culprit,
      missing: [...ended.missing],
      group_keys: [...ended.groupKeys],
      keeps_shares: ended.keepsShares,
    };
  }

  async #writeRows(rows: readonly EndedRow[]): Promise<void> {
    this.#rows = rows;
    await writeFileAtomic({
      path: join(this.#folder, "attempts.json"),
      data: `${JSON.stringify(rows, null, 1)}\n`,
      mode: 0o644,
      overwrite: true,
    });
  }

  #dir(): string {
    assert(this.#current > 0, "an attempt is under way");
    return folderOf(this.#folder, this.#current);
  }
}

/** The secrets in the folder's keystores; null unless they are exactly these. */
async function readShares(
  dir: string,
  { secrets }: CeremonyShares,
  onRead: (done: number) => void = () => undefined,
): Promise<readonly Uint8Array[] | null> {
  const names = (await readdir(dir)).filter((name) => name.endsWith(".json"));
  const numbered = names
    .map((name) => ({ name, number: Number(/(\d+)\.json$/.exec(name)?.[1] ?? -1) }))
    .sort((a, b) => a.number - b.number);
  if (numbered.length !== secrets.length) return null;
  const paths = numbered.map(({ name }) => join(dir, name));
  let read = 0;
  const opened = await openKeystores(
    paths,
    () => undefined,
    () => onRead(++read),
  );
  const found = opened.map(({ secret }) => secret);
  return found.every((secret, i) => equalBytes(secret, secrets[i] ?? new Uint8Array()))
    ? found
    : null;
}

/** Attempts that have a folder and are not on record as over. */
async function openAttempts(folder: string): Promise<readonly number[]> {
  if (!(await exists(folder))) return [];
  const over = new Set((await readAttempts(join(folder, "attempts.json"))).map((r) => r.attempt));
  const attempts = (await readdir(folder)).map((name) =>
    Number(/^attempt-(\d{1,7})$/.exec(name)?.[1] ?? 0),
  );
  return attempts.filter((attempt) => attempt > 0 && !over.has(attempt));
}

function folderOf(folder: string, attempt: number): string {
  return join(folder, `attempt-${attempt}`);
}

async function readAttempts(path: string): Promise<readonly EndedRow[]> {
  if (!(await exists(path))) return [];
  const text = await readTextFile(path, { maxBytes: MAX_ATTEMPTS_BYTES, missingFix: "" });
  const parsed = z.array(endedSchema).safeParse(parseOrNull(text));
  if (parsed.success) return parsed.data;
  throw new UsageError(`${path} is damaged`, {
    fix: "restore it from your backup, or move the whole dkg folder away",
  });
}

function parseOrNull(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}
