/** A batch handed to every endpoint: what each took, and what none did (BN-4). */
import { z } from "zod";
import { FaultError } from "../../domain/errors.ts";
import type { ItemFailure } from "../../ports/beaconNode.ts";
import type { Endpoint, Rejected } from "./endpoint.ts";

const indexedErrors = z.object({
  failures: z
    .array(z.object({ index: z.coerce.number().int().min(0), message: z.string().max(10_000) }))
    .min(1),
});

/**
 * The items that an endpoint did not take. Throws `FaultError("beacon_rejected")` when it took the
 * batch as a whole for wrong.
 */
export function failuresIn(
  { status, message, json }: Rejected,
  endpoint: Endpoint,
  itemCount: number,
): readonly ItemFailure[] {
  const parsed = indexedErrors.safeParse(json);
  if (status === 400 && parsed.success) {
    const { failures } = parsed.data;
    if (failures.every(({ index }) => index < itemCount)) return failures;
  }
  throw new FaultError("beacon_rejected", `${endpoint.label}: HTTP ${status} ${message}`);
}

/**
 * Resolves as soon as each item was taken by some endpoint, else once all have answered, with the
 * items that none took. Throws a fault when no endpoint answered at all: one that passes, if there
 * is any, since an endpoint that refused everything may be the one in the wrong.
 */
export function mergeSubmissions(
  submissions: readonly Promise<readonly ItemFailure[]>[],
): Promise<readonly ItemFailure[]> {
  return new Promise((resolve, reject) => {
    // What has not been taken yet, with the reason of the endpoint that last refused it.
    let untaken: ReadonlyMap<number, string> | null = null;
    let fault: FaultError | null = null;
    let open = submissions.length;
    const settle = (): void => {
      open--;
      if (untaken?.size === 0) resolve([]);
      if (open > 0) return;
      if (untaken === null) reject(fault);
      else resolve([...untaken].map(([index, message]) => ({ index, message })));
    };
    for (const submission of submissions) {
      submission.then(
        (failures) => {
          const before = untaken;
          const remaining = failures.filter(({ index }) => before === null || before.has(index));
          untaken = new Map(remaining.map(({ index, message }) => [index, message]));
          settle();
        },
        (error) => {
          if (!(error instanceof FaultError)) reject(error);
          else if (fault === null || (error.retryable && !fault.retryable)) fault = error;
          settle();
        },
      );
    }
  });
}
