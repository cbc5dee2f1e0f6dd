import type { z } from "zod";

/** What is wrong with a cluster file: the JSON field, e.g. `operators[1].enr`, and why. */
export type ClusterFault = { readonly path: string; readonly reason: string };

/** `operators[1].enr` of its segments. */
function jsonPath(segments: readonly PropertyKey[]): string {
  return segments.reduce<string>((path, segment) => {
    if (typeof segment === "number") return `${path}[${segment}]`;
    return path === "" ? String(segment) : `${path}.${String(segment)}`;
  }, "");
}

/** The issues of a schema as faults, below `prefix`. */
export function faultsOf(error: z.ZodError): readonly ClusterFault[] {
  return error.issues.map(({ path, message }) => ({ path: jsonPath(path), reason: message }));
}

/** `faults` of a part, seen from the file that holds it under `parent`. */
export function below(parent: string, faults: readonly ClusterFault[]): readonly ClusterFault[] {
  return faults.map(({ path, reason }) => ({
    path: path === "" ? parent : `${parent}.${path}`,
    reason,
  }));
}
