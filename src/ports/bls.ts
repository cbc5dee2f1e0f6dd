import type { PubKey, PubShare, Root, ShareIndex, Signature } from "../domain/keys.ts";

export type SignatureCheck = {
  readonly publicKey: PubKey | PubShare;
  readonly signingRoot: Root;
  readonly signature: Signature;
};
export type SignatureShare = { readonly index: ShareIndex; readonly signature: Signature };

/**
 * BLS signatures over BLS12-381, minimal public key size, proof-of-possession scheme with
 * Ethereum's domain separation tag (consensus specs, phase 0, BLS signatures). Promises, so that a
 * worker pool may stand behind it; malformed or infinity points verify as false.
 */
export interface Bls {
  verify(check: SignatureCheck): Promise<boolean>;
  /** Whether all verify; checks of the same signing root share one pairing. True for none. */
  verifyBatch(checks: readonly SignatureCheck[]): Promise<boolean>;
  /**
   * Lagrange interpolation of the shares at zero: the group signature when each share is valid and
   * there are at least t of them. Null when a share is no group element.
   */
  combine(shares: readonly SignatureShare[]): Promise<Signature | null>;
}
