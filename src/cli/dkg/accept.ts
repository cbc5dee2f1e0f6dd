/**
 * `coterie dkg accept`: an operator's yes to a definition, kept in the data directory. No ceremony
 * runs without it, and it is good for a few attempts only (DEF-5).
 */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline/promises";
import { z } from "zod";
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
const MAX_ACCEPTANCE_BYTES = 4 * 1024;

const acceptanceSchema = z.object({
  definition_hash: z.string().regex(/^0x[0-9a-f]{64}$/),
  accepted_at: z.string(),
  /** Attempts at this definition that came before the acceptance. */
  attempts_before: z.int().min(0),
});
export type Acceptance = z.infer<typeof acceptanceSchema>;

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
  readonly write: (text: string) => void;
}): Promise<void> {
  const { dataDir, file, write } = options;
  const self = await requirePosition(dataDir, file.definition);
  const root = rootOf(fieldBytes(file.definition.definition_hash));
  write(describeDefinition(file.definition, self));
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
  write(`accepted as operator ${self}; next: coterie dkg\n`);
}

/** The acceptance of this very definition; throws UsageError where there is none. */
export async function readAcceptance(dataDir: string, definitionHash: Root): Promise<Acceptance> {
  const path = join(dataDir, ACCEPTANCE_FILE);
  const fix = `read it with coterie dkg review, then: coterie dkg accept ${DEFINITION_FILE}`;
  const text = await readTextFile(path, { maxBytes: MAX_ACCEPTANCE_BYTES, missingFix: fix });
  const acceptance = parseAcceptance(text);
  if (acceptance === null) throw new UsageError(`${path} is damaged`, { fix });
  if (acceptance.definition_hash === definitionHash) return acceptance;
  throw new UsageError("this operator accepted another definition", { fix });
}

function parseAcceptance(text: string): Acceptance | null {
  try {
    const parsed = acceptanceSchema.safeParse(JSON.parse(text));
    return parsed.success ? parsed.data : null;
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
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
