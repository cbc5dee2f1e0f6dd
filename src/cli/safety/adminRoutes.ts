/** What the admin server answers, as a table over the running node. */
import { z } from "zod";
import { AdminDownload, type AdminRoute } from "../../adapters/http/adminServer.ts";
import { allRecords, encodeRecords } from "../../adapters/storage/storeDump.ts";
import type { Cluster } from "../../cluster/cluster.ts";
import { UsageError } from "../../domain/errors.ts";
import type { PubKey } from "../../domain/keys.ts";
import { MAX_FREEZE_REASON } from "../../domain/limits.ts";
import type { SafetyControl } from "../../node/safetyControl.ts";
import { FREEZE_SCOPES } from "../../safety/guards.ts";

const callerSchema = z.object({
  by: z.string().max(MAX_FREEZE_REASON).default("admin API"),
});
const targetSchema = callerSchema.extend({
  scope: z.enum(FREEZE_SCOPES, `scope is one of ${FREEZE_SCOPES.join(", ")}`),
  validator: z
    .string()
    .regex(/^0x[0-9a-f]{96}$/, "validator is a public key: 0x and 96 lower-case hex digits")
    .nullable()
    .default(null),
});
const freezeSchema = targetSchema.extend({
  reason: z
    .string()
    .trim()
    .min(1, "reason says why, for whoever comes after you")
    .max(MAX_FREEZE_REASON),
});
type Target = z.infer<typeof targetSchema>;

export type AdminSubject = {
  /** Null until the node runs. */
  readonly control: () => SafetyControl | null;
  /** What it is doing, also while it starts. */
  readonly status: () => unknown;
  readonly cluster: Pick<Cluster, "validator">;
};

export function adminRoutes({ control, status, cluster }: AdminSubject): readonly AdminRoute[] {
  const knows = (pubKey: PubKey): boolean => cluster.validator(pubKey) !== undefined;
  const running = (): SafetyControl => {
    const found = control();
    if (found !== null) return found;
    throw new UsageError("the node is starting and signs nothing yet", {
      fix: "create a file named FREEZE in the data directory: it holds from the start",
    });
  };
  const target = ({ scope, validator }: Target) => {
    if (validator !== null && !knows(validator as PubKey)) {
      throw new UsageError(`${validator} is no validator of this cluster`, {
        fix: "name a distributed validator's public key as cluster-lock.json has it",
      });
    }
    return { scope, validator: validator as PubKey | null };
  };
  return [
    { method: "GET", path: "/admin/v1/status", handle: async () => status() },
    { method: "GET", path: "/admin/v1/freezes", handle: async () => control()?.freezes() ?? [] },
    {
      method: "POST",
      path: "/admin/v1/freeze",
      handle: async (body) => {
        const { reason, by, ...rest } = parse(freezeSchema, body);
        await running().freeze({ ...target(rest as Target), reason, by });
        return running().freezes();
      },
    },
    {
      method: "POST",
      path: "/admin/v1/unfreeze",
      handle: async (body) => {
        const { by, ...rest } = parse(targetSchema, body);
        const lifted = await running().unfreeze(target(rest as Target), by);
        return { lifted, frozen: running().freezes() };
      },
    },
    {
      method: "GET",
      path: "/admin/v1/slashing",
      handle: async () => running().exportHistory(),
    },
    {
      method: "POST",
      path: "/admin/v1/slashing",
      handle: async (body) => {
        const imported = await running().importHistory(body, "admin API");
        if (imported.ok) return imported.value;
        throw new UsageError(imported.error, { fix: "nothing was imported; correct the file" });
      },
    },
    {
      method: "POST",
      path: "/admin/v1/backup",
      handle: async (body) => {
        const { by } = parse(callerSchema, body);
        return new AdminDownload(encodeRecords(allRecords(await running().openRecords(by))));
      },
    },
    {
      method: "POST",
      path: "/admin/v1/audit/project",
      handle: () => running().projectAudit(),
    },
  ];
}

function parse<T>(schema: z.ZodType<T>, body: string): T {
  let json: unknown;
  try {
    json = JSON.parse(body);
  } catch (error) {
    throw new UsageError(`the body is no JSON: ${String(error)}`, { cause: error });
  }
  const parsed = schema.safeParse(json);
  if (parsed.success) return parsed.data;
  throw new UsageError(parsed.error.issues.map(({ message }) => message).join("; "));
}
