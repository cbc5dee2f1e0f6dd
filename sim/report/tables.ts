/** What is said in numbers: the stages' times and the invariants. */
import { STEPS } from "../../src/core/interfaces.ts";
import type { Millis } from "../../src/domain/units.ts";
import { html, type Markup } from "./html.ts";
import type { RunModel } from "./runModel.ts";
import { milliseconds, quantile } from "./scale.ts";
import { GRID, INK, STAGES } from "./theme.ts";

const BAR_WIDTH = 520;

export function stageTable({ stages, totals }: Pick<RunModel, "stages" | "totals">): Markup {
  const rows = STEPS.flatMap((step) => {
    const samples = stages.get(step);
    if (step === "scheduled" || samples === undefined) return [];
    const { name, colour } = STAGES[step];
    return [{ name, colour, samples }];
  });
  const longest = Math.max(...rows.map(({ samples }) => quantile(samples, 0.99)), 1);
  const sums = [...totals].map(([type, samples]) => ({
    name: `${type}: slot's start to submission`,
    colour: INK,
    samples,
  }));
  return html`<table><thead><tr><th>stage</th><th class="number">times</th><th
class="number">p50</th>
<th class="number">p90</th><th class="number">p99</th><th class="number">longest</th>
<th>p50 and p99, logarithmic</th></tr></thead>
<tbody>${rows.map((row) => stageRow(row, bar(row, longest)))}${sums.map((row) =>
    stageRow(row, null),
  )}</tbody></table>`;
}

type Row = { readonly name: string; readonly colour: string; readonly samples: readonly Millis[] };

function stageRow({ name, samples }: Row, drawing: Markup | null): Markup {
  const cell = (share: number): Markup =>
    html`<td class="number">${milliseconds(quantile(samples, share))}</td>`;
  return html`<tr><td>${name}</td><td class="number">${samples.length}</td>${[
    0.5, 0.9, 0.99, 1,
  ].map(cell)}<td>${drawing}</td></tr>`;
}

function bar({ colour, samples }: Row, longest: Millis): Markup {
  // A median of milliseconds beside a percentile of seconds: both are to be seen.
  const x = (share: number): number =>
    (Math.log1p(quantile(samples, share)) / Math.log1p(longest)) * BAR_WIDTH;
  const middle = Math.max(x(0.5), 2);
  return html`<svg viewBox="0 0 ${BAR_WIDTH} 22" width="${BAR_WIDTH}" height="22"
aria-hidden="true">
<rect width="${BAR_WIDTH}" y="10" height="2" fill="${GRID}"/>
<rect width="${Math.max(x(0.99), 2)}" y="7" height="8" rx="2" fill="${colour}" opacity="0.4"/>
<rect width="${middle}" y="2" height="18" rx="2" fill="${colour}"/></svg>`;
}

export function invariantTable({
  verdicts,
  violations,
}: Pick<RunModel, "verdicts" | "violations">): Markup {
  if (verdicts.length === 0)
    return html`<p class="bad">The trace ends before the checkers spoke.</p>`;
  const rows = verdicts.map(({ checker, passed, checked }) => {
    const broken = violations.filter((each) => each.checker === checker);
    const [first] = broken;
    const detail =
      first === undefined
        ? null
        : html`at ${(first.at / 1_000).toFixed(3)} s: ${first.message}${
            broken.length > 1
              ? ` (and
${broken.length - 1} more)`
              : null
          }`;
    return html`<tr><td>${checker}</td><td class="${passed ? "good" : "bad"}">${
      passed ? "✓ holds" : "✕ broken"
    }</td>
<td class="number">${checked}</td><td>${detail}</td></tr>`;
  });
  return html`<table><thead><tr><th>invariant</th><th>verdict</th><th class="number">looked
at</th><th>first violation</th></tr></thead>
<tbody>${rows}</tbody></table>`;
}
