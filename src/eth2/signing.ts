/**
 * Signing roots (consensus specs, `compute_domain`, `compute_signing_root`): the message's root
 * bound to the kind of message, the fork and the chain.
 */
import { chainConfig } from "@lodestar/config/default";
import { DOMAIN_BEACON_ATTESTER, DOMAIN_BEACON_PROPOSER, DOMAIN_RANDAO } from "@lodestar/params";
import { z } from "zod";
import type { RejectionReason } from "../domain/errors.ts";
import { bytesOf, type Root, rootOf } from "../domain/keys.ts";
import type { Epoch } from "../domain/units.ts";
import { fromHex } from "../util/bytes.ts";
import { err, ok, type Result } from "../util/result.ts";
import type { Chain } from "./chain.ts";
import { type ForkBinding, signableOf, snakeCase } from "./signable.ts";
import { ssz } from "./ssz.ts";

/** 4-byte domain type, 4-byte fork version, 32-byte root. */
export type DomainInput = {
  readonly domainType: Uint8Array;
  readonly forkVersion: Uint8Array;
  readonly genesisValidatorsRoot: Uint8Array;
};

/** A message as a remote signer's request carries it (Web3Signer, EIP-3030). */
export type SigningRequest = {
  /** E.g. `ATTESTATION`, `BLOCK_V2`. */
  readonly type: string;
  /** `fork_info.fork` as JSON; may be missing where the message is bound to the genesis fork. */
  readonly fork?: unknown;
  /** `fork_info.genesis_validators_root` as 0x hex; may be missing in the same place. */
  readonly gvr?: unknown;
  /** The member named after the type, e.g. `attestation`. */
  readonly object: unknown;
};

/** The 32-byte signature domain. */
export function computeDomain(input: DomainInput): Uint8Array {
  const forkDataRoot = ssz.phase0.ForkData.hashTreeRoot({
    currentVersion: input.forkVersion,
    genesisValidatorsRoot: input.genesisValidatorsRoot,
  });
  const domain = new Uint8Array(32);
  domain.set(input.domainType);
  domain.set(forkDataRoot.subarray(0, 28), 4);
  return domain;
}

/** What BLS signs: the message's root under a domain. */
export function computeSigningRoot(messageRoot: Root, domain: Uint8Array): Root {
  return rootOf(ssz.phase0.SigningData.hashTreeRoot({ objectRoot: bytesOf(messageRoot), domain }));
}

/** ETH-7: domain of attestations of this target epoch (specs, `get_attestation_signature`). */
export function attesterDomain(chain: Chain, target: Epoch): Uint8Array {
  return domainAt(chain, target, DOMAIN_BEACON_ATTESTER);
}

/** Domain of blocks of the epoch (specs, `get_block_signature`). */
export function proposerDomain(chain: Chain, epoch: Epoch): Uint8Array {
  return domainAt(chain, epoch, DOMAIN_BEACON_PROPOSER);
}

/** Domain of randao reveals of the epoch (specs, `get_epoch_signature`). */
export function randaoDomain(chain: Chain, epoch: Epoch): Uint8Array {
  return domainAt(chain, epoch, DOMAIN_RANDAO);
}

/** What a randao reveal signs, without domain: the epoch. */
export function epochRoot(epoch: Epoch): Root {
  return rootOf(ssz.Epoch.hashTreeRoot(epoch));
}

/**
 * The signing root of a remote signer's request (ETH-5). Numbers are exact up to 2^64. What is no
 * such message, or lacks the fork it needs, is an error value; nothing is thrown.
 */
export function root(request: SigningRequest): Result<Root, RejectionReason> {
  const signable = signableOf(request.type, request.object);
  if (!signable.ok) return signable;
  const { domainType, messageRoot, binding } = signable.value;
  const forkInfo = forkInfoOf(request, binding);
  if (!forkInfo.ok) return forkInfo;
  return ok(computeSigningRoot(messageRoot, computeDomain({ domainType, ...forkInfo.value })));
}

function domainAt(chain: Chain, epoch: Epoch, domainType: Uint8Array): Uint8Array {
  return computeDomain({
    domainType,
    forkVersion: chain.forkAt(epoch).version,
    genesisValidatorsRoot: bytesOf(chain.genesisValidatorsRoot),
  });
}

type ForkInfo = Omit<DomainInput, "domainType">;

const version = z
  .string()
  .regex(/^0x[0-9a-fA-F]{8}$/)
  .transform(bytes);
const requestFork = z.object({
  previous_version: version,
  current_version: version,
  epoch: z
    .string()
    .regex(/^\d{1,20}$/)
    .transform(BigInt),
});
const requestRoot = z
  .string()
  .regex(/^0x[0-9a-fA-F]{64}$/)
  .transform(bytes);

function forkInfoOf(
  request: SigningRequest,
  binding: ForkBinding,
): Result<ForkInfo, RejectionReason> {
  if (binding.kind === "genesis") return genesisForkInfo(request, binding.version);
  const fork = requestFork.safeParse(snakeCase(request.fork));
  if (!fork.success) return err({ code: "malformed", detail: "fork is missing or malformed" });
  const gvr = requestRoot.safeParse(request.gvr);
  if (!gvr.success) return err({ code: "malformed", detail: "gvr is missing or malformed" });
  const { epoch, previous_version, current_version } = fork.data;
  return ok({
    forkVersion: binding.epoch < epoch ? previous_version : current_version,
    genesisValidatorsRoot: gvr.data,
  });
}

/**
 * A registration's request names no fork: without one, the genesis version of the preset's own
 * network is meant.
 */
function genesisForkInfo(
  request: SigningRequest,
  named: Uint8Array | null,
): Result<ForkInfo, RejectionReason> {
  const genesisValidatorsRoot = new Uint8Array(32);
  if (named !== null) return ok({ forkVersion: named, genesisValidatorsRoot });
  if (request.fork === undefined) {
    return ok({ forkVersion: chainConfig.GENESIS_FORK_VERSION, genesisValidatorsRoot });
  }
  const fork = requestFork.safeParse(snakeCase(request.fork));
  if (!fork.success) return err({ code: "malformed", detail: "fork is malformed" });
  return ok({ forkVersion: fork.data.current_version, genesisValidatorsRoot });
}

function bytes(text: string): Uint8Array {
  return fromHex(text) ?? new Uint8Array();
}
