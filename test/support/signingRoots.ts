/** Suite 17: signing requests of Web3Signer and the remote signing API with the expected root. */
import type { SigningRequest } from "../../src/eth2/signing.ts";
import { readVector } from "./vectors.ts";

type Request = {
  readonly type: string;
  readonly signingRoot: string;
  readonly fork_info?: { readonly fork: unknown; readonly genesis_validators_root: unknown };
} & Readonly<Record<string, unknown>>;
export type SigningExample = { readonly name: string; readonly request: Request };

export const SIGNING_ROOT_FILES = [
  "web3signer-examples.json",
  "remote-signing-api-examples.json",
] as const;

/** The files' aggregates of these versions have a root that no preset's types yield. */
export const EXCLUDED: readonly string[] = [
  "AGGREGATE_AND_PROOF_V2 (ELECTRA)",
  "AGGREGATE_AND_PROOF_V2 (FULU)",
];

export function signingExamples(file: string): readonly SigningExample[] {
  return JSON.parse(readVector("signing-roots", file).toString());
}

/** Sized by the minimal preset, or bound to the genesis version of its network. */
export const MINIMAL_ONLY: readonly string[] = [
  "BLOCK_V2 (ALTAIR)",
  "SYNC_COMMITTEE_CONTRIBUTION_AND_PROOF",
  "VALIDATOR_REGISTRATION",
];

/** An example's request as our entry takes it. */
export function toSigningRequest({ request }: SigningExample): SigningRequest {
  const envelope = ["type", "signingRoot", "fork_info"];
  const [member] = Object.keys(request).filter((key) => !envelope.includes(key));
  return {
    type: request.type,
    fork: request.fork_info?.fork,
    gvr: request.fork_info?.genesis_validators_root,
    object: member === undefined ? undefined : request[member],
  };
}
