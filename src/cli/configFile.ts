/** The configuration file: one JSON object whose keys are flags without their dashes. */
import { readTextFile } from "../adapters/system/files.ts";
import { UsageError } from "../domain/errors.ts";
import { MAX_JSON_DEPTH } from "../domain/limits.ts";
import { parseJson } from "../util/json.ts";

const MAX_CONFIG_BYTES = 256 * 1024;

export async function readConfigFile(path: string): Promise<Readonly<Record<string, unknown>>> {
  const text = await readTextFile(path, {
    maxBytes: MAX_CONFIG_BYTES,
    missingFix: "check the path given to --config",
  });
  const parsed = parseJson(text, MAX_JSON_DEPTH);
  if (!parsed.ok) throw new UsageError(`${path} is no JSON: ${parsed.error}`);
  const { value } = parsed;
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new UsageError(`${path} is no JSON object`, { fix: 'write {"data-dir": "…"}' });
  }
  return { ...value };
}
