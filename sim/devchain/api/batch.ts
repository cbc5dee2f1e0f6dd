import { ApiError } from "@lodestar/api/server";
import { ChainRejection } from "../rejection.ts";

/** The answer to a batch of which some items were refused: the others were taken. */
export class BatchError extends ApiError {
  readonly failures: readonly { readonly index: number; readonly message: string }[];

  constructor(failures: readonly { readonly index: number; readonly message: string }[]) {
    super(400, `Error processing items: ${failures.map(({ index }) => `#${index}`).join(", ")}`);
    this.failures = failures;
  }
}

/**
 * Hands over all items but those a fault refuses, and throws when any was refused. The Beacon API
 * asks for each item to be judged alone and for the failures by index.
 */
export function submitBatch<T>(
  items: readonly T[],
  failItems: readonly number[],
  submit: (accepted: T[]) => (ChainRejection | null)[],
): void {
  const accepted = items
    .map((item, index) => ({ item, index }))
    .filter(({ index }) => !failItems.includes(index));
  const results = submit(accepted.map(({ item }) => item));
  const failures = [
    ...failItems.filter((index) => index < items.length).map(injectedFailure),
    ...accepted.flatMap(({ index }, position) => {
      const message = results[position]?.message;
      return message === undefined ? [] : [{ index, message }];
    }),
  ].sort((a, b) => a.index - b.index);
  if (failures.length > 0) throw new BatchError(failures);
}

/** Judges items one by one with a function that throws its rejection. */
export function judgeEach<T>(
  items: readonly T[],
  judge: (item: T) => void,
): (ChainRejection | null)[] {
  return items.map((item) => {
    try {
      judge(item);
      return null;
    } catch (error) {
      if (error instanceof ChainRejection) return error;
      throw error;
    }
  });
}

function injectedFailure(index: number): { index: number; message: string } {
  return { index, message: "refused by an injected fault" };
}
