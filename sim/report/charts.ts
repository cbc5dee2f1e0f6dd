/** Charts of many runs: how a number is spread, where it is large, how it grows. */
import { html, type Markup } from "./html.ts";
import { linear, quantile, type Scale } from "./scale.ts";
import { FAINT, GRID, INK, SERIES, shade } from "./theme.ts";

export type Axis = { readonly name: string; readonly format: (value: number) => string };
export type Series = {
  readonly name: string;
  readonly points: readonly (readonly [number, number])[];
  /** Drawn as a band below and above the line. */
  readonly spread?: readonly (readonly [number, number, number])[];
};

const WIDTH = 720;
const HEIGHT = 420;
const LEFT = 92;
const RIGHT = 24;
const TOP = 48;
const BOTTOM = 66;
const ROW = 27;
const MAX_CDF_POINTS = 200;
/** A colour is dark enough for white letters from here on. */
const DARK = 0.5;

/** A number for each pair of values of two parameters. */
export function heatMap(chart: {
  readonly title: string;
  readonly x: { readonly name: string; readonly values: readonly number[] };
  readonly y: { readonly name: string; readonly values: readonly number[] };
  /** NaN where there is none. */
  readonly at: (x: number, y: number) => number;
  readonly format: (value: number) => string;
}): Markup {
  const { title, x, y, at, format } = chart;
  const [cellWidth, cellHeight] = [
    (WIDTH - LEFT - RIGHT) / x.values.length,
    (HEIGHT - TOP - BOTTOM) / y.values.length,
  ];
  const all = x.values
    .flatMap((column) => y.values.map((row) => at(column, row)))
    .filter(Number.isFinite);
  const [low, high] = [Math.min(...all), Math.max(...all)];
  const cells = y.values.flatMap((row, line) =>
    x.values.map((column, place) => {
      const value = at(column, row);
      const share = Number.isFinite(value) ? (value - low) / (high - low || 1) : 0;
      const [left, top] = [
        LEFT + place * cellWidth,
        TOP + (y.values.length - 1 - line) * cellHeight,
      ];
      const fill = Number.isFinite(value) ? shade(share) : GRID;
      return html`<rect x="${left + 1}" y="${top + 1}" width="${cellWidth - 2}"
height="${cellHeight - 2}" rx="4" fill="${fill}"/>
<text x="${left + cellWidth / 2}" y="${top + cellHeight / 2 + 6}" text-anchor="middle"
class="strong" style="fill:${share > DARK ? "#fff" : INK}">${
        Number.isFinite(value) ? format(value) : "–"
      }</text>`;
    }),
  );
  const columns = x.values.map(
    (value, place) =>
      html`<text x="${LEFT + (place + 0.5) * cellWidth}" y="${HEIGHT - BOTTOM + 24}"
text-anchor="middle">${value}</text>`,
  );
  const rows = y.values.map(
    (value, line) =>
      html`<text x="${LEFT - 12}" y="${TOP + (y.values.length - 0.5 - line) * cellHeight + 5}"
text-anchor="end">${value}</text>`,
  );
  return frame(title, html`${cells}${columns}${rows}${axisNames(x.name, y.name)}`);
}

/** For each series the share of its samples that are at most so large. */
export function cdf(chart: {
  readonly title: string;
  readonly x: Axis;
  readonly series: readonly { readonly name: string; readonly samples: readonly number[] }[];
}): Markup {
  const drawn = chart.series
    .filter(({ samples }) => samples.length > 0)
    .map(({ name, samples }) => ({ name, points: stairs(samples) }));
  return lineChart({
    ...chart,
    series: drawn,
    y: { name: "share", format: (value) => `${Math.round(100 * value)} %` },
  });
}

export function lineChart(chart: {
  readonly title: string;
  readonly x: Axis;
  readonly y: Axis;
  readonly series: readonly Series[];
  /** A vertical line that is worth a name. */
  readonly mark?: { readonly at: number; readonly name: string };
}): Markup {
  const { title, x, y, series, mark } = chart;
  const points = series.flatMap((each) => each.points);
  const tops = series.flatMap(({ spread = [] }) => spread.map(([, , high]) => high));
  const right = Math.max(...points.map(([value]) => value), mark?.at ?? 0);
  const left = Math.min(...points.map(([value]) => value), right);
  const across = linear([left > 0 && left < right / 3 ? 0 : left, right], [LEFT, WIDTH - RIGHT]);
  const highest = Math.max(...points.map(([, value]) => value), ...tops, 0);
  const up = linear([0, highest * (highest === 1 ? 1.0 : 1.06) || 1], [HEIGHT - BOTTOM, TOP]);
  const drawn = series.map((each, index) =>
    line(each, { across, up, colour: SERIES[index % SERIES.length] ?? INK }),
  );
  const marked =
    mark &&
    html`<line x1="${across.at(mark.at)}" x2="${across.at(mark.at)}" y1="${TOP}"
y2="${HEIGHT - BOTTOM}" stroke="${FAINT}" stroke-width="2" stroke-dasharray="6 5"/>
<text x="${across.at(mark.at) + 7}" y="${TOP + 16}" style="fill:${FAINT}">${mark.name}</text>`;
  return frame(
    title,
    html`${grid({ across, up, x, y })}${drawn}${marked}${axisNames(x.name, y.name)}`,
    names(series),
  );
}

