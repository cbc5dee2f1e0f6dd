/** The whole run on one strip: how each duty of each slot went, and what was wrong meanwhile. */
import { html, type Markup } from "./html.ts";
import type { Band, RunModel } from "./runModel.ts";
import { linear } from "./scale.ts";
import { BAD, FAINT, GOOD, GRID, INK } from "./theme.ts";

const WIDTH = 1440;
const LEFT = 132;
const ROW = 34;
const BAND = 30;
const MAX_BANDS = 24;
/** Narrower cells would be lines. */
const MAX_CELLS = 128;
const PARTLY = "#e69f00";

const BAND_COLOURS: readonly (readonly [RegExp, string])[] = [
  [/^(partition|one-way|broken-link|loss|clog|capacity|delay|duplication|reordering)$/, "#0072b2"],
  [/^(byzantine|foreign-signer)$/, "#7a4fa3"],
  [/^(crash|down|clock|disk|write)/, "#c03a00"],
  [/^beacon|^reorg$|^late-blocks$|^empty-slots$/, "#b8860b"],
  [/^client/, "#3d4a5c"],
];

export function timeline(model: RunModel): Markup {
  const types = [...new Set(model.slots.flatMap(({ duties }) => [...duties.keys()]))].sort();
  const slots = Math.max(
    model.header?.scenario.slots ?? 0,
    ...model.slots.map(({ slot }) => slot + 1),
  );
  const perCell = Math.ceil(slots / MAX_CELLS);
  const x = linear([0, slots], [LEFT, WIDTH - 16]);
  const bands = model.bands.slice(0, MAX_BANDS);
  const top = 30;
  const bandsTop = top + types.length * ROW + 16;
  const height = bandsTop + bands.length * BAND + 36;
  const rows = types.map((type, row) =>
    dutyRow({ model, type, x: x.at, y: top + row * ROW, perCell }),
  );
  const drawn = bands.map((band, row) =>
    bandRow(band, { y: bandsTop + row * BAND, slots, slotMs: model.slotMs, x: x.at }),
  );
  const ticks = x.ticks.map(
    (tick) => html`<line x1="${x.at(tick)}" x2="${x.at(tick)}" y1="${top}" y2="${height - 26}"
stroke="${GRID}"/>
<text x="${x.at(tick)}" y="${height - 6}" text-anchor="middle" class="faint">${tick}</text>`,
  );
  const more = model.bands.length - bands.length;
  return html`<svg viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img"
aria-label="Duties and faults by slot">
${ticks}<text x="${LEFT - 12}" y="${height - 6}" text-anchor="end" class="faint">slot</text>
${rows}${drawn}</svg>${more > 0 ? html`<p class="lead">and ${more} more faults</p>` : null}`;
}

function dutyRow(row: {
  readonly model: RunModel;
  readonly type: string;
  readonly x: (slot: number) => number;
  readonly y: number;
  readonly perCell: number;
}): Markup {
  const { model, type, x, y, perCell } = row;
  const cells = new Map<number, { done: number; missed: number; rounds: number }>();
  for (const { slot, duties } of model.slots) {
    const duty = duties.get(type);
    if (duty === undefined) continue;
    const at = Math.floor(slot / perCell) * perCell;
    const cell = cells.get(at) ?? { done: 0, missed: 0, rounds: 0 };
    cell.done += duty.done;
    cell.missed += duty.missed;
    cell.rounds = Math.max(cell.rounds, duty.rounds);
    cells.set(at, cell);
  }
  const drawn = [...cells].map(([slot, { done, missed, rounds }]) => {
    const colour = missed === 0 ? GOOD : done === 0 ? BAD : PARTLY;
    const width = Math.max(x(slot + perCell) - x(slot) - 2, 1);
    const middle = x(slot) + width / 2;
    const number =
      rounds > 1 && width > 12
        ? html`<text x="${middle}" y="${y + 19}" text-anchor="middle" style="fill:#fff"
class="strong">${rounds}</text>`
        : null;
    return html`<g><title>slot ${slot} ${type}: ${done} nodes done, ${missed} missed, round
${rounds}</title>
<rect x="${x(slot)}" y="${y}" width="${width}" height="${ROW - 8}" rx="3"
fill="${colour}"/>${number}</g>`;
  });
  return html`<text x="${LEFT - 12}" y="${y + 19}" text-anchor="end"
class="strong">${type}</text>${drawn}`;
}

function bandRow(
  band: Band,
  {
    x,
    y,
    slots,
    slotMs,
  }: {
    readonly x: (slot: number) => number;
    readonly y: number;
    readonly slots: number;
    readonly slotMs: number;
  },
): Markup {
  const colour = BAND_COLOURS.find(([pattern]) => pattern.test(band.kind))?.[1] ?? FAINT;
  const from = x(Math.max(0, band.from / slotMs));
  const to = Math.max(x(Math.min(slots, band.to === null ? slots : band.to / slotMs)), from + 3);
  const isRight = from > WIDTH * 0.6;
  const [anchor, at] = isRight ? ["end", from - 8] : ["start", to + 8];
  const fits = to - from > band.label.length * 8.2 + 16;
  const label = fits
    ? html`<text x="${from + 8}" y="${y + 17}" style="fill:#fff">${band.label}</text>`
    : html`<text x="${at}" y="${y + 17}" text-anchor="${anchor}"
style="fill:${INK}">${band.label}</text>`;
  return html`<rect x="${from}" y="${y}" width="${to - from}" height="${BAND - 6}" rx="3"
fill="${colour}"/>${label}`;
}

export const timelineLegend = [
  { name: "every node did its part", colour: GOOD },
  { name: "some nodes missed it", colour: PARTLY },
  { name: "all missed it", colour: BAD },
] as const;
