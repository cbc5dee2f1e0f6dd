/**
 * Assertions for our own invariants. A failed assertion is a bug in Coterie, never a bad input: it
 * stops the process (DESIGN: bugs crash, rejections are values, faults are retried).
 */

/** Thrown when an invariant of this program broke. Nothing may catch it except the process edge. */
export class Bug extends Error {
  override readonly name = "Bug";
}

/** Throws a {@link Bug} unless `condition` holds; `message` states what should have been true. */
export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new Bug(message);
}

/** Marks a branch that the types prove unreachable, e.g. the end of an exhaustive switch. */
export function assertNever(value: never): never {
  throw new Bug(`unreachable value: ${JSON.stringify(value)}`);
}
