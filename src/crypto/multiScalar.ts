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

/** Bits of one digit below. Each digit costs 3·2^4 calls, each point one addition. */
const WINDOW_BITS = 4;

/**
 * Σ scalar·point of many points by Pippenger's method (SIAM J. Comput. 9, 1980): for each digit
 * position the points are sorted into one bucket per digit, and a bucket is added up in one call.
 */
export function bucketSum<Point>(
  terms: { readonly points: readonly Point[]; readonly scalars: readonly bigint[] },
  add: AddPoints<Point>,
): Point {
  const { points, scalars } = terms;
  assert(points.length === scalars.length, "a scalar for each point");
  const digits = scalars.map((scalar) => {
    assert(scalar >= 0n, "scalars are not negative");
    return scalar.toString(1 << WINDOW_BITS);
  });
  const length = Math.max(0, ...digits.map((text) => text.length));
  let sum: Point | null = null;
  for (let position = length; position > 0; position--) {
    if (sum !== null) sum = add(new Array<Point>(1 << WINDOW_BITS).fill(sum));
    const column = columnSum(points, digits, { position, add });
    if (column !== null) sum = sum === null ? column : add([sum, column]);
  }
  assert(sum !== null, "some scalar is positive");
  return sum;
}

/** Σ digit·point for the digits at `position`, counted from the right; null when all are zero. */
function columnSum<Point>(
  points: readonly Point[],
  digits: readonly string[],
  at: { readonly position: number; readonly add: AddPoints<Point> },
): Point | null {
  const buckets: Point[][] = Array.from({ length: 1 << WINDOW_BITS }, () => []);
  for (const [i, text] of digits.entries()) {
    const digit = Number.parseInt(text.at(-at.position) ?? "0", 1 << WINDOW_BITS);
    const point = points[i];
    if (digit > 0 && point !== undefined) buckets[digit]?.push(point);
  }
  // B_15 + (B_15 + B_14) + …: each bucket counts as often as its digit says.
  let running: Point | null = null;
  let total: Point | null = null;
  for (const bucket of buckets.slice(1).toReversed()) {
    const added: Point[] = running === null ? bucket : [running, ...bucket];
    running = added.length === 0 ? null : at.add(added);
    if (running !== null) total = total === null ? running : at.add([total, running]);
  }
  return total;
}
