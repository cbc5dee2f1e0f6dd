/** Operations of the `config`, `node` and `debug` namespaces. */
import type { routes } from "@lodestar/api";
import type { ApplicationMethods } from "@lodestar/api/server";
import { chainConfigToJson } from "@lodestar/config";
import * as params from "@lodestar/params";
import { toHex } from "../../../src/util/bytes.ts";
import type { DevChain } from "../chain.ts";
import type { NodeView } from "./nodeView.ts";

export function createConfigRoutes({
  chain,
}: NodeView): Partial<ApplicationMethods<routes.config.Endpoints>> {
  const { config } = chain;
  return {
    getSpec: async () => ({ data: specOf(chain) }),
    getForkSchedule: async () => ({
      data: Object.values(config.forks)
        .filter(({ epoch }) => epoch !== Number.POSITIVE_INFINITY)
        .map(({ prevVersion, version, epoch }) => ({
          previousVersion: prevVersion,
          currentVersion: version,
          epoch,
        })),
    }),
    getDepositContract: async () => ({
      data: { chainId: config.DEPOSIT_CHAIN_ID, address: config.DEPOSIT_CONTRACT_ADDRESS },
    }),
  };
}

/** All constants as `config/spec` has them. */
export function specOf({ config, slotMs }: DevChain) {
  return {
    ...specConstants(),
    ...params.presetToJson(params.activePreset),
    ...chainConfigToJson(config),
    // The real length of a slot, which the state machine's config rounds up to a second.
    SLOT_DURATION_MS: String(slotMs),
  };
}

export function createNodeRoutes(
  view: NodeView,
): Partial<ApplicationMethods<routes.node.Endpoints>> {
  const { chain, injector } = view;
  return {
    getNodeVersion: async () => ({ data: { version: "devchain/0.1.0" } }),
    getSyncingStatus: async () => ({
      data: {
        headSlot: view.head.slot,
        syncDistance: Math.max(0, chain.currentSlot() - view.head.slot),
        isSyncing: injector.faults.syncing,
        isOptimistic: false,
        elOffline: false,
      },
    }),
    getHealth: async () => ({ status: injector.faults.syncing ? 206 : 200 }),
    getPeerCount: async () => ({
      data: { disconnected: 0, connecting: 0, connected: 1, disconnecting: 0 },
    }),
  };
}

export function createDebugRoutes(
  view: NodeView,
): Partial<ApplicationMethods<routes.debug.Endpoints>> {
  return {
    getDebugChainHeadsV2: async () => ({
      data: [{ slot: view.head.slot, root: toHex(view.head.root), executionOptimistic: false }],
    }),
  };
}

const CONSTANT_NAMES =
  /^(DOMAIN_|TARGET_AGG|ATTESTATION_SUBNET|SYNC_COMMITTEE_SUBNET|MAX_REQUEST|INTERVALS|BLS_WITHDRAWAL|GENESIS_|FAR_|TIMELY)/;

/** The spec's constants, which `config/spec` must hold and Lodestar's config leaves out. */
function specConstants(): Record<string, string> {
  const named = Object.entries(params).filter(([name]) => CONSTANT_NAMES.test(name));
  return Object.fromEntries(
    named.flatMap(([name, value]): [string, string][] => {
      if (value instanceof Uint8Array) return [[name, toHex(value)]];
      if (value === params.FAR_FUTURE_EPOCH) return [[name, (2n ** 64n - 1n).toString()]];
      return typeof value === "number" ? [[name, String(value)]] : [];
    }),
  );
}
