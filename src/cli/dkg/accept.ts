/**
 * `coterie dkg accept`: an operator's yes to a definition, kept in the data directory. No ceremony
 * runs without it, and it is good for a few attempts only (DEF-5).
 */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline/promises";
import { MODE_PUBLIC_FINAL, readTextFile, writeFileAtomic } from "../../adapters/system/files.ts";
import type { ClusterDefinition } from "../../cluster/definition.ts";
import { fieldBytes } from "../../cluster/fields.ts";
import { isFingerprint } from "../../cluster/fingerprint.ts";
import { decodeEnr } from "../../crypto/enr.ts";
import { k1PublicKey } from "../../crypto/k1.ts";
import { UsageError } from "../../domain/errors.ts";
import { type PeerIndex, type Root, rootOf } from "../../domain/keys.ts";
import { equalBytes } from "../../util/bytes.ts";
import { DEFINITION_FILE } from "../createDkg.ts";
import { exists, identityPath, readIdentityKey } from "../identityFiles.ts";
import type { DefinitionFile } from "./definitionFile.ts";
import { describeDefinition } from "./review.ts";

const ACCEPTANCE_FILE = "dkg-acceptance.json";

type Acceptance = {
  readonly definition_hash: Root;
  readonly accepted_at: string;
  /** Attempts at this definition that came before the acceptance. */
  readonly attempts_before: number;
};

/** The reader's position among the operators; null without an identity, or with another's. */
export async function positionIn(
  dataDir: string,
  definition: ClusterDefinition,
): Promise<PeerIndex | null> {
  const path = await identityPath(dataDir);
  if (!(await exists(path))) return null;
  const own = k1PublicKey((await readIdentityKey(path)).secretKey);
  const self = definition.operators.findIndex(({ enr }) => {
    const record = decodeEnr(enr);
    return record.ok && equalBytes(record.value.publicKey, own);
  });
  return self < 0 ? null : self;
}

async function requirePosition(dataDir: string, definition: ClusterDefinition): Promise<PeerIndex> {
  const { path } = await readIdentityKey(await identityPath(dataDir));
  const self = await positionIn(dataDir, definition);
  if (self !== null) return self;
  throw new UsageError(`${path} is no operator's key of this definition`, {
    fix: "compare coterie enr with the operators of coterie dkg review; ask for a new definition",
  });
}

/** Shows the terms, has them confirmed, and puts definition and acceptance into the data dir. */
export async function acceptDefinition(options: {
  readonly dataDir: string;
  readonly file: DefinitionFile;
  /** Words that the operator compared with the others; null: they are asked for. */
  readonly fingerprint: string | null;
  readonly attemptsBefore: number;
}): Promise<void> {
  const { dataDir, file } = options;
  const self = await requirePosition(dataDir, file.definition);
  const root = rootOf(fieldBytes(file.definition.definition_hash));
  process.stdout.write(describeDefinition(file.definition, self));
  await confirm(options.fingerprint, root);
  await mkdir(dataDir, { recursive: true, mode: 0o700 });
  await keepDefinition(join(dataDir, DEFINITION_FILE), file);
  const acceptance: Acceptance = {
    definition_hash: root,
    accepted_at: new Date().toISOString(),
    attempts_before: options.attemptsBefore,
  };
  await writeFileAtomic({
    path: join(dataDir, ACCEPTANCE_FILE),
    data: `${JSON.stringify(acceptance, null, 2)}\n`,
    mode: MODE_PUBLIC_FINAL,
    overwrite: true,
  });
  process.stdout.write(`accepted as operator ${self}; next: coterie dkg\n`);
}

async function confirm(given: string | null, root: Root): Promise<void> {
  const typed = given ?? (await ask());
  if (isFingerprint(typed, root)) return;
  throw new UsageError("these are not the words of this definition; nothing is accepted", {
    fix: "compare the file's fingerprint with the other operators; if they differ, so do the files",
  });
}

async function ask(): Promise<string> {
  if (!process.stdin.isTTY) {
    throw new UsageError("there is no terminal to confirm the definition on", {
      fix: 'give the words that you compared: --fingerprint "…"',
    });
  }
  const terminal = createInterface({ input: process.stdin, output: process.stdout });
  try {
    return await terminal.question("\nType the fingerprint as another operator read it to you: ");
  } finally {
    terminal.close();
  }
}

/** An equal copy is left alone; another definition is never replaced. */
async function keepDefinition(path: string, file: DefinitionFile): Promise<void> {
  const existing = await readTextFile(path, {
    maxBytes: Buffer.byteLength(file.text) + 1,
    missingFix: "",
  }).catch((error: unknown) => {
    if (error instanceof UsageError) return null;
    throw error;
  });
  if (existing === file.text) return;
  await writeFileAtomic({ path, data: file.text, mode: MODE_PUBLIC_FINAL });
}
