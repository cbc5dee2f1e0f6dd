/** The built-in signer: this operator's key shares, decrypted at start-up, sign in this process. */
import type { LockIndex } from "../domain/keys.ts";
import { bytesOf } from "../domain/keys.ts";
import type { PartialSigner, SignedTask } from "../ports/partialSigner.ts";
import { assert } from "../util/assert.ts";
import { parseSecretKey, type SigningKey } from "./points.ts";

/** One validator's key share: 32 secret bytes. Never logged, never serialised. */
export type ShareSecret = { readonly validator: LockIndex; readonly secret: Uint8Array };

/** Throws a Bug for bytes that are no secret key: keystores are checked when they are read. */
export function createBuiltinSigner(shares: readonly ShareSecret[]): PartialSigner {
  const keys = new Map<LockIndex, SigningKey>();
  for (const { validator, secret } of shares) {
    const key = parseSecretKey(secret);
    assert(key !== null, `the key share of validator ${validator} is a secret key`);
    keys.set(validator, key);
  }
  return {
    validators: new Set(keys.keys()),
    sign(tasks) {
      const signed = tasks.flatMap((task): SignedTask[] => {
        const key = keys.get(task.validator);
        return key === undefined ? [] : [{ task, signature: key.sign(bytesOf(task.signingRoot)) }];
      });
      return Promise.resolve(signed);
    },
  };
}
