/**
 * What a backup holds: which files of a data directory, under which names and modes. The same list
 * bounds what a restore writes, so that no archive can name a path of its own (BACKUP-4).
 */
import { MODE_PUBLIC_FINAL, MODE_SECRET, MODE_SECRET_FINAL } from "../../adapters/system/files.ts";

/** Names within the backup, which are those of the data directory that it is restored to. */
export const MANIFEST = "manifest.json";
export const LOCK_FILE = "cluster-lock.json";
export const KEYS_DIR = "validator_keys";
export const AUDIT_DIR = "audit";
export const AUDIT_REMOVED = "audit/removed.json";
export const IDENTITY_NAME = /^(?:charon-)?enr-private-key$/;
export const RECORDS_NAME = /^records\/\d{6}\.bin$/;
export const AUDIT_NAME = /^audit\/\d{16}\.jsonl$/;
export const KEYSTORE_NAME = /^validator_keys\/keystore[\w-]{0,64}\.(?:json|txt)$/;

type Kind = { readonly name: RegExp; readonly mode: number };

/** Lock files and tokens are of one process or one machine, and stay behind. */
const TOP_FILES: readonly Kind[] = [
  { name: IDENTITY_NAME, mode: MODE_SECRET },
  { name: /^cluster-lock\.json$/, mode: MODE_PUBLIC_FINAL },
  { name: /^cluster-definition\.json$/, mode: MODE_PUBLIC_FINAL },
  { name: /^deposit-data[\w.-]{0,64}\.json$/, mode: MODE_PUBLIC_FINAL },
  { name: /^builder-registrations\.json$/, mode: MODE_PUBLIC_FINAL },
  { name: /^transcript\.json$/, mode: MODE_PUBLIC_FINAL },
  { name: /^key-origin\.json$/, mode: MODE_PUBLIC_FINAL },
  { name: /^dkg-acceptance\.json$/, mode: MODE_SECRET },
  { name: /^config\.json$/, mode: MODE_SECRET },
  { name: /^FREEZE$/, mode: MODE_SECRET },
];
const KINDS: readonly Kind[] = [
  ...TOP_FILES,
  { name: /^validator_keys\/keystore[\w-]{0,64}\.json$/, mode: MODE_PUBLIC_FINAL },
  { name: /^validator_keys\/keystore[\w-]{0,64}\.txt$/, mode: MODE_SECRET_FINAL },
  { name: /^dkg\/attempts\.json$/, mode: MODE_SECRET },
  { name: AUDIT_NAME, mode: MODE_SECRET },
  { name: /^audit\/removed\.json$/, mode: MODE_SECRET },
];

/** Whether a file at the top of a data directory belongs into its backup. */
export function isTopFile(name: string): boolean {
  return TOP_FILES.some((kind) => kind.name.test(name));
}

/** Mode of a restored file; null for a name that no backup has. */
export function modeOf(name: string): number | null {
  return KINDS.find((kind) => kind.name.test(name))?.mode ?? null;
}
