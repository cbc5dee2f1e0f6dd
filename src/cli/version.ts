/** `coterie version`: what an operator reports and a fleet's inventory collects. */
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { assert } from "../util/assert.ts";

type VersionInfo = {
  readonly version: string;
  readonly node: string;
  readonly platform: string;
};

export function versionInfo(): VersionInfo {
  return {
    version: packageVersion(),
    node: process.versions.node,
    platform: `${process.platform}-${process.arch}`,
  };
}

export function formatVersion(options: { readonly json: boolean }): string {
  const info = versionInfo();
  if (options.json) return `${JSON.stringify(info)}\n`;
  return `coterie ${info.version} (node ${info.node}, ${info.platform})\n`;
}

/** From package.json, which lies one folder higher in a build than in the sources. */
function packageVersion(): string {
  const roots = ["../..", "../../.."].map((up) => join(import.meta.dirname, up));
  const path = roots.map((root) => join(root, "package.json")).find(existsSync);
  assert(path !== undefined, "the program lies beside its package.json");
  const { name, version }: { name?: unknown; version?: unknown } = JSON.parse(
    readFileSync(path, "utf8"),
  );
  assert(name === "coterie" && typeof version === "string", `${dirname(path)} is the package`);
  return version;
}
