/**
 * Mutants: a copy of a source module with one guard taken out, so that a test can show that it
 * would notice. Production code carries no switch for it; the source text itself is patched, and a
 * patch that no longer fits the source fails the test that holds it.
 */
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, relative, resolve } from "node:path";
import { pathToFileURL } from "node:url";

export type Patch = {
  /** Module to patch, from the repository's root; the loaded module itself where absent. */
  readonly file?: string;
  /** Text that occurs exactly once in the source. */
  readonly find: string;
  readonly replace: string;
};

const REPOSITORY = resolve(import.meta.dirname, "../..");
// Inside the repository, so that bare specifiers resolve; a dot folder, so that no tool looks in.
const TEMPORARY = join(REPOSITORY, "test/.tmp");
const RELATIVE_IMPORT =
  /\b(?:import|export)\s+(type\s+)?(?:[^";()]+?\sfrom\s+)?"(\.{1,2}\/[^"]+)"/g;
const DYNAMIC_IMPORT = /\bimport\("\.{1,2}\/[^"]+"\)/g;
const QUOTED = /"([^"]+)"/;

/**
 * Imports `file` (from the repository's root, e.g. `src/qbft/instance.ts`) with `patches` applied.
 * The modules that lead from it to a patched one are copied along, so that they meet the patched
 * copy; all others are the originals. Every call returns a fresh instance of the copied modules.
 *
 * `const { QbftInstance } = await loadMutant<typeof import("../../src/qbft/instance.ts")>(…)`
 */
export async function loadMutant<Module>(file: string, patches: readonly Patch[]): Promise<Module> {
  const entry = join(REPOSITORY, file);
  const sources = patchedSources(entry, patches);
  mkdirSync(TEMPORARY, { recursive: true });
  const folder = mkdtempSync(join(TEMPORARY, "mutant-"));
  try {
    const copyOf = (path: string): string => join(folder, relative(REPOSITORY, path));
    for (const [path, text] of sources) {
      const copy = copyOf(path);
      mkdirSync(join(copy, ".."), { recursive: true });
      writeFileSync(
        copy,
        rewriteImports(text, (specifier) => {
          const target = resolve(path, "..", specifier);
          return pathToFileURL(sources.has(target) ? copyOf(target) : target).href;
        }),
      );
    }
    const module: Module = await import(pathToFileURL(copyOf(entry)).href);
    return module;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Patched text of every module that has to be copied, by absolute path. */
function patchedSources(entry: string, patches: readonly Patch[]): Map<string, string> {
  const originals = new Map<string, string>();
  const imports = new Map<string, readonly string[]>();
  collectModules(entry, originals, imports);

  const patched = new Map<string, string>();
  for (const { file, find, replace } of patches) {
    const path = file === undefined ? entry : join(REPOSITORY, file);
    const text = patched.get(path) ?? originals.get(path);
    assert(text !== undefined, `${path} is not imported by ${entry}`);
    const matches = text.split(find).length - 1;
    assert.equal(matches, 1, `a patch of ${path} matches ${matches} times: ${find}`);
    patched.set(
      path,
      text.replace(find, () => replace),
    );
  }

  // Spread along the imports backwards until no further module meets a copied one.
  const copied = new Map([[entry, patched.get(entry) ?? originals.get(entry) ?? ""], ...patched]);
  for (let size = -1; size !== copied.size; ) {
    size = copied.size;
    for (const [path, targets] of imports) {
      if (copied.has(path) || !targets.some((target) => copied.has(target))) continue;
      copied.set(path, originals.get(path) ?? "");
    }
  }
  return copied;
}

/** Reads `path` and what it imports at run time from this repository, transitively. */
function collectModules(
  path: string,
  texts: Map<string, string>,
  imports: Map<string, readonly string[]>,
): void {
  if (texts.has(path)) return;
  const text = readFileSync(path, "utf8");
  texts.set(path, text);
  const targets = [...text.matchAll(RELATIVE_IMPORT)]
    .filter(([, typeOnly]) => typeOnly === undefined)
    .map(([, , specifier]) => resolve(path, "..", specifier ?? ""));
  imports.set(path, targets);
  for (const target of targets) collectModules(target, texts, imports);
}

function rewriteImports(text: string, absolute: (specifier: string) => string): string {
  return [RELATIVE_IMPORT, DYNAMIC_IMPORT].reduce(
    (rewritten, pattern) =>
      rewritten.replace(pattern, (statement: string) =>
        statement.replace(QUOTED, (_, specifier: string) => `"${absolute(specifier)}"`),
      ),
    text,
  );
}
