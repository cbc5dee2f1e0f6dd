/** The network constants of a dev chain. */

import { type ChainForkConfig, createChainForkConfig } from "@lodestar/config";
import { ACTIVE_PRESET } from "@lodestar/params";

export const DEV_FORKS = ["electra", "fulu", "gloas"] as const;
export type DevFork = (typeof DEV_FORKS)[number];

/** Epochs at which forks later than the genesis fork start. */
export type ForkEpochs = Partial<Record<DevFork, number>>;

export interface DevConfigOptions {
  /** The fork active at genesis. */
  readonly fork: DevFork;
  readonly forkEpochs: ForkEpochs;
  /** Wall length of a slot; may be below a second. */
  readonly slotMs: number;
}

const ALWAYS_ACTIVE = ["ALTAIR", "BELLATRIX", "CAPELLA", "DENEB"] as const;

/**
 * The chain's config. The state machine compares payload timestamps in whole seconds, so a
 * sub-second slot counts as one second here and only the dev chain's clock knows its real length.
 */
export function createDevConfig(options: DevConfigOptions): ChainForkConfig {
  const slotSeconds = Math.max(1, Math.ceil(options.slotMs / 1000));
  return createChainForkConfig({
    PRESET_BASE: ACTIVE_PRESET,
    CONFIG_NAME: "devchain",
    SLOT_DURATION_MS: slotSeconds * 1000,
    SECONDS_PER_SLOT: slotSeconds,
    TERMINAL_TOTAL_DIFFICULTY: 0n,
    MIN_GENESIS_ACTIVE_VALIDATOR_COUNT: 1,
    GENESIS_DELAY: 0,
    DEPOSIT_CHAIN_ID: 1337,
    DEPOSIT_NETWORK_ID: 1337,
    BLOB_SCHEDULE: [],
    GENESIS_FORK_VERSION: forkVersion(0),
    ...Object.fromEntries(ALWAYS_ACTIVE.map((name) => [`${name}_FORK_EPOCH`, 0])),
    ...Object.fromEntries(
      ALWAYS_ACTIVE.map((name, index) => [`${name}_FORK_VERSION`, forkVersion(index + 1)]),
    ),
    ...forkSchedule(options),
  });
}

function forkSchedule({ fork, forkEpochs }: DevConfigOptions): Record<string, unknown> {
  const schedule: Record<string, unknown> = {
    HEZE_FORK_EPOCH: Number.POSITIVE_INFINITY,
    HEZE_FORK_VERSION: forkVersion(ALWAYS_ACTIVE.length + DEV_FORKS.length + 1),
  };
  let previousEpoch = 0;
  for (const [index, name] of DEV_FORKS.entries()) {
    const isActiveAtGenesis = index <= DEV_FORKS.indexOf(fork);
    if (isActiveAtGenesis && forkEpochs[name] !== undefined) {
      throw new RangeError(`${name} is active from genesis (${fork}): leave out its fork epoch`);
    }
    const epoch = isActiveAtGenesis ? 0 : (forkEpochs[name] ?? Number.POSITIVE_INFINITY);
    if (epoch < previousEpoch) {
      throw new RangeError(`${name} may not start before the fork that precedes it`);
    }
    previousEpoch = epoch;
    schedule[`${name.toUpperCase()}_FORK_EPOCH`] = epoch;
    schedule[`${name.toUpperCase()}_FORK_VERSION`] = forkVersion(ALWAYS_ACTIVE.length + index + 1);
  }
  return schedule;
}

function forkVersion(ordinal: number): Uint8Array {
  return Uint8Array.of(ordinal, 0, 0x0f, 0);
}