function line(
  { points, spread = [] }: Series,
  { across, up, colour }: { readonly across: Scale; readonly up: Scale; readonly colour: string },
): Markup {
  const place = ([x, y]: readonly [number, number]): string =>
    `${across.at(x).toFixed(1)} ${up.at(y).toFixed(1)}`;
  const area = [
    ...spread.map(([x, , high]) => place([x, high])),
    ...[...spread].reverse().map(([x, low]) => place([x, low])),
  ];
  const dots =
    points.length <= 24
      ? points.map(
          ([x, y]) =>
            html`<circle cx="${across.at(x)}" cy="${up.at(y)}" r="4.5" fill="${colour}"/>`,
        )
      : null;
  return html`${
    area.length > 0
      ? html`<path d="M${area.join("L")}z" fill="${colour}"
opacity="0.13"/>`
      : null
  }
<path d="M${points.map(place).join("L")}" fill="none" stroke="${colour}" stroke-width="3.5"
stroke-linejoin="round"/>${dots}`;
}

function grid(axes: {
  readonly across: Scale;
  readonly up: Scale;
  readonly x: Axis;
  readonly y: Axis;
}): Markup {
  const { across, up, x, y } = axes;
  const rows = up.ticks.map(
    (tick) => html`<line x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${up.at(tick)}" y2="${up.at(tick)}"
stroke="${GRID}"/>
<text x="${LEFT - 10}" y="${up.at(tick) + 5}" text-anchor="end"
class="faint">${y.format(tick)}</text>`,
  );
  const columns = across.ticks.map(
    (tick) =>
      html`<text x="${across.at(tick)}" y="${HEIGHT - BOTTOM + 24}" text-anchor="middle"
class="faint">${x.format(tick)}</text>`,
  );
  return html`${rows}${columns}<line x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${HEIGHT - BOTTOM}"
y2="${HEIGHT - BOTTOM}" stroke="${FAINT}"/>`;
}

/** The names of the lines below the chart, in as many rows as they need. */
function names(series: readonly { readonly name: string }[]): Below {
  let [x, row] = [LEFT, 0];
  const entries = series.map(({ name }, index) => {
    const width = 44 + name.length * 8.2;
    if (x > LEFT && x + width > WIDTH) [x, row] = [LEFT, row + 1];
    const [left, top] = [x, HEIGHT + 2 + row * ROW];
    x += width;
    return html`<rect x="${left}" y="${top}" width="16" height="16" rx="4"
fill="${SERIES[index % SERIES.length]}"/>
<text x="${left + 23}" y="${top + 13}">${name}</text>`;
  });
  return { drawing: html`${entries}`, height: (row + 1) * ROW };
}

function axisNames(x: string, y: string): Markup {
  const middle = (TOP + HEIGHT - BOTTOM) / 2;
  return html`<text x="${(LEFT + WIDTH - RIGHT) / 2}" y="${HEIGHT - 14}" text-anchor="middle"
class="strong">${x}</text>
<text x="20" y="${middle}" text-anchor="middle" class="strong"
transform="rotate(-90 20 ${middle})">${y}</text>`;
}

type Below = { readonly drawing: Markup; readonly height: number };

function frame(title: string, drawing: Markup, below: Below | null = null): Markup {
  const height = HEIGHT + (below?.height ?? 0);
  return html`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}"
width="${WIDTH}" height="${height}" role="img" aria-label="${title}"
font-family="system-ui, 'Segoe UI', 'Helvetica Neue', 'DejaVu Sans', sans-serif" font-size="15"
fill="${INK}"><rect width="${WIDTH}" height="${height}" fill="#fff"/>
<text x="${LEFT - 70}" y="26" class="strong" style="font-size:18px"
font-weight="600">${title}</text>${drawing}${below?.drawing}</svg>`;
}

/** A CDF has as many steps as samples; a page needs no more than it can show. */
function stairs(samples: readonly number[]): readonly (readonly [number, number])[] {
  const count = Math.min(samples.length, MAX_CDF_POINTS);
  const points = Array.from({ length: count }, (_, index): readonly [number, number] => {
    const share = (index + 1) / count;
    return [quantile(samples, share - 1 / count / 2), share];
  });
  return [[points[0]?.[0] ?? 0, 0], ...points];
}
