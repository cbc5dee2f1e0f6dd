/** The options of `coterie run`, from texts to typed values that are known to make sense. */
import { join } from "node:path";
import { z } from "zod";
import { UsageError } from "../domain/errors.ts";
import { explainIssue, type HostAndPort, hostAndPort, list } from "./addresses.ts";
import { LOG_OPTIONS, type LogSettings, logSchema } from "./logOptions.ts";
import type { OptionSpec, RawOptions } from "./options.ts";
import { P2P_OPTIONS, type P2pSettings, p2pSchema, p2pSettings } from "./p2pOptions.ts";

/** Where validator clients reach this node, and what protects the way. */
export type ValidatorApiSettings = HostAndPort & {
  readonly tls: { readonly certFile: string; readonly keyFile: string } | null;
  readonly tokenFile: string | null;
};

export type RunOptions = LogSettings &
  P2pSettings & {
    readonly dataDir: string;
    readonly lockFile: string;
    /** Null: `enr-private-key` of the data directory, or Charon's `charon-enr-private-key`. */
    readonly privateKeyFile: string | null;
    /** Null where the validator client holds the key shares. */
    readonly validatorKeysDir: string | null;
    readonly beaconNodeEndpoints: readonly string[];
    readonly monitoringAddress: HostAndPort;
    /** Where commands reach the running node; told in a file of the data directory. */
    readonly adminAddress: HostAndPort;
    readonly validatorApi: ValidatorApiSettings;
    /** Operators' and creator's addresses that are contracts, lower case: see verifyLock. */
    readonly contractWallets: ReadonlySet<string>;
    /** The operator answers for it that no other signer was active in the last two epochs. */
    readonly skipWait: boolean;
    /** What vouches for key shares that are new to the built-in signer (KEYS-6). */
    readonly keyHistory: { readonly file: string | null; readonly isFresh: boolean };
  };

export const CONTRACT_WALLETS = {
  name: "contract-wallets",
  value: "addresses",
  help: "operators' contract wallets (Safe), whose signatures cannot be checked offline",
} as const satisfies OptionSpec;

export const RUN_OPTIONS = [
  { name: "data-dir", value: "dir", default: ".coterie", help: "keys, cluster lock and database" },
  { name: "lock-file", value: "file", help: "cluster lock; cluster-lock.json of the data dir" },
  {
    name: "private-key-file",
    value: "file",
    help: "identity key; enr-private-key or charon-enr-private-key of the data dir",
  },
  {
    name: "signer",
    value: "who",
    default: "vc",
    help: "vc: a validator client holds the key shares; builtin: this node does",
  },
  {
    name: "validator-keys-dir",
    value: "dir",
    help: "with --signer builtin: share keystores and passwords; validator_keys of the data dir",
  },
  {
    name: "slashing-protection",
    value: "file",
    help: "with --signer builtin: EIP-3076 history of key shares that are new here",
  },
  {
    name: "fresh",
    help: "with --signer builtin: the new key shares' validators were never active; it is checked",
  },
  { name: "beacon-node-endpoints", value: "urls", help: "beacon nodes, comma separated; required" },
  ...P2P_OPTIONS,
  {
    name: "monitoring-address",
    value: "host:port",
    default: "127.0.0.1:3620",
    help: "livez, readyz and metrics",
  },
  {
    name: "admin-address",
    value: "host:port",
    default: "127.0.0.1:0",
    help: "for the commands that reach the running node; port 0 takes any free one",
  },
  {
    name: "validator-api-address",
    value: "host:port",
    default: "127.0.0.1:3600",
    help: "Beacon API for the validator client",
  },
  {
    name: "validator-api-tls-cert-file",
    value: "file",
    help: "serve the Beacon API over TLS with this PEM certificate",
  },
  { name: "validator-api-tls-key-file", value: "file", help: "PEM key of that certificate" },
  {
    name: "validator-api-token-file",
    value: "file",
    help: "ask validator clients for this bearer token",
  },
  ...LOG_OPTIONS,
  CONTRACT_WALLETS,
  { name: "skip-wait", help: "sign without the wait of two epochs; with --i-understand only" },
  { name: "i-understand", help: "no other signer of these keys was active for two epochs" },
] as const satisfies readonly OptionSpec[];

const endpoint = z.string().refine((text) => {
  const url = URL.parse(text);
  return url !== null && /^https?:$/.test(url.protocol) && url.host !== "";
}, "a beacon node endpoint is an http or https URL, e.g. http://127.0.0.1:5052");

