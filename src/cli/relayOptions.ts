/** The options of `coterie relay`, from texts to values that are known to make sense. */
import { z } from "zod";
import { UsageError } from "../domain/errors.ts";
import {
  EXTERNAL_HOSTNAME,
  EXTERNAL_IP,
  explainIssue,
  externalHostname,
  externalIp,
  externalMultiaddrs,
  type HostAndPort,
  hostAndPort,
  list,
  tcpMultiaddr,
} from "./addresses.ts";
import { CONTRACT_WALLETS, parseContractWallets } from "./config.ts";
import { LOG_OPTIONS, type LogSettings, logSchema } from "./logOptions.ts";
import type { OptionSpec, RawOptions } from "./options.ts";

export type RelaySettings = LogSettings & {
  readonly dataDir: string;
  readonly privateKeyFile: string | null;
  /** Paths of cluster locks; null serves everybody. */
  readonly clusterLocks: readonly string[] | null;
  readonly contractWallets: ReadonlySet<string>;
  readonly listen: readonly string[];
  readonly announce: readonly string[];
  readonly http: HostAndPort;
  readonly monitoring: HostAndPort;
  readonly maxReservations: number;
  readonly maxConnections: number;
};

export const RELAY_OPTIONS = [
  {
    name: "data-dir",
    value: "dir",
    default: ".coterie-relay",
    help: "the relay's identity key; made when it is missing",
  },
  { name: "private-key-file", value: "file", help: "identity key; that of the data dir" },
  {
    name: "cluster-lock",
    value: "files",
    help: "serve the operators of these cluster locks, comma separated, and nobody else",
  },
  { name: "open", help: "serve whoever comes, within limits" },
  {
    name: "p2p-tcp-address",
    value: "host:port",
    default: "0.0.0.0:3610",
    help: "where peers reach this relay",
  },
  EXTERNAL_IP,
  EXTERNAL_HOSTNAME,
  {
    name: "http-address",
    value: "host:port",
    default: "127.0.0.1:3640",
    help: "tells nodes the relay's addresses: what --p2p-relays may point at",
  },
  {
    name: "monitoring-address",
    value: "host:port",
    default: "127.0.0.1:3620",
    help: "livez, readyz and metrics",
  },
  {
    name: "p2p-max-reservations",
    value: "number",
    default: "512",
    help: "peers that can be reached through this relay at once",
  },
  {
    name: "p2p-max-connections",
    value: "number",
    default: "1024",
    help: "connections held at once",
  },
  ...LOG_OPTIONS,
  CONTRACT_WALLETS,
] as const satisfies readonly OptionSpec[];

const count = z
  .string()
  .regex(/^[1-9]\d{0,5}$/, "takes a whole number from 1 to 999999")
  .transform(Number);

const schema = z.object({
  "data-dir": z.string(),
  "private-key-file": z.string().optional(),
  "cluster-lock": list.optional(),
  open: z.string().optional(),
  "p2p-tcp-address": hostAndPort,
  "p2p-external-ip": externalIp.optional(),
  "p2p-external-hostname": externalHostname.optional(),
  "http-address": hostAndPort,
  "monitoring-address": hostAndPort,
  "p2p-max-reservations": count,
  "p2p-max-connections": count,
  ...logSchema,
  "contract-wallets": z.string().optional(),
});

/** Throws UsageError naming the flag. */
export function parseRelayOptions(raw: RawOptions): RelaySettings {
  const parsed = schema.safeParse(raw);
  if (!parsed.success) throw explainIssue(parsed.error.issues[0], raw);
  const values = parsed.data;
  const clusterLocks = values["cluster-lock"] ?? null;
  if ((clusterLocks === null) !== (values.open !== undefined)) {
    throw new UsageError("a relay serves given clusters or everybody, not both and not nobody", {
      fix: "name the clusters' lock files with --cluster-lock, or say --open",
    });
  }
  return {
    dataDir: values["data-dir"],
    privateKeyFile: values["private-key-file"] ?? null,
    clusterLocks,
    contractWallets: parseContractWallets(values["contract-wallets"]),
    listen: [tcpMultiaddr(values["p2p-tcp-address"])],
    announce: externalMultiaddrs(values),
    http: values["http-address"],
    monitoring: values["monitoring-address"],
    maxReservations: values["p2p-max-reservations"],
    maxConnections: values["p2p-max-connections"],
    logLevel: values["log-level"],
    logFormat: values["log-format"],
  };
}
