/** `coterie freeze` and `unfreeze`: of the running node, or of one that will start. */
import { userInfo } from "node:os";
import { UsageError } from "../../domain/errors.ts";
import type { PubKey } from "../../domain/keys.ts";
import { describeFreeze, type Freeze, type FreezeTarget } from "../../safety/freezes.ts";
import { FREEZE_SCOPES } from "../../safety/guards.ts";
import type { RawOptions } from "../options.ts";
import { connectAdmin } from "./adminClient.ts";
import { withStoppedNode } from "./stoppedNode.ts";

export type FreezeOptions = {
  readonly dataDir: string;
  readonly target: FreezeTarget;
  readonly json: boolean;
};

export function parseFreezeTarget(raw: RawOptions): FreezeTarget {
  const scope = FREEZE_SCOPES.find((each) => each === raw["scope"]);
  if (scope === undefined) {
    throw new UsageError(`--scope: "${raw["scope"]}" is no part of a validator's work`, {
      fix: `say one of ${FREEZE_SCOPES.join(", ")}`,
    });
  }
  const validator = raw["validator"]?.toLowerCase() ?? null;
  if (validator !== null && !/^0x[0-9a-f]{96}$/.test(validator)) {
    throw new UsageError("--validator is no public key: 0x and 96 hex digits", {
      fix: "take distributed_public_key from cluster-lock.json, or leave it out for all validators",
    });
  }
  return { scope, validator: validator as PubKey | null };
}

/** Resolves once nothing that it stops leaves the node any more. */
export async function freeze(options: FreezeOptions, reason: string): Promise<string> {
  const { dataDir, target } = options;
  const by = operator();
  const admin = await connectAdmin(dataDir);
  if (admin !== null) {
    const body = JSON.stringify({ ...target, reason, by });
    const frozen = (await admin.call("POST", "/admin/v1/freeze", body)) as readonly Freeze[];
    return report(frozen, options);
  }
  return withStoppedNode(dataDir, null, async ({ freezes, audit }) => {
    await freezes.freeze({ ...target, reason, by });
    audit.append({
      kind: "action",
      action: "freeze",
      caller: by,
      detail: `${describeFreeze(target)}: ${reason}`,
    });
    return report(freezes.list(), options);
  });
}

/** Says what is still frozen; another freeze may stop the same validators. */
export async function unfreeze(options: FreezeOptions): Promise<string> {
  const { dataDir, target } = options;
  const by = operator();
  const admin = await connectAdmin(dataDir);
  if (admin !== null) {
    const body = JSON.stringify({ ...target, by });
    const answer = await admin.call("POST", "/admin/v1/unfreeze", body);
    const { lifted, frozen } = answer as { lifted: boolean; frozen: readonly Freeze[] };
    requireLifted(lifted, target, frozen);
    return report(frozen, options);
  }
  return withStoppedNode(dataDir, null, async ({ freezes, audit }) => {
    requireLifted(await freezes.unfreeze(target), target, freezes.list());
    audit.append({
      kind: "action",
      action: "unfreeze",
      caller: by,
      detail: describeFreeze(target),
    });
    return report(freezes.list(), options);
  });
}

function requireLifted(lifted: boolean, target: FreezeTarget, frozen: readonly Freeze[]): void {
  if (lifted) return;
  throw new UsageError(`there is no freeze of ${describeFreeze(target)}`, {
    fix:
      frozen.length === 0
        ? "nothing is frozen"
        : `frozen are: ${frozen.map(describeFreeze).join("; ")}`,
  });
}

function report(frozen: readonly Freeze[], { json }: FreezeOptions): string {
  if (json) return `${JSON.stringify(frozen)}\n`;
  if (frozen.length === 0) return "nothing is frozen\n";
  return frozen
    .map((each) => `frozen: ${describeFreeze(each)}, by ${each.by}: ${each.reason}\n`)
    .join("");
}

/** In a container the user may have a number and no name. */
export function operator(nameOf = (): string => userInfo().username): string {
  try {
    return `${nameOf()} by command`;
  } catch (error) {
    if (!(error instanceof Error && "code" in error)) throw error;
    return `user ${process.getuid?.() ?? "unknown"} by command`;
  }
}
