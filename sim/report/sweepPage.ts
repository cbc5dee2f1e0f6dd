/** The page of a sweep: heat maps over pairs of parameters, and how the times are spread. */
import type { Parameter, SweepRun } from "../sweep.ts";
import { cdf, heatMap, lineChart } from "./charts.ts";
import { html, type Markup } from "./html.ts";
import { milliseconds, percent, quantile } from "./scale.ts";
import { page } from "./theme.ts";

export type SweepResult = {
  readonly command: string;
  readonly commit: string;
  readonly parameters: readonly Parameter[];
  readonly runs: readonly SweepRun[];
};

const MS = { name: "milliseconds from a node's first step to its last", format: milliseconds };
/** Lines in one chart that can be told apart. */
const MAX_SERIES = 7;

export function sweepPage({ command, commit, parameters, runs }: SweepResult): string {
  const violations = runs.reduce((sum, run) => sum + run.violations, 0);
  const pairs = parameters.flatMap((x, index) =>
    parameters.slice(index + 1).map((y) => ({ x, y })),
  );
  const verdict =
    violations === 0
      ? html`<span class="good">no violation</span>`
      : html`<span class="bad">${violations} violations</span>`;
  return page(
    "Coterie sweep",
    html`<h1>Sweep of ${parameters.map(({ name }) => name).join(" and ")}</h1>
<p class="lead"><code>${command}</code> at commit ${commit}: ${runs.length} runs, ${verdict}</p>
${pairs.map((pair) => pairSection(pair, runs))}
<section><h2>How attester duties are spread</h2><p class="lead">All runs with one value, whatever
the other parameters.</p>
<div class="charts">${parameters.map((parameter) =>
      cdfOf(parameter, runs),
    )}${parameters.map((parameter) => growth(parameter, runs))}</div></section>
<section><h2>All cells</h2>${cellTable(parameters, runs)}</section>`,
  );
}

function pairSection(
  { x, y }: { readonly x: Parameter; readonly y: Parameter },
  runs: readonly SweepRun[],
): Markup {
  const cell = (column: number, row: number): readonly SweepRun[] =>
    runs.filter(({ point }) => point[x.name] === column && point[y.name] === row);
  const maps = [
    {
      title: "Median time of a duty",
      format: milliseconds,
      of: (own: readonly SweepRun[]) => quantile(timesOf(own), 0.5),
    },
    {
      title: "99th percentile",
      format: milliseconds,
      of: (own: readonly SweepRun[]) => quantile(timesOf(own), 0.99),
    },
    { title: "Duties done", format: percent, of: shareDone },
    {
      title: "Highest round",
      format: (value: number) => String(value),
      of: (own: readonly SweepRun[]) => Math.max(...own.map(({ rounds }) => rounds)),
    },
  ];
  return html`<section><h2>${x.name} and ${y.name}</h2><div class="charts">${maps.map(
    ({ title, format, of }) =>
      heatMap({ title, x, y, format, at: (column, row) => of(cell(column, row)) }),
  )}</div></section>`;
}

function cdfOf({ name, values }: Parameter, runs: readonly SweepRun[]): Markup {
  const every = Math.ceil(values.length / MAX_SERIES);
  const series = values
    .filter((_, index) => index % every === 0)
    .map((value) => ({
      name: `${name} ${value}`,
      samples: timesOf(runs.filter(({ point }) => point[name] === value)),
    }));
  return cdf({ title: `Times by ${name}`, x: MS, series });
}

function growth({ name, values }: Parameter, runs: readonly SweepRun[]): Markup {
  const at = (value: number, share: number): number =>
    quantile(timesOf(runs.filter(({ point }) => point[name] === value)), share);
  const measured = values.filter((value) => !Number.isNaN(at(value, 0.5)));
  return lineChart({
    title: `Median and 99th percentile by ${name}`,
    x: { name, format: (value) => String(value) },
    y: { name: "time of a duty", format: milliseconds },
    series: [0.5, 0.99].map((share) => ({
      name: share === 0.5 ? "median" : "99th percentile",
      points: measured.map((value) => [value, at(value, share)] as const),
    })),
  });
}

function cellTable(parameters: readonly Parameter[], runs: readonly SweepRun[]): Markup {
  const cells = new Map<string, SweepRun[]>();
  for (const run of runs) {
    const key = Object.values(run.point).join();
    cells.set(key, [...(cells.get(key) ?? []), run]);
  }
  const rows = [...cells.values()].map((own) => {
    const times = timesOf(own);
    const numbers = [
      String(own.length),
      percent(shareDone(own)),
      milliseconds(quantile(times, 0.5)),
      milliseconds(quantile(times, 0.99)),
    ];
    const place = parameters.map(({ name }) => String(own[0]?.point[name] ?? ""));
    return html`<tr>${[...place, ...numbers].map(
      (text) => html`<td
class="number">${text}</td>`,
    )}</tr>`;
  });
  const heads = [...parameters.map(({ name }) => name), "runs", "done", "p50", "p99"];
  return html`<table><thead><tr>${heads.map(
    (text) => html`<th
class="number">${text}</th>`,
  )}</tr></thead><tbody>${rows}</tbody></table>`;
}

function timesOf(runs: readonly SweepRun[]): readonly number[] {
  return runs.flatMap(({ durations }) => durations);
}

function shareDone(runs: readonly SweepRun[]): number {
  const done = runs.reduce((sum, run) => sum + run.done, 0);
  const missed = runs.reduce((sum, run) => sum + run.missed, 0);
  return done + missed === 0 ? Number.NaN : done / (done + missed);
}
