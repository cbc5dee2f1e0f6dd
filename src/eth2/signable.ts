/**
 * Every message that a validator can be asked to sign, by the type name of the remote signing
 * API: which container it is, its domain type, and what picks its fork (ETH-5).
 */
import { ContainerType, type Type, type ValueOf } from "@chainsafe/ssz";
import {
  DOMAIN_AGGREGATE_AND_PROOF,
  DOMAIN_APPLICATION_BUILDER,
  DOMAIN_BEACON_ATTESTER,
  DOMAIN_BEACON_PROPOSER,
  DOMAIN_CONTRIBUTION_AND_PROOF,
  DOMAIN_DEPOSIT,
  DOMAIN_RANDAO,
  DOMAIN_SELECTION_PROOF,
  DOMAIN_SYNC_COMMITTEE,
  DOMAIN_SYNC_COMMITTEE_SELECTION_PROOF,
  DOMAIN_VOLUNTARY_EXIT,
  SLOTS_PER_EPOCH,
} from "@lodestar/params";
import { z } from "zod";
import type { RejectionReason } from "../domain/errors.ts";
import { type Root, rootOf } from "../domain/keys.ts";
import { err, ok, type Result } from "../util/result.ts";
import { type ExactValue, exact } from "./exact.ts";
import { FORK_NAMES } from "./forkNames.ts";
import { FORKS, type Fork } from "./forks.ts";
import { ssz } from "./ssz.ts";

/** What picks the fork version of a message's domain. */
export type ForkBinding =
  | { readonly kind: "epoch"; readonly epoch: bigint }
  /** Valid on every fork: the genesis version and a zero root; the message may name the version. */
  | { readonly kind: "genesis"; readonly version: Uint8Array | null };

export type Signable = {
  readonly domainType: Uint8Array;
  /** Hash tree root without domain. */
  readonly messageRoot: Root;
  readonly binding: ForkBinding;
};

/** Reads the JSON of one message; throws where the SSZ library does. */
type Reader = (json: unknown) => Signable;

const randao = new ContainerType({ epoch: ssz.Epoch }, { jsonCase: "eth2" });
const aggregationSlot = new ContainerType({ slot: ssz.Slot }, { jsonCase: "eth2" });
const syncMessage = new ContainerType(
  { beaconBlockRoot: ssz.Root, slot: ssz.Slot },
  { jsonCase: "eth2" },
);
const deposit = new ContainerType(
  { ...ssz.phase0.DepositMessage.fields, genesisForkVersion: ssz.Version },
  { jsonCase: "eth2" },
);
const versioned = z.object({
  version: z.string().transform((text) => text.toLowerCase()),
  data: z.unknown().optional(),
  block: z.unknown().optional(),
  block_header: z.unknown().optional(),
});

const READERS: Readonly<Record<string, Reader>> = {
  BLOCK: (json) => block(FORKS.phase0, json),
  BLOCK_V2: (json) => {
    const { version, block: full, block_header: header } = versioned.parse(json);
    return header === undefined ? block(forkNamed(version), full) : blockHeader(header);
  },
  ATTESTATION: (json) =>
    read({
      json,
      type: ssz.phase0.AttestationData,
      domainType: DOMAIN_BEACON_ATTESTER,
      bind: (data) => atEpoch(data.target.epoch),
    }),
  AGGREGATION_SLOT: (json) =>
    // A container of one field has that field's root: this is the root of the slot.
    read({
      json,
      type: aggregationSlot,
      domainType: DOMAIN_SELECTION_PROOF,
      bind: ({ slot }) => atSlot(slot),
    }),
  AGGREGATE_AND_PROOF: (json) => aggregateAndProof(FORKS.phase0, json),
  AGGREGATE_AND_PROOF_V2: (json) => {
    const { version, data } = versioned.parse(json);
    return aggregateAndProof(forkNamed(version), data);
  },
  RANDAO_REVEAL: (json) =>
    read({ json, type: randao, domainType: DOMAIN_RANDAO, bind: ({ epoch }) => atEpoch(epoch) }),
  VOLUNTARY_EXIT: (json) =>
    // EIP-7044 fixes the fork of exits; the caller states it as the request's fork.
    read({
      json,
      type: ssz.phase0.VoluntaryExit,
      domainType: DOMAIN_VOLUNTARY_EXIT,
      bind: ({ epoch }) => atEpoch(epoch),
    }),
  SYNC_COMMITTEE_MESSAGE: (json) =>
    read({
      json,
      type: syncMessage,
      domainType: DOMAIN_SYNC_COMMITTEE,
      bind: ({ slot }) => atSlot(slot),
      root: ({ beaconBlockRoot }) => beaconBlockRoot,
    }),
  SYNC_COMMITTEE_SELECTION_PROOF: (json) =>
    read({
      json,
      type: ssz.altair.SyncAggregatorSelectionData,
      domainType: DOMAIN_SYNC_COMMITTEE_SELECTION_PROOF,
      bind: ({ slot }) => atSlot(slot),
    }),
  SYNC_COMMITTEE_CONTRIBUTION_AND_PROOF: (json) =>
    read({
      json,
      type: ssz.altair.ContributionAndProof,
      domainType: DOMAIN_CONTRIBUTION_AND_PROOF,
      bind: ({ contribution }) => atSlot(contribution.slot),
    }),
  VALIDATOR_REGISTRATION: (json) =>
    read({
      json,
      type: ssz.bellatrix.ValidatorRegistrationV1,
      domainType: DOMAIN_APPLICATION_BUILDER,
      bind: () => ({ kind: "genesis", version: null }),
    }),
  DEPOSIT: (json) =>
    read({
      json,
      type: deposit,
      domainType: DOMAIN_DEPOSIT,
      bind: ({ genesisForkVersion }) => ({ kind: "genesis", version: genesisForkVersion }),
      root: (message) => exact(ssz.phase0.DepositMessage).hashTreeRoot(message),
    }),
};

