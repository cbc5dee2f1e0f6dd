/**
 * Each request with what its answer becomes in the project's shapes. An answer that is well formed
 * but cannot be true for the request throws a plain error, as the codecs do (BN-2).
 */
import { SLOTS_PER_EPOCH } from "@lodestar/params";
import { type PubKey, pubKeyOf, ROOT_BYTES, type Root, rootOf } from "../../domain/keys.ts";
import { BEACON_REQUEST_TIMEOUT_MS } from "../../domain/limits.ts";
import type { Epoch, Millis, Slot, ValidatorIndex } from "../../domain/units.ts";
import { FORKS } from "../../eth2/forks.ts";
import type { AttestationData, SignedAttestation } from "../../eth2/types.ts";
import type {
  AttesterDuties,
  AttesterDuty,
  Genesis,
  SyncStatus,
  ValidatorState,
} from "../../ports/beaconNode.ts";
import { assert } from "../../util/assert.ts";
import { fromHex, toHex } from "../../util/bytes.ts";
import { type Call, callOf, type JsonCall, ROUTES } from "./routes.ts";

/** A node that thinks longer about its own state is no use for a duty either. */
const SYNC_STATUS_TIMEOUT_MS: Millis = 2_000;

/** `forkVersion` is the genesis fork version, 4 bytes as 0x hex. */
export type ChainIdentity = Genesis & { readonly forkVersion: string };

export function genesisCall(): Call<ChainIdentity> {
  return map(callOf("genesis", ROUTES.genesis, undefined), ({ data }) => ({
    genesisTime: data.genesisTime,
    genesisValidatorsRoot: rootOf(data.genesisValidatorsRoot),
    forkVersion: toHex(data.genesisForkVersion),
  }));
}

export function specCall(): Call<Readonly<Record<string, unknown>>> {
  // What stands in it is validated where it is used (ETH-4).
  const call = callOf("spec", ROUTES.spec, undefined);
  return { ...call, decode: (json) => call.decode(json).data };
}

export function syncStatusCall(): Call<SyncStatus> {
  const call = map(callOf("syncing", ROUTES.syncing, undefined), ({ data }) => ({
    headSlot: data.headSlot,
    isSyncing: data.isSyncing,
    isElOffline: data.elOffline,
  }));
  return { ...call, timeoutMs: SYNC_STATUS_TIMEOUT_MS };
}

export function validatorsCall(pubKeys: readonly PubKey[]): Call<readonly ValidatorState[]> {
  const asked = new Set(pubKeys);
  const args = { stateId: "head" as const, validatorIds: [...pubKeys] };
  return map(callOf("validators", ROUTES.validators, args), ({ data }) => {
    const states = data.map(({ index, status, validator }) => {
      return { pubKey: pubKeyOf(validator.pubkey), index, status };
    });
    if (states.some(({ pubKey }) => !asked.has(pubKey))) fail("a validator was not asked for");
    return states;
  });
}

export function attesterDutiesCall(
  epoch: Epoch,
  indices: readonly ValidatorIndex[],
): Call<AttesterDuties> {
  const asked = new Set(indices);
  const args = { epoch, indices: [...indices] };
  return map(callOf("attesterDuties", ROUTES.attesterDuties, args), ({ data, meta }) => {
    const seen = new Set<ValidatorIndex>();
    const duties = data.map(({ pubkey, ...duty }): AttesterDuty => {
      if (!asked.has(duty.validatorIndex)) fail("a duty was not asked for");
      if (seen.has(duty.validatorIndex)) fail("a validator has two duties in one epoch");
      seen.add(duty.validatorIndex);
      if (epochOf(duty.slot) !== epoch) fail("a duty lies outside the epoch");
      if (duty.validatorCommitteeIndex >= duty.committeeLength) fail("a seat lies outside");
      if (duty.committeeIndex >= duty.committeesAtSlot) fail("a committee lies outside the slot");
      return { ...duty, pubKey: pubKeyOf(pubkey) };
    });
    return { dependentRoot: parseRoot(meta.dependentRoot), duties };
  });
}

export function attestationDataCall(slot: Slot): Call<AttestationData> {
  // Ignored since EIP-7549; before it, each validator's committee is filled in when it signs.
  const args = { slot, committeeIndex: 0 };
  return map(callOf("attestationData", ROUTES.attestationData, args), ({ data }) => {
    if (data.slot !== slot) fail(`the data is for slot ${data.slot}, asked was ${slot}`);
    if (data.target.epoch !== epochOf(slot)) fail("the target is not the slot's epoch");
    return {
      slot: data.slot,
      index: data.index,
      beaconBlockRoot: rootOf(data.beaconBlockRoot),
      source: { epoch: data.source.epoch, root: rootOf(data.source.root) },
      target: { epoch: data.target.epoch, root: rootOf(data.target.root) },
    };
  });
}

/** All attestations are of one fork, which names the container of the batch. */
export function submitAttestationsCall(attestations: readonly SignedAttestation[]): Call<void> {
  const [first] = attestations;
  assert(first !== undefined, "a submission has an attestation");
  const { fork } = first;
  assert(
    attestations.every((attestation) => attestation.fork === fork),
    "a submission is of one fork",
  );
  return {
    route: "submitAttestations",
    method: "POST",
    path: ROUTES.submitAttestations.url,
    headers: { "eth-consensus-version": fork },
    body: JSON.stringify(attestations.map(FORKS[fork].attestationJson)),
    timeoutMs: BEACON_REQUEST_TIMEOUT_MS,
    decode: () => undefined,
  };
}

/** Throws a plain error when `text` is no root. */
export function parseRoot(text: string): Root {
  const bytes = fromHex(text);
  return bytes?.length === ROOT_BYTES ? rootOf(bytes) : fail("expected a root of 32 bytes");
}

export function map<A, B>(call: JsonCall<A>, convert: (value: A) => B): JsonCall<B> {
  return { ...call, decode: (json) => withNaturals(convert(call.decode(json))) };
}

/**
 * Throws a plain error for a number that is negative, broken or above 2^53: the codecs let such
 * numbers pass, and no slot, epoch, index or length is one (BN-2).
 */
export function withNaturals<T>(value: T): T {
  if (typeof value === "number") {
    if (!Number.isSafeInteger(value) || value < 0) fail(`${value} is no natural number`);
  } else if (value instanceof Map) {
    for (const entry of value) withNaturals(entry);
  } else if (typeof value === "object" && value !== null && !(value instanceof Uint8Array)) {
    for (const member of Object.values(value)) withNaturals(member);
  }
  return value;
}

export function epochOf(slot: Slot): Epoch {
  return Math.floor(slot / SLOTS_PER_EPOCH);
}

export function fail(message: string): never {
  throw new TypeError(message);
}
