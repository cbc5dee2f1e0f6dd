/** The last file of a backup: what it is of, and every other file with its size and hash. */
import { z } from "zod";
import { sha256 } from "../../crypto/sha256.ts";
import { UsageError } from "../../domain/errors.ts";
import { MAX_BACKUP_FILES, MAX_JSON_DEPTH } from "../../domain/limits.ts";
import { toHex } from "../../util/bytes.ts";
import { parseQuotedJson } from "../../util/json.ts";

const FORMAT = /^coterie backup (\d{1,9})$/;
const FORMAT_NUMBER = 1;

const manifestSchema = z.object({
  format: z.string(),
  /** ISO 8601. */
  created_at: z.string(),
  /** Release that made it. */
  version: z.string(),
  lock_hash: z.string(),
  /** Counted from 0, in the lock's order. */
  operator: z.int().min(0),
  /** Whether the node ran meanwhile. */
  was_running: z.boolean(),
  /** Records of the database; 0 of a node that never ran. */
  records: z.int().min(0),
  /** Validators of the lock whose key share is in the backup. */
  key_shares: z.int().min(0),
  files: z
    .array(z.object({ name: z.string(), bytes: z.int().min(0), sha256: z.string() }))
    .max(MAX_BACKUP_FILES),
});
export type Manifest = z.infer<typeof manifestSchema>;
export type FileEntry = Manifest["files"][number];
export type About = Omit<Manifest, "format" | "files">;

export function entryOf(name: string, data: Uint8Array): FileEntry {
  return { name, bytes: data.length, sha256: toHex(sha256(data)) };
}

export function writeManifest(about: About, files: readonly FileEntry[]): Uint8Array {
  const manifest: Manifest = {
    format: `coterie backup ${FORMAT_NUMBER}`,
    ...about,
    files: [...files],
  };
  return new TextEncoder().encode(`${JSON.stringify(manifest, null, 1)}\n`);
}

/** Throws UsageError for a text that is none, and for a newer release's. */
export function readManifest(data: Uint8Array): Manifest {
  const json = parseQuotedJson(new TextDecoder().decode(data), MAX_JSON_DEPTH);
  const format = json.ok ? z.object({ format: z.string() }).safeParse(json.value).data?.format : "";
  const number = Number(FORMAT.exec(format ?? "")?.[1] ?? 0);
  if (number > FORMAT_NUMBER) {
    throw new UsageError(`the backup has format ${number}, a newer release's`, {
      fix: "use the release that made it, or a newer one",
    });
  }
  const parsed = manifestSchema.safeParse(json.ok ? json.value : null);
  if (parsed.success && number === FORMAT_NUMBER) return parsed.data;
  throw new UsageError("the backup's manifest is not readable", {
    fix: "take another backup; this one was not made by coterie backup create",
  });
}

/** One sentence for each file that is not the listed one. */
export function differencesOf(
  manifest: Manifest,
  found: ReadonlyMap<string, FileEntry>,
): readonly string[] {
  const listed = new Map(manifest.files.map((entry) => [entry.name, entry]));
  const missing = [...listed.keys()].filter((name) => !found.has(name));
  const foreign = [...found.keys()].filter((name) => !listed.has(name));
  const changed = [...found.values()].filter(({ name, bytes, sha256: hash }) => {
    const entry = listed.get(name);
    return entry !== undefined && (entry.bytes !== bytes || entry.sha256 !== hash);
  });
  return [
    ...missing.map((name) => `${name} is missing`),
    ...foreign.map((name) => `${name} is in no list of the backup's`),
    ...changed.map(({ name }) => `${name} is not the file that was put in`),
  ];
}
