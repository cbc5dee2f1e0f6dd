import type { SigningTask } from "../domain/data.ts";
import type { LockIndex, Signature } from "../domain/keys.ts";

export type SignedTask = { readonly task: SigningTask; readonly signature: Signature };

/** Who holds this operator's key shares and signs with them. */
export interface PartialSigner {
  /** Validators of the lock whose share this signer holds. */
  readonly validators: ReadonlySet<LockIndex>;
  /** Signs the tasks of validators it holds; a task that fails is missing from the result. */
  sign(tasks: readonly SigningTask[], signal: AbortSignal): Promise<readonly SignedTask[]>;
}
