/**
 * Charon's environment variables where they mean the same (CLI-10), so that a squad's `.env` file
 * works as it is. Whatever else is set for Charon is named, for its owner believes that it works.
 */
import { environmentName, type OptionSpec } from "./options.ts";

type Environment = Readonly<Record<string, string | undefined>>;

export type AdoptedEnvironment = {
  readonly environment: Environment;
  /** Sentences for the operator; values are never repeated, for they may be secrets. */
  readonly notices: readonly string[];
};

const CHARON_PREFIX = "CHARON_";
/** Options that Charon has under the same name and with the same meaning. */
const SAME_NAME: readonly string[] = [
  "data-dir",
  "lock-file",
  "private-key-file",
  "beacon-node-endpoints",
  "p2p-tcp-address",
  "p2p-relays",
  "p2p-external-ip",
  "p2p-external-hostname",
  "monitoring-address",
  "validator-api-address",
  "log-level",
  "log-format",
  // Of `relay`.
  "http-address",
  "p2p-max-reservations",
  "p2p-max-connections",
  // Of `create cluster` and `combine`.
  "name",
  "cluster-dir",
  "output-dir",
  "nodes",
  "threshold",
  "num-validators",
  "network",
  "testnet-fork-version",
  "fee-recipient-addresses",
  "withdrawal-addresses",
  "insecure-keys",
  "split-existing-keys",
  "split-keys-dir",
];
/** The same meaning under another name: ours by Charon's. */
const RENAMED: ReadonlyMap<string, string> = new Map([
  ["vc-tls-cert-file", "validator-api-tls-cert-file"],
  ["vc-tls-key-file", "validator-api-tls-key-file"],
]);

/** The environment with Charon's variables in place of ours that are not set. */
export function adoptCharonEnvironment(
  environment: Environment,
  specs: readonly OptionSpec[],
): AdoptedEnvironment {
  const adopted: Record<string, string | undefined> = { ...environment };
  const taken: string[] = [];
  const ignored: string[] = [];
  for (const name of Object.keys(environment).sort()) {
    if (!name.startsWith(CHARON_PREFIX) || !isSet(environment[name])) continue;
    const own = ownNameOf(name, specs);
    if (own === null || isSet(environment[own])) {
      ignored.push(own === null ? name : `${name} (${own} is set)`);
    } else {
      adopted[own] = environment[name];
      taken.push(own === name.replace(CHARON_PREFIX, "COTERIE_") ? name : `${name} (now ${own})`);
    }
  }
  return {
    environment: adopted,
    notices: [...noticeOf(TAKEN, taken), ...noticeOf(IGNORED, ignored)],
  };
}

const TAKEN = "Charon's environment variables are used where ours are not set";
const IGNORED = "Charon's environment variables without effect here";

function noticeOf(text: string, names: readonly string[]): readonly string[] {
  return names.length === 0 ? [] : [`${text}: ${names.join(", ")}`];
}

/** Name of our variable; null where the command has no such option or its meaning differs. */
function ownNameOf(charonName: string, specs: readonly OptionSpec[]): string | null {
  const flag = charonName.slice(CHARON_PREFIX.length).toLowerCase().replaceAll("_", "-");
  const option = SAME_NAME.includes(flag) ? flag : RENAMED.get(flag);
  return specs.some(({ name }) => name === option) ? environmentName(option ?? "") : null;
}

function isSet(value: string | undefined): boolean {
  return value !== undefined && value !== "";
}
