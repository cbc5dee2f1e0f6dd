/** The native part of the optional dependency `secp256k1`: libsecp256k1 itself, no JS fallback. */
declare module "secp256k1/bindings.js" {
  type Native = {
    publicKeyVerify(publicKey: Uint8Array): boolean;
    publicKeyCreate(secretKey: Uint8Array, compressed: true): Uint8Array;
    ecdsaSign(
      digest: Uint8Array,
      secretKey: Uint8Array,
    ): { readonly signature: Uint8Array; readonly recid: number };
    /** `hash` gets the affine coordinates of the shared point and returns what `ecdh` returns. */
    ecdh(
      ...input: readonly [
        publicKey: Uint8Array,
        secretKey: Uint8Array,
        options: { readonly hashfn: (x: Uint8Array, y: Uint8Array) => Uint8Array },
        output: Uint8Array,
      ]
    ): Uint8Array;
    ecdsaRecover(signature: Uint8Array, recid: number, digest: Uint8Array): Uint8Array;
  };
  const native: Native;
  export = native;
}
