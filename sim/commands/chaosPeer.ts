/**
 * `coterie sim chaos-peer`: one operator's real node in a live test cluster, with the Byzantine
 * library between it and its network. One of the two ways from the simulator to the command line:
 * it runs `coterie run` itself, with a Network of its own. Never on a public network (CHAOS-1).
 */

import { RUN_OPTIONS } from "../../src/cli/config.ts";
import { addOptions, type OptionSpec, resolveOptions } from "../../src/cli/options.ts";
import { CONFIG, prepareRun } from "../../src/cli/program.ts";
import { refuseSecretsIn } from "../../src/cli/secretGuard.ts";
import type { Cluster } from "../../src/cluster/cluster.ts";
import { networkOf } from "../../src/cluster/networks.ts";
import { UsageError } from "../../src/domain/errors.ts";
import type { Logger } from "../../src/ports/logger.ts";
import type { Network } from "../../src/ports/network.ts";
import type { Ports } from "../../src/ports/ports.ts";
import type { BehaviourOptions } from "../byzantine/operator.ts";

type Command = Parameters<typeof addOptions>[0];
type Attack = { readonly behaviour: string; readonly options: BehaviourOptions };

const BEHAVIOUR = {
  name: "behaviour",
  value: "list",
  help: "what it does, e.g. equivocate,flood:framesPerSecond=50",
} as const satisfies OptionSpec;
const SEED = {
  name: "chaos-seed",
  value: "text",
  default: "chaos",
  help: "where its random choices come from",
} as const satisfies OptionSpec;

/** `environment` is the process's own: options may come from there too (CLI-2). */
export function addChaosPeer(
  program: Command,
  argv: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
): void {
  const command = program
    .command("chaos-peer")
    .description("run an operator of a live test cluster that misbehaves");
  const own = [BEHAVIOUR, SEED];
  addOptions(command, [CONFIG, ...RUN_OPTIONS, ...own]).action(async () => {
    refuseSecretsIn(argv);
    const raw = resolveOptions(command, own, { environment, file: {} });
    const options = await prepareRun(command);
    // What it says is checked before the preset's types load, and the rest after.
    const attacks = parseAttacks(raw[BEHAVIOUR.name] ?? "");
    const seed = raw[SEED.name] ?? SEED.default;
    const { flawOfBehaviour } = await import("../byzantine/behaviours.ts");
    for (const { behaviour, options: wanted } of attacks) {
      const flaw = flawOfBehaviour(behaviour, wanted);
      if (flaw !== null) throw new UsageError(`--behaviour: ${flaw}`);
    }
    const { run } = await import("../../src/cli/run.ts");
    await run(options, (ports, cluster, signal) =>
      misbehaving({ ports, cluster, attacks, seed }, signal),
    );
  });
}

/** `name`, `name:key=value` or several of them, with commas between. */
export function parseAttacks(text: string): readonly Attack[] {
  const names = text.split(",").filter((part) => part !== "");
  if (names.length === 0) {
    throw new UsageError("chaos-peer needs --behaviour", {
      fix: "name one, e.g. --behaviour equivocate; see: coterie sim --list-behaviours",
    });
  }
  return names.map((part) => {
    const [behaviour = "", ...pairs] = part.split(":");
    const options = pairs.map((pair): readonly [string, number | string] => {
      const [key = "", value = ""] = pair.split("=");
      return [key, value !== "" && Number.isFinite(Number(value)) ? Number(value) : value];
    });
    return { behaviour, options: Object.fromEntries(options) };
  });
}

/** CHAOS-1: real stakes are no playground, and no flag says otherwise. */
export function refusePublicNetwork({ forkVersion }: Pick<Cluster, "forkVersion">): void {
  const network = networkOf(forkVersion);
  if (network === undefined) return;
  throw new UsageError(`chaos-peer does not run on ${network.name}: the cluster's keys are real`, {
    fix: "make a cluster for a private test chain (coterie create cluster --testnet-…)",
  });
}

type Chaos = {
  readonly ports: Ports;
  readonly cluster: Cluster;
  readonly attacks: readonly Attack[];
  readonly seed: string;
};

/** The node's network behind all behaviours, once the chain is known that they lie about. */
async function misbehaving(
  { ports, cluster, attacks, seed }: Chaos,
  signal: AbortSignal,
): Promise<Network> {
  refusePublicNetwork(cluster);
  const { misbehave } = await import("../byzantine/behaviours.ts");
  const { Conspiracy } = await import("../byzantine/conspiracy.ts");
  const { SeededRandom } = await import("../random.ts");
  const { connectChain } = await import("../../src/node/chainConnection.ts");
  const chain = await connectChain({ ...ports, cluster, onWaiting: undefined }, signal);
  const { genesisValidatorsRoot } = chain;
  const conspiracy = new Conspiracy();
  return attacks.reduce<Network>((network, { behaviour, options }, i) => {
    ports.logger.warn("This operator misbehaves.", { behaviour, options });
    return misbehave(behaviour, {
      ...ports,
      network,
      cluster,
      chain,
      scope: { genesisValidatorsRoot, lockHash: cluster.lockHash },
      random: new SeededRandom(seed).fork(`${i}/${behaviour}`),
      conspiracy,
      options,
      isActive: () => true,
      acted: tellOf(behaviour, ports.logger),
    });
  }, ports.network);
}

function tellOf(behaviour: string, logger: Logger): (detail: string) => void {
  return (detail) => logger.info("This operator misbehaved.", { behaviour, detail });
}