/** The message in `json`; an error value for an unknown type or JSON that is not of that type. */
export function signableOf(type: string, json: unknown): Result<Signable, RejectionReason> {
  const reader = Object.hasOwn(READERS, type) ? READERS[type] : undefined;
  if (reader === undefined) return err({ code: "malformed", detail: `unknown type ${type}` });
  try {
    return ok(reader(snakeCase(json)));
  } catch (error) {
    // The SSZ library reports malformed JSON by throwing plain errors.
    const detail = error instanceof Error ? error.message : String(error);
    return err({ code: "malformed", detail: `${type}: ${detail}` });
  }
}

function read<T extends Type<unknown>>(options: {
  readonly json: unknown;
  readonly type: T;
  readonly domainType: Uint8Array;
  readonly bind: (value: ExactValue<ValueOf<T>>) => ForkBinding;
  /** Where the signed object is not the whole container. */
  readonly root?: (value: ExactValue<ValueOf<T>>) => Uint8Array;
}): Signable {
  const type = exact(options.type);
  const value = type.fromJson(options.json);
  const root = options.root ?? ((whole) => type.hashTreeRoot(whole));
  return {
    domainType: options.domainType,
    messageRoot: rootOf(root(value)),
    binding: options.bind(value),
  };
}

function block(fork: Fork, json: unknown): Signable {
  const type: Type<{ slot: number }> = fork.types.BeaconBlock;
  return read({
    json,
    type,
    domainType: DOMAIN_BEACON_PROPOSER,
    bind: ({ slot }) => atSlot(slot),
  });
}

/** A header has the root of its block. */
function blockHeader(json: unknown): Signable {
  return read({
    json,
    type: ssz.phase0.BeaconBlockHeader,
    domainType: DOMAIN_BEACON_PROPOSER,
    bind: ({ slot }) => atSlot(slot),
  });
}

function aggregateAndProof(fork: Fork, json: unknown): Signable {
  const type: Type<{ aggregate: { data: { slot: number } } }> = fork.types.AggregateAndProof;
  return read({
    json,
    type,
    domainType: DOMAIN_AGGREGATE_AND_PROOF,
    bind: ({ aggregate }) => atSlot(aggregate.data.slot),
  });
}

function forkNamed(name: string): Fork {
  const known = FORK_NAMES.find((candidate) => candidate === name);
  if (known === undefined) throw new TypeError(`unknown version ${name}`);
  return FORKS[known];
}

function atSlot(slot: bigint): ForkBinding {
  return atEpoch(slot / BigInt(SLOTS_PER_EPOCH));
}

function atEpoch(epoch: bigint): ForkBinding {
  return { kind: "epoch", epoch };
}

/** Keys as the Beacon API spells them; the deprecated requests spell them in camel case. */
export function snakeCase(json: unknown): unknown {
  if (Array.isArray(json)) return json.map(snakeCase);
  if (typeof json !== "object" || json === null) return json;
  return Object.fromEntries(
    Object.entries(json).map(([key, value]) => [
      key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
      snakeCase(value),
    ]),
  );
}