const runSchema = z.object({
  "data-dir": z.string(),
  "lock-file": z.string().optional(),
  "private-key-file": z.string().optional(),
  signer: z.enum(["vc", "builtin"], "is vc or builtin"),
  "validator-keys-dir": z.string().optional(),
  "slashing-protection": z.string().optional(),
  fresh: z.string().optional(),
  "beacon-node-endpoints": list.pipe(z.array(endpoint).min(1, "names no beacon node")),
  ...p2pSchema,
  "monitoring-address": hostAndPort,
  "admin-address": hostAndPort,
  "validator-api-address": hostAndPort,
  "validator-api-tls-cert-file": z.string().optional(),
  "validator-api-tls-key-file": z.string().optional(),
  "validator-api-token-file": z.string().optional(),
  ...logSchema,
  "contract-wallets": z.string().optional(),
  "skip-wait": z.string().optional(),
  "i-understand": z.string().optional(),
});

/**
 * Throws UsageError naming the flag. `readPeersFile` gives the text of a file named by
 * `--p2p-peers`.
 */
export async function parseRunOptions(
  raw: RawOptions,
  readPeersFile: (path: string) => Promise<string>,
): Promise<RunOptions> {
  const parsed = runSchema.safeParse(raw);
  if (!parsed.success) throw explainIssue(parsed.error.issues[0], raw);
  const values = parsed.data;
  const dataDir = values["data-dir"];
  return {
    dataDir,
    lockFile: values["lock-file"] ?? join(dataDir, "cluster-lock.json"),
    privateKeyFile: values["private-key-file"] ?? null,
    validatorKeysDir: validatorKeysDir(values),
    beaconNodeEndpoints: values["beacon-node-endpoints"],
    ...(await p2pSettings(values, readPeersFile)),
    monitoringAddress: values["monitoring-address"],
    adminAddress: values["admin-address"],
    validatorApi: validatorApiSettings(values),
    logLevel: values["log-level"],
    logFormat: values["log-format"],
    contractWallets: parseContractWallets(values["contract-wallets"]),
    skipWait: isWaitSkipped(values),
    keyHistory: keyHistory(values),
  };
}

type RunValues = z.infer<typeof runSchema>;

function validatorKeysDir(values: RunValues): string | null {
  const named = values["validator-keys-dir"];
  if (values.signer === "builtin") return named ?? join(values["data-dir"], "validator_keys");
  if (named === undefined) return null;
  throw new UsageError("--validator-keys-dir is of no use with --signer vc", {
    fix: "add --signer builtin, or leave the key shares to the validator client",
  });
}

function keyHistory(values: RunValues): RunOptions["keyHistory"] {
  const [file, fresh] = [values["slashing-protection"], values.fresh];
  if (file !== undefined && fresh !== undefined) {
    throw new UsageError("--slashing-protection and --fresh exclude each other", {
      fix: "keys that have a history are not fresh: leave --fresh out",
    });
  }
  if (values.signer !== "builtin" && (file ?? fresh) !== undefined) {
    throw new UsageError("--slashing-protection and --fresh are of no use with --signer vc", {
      fix: "import it into the validator client, and into this node: coterie slashing import",
    });
  }
  return { file: file ?? null, isFresh: fresh !== undefined };
}

/** WAIT-1: two words, so that nobody skips the wait by habit. */
function isWaitSkipped(values: RunValues): boolean {
  if (values["skip-wait"] === undefined) return false;
  if (values["i-understand"] !== undefined) return true;
  throw new UsageError("--skip-wait lets two signers of one key be slashed", {
    fix: "make sure that no other signer was active for two epochs, and add --i-understand",
  });
}

function validatorApiSettings(values: RunValues): ValidatorApiSettings {
  const certFile = values["validator-api-tls-cert-file"];
  const keyFile = values["validator-api-tls-key-file"];
  if ((certFile === undefined) !== (keyFile === undefined)) {
    throw new UsageError(
      "--validator-api-tls-cert-file and --validator-api-tls-key-file come together",
    );
  }
  return {
    ...values["validator-api-address"],
    tls: certFile === undefined || keyFile === undefined ? null : { certFile, keyFile },
    tokenFile: values["validator-api-token-file"] ?? null,
  };
}

export function parseContractWallets(text = ""): ReadonlySet<string> {
  const addresses = text.split(",").map((item) => item.trim().toLowerCase());
  const wrong = addresses.find((address) => address !== "" && !/^0x[0-9a-f]{40}$/.test(address));
  if (wrong !== undefined) {
    throw new UsageError(`--${CONTRACT_WALLETS.name}: "${wrong}" is no 20-byte address`);
  }
  return new Set(addresses.filter((address) => address !== ""));
}
