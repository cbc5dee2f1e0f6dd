/**
 * Sums of scalar multiples of public points. blst's binding adds lists of points and nothing else,
 * so multiplication is built of additions: Straus' interleaved double-and-add (Amer. Math. Monthly
 * 71, 1964), all doublings shared, each step one call with the accumulator repeated.
 *
 * Variable time, for public points and public scalars only.
 */
import { assert } from "../util/assert.ts";

export type Term<Point> = { readonly point: Point; readonly scalar: bigint };
/** Adds a list of at least one point; repeated points and infinity are allowed. */
export type AddPoints<Point> = (points: Point[]) => Point;

/** Scalars up to this many bits are cheaper bit by bit than with a table of small multiples. */
const SMALL_BITS = 12;

/** Σ scalar·point of at least one term with positive scalars. */
export function multiScalar<Point>(terms: readonly Term<Point>[], add: AddPoints<Point>): Point {
  assert(
    terms.length > 0 && terms.every(({ scalar }) => scalar > 0n),
    "Straus' method is used with positive scalars",
  );
  const bits = Math.max(...terms.map(({ scalar }) => scalar.toString(2).length));
  const base = bits <= SMALL_BITS ? 2 : 4;
  const digits = terms.map(({ scalar }) => scalar.toString(base));
  const length = Math.max(...digits.map((text) => text.length));
  const columns = digits.map((text) => text.padStart(length, "0"));
  const tables = terms.map(({ point }) => multiples(point, base, add));

  let sum: Point | null = null;
  for (let column = 0; column < length; column++) {
    const addends: Point[] = sum === null ? [] : new Array<Point>(base).fill(sum);
    for (const [i, text] of columns.entries()) {
      const multiple = tables[i]?.[Number(text[column])];
      if (multiple !== undefined) addends.push(multiple);
    }
    sum = add(addends);
  }
  assert(sum !== null, "a positive scalar has digits");
  return sum;
}

/** Entry d is d·point; entry 0 is absent. */
function multiples<Point>(
  point: Point,
  count: number,
  add: AddPoints<Point>,
): readonly (Point | undefined)[] {
  const table: (Point | undefined)[] = [undefined, point];
  let last = point;
  while (table.length < count) {
    last = add([last, point]);
    table.push(last);
  }
  return table;
}
