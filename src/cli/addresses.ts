/** Addresses as operators write them: where a node or relay listens, and where others are. */
import { isIP } from "node:net";
import { z } from "zod";
import { parseRelaySource, type RelaySource } from "../adapters/p2p/relaySources.ts";
import { UsageError } from "../domain/errors.ts";
import type { OptionSpec, RawOptions } from "./options.ts";

export type HostAndPort = { readonly host: string; readonly port: number };

export const EXTERNAL_IP = {
  name: "p2p-external-ip",
  value: "ip",
  help: "address at which peers reach this machine, where its interfaces do not show it",
} as const satisfies OptionSpec;
export const EXTERNAL_HOSTNAME = {
  name: "p2p-external-hostname",
  value: "name",
  help: "DNS name at which peers reach this machine",
} as const satisfies OptionSpec;

/** A port of 0 asks the system for a free one: for tests and demos. */
export const hostAndPort = z.string().transform((text, context): HostAndPort => {
  const match = /^(?:\[([0-9a-fA-F:]+)\]|([^:\s/]+)):(\d{1,5})$/.exec(text);
  const port = Number(match?.[3]);
  if (match === null || port > 65_535) {
    context.addIssue(`"${text}" is no address; write host:port, e.g. 127.0.0.1:3620`);
    return z.NEVER;
  }
  return { host: match[1] ?? match[2] ?? "", port };
});

/** Null for `off`: behind some routers nobody can come in, and this node calls the others. */
export const listenAddress = z
  .string()
  .transform((text) => (text === "off" ? null : text))
  .pipe(z.union([z.null(), hostAndPort]));

/** Comma separated. */
export const list = z.string().transform((text) =>
  text
    .split(",")
    .map((item) => item.trim())
    .filter((item) => item !== ""),
);

export const externalIp = z
  .string()
  .refine((text) => isIP(text) !== 0, "is no IP address; for a name use --p2p-external-hostname");
export const externalHostname = z
  .string()
  .regex(/^(?=.{1,253}$)[a-zA-Z0-9-]+(\.[a-zA-Z0-9-]+)*$/, "is no host name");

export const relays = list.transform((texts, context): readonly RelaySource[] =>
  texts.map((text) => {
    const source = parseRelaySource(text);
    if (source !== null) return source;
    context.addIssue(
      `"${text}" is no relay; write an http(s) URL or /ip4/…/tcp/…/p2p/<peer id> with its peer id`,
    );
    return z.NEVER;
  }),
);

export function tcpMultiaddr({ host, port }: HostAndPort): string {
  if (host.includes(":")) return `/ip6/${host}/tcp/${port}`;
  return `/${/^[\d.]+$/.test(host) ? "ip4" : "dns4"}/${host}/tcp/${port}`;
}

/** What this node tells peers of itself besides the addresses of its interfaces. */
export function externalMultiaddrs(values: {
  readonly "p2p-external-ip"?: string | undefined;
  readonly "p2p-external-hostname"?: string | undefined;
  readonly "p2p-tcp-address": HostAndPort | null;
}): readonly string[] {
  const port = values["p2p-tcp-address"]?.port ?? 0;
  const hosts = [values["p2p-external-ip"], values["p2p-external-hostname"]].filter(
    (host) => host !== undefined,
  );
  if (hosts.length > 0 && port === 0) {
    throw new UsageError("an external address needs a fixed port in --p2p-tcp-address");
  }
  return hosts.map((host) => tcpMultiaddr({ host, port }));
}

/** The first thing that is wrong with the options, by the name of its flag. */
export function explainIssue(issue: z.core.$ZodIssue | undefined, raw: RawOptions): UsageError {
  const name = String(issue?.path[0]);
  if (raw[name] === undefined) {
    return new UsageError(`--${name} is required`, {
      fix: `add --${name}, set its environment variable, or write it into the --config file`,
    });
  }
  return new UsageError(`--${name}: ${issue?.message}`);
}
