/** The options of `coterie dkg`. */
import { join } from "node:path";
import { z } from "zod";
import type { KeystoreKdf } from "../../crypto/keystore.ts";
import { UsageError } from "../../domain/errors.ts";
import type { Millis } from "../../domain/units.ts";
import { explainIssue } from "../addresses.ts";
import { DATA_DIR, JSON_OUTPUT } from "../commandParts.ts";
import { CONTRACT_WALLETS, parseContractWallets } from "../config.ts";
import { LOG_OPTIONS, type LogSettings, logSchema } from "../logOptions.ts";
import type { OptionSpec, RawOptions } from "../options.ts";
import { P2P_OPTIONS, type P2pSettings, p2pSchema, p2pSettings } from "../p2pOptions.ts";

export type DkgOptions = LogSettings &
  P2pSettings & {
    readonly dataDir: string;
    readonly definitionFile: string;
    readonly contractWallets: ReadonlySet<string>;
    readonly executionEndpoint: string | null;
    readonly kdf: KeystoreKdf;
    /** Null: by the number of validators. */
    readonly phaseTimeoutMs: Millis | null;
    readonly keymanager: { readonly address: string; readonly tokenFile: string } | null;
    readonly json: boolean;
  };

export const EXECUTION_CLIENT = {
  name: "execution-client-rpc-endpoint",
  value: "url",
  help: "asked whether contract wallets (Safe) made their approvals",
} as const satisfies OptionSpec;

const QUIET_LOG = LOG_OPTIONS.map((spec) =>
  // The board says what an operator needs; the log is for what goes wrong.
  spec.name === "log-level" ? { ...spec, default: "error" } : spec,
);

export const DKG_OPTIONS: readonly OptionSpec[] = [
  DATA_DIR,
  {
    name: "definition-file",
    value: "file",
    help: "the accepted definition; cluster-definition.json of the data dir",
  },
  ...P2P_OPTIONS,
  {
    name: "keystore-kdf",
    value: "name",
    default: "pbkdf2",
    help: "pbkdf2, or scrypt: slower to open for attackers and for you",
  },
  { name: "insecure-keys", help: "weak keystore encryption; test networks only" },
  {
    name: "phase-timeout",
    value: "seconds",
    help: "how long a phase may take before whoever is missing is named; by size unless told",
  },
  {
    name: "keymanager-address",
    value: "url",
    help: "https URL of a validator client's keymanager API that takes the keystores too",
  },
  { name: "keymanager-token-file", value: "file", help: "bearer token for that API" },
  EXECUTION_CLIENT,
  CONTRACT_WALLETS,
  ...QUIET_LOG,
  JSON_OUTPUT,
];

const dkgSchema = z.object({
  [DATA_DIR.name]: z.string(),
  "definition-file": z.string().optional(),
  ...p2pSchema,
  "keystore-kdf": z.enum(["pbkdf2", "scrypt"], "is pbkdf2 or scrypt"),
  "insecure-keys": z.string().optional(),
  "phase-timeout": z
    .string()
    .regex(/^[1-9]\d{0,5}$/, "is no number of seconds")
    .transform((text) => Number(text) * 1_000)
    .optional(),
  "keymanager-address": z.string().optional(),
  "keymanager-token-file": z.string().optional(),
  [EXECUTION_CLIENT.name]: z
    .string()
    .refine((text) => /^https?:$/.test(URL.parse(text)?.protocol ?? ""), "is no http or https URL")
    .optional(),
  [CONTRACT_WALLETS.name]: z.string().optional(),
  ...logSchema,
  [JSON_OUTPUT.name]: z.string().optional(),
});

/** Throws UsageError naming the flag. `readPeersFile` gives the text of a `--p2p-peers` file. */
export async function parseDkgOptions(
  raw: RawOptions,
  readPeersFile: (path: string) => Promise<string>,
): Promise<DkgOptions> {
  const parsed = dkgSchema.safeParse(raw);
  if (!parsed.success) throw explainIssue(parsed.error.issues[0], raw);
  const values = parsed.data;
  const dataDir = values["data-dir"];
  return {
    dataDir,
    definitionFile: values["definition-file"] ?? join(dataDir, "cluster-definition.json"),
    ...(await p2pSettings(values, readPeersFile)),
    contractWallets: parseContractWallets(values["contract-wallets"]),
    executionEndpoint: values["execution-client-rpc-endpoint"] ?? null,
    kdf: values["insecure-keys"] === undefined ? values["keystore-kdf"] : "weak",
    phaseTimeoutMs: values["phase-timeout"] ?? null,
    keymanager: keymanagerOf(values["keymanager-address"], values["keymanager-token-file"]),
    logLevel: values["log-level"],
    logFormat: values["log-format"],
    json: values.json !== undefined,
  };
}

function keymanagerOf(
  address: string | undefined,
  tokenFile: string | undefined,
): DkgOptions["keymanager"] {
  if (address === undefined && tokenFile === undefined) return null;
  if (address !== undefined && tokenFile !== undefined) return { address, tokenFile };
  throw new UsageError("--keymanager-address and --keymanager-token-file come together");
}
