/**
 * External test suites, read from beside the checkout and never copied into it. Where they are
 * absent the test is skipped and says so.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";

const ROOT = join(import.meta.dirname, "../../../shared/vectors");

/** `{ skip: reason }` for node:test when the suites are not on this machine. */
export const vectorOptions: { readonly skip: string | false } = {
  skip: existsSync(ROOT) ? false : "external vectors are absent: ../shared/vectors",
};

export function vectorPath(...parts: readonly string[]): string {
  return join(ROOT, ...parts);
}

export function readVector(...parts: readonly string[]): Buffer {
  return readFileSync(vectorPath(...parts));
}

/** File names in a suite's folder that end in `suffix`, sorted. */
export function listVectors(folder: string, suffix: string): readonly string[] {
  return readdirSync(vectorPath(folder))
    .filter((name) => name.endsWith(suffix))
    .sort();
}

/** Paths below a suite's folder, at any depth, whose file name matches; sorted. */
export function findVectors(folder: string, name: RegExp): readonly string[] {
  return readdirSync(vectorPath(folder), { recursive: true, encoding: "utf8" })
    .filter((path) => name.test(basename(path)))
    .map((path) => join(folder, path))
    .sort();
}
