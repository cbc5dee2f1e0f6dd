/** What a client signs, rooted with Lodestar's types apart from the product's own code. */
import "../hasher.ts";
import { SecretKey } from "@chainsafe/blst";
import type { Type } from "@chainsafe/ssz";
import { type BeaconConfig, chainConfigFromJson, createBeaconConfig } from "@lodestar/config";
import * as params from "@lodestar/params";
import { type phase0, ssz } from "@lodestar/types";
import { fromHex, toHex } from "../../../src/util/bytes.ts";

export class KeyShare {
  /** 0x hex. */
  readonly publicKey: string;
  readonly #key: SecretKey;

  /** 32 secret bytes. */
  constructor(secret: Uint8Array) {
    this.#key = SecretKey.fromBytes(secret);
    this.publicKey = toHex(this.#key.toPublicKey().toBytes());
  }

  sign(root: Uint8Array): Uint8Array {
    return this.#key.sign(root).toBytes();
  }
}

/** From the answers of `config/spec` and `beacon/genesis`, as a real client gets it. */
export function configOf(spec: unknown, genesis: unknown): BeaconConfig {
  const root = fromHex(String(Reflect.get(Object(genesis), "genesis_validators_root")));
  if (root === null) throw new TypeError("genesis has no validators root");
  return createBeaconConfig(chainConfigFromJson(spec as Record<string, string>), root);
}

export function attestationRoot(config: BeaconConfig, data: phase0.AttestationData): Uint8Array {
  const slot = data.target.epoch * params.SLOTS_PER_EPOCH;
  const domain = config.getDomain(slot, params.DOMAIN_BEACON_ATTESTER, slot);
  return signingRoot(ssz.phase0.AttestationData, data, domain);
}

export function randaoRoot(config: BeaconConfig, slot: number): Uint8Array {
  const epoch = Math.floor(slot / params.SLOTS_PER_EPOCH);
  return signingRoot(ssz.Epoch, epoch, config.getDomain(slot, params.DOMAIN_RANDAO, slot));
}

export function blockRoot(config: BeaconConfig, slot: number, messageRoot: Uint8Array): Uint8Array {
  const domain = config.getDomain(slot, params.DOMAIN_BEACON_PROPOSER, slot);
  return ssz.phase0.SigningData.hashTreeRoot({ objectRoot: messageRoot, domain });
}

function signingRoot<T>(type: Type<T>, value: T, domain: Uint8Array): Uint8Array {
  return ssz.phase0.SigningData.hashTreeRoot({ objectRoot: type.hashTreeRoot(value), domain });
}
