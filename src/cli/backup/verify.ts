/** `coterie backup verify`: whether a node would start from a backup; nothing is written. */
import { readArchive } from "./archive.ts";
import { Contents } from "./contents.ts";
import type { Manifest } from "./manifest.ts";
import { type OpenSource, readOpener } from "./seal.ts";

export type VerifyOptions = {
  readonly path: string;
  readonly open: OpenSource;
  readonly json: boolean;
};

export async function verifyBackup({ path, open, json }: VerifyOptions): Promise<{
  readonly isValid: boolean;
  readonly text: string;
}> {
  const contents = new Contents();
  const decrypter = await readOpener(open);
  const manifest = await readArchive(path, decrypter, (file) => contents.take(file));
  const problems = await problemsOf(manifest, contents);
  const isValid = problems.length === 0;
  const { files, ...about } = manifest;
  if (json) {
    const report = { isValid, problems, ...about, files: files.length };
    return { isValid, text: `${JSON.stringify(report)}\n` };
  }
  const lines = isValid
    ? [`${path}: whole, of ${manifest.created_at}: ${contents.summary()}`, ...contents.notes()]
    : problems.map((problem) => `${path}: ${problem}`);
  return { isValid, text: `${lines.join("\n")}\n` };
}

/** BACKUP-2: what the files come to, and whether that is what the manifest says. */
export async function problemsOf(
  manifest: Manifest,
  contents: Contents,
): Promise<readonly string[]> {
  const problems = await contents.problems();
  if (problems.length > 0) return problems;
  const { lock_hash: hash, operator } = contents.about();
  const isAsTold =
    hash === manifest.lock_hash &&
    operator === manifest.operator &&
    contents.records === manifest.records;
  return isAsTold ? [] : ["it is not of the node, or has not the records, that its manifest says"];
}
