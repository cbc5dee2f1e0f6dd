/** One QBFT instance as lanes and arrows: who said what to whom, in which round, what was lost. */
import type { Millis } from "../../src/domain/units.ts";
import type { MessageType } from "../../src/qbft/messages.ts";
import { html, type Markup } from "./html.ts";
import type { DutyDetail, Flight } from "./runModel.ts";
import { compressed, milliseconds, type Scale } from "./scale.ts";
import { BAD, FAINT, GOOD, MESSAGES } from "./theme.ts";
import { timeAxis } from "./waterfall.ts";

const WIDTH = 1400;
const LEFT = 96;
const RIGHT = 60;
const TOP = 40;
const LANE = 62;
const MAX_ARROWS = 900;

export function roundDiagram(
  duty: DutyDetail,
  { nodes, slotAt }: { readonly nodes: number; readonly slotAt: Millis },
): Markup {
  const flights = duty.flights.filter((flight) => isVote(flight)).slice(0, MAX_ARROWS);
  if (flights.length === 0) return html`<p class="lead">Nothing was said.</p>`;
  const decided = [...duty.steps].flatMap(([node, steps]) => {
    const at = steps.get("decided");
    return at === undefined ? [] : [{ node, at: at - slotAt }];
  });
  const times = flights.flatMap(({ sentAt, arrivedAt }) => [
    sentAt - slotAt,
    (arrivedAt ?? sentAt) - slotAt,
  ]);
  const x = compressed([...times, ...decided.map(({ at }) => at)], [LEFT, WIDTH - RIGHT]);
  const laneGap = nodes > 7 ? 40 : LANE;
  const y = (node: number): number => TOP + node * laneGap;
  const bottom = y(nodes - 1) + 26;
  const lanes = Array.from(
    { length: nodes },
    (_, node) =>
      html`<text x="${LEFT - 12}" y="${y(node) + 5}" text-anchor="end" class="strong">node
${node}</text>
<line x1="${LEFT}" x2="${WIDTH - RIGHT + 20}" y1="${y(node)}" y2="${y(node)}" stroke="#aab4c0"
stroke-width="2"/>`,
  );
  const opacity = flights.length > 250 ? 0.45 : 0.85;
  const arrows = flights.map((flight) => arrow(flight, { x, y, slotAt, opacity }));
  const dots = decided.map(
    ({ node, at }) => html`<g><title>node ${node} decides at ${milliseconds(at)}</title>
<circle cx="${x.at(at)}" cy="${y(node)}" r="8" fill="${GOOD}" stroke="#fff"
stroke-width="2.5"/></g>`,
  );
  return html`<svg viewBox="0 0 ${WIDTH} ${bottom + 30}" width="${WIDTH}" height="${bottom + 30}"
role="img"
aria-label="Messages of the consensus instance">
${timeAxis(x, { top: TOP - 14, bottom })}${roundMarks(flights, {
  x,
  slotAt,
  bottom,
})}${lanes}${arrows}${dots}</svg>`;
}

type Canvas = {
  readonly x: Scale;
  readonly y: (node: number) => number;
  readonly slotAt: Millis;
  readonly opacity: number;
};

function isVote({ frame }: Flight): boolean {
  return "round" in frame;
}

function typeOf({ frame }: Flight): MessageType {
  return "round" in frame ? frame.type : "PREPARE";
}

function arrow(flight: Flight, { x, y, slotAt, opacity }: Canvas): Markup {
  const { from, to, sentAt, arrivedAt, lost, frame } = flight;
  const type = typeOf(flight);
  const colour = MESSAGES[type];
  const [x1, y1, y2] = [x.at(sentAt - slotAt), y(from), y(to)];
  const round = "round" in frame ? frame.round : 0;
  const fate =
    arrivedAt === null ? `lost: ${lost ?? "never arrived"}` : milliseconds(arrivedAt - sentAt);
  const title = html`<title>${type} of round ${round}, node ${from} to ${to}, ${fate}</title>`;
  if (arrivedAt === null) {
    const [endX, endY] = [x1 + 16, y1 + Math.sign(y2 - y1) * 16];
    return html`<g>${title}<line x1="${x1}" y1="${y1}" x2="${endX}" y2="${endY}"
stroke="${colour}" stroke-width="2" stroke-dasharray="4 3"/>
<text x="${endX}" y="${endY + 6}" text-anchor="middle" class="strong"
style="fill:${BAD}">✕</text></g>`;
  }
  const x2 = x.at(arrivedAt - slotAt);
  const width = type === "PRE-PREPARE" ? 3 : 2;
  return html`<g opacity="${opacity}">${title}
<line x1="${x1}" y1="${y1}" x2="${x2}" y2="${y2}" stroke="${colour}" stroke-width="${width}"/>
<path d="${head({ x1, y1, x2, y2 })}" fill="${colour}"/></g>`;
}

/** A triangle at the end of a line; a marker would need a name that is unique on the page. */
function head(line: Readonly<Record<"x1" | "y1" | "x2" | "y2", number>>): string {
  const { x1, y1, x2, y2 } = line;
  const length = Math.hypot(x2 - x1, y2 - y1) || 1;
  const [dx, dy] = [(x2 - x1) / length, (y2 - y1) / length];
  const corner = (side: number): string =>
    `${(x2 - 12 * dx - side * 4.5 * dy).toFixed(1)} ${(y2 - 12 * dy + side * 4.5 * dx).toFixed(1)}`;
  return `M${x2.toFixed(1)} ${y2.toFixed(1)}L${corner(1)} ${corner(-1)}z`;
}

/** Where the first message of each round was sent. */
function roundMarks(
  flights: readonly Flight[],
  { x, slotAt, bottom }: { readonly x: Scale; readonly slotAt: Millis; readonly bottom: number },
): readonly Markup[] {
  const first = new Map<number, Millis>();
  for (const { frame, sentAt } of flights) {
    if (!("round" in frame)) continue;
    first.set(frame.round, Math.min(first.get(frame.round) ?? sentAt, sentAt));
  }
  return [...first].map(([round, at]) => {
    const left = x.at(at - slotAt);
    return html`<line x1="${left}" x2="${left}" y1="${TOP - 22}" y2="${bottom}" stroke="${FAINT}"
stroke-dasharray="2 4"/>
<text x="${left + 6}" y="${TOP - 20}" class="strong" style="fill:${FAINT}">round ${round}</text>`;
  });
}
