/** One duty at every node as bars: which step took how long, from the slot's start. */
import { STEPS, type Step } from "../../src/core/interfaces.ts";
import type { Millis } from "../../src/domain/units.ts";
import { html, type Markup } from "./html.ts";
import type { DutyDetail } from "./runModel.ts";
import { compressed, instant, milliseconds, type Scale } from "./scale.ts";
import { BAD, FAINT, GRID, STAGES } from "./theme.ts";

const WIDTH = 1400;
const LEFT = 96;
const RIGHT = 170;
const ROW = 32;
const TOP = 8;

export function waterfall({ steps, missed }: DutyDetail, slotAt: Millis): Markup {
  const nodes = [...new Set([...steps.keys(), ...missed.keys()])].sort((a, b) => a - b);
  const times = [...steps.values()].flatMap((own) => [...own.values()].map((at) => at - slotAt));
  if (times.length === 0) return html`<p class="lead">No node began it.</p>`;
  const x = compressed(times, [LEFT, WIDTH - RIGHT]);
  const height = TOP + nodes.length * ROW + 34;
  const rows = nodes.map((node, row) => {
    const own = steps.get(node) ?? new Map<Step, Millis>();
    const y = TOP + row * ROW;
    return html`<text x="${LEFT - 12}" y="${y + 18}" text-anchor="end" class="strong">node
${node}</text>
${bars(own, { x, y, slotAt })}${ending(own, { x, y, slotAt, stoppedAfter: missed.get(node) })}`;
  });
  return html`<svg viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img"
aria-label="Steps of the duty at each node">${timeAxis(x, {
    top: TOP,
    bottom: height - 26,
  })}${rows}</svg>`;
}

/** Marks, labels and cut-out stretches of a time axis below a drawing. */
export function timeAxis(
  x: Scale,
  { top, bottom }: { readonly top: number; readonly bottom: number },
): Markup {
  const steps = x.ticks.slice(1).map((tick, index) => tick - (x.ticks[index] ?? 0));
  const step = Math.min(...steps, 1_000);
  const marks = x.ticks.map(
    (tick) => html`<line x1="${x.at(tick)}" x2="${x.at(tick)}" y1="${top}" y2="${bottom}"
stroke="${GRID}"/>
<text x="${x.at(tick)}" y="${bottom + 20}" text-anchor="middle" class="faint">${instant(
      tick,
      step,
    )}</text>`,
  );
  let labelled = Number.NEGATIVE_INFINITY;
  const gaps = x.gaps.map(({ from, to, ms }) => {
    const middle = (from + to) / 2;
    const isFree = middle - labelled > 72;
    if (isFree) labelled = middle;
    return html`<rect x="${from}" y="${top}" width="${to - from}" height="${bottom - top}"
fill="#eef1f5"/>
<line x1="${middle}" x2="${middle}" y1="${top}" y2="${bottom}" stroke="#fff" stroke-width="5"/>
${
  isFree
    ? html`<text x="${middle}" y="${bottom + 20}" text-anchor="middle"
class="faint">+${milliseconds(ms)}</text>`
    : null
}`;
  });
  return html`<g>${gaps}${spread(x, marks)}</g>`;
}

/** Leaves out marks that would touch a cut-out stretch's label or one another. */
function spread(x: Scale, marks: readonly Markup[]): readonly Markup[] {
  const centres = x.gaps.map(({ from, to }) => (from + to) / 2);
  let last = Number.NEGATIVE_INFINITY;
  return marks.filter((_, index) => {
    const at = x.at(x.ticks[index] ?? 0);
    const isFree = at - last > 72 && centres.every((centre) => Math.abs(centre - at) > 72);
    if (isFree) last = at;
    return isFree;
  });
}

type Row = { readonly x: Scale; readonly y: number; readonly slotAt: Millis };

function bars(steps: ReadonlyMap<Step, Millis>, { x, y, slotAt }: Row): readonly Markup[] {
  const known = STEPS.filter((step) => steps.has(step));
  return known.slice(1).map((step, index) => {
    const before = known[index] ?? step;
    const [from, to] = [(steps.get(before) ?? 0) - slotAt, (steps.get(step) ?? 0) - slotAt];
    const stage = step === "scheduled" ? null : STAGES[step];
    const width = Math.max(x.at(to) - x.at(from), 1.5);
    return html`<g><title>${stage?.name}: ${milliseconds(to - from)}, until
${milliseconds(to)}</title>
<rect x="${x.at(from)}" y="${y + 3}" width="${width}" height="${ROW - 9}"
fill="${stage?.colour}"/></g>`;
  });
}

function ending(
  steps: ReadonlyMap<Step, Millis>,
  { x, y, slotAt, stoppedAfter }: Row & { readonly stoppedAfter: string | undefined },
): Markup | null {
  const last = Math.max(...steps.values(), slotAt) - slotAt;
  const at = x.at(last) + 10;
  if (stoppedAfter !== undefined) {
    return html`<text x="${at}" y="${y + 18}" class="strong" style="fill:${BAD}">✕ after
${stoppedAfter}</text>`;
  }
  const done = steps.get("broadcast");
  if (done === undefined) return null;
  return html`<text x="${at}" y="${y + 18}" style="fill:${FAINT}">${milliseconds(
    done - slotAt,
  )}</text>`;
}
