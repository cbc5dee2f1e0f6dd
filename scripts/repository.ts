/** The files that the gates look at: what git tracks or would track. */
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";

export const ROOT = join(import.meta.dirname, "..");

/** Paths, relative to {@link ROOT} and sorted, of all files but ignored and generated ones. */
export function listFiles(pattern: RegExp): readonly string[] {
  const options = { cwd: ROOT, encoding: "utf8", maxBuffer: 64 * 1024 * 1024 } as const;
  const arguments_ = ["ls-files", "--cached", "--others", "--exclude-standard", "-z"];
  return execFileSync("git", arguments_, options)
    .split("\0")
    .filter((path) => pattern.test(path) && !path.includes("/generated/"))
    .filter((path) => existsSync(join(ROOT, path)))
    .sort();
}
