/** Axes: where an instant or a number is drawn, and what is written beside it. */

export type Scale = {
  readonly at: (value: number) => number;
  /** Marks at round values, none of them in a gap. */
  readonly ticks: readonly number[];
  /** Stretches that are drawn shorter than they are, in drawing units. */
  readonly gaps: readonly { readonly from: number; readonly to: number; readonly ms: number }[];
};

const GAP_WIDTH = 54;
/** Silences that may as well be drawn as long as they are. */
const SHORT_MS = 60;

/** Drawing units between two marks: numbers stand side by side, or one above the other. */
const TICK_WIDTH = 110;
const TICK_HEIGHT = 56;

export function linear(
  [from, to]: readonly [number, number],
  [start, end]: readonly [number, number],
): Scale {
  const span = to - from || 1;
  const at = (value: number): number => start + ((value - from) / span) * (end - start);
  // Upwards is towards smaller numbers.
  const apart = end < start ? TICK_HEIGHT : TICK_WIDTH;
  return { at, ticks: roundValues(from, to, Math.abs(end - start) / apart), gaps: [] };
}

/**
 * Time with the long silences cut out: in a slot of twelve seconds, what matters happens within a
 * few milliseconds here and a few there. `times` are the instants at which something happens.
 */
export function compressed(
  times: readonly number[],
  [left, right]: readonly [number, number],
): Scale {
  const sorted = [...new Set(times)].sort((a, b) => a - b);
  const [first = 0] = sorted;
  const last = sorted.at(-1) ?? first;
  const steps = sorted.slice(1).map((time, index) => time - (sorted[index] ?? 0));
  const longest = Math.max((last - first) / 30, 4 * median(steps), SHORT_MS);
  const pieces: { from: number; to: number; isGap: boolean }[] = [];
  let start = first;
  for (const [index, step] of steps.entries()) {
    if (step <= longest) continue;
    const before = sorted[index] ?? 0;
    pieces.push(
      { from: start, to: before, isGap: false },
      { from: before, to: before + step, isGap: true },
    );
    start = before + step;
  }
  pieces.push({ from: start, to: last, isGap: false });
  return drawn(pieces, left, right);
}

function drawn(
  pieces: readonly { readonly from: number; readonly to: number; readonly isGap: boolean }[],
  left: number,
  right: number,
): Scale {
  const shown = pieces.filter(({ isGap }) => !isGap);
  const milliseconds = shown.reduce((sum, { from, to }) => sum + Math.max(to - from, 0), 0) || 1;
  const room = right - left - GAP_WIDTH * (pieces.length - shown.length);
  const perMs = room / milliseconds;
  let x = left;
  const placed = pieces.map((piece) => {
    const width = piece.isGap ? GAP_WIDTH : (piece.to - piece.from) * perMs;
    const placement = { ...piece, x, width };
    x += width;
    return placement;
  });
  const at = (value: number): number => {
    const piece = placed.find(({ to }) => value <= to) ?? placed.at(-1);
    if (piece === undefined) return left;
    const share = piece.to === piece.from ? 0 : (value - piece.from) / (piece.to - piece.from);
    return piece.x + Math.max(0, Math.min(1, share)) * piece.width;
  };
  const ticks = placed.flatMap(({ from, to, width, isGap }) =>
    isGap || width < 30 ? [] : roundValues(from, to, Math.max(width / 110, 1)),
  );
  const gaps = placed
    .filter(({ isGap }) => isGap)
    .map(({ x: from, width, ...piece }) => ({ from, to: from + width, ms: piece.to - piece.from }));
  return { at, ticks, gaps };
}

/** About `count` round values within the bounds. */
export function roundValues(from: number, to: number, count: number): readonly number[] {
  const raw = (to - from) / Math.max(count, 1);
  if (!(raw > 0) || !Number.isFinite(raw)) return [from];
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((each) => each >= raw) ?? raw;
  const values: number[] = [];
  for (let index = Math.ceil(from / step); index * step <= to; index++) values.push(index * step);
  return values;
}

/** The value below which `share` of the samples are; NaN of none. */
export function quantile(samples: readonly number[], share: number): number {
  if (samples.length === 0) return Number.NaN;
  const sorted = [...samples].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN;
}

export function milliseconds(value: number): string {
  if (Number.isNaN(value)) return "–";
  if (Math.abs(value) >= 10_000) return `${(value / 1_000).toFixed(1)} s`;
  if (Math.abs(value) >= 1_000) return `${(value / 1_000).toFixed(2)} s`;
  return `${value < 10 ? Number(value.toFixed(1)) : Math.round(value)} ms`;
}

/** An instant on an axis whose marks are `step` apart: as many digits as tell them apart. */
export function instant(value: number, step: number): string {
  if (value < 1_000 || step >= 1_000) return milliseconds(value);
  const digits = step >= 100 ? 1 : step >= 10 ? 2 : 3;
  return `${(value / 1_000).toFixed(digits)} s`;
}

export function percent(share: number): string {
  const value = 100 * share;
  return `${value === 100 || value === 0 ? value : value.toFixed(value > 99 ? 2 : 1)} %`;
}

function median(values: readonly number[]): number {
  return values.length === 0 ? 0 : quantile(values, 0.5);
}
