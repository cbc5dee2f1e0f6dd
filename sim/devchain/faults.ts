/**
 * What a listener can be told to do wrong. Each operator of a cluster has a listener of its own on
 * the one chain, so one operator's beacon node can misbehave while the others' are well.
 */
import type { phase0 } from "@lodestar/types";
import { fakeBlockHash } from "./genesis.ts";

export const ATTESTATION_LIES = [
  /** A head nobody knows. */
  "unknownHead",
  /** The parent of the head: a real block, the wrong one. */
  "parentHead",
  /** A target root nobody knows. */
  "wrongTarget",
  /** A target epoch far ahead: signed once, it bars the validator for good. */
  "farTarget",
  /** A source epoch above the justified one. */
  "futureSource",
  /** Source epoch 0, which surrounds earlier votes. */
  "oldSource",
] as const;
export type AttestationLie = (typeof ATTESTATION_LIES)[number];

export interface Faults {
  /** Delay before each answer. */
  readonly latencyMs: number;
  /** Answers every request with this HTTP error status. */
  readonly errorStatus: number | null;
  /** `refuse` closes the port; `hang` accepts connections and never answers. */
  readonly offline: "no" | "refuse" | "hang";
  /** Says it is syncing, and 503 to everything a validator asks for. */
  readonly syncing: boolean;
  /** Its head lags this many blocks behind, and it emits no head or block events meanwhile. */
  readonly staleHeadBlocks: number;
  readonly attestationLie: AttestationLie | null;
  /** Refuses these items of every batch that is posted: 400 with their indices. */
  readonly failItems: readonly number[];
  /** `drop` cuts the event streams and refuses new ones; `mute` keeps them silent. */
  readonly events: "on" | "drop" | "mute";
}

export const NO_FAULTS: Faults = {
  latencyMs: 0,
  errorStatus: null,
  offline: "no",
  syncing: false,
  staleHeadBlocks: 0,
  attestationLie: null,
  failItems: [],
  events: "on",
};

/** JSON schema of a change of faults, as the control route takes it. */
export const FAULTS_SCHEMA = {
  type: "object",
  additionalProperties: false,
  properties: {
    latencyMs: { type: "integer", minimum: 0, maximum: 600_000 },
    errorStatus: { type: ["integer", "null"], minimum: 400, maximum: 599 },
    offline: { enum: ["no", "refuse", "hang"] },
    syncing: { type: "boolean" },
    staleHeadBlocks: { type: "integer", minimum: 0, maximum: 1024 },
    attestationLie: { enum: [...ATTESTATION_LIES, null] },
    failItems: { type: "array", items: { type: "integer", minimum: 0 }, maxItems: 1024 },
    events: { enum: ["on", "drop", "mute"] },
  },
} as const;

export class FaultInjector {
  #faults: Faults = NO_FAULTS;

  get faults(): Faults {
    return this.#faults;
  }

  /** Changes the given faults and leaves the others as they are. */
  set(change: Partial<Faults>): void {
    this.#faults = { ...this.#faults, ...change };
  }
}

/** The AttestationData a lying node hands out instead of `honest`. */
export function falsifyAttestationData(
  lie: AttestationLie,
  honest: phase0.AttestationData,
  parentRoot: Uint8Array,
): phase0.AttestationData {
  const unknownRoot = fakeBlockHash(honest.beaconBlockRoot, lie);
  const { source, target } = honest;
  switch (lie) {
    case "unknownHead":
      return { ...honest, beaconBlockRoot: unknownRoot };
    case "parentHead":
      return { ...honest, beaconBlockRoot: parentRoot };
    case "wrongTarget":
      return { ...honest, target: { epoch: target.epoch, root: unknownRoot } };
    case "farTarget":
      return { ...honest, target: { epoch: target.epoch + 100_000, root: target.root } };
    case "futureSource":
      return { ...honest, source: { epoch: source.epoch + 1, root: unknownRoot } };
    case "oldSource":
      return { ...honest, source: { epoch: 0, root: new Uint8Array(32) } };
  }
}
