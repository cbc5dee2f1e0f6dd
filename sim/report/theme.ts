/**
 * Colours and letters of every page: read from the back of a room, in black and white, and by eyes
 * that tell no red from green (Okabe and Ito's palette). Nothing is loaded from anywhere.
 */
import type { Step } from "../../src/core/interfaces.ts";
import type { MessageType } from "../../src/qbft/messages.ts";
import { html, type Markup } from "./html.ts";

export const INK = "#16202c";
export const FAINT = "#5b6878";
export const GRID = "#dbe1e8";
export const GOOD = "#00795c";
export const BAD = "#c03a00";

/** What ends with a step: the colour of the time before it. */
export const STAGES: Readonly<
  Record<Exclude<Step, "scheduled">, { readonly name: string; readonly colour: string }>
> = {
  fetched: { name: "fetch", colour: "#56b4e9" },
  decided: { name: "consensus", colour: "#0072b2" },
  signed: { name: "sign", colour: "#e69f00" },
  admitted: { name: "admit", colour: "#d55e00" },
  threshold: { name: "exchange", colour: "#009e73" },
  aggregated: { name: "combine", colour: "#7a4fa3" },
  broadcast: { name: "submit", colour: "#3d4a5c" },
};

export const MESSAGES: Readonly<Record<MessageType, string>> = {
  "PRE-PREPARE": "#7a4fa3",
  PREPARE: "#0072b2",
  COMMIT: "#00795c",
  "ROUND-CHANGE": "#c03a00",
  DECIDED: "#b8860b",
};

/** One colour for each line of a chart. */
export const SERIES = ["#0072b2", "#d55e00", "#00795c", "#7a4fa3", "#b8860b", "#56b4e9", "#16202c"];

/** From pale to strong, for a share between 0 and 1 of the largest value. */
export function shade(share: number): string {
  const at = (from: number, to: number): number => Math.round(from + (to - from) * share);
  return `rgb(${at(236, 0)},${at(243, 84)},${at(249, 147)})`;
}

const STYLE: Markup = html`
:root { color-scheme: light; }
* { box-sizing: border-box; }
body { margin: 0; background: #f3f5f8; color: ${INK};
  font: 18px/1.5 system-ui, "Segoe UI", "Helvetica Neue", "DejaVu Sans", sans-serif; }
main { max-width: 1560px; margin: 0 auto; padding: 32px 40px 64px; }
h1 { font-size: 34px; line-height: 1.2; margin: 0 0 4px; letter-spacing: -0.01em; }
h2 { font-size: 25px; margin: 0 0 4px; }
h3 { font-size: 20px; margin: 20px 0 6px; }
p { margin: 0 0 12px; max-width: 110ch; }
section { background: #fff; border: 1px solid ${GRID}; border-radius: 12px; padding: 24px 28px;
  margin: 24px 0; }
.lead { color: ${FAINT}; }
code { font: 16px/1.4 ui-monospace, "DejaVu Sans Mono", Consolas, monospace; background: #eef2f6;
  padding: 2px 7px; border-radius: 5px; overflow-wrap: anywhere; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: 8px 14px 8px 0; border-bottom: 1px solid ${GRID};
  vertical-align: middle; }
th { font-weight: 600; color: ${FAINT}; font-size: 16px; }
td.number, th.number { text-align: right; }
svg { display: block; max-width: 100%; height: auto; }
svg text { font: 15px system-ui, "Segoe UI", "Helvetica Neue", "DejaVu Sans", sans-serif;
  fill: ${INK}; font-variant-numeric: tabular-nums; }
svg text.faint { fill: ${FAINT}; }
svg text.strong { font-weight: 600; }
.tiles { display: flex; flex-wrap: wrap; gap: 16px; margin: 20px 0 0; }
.tile { background: #fff; border: 1px solid ${GRID}; border-radius: 12px; padding: 12px 22px;
  flex: 1 1 auto; }
.tile b { display: block; font-size: 29px; line-height: 1.25; font-variant-numeric: tabular-nums; }
.tile span { color: ${FAINT}; font-size: 16px; }
.good { color: ${GOOD}; font-weight: 600; }
.bad { color: ${BAD}; font-weight: 600; }
.legend { display: flex; flex-wrap: wrap; gap: 6px 22px; margin: 4px 0 12px; font-size: 16px; }
.legend i { display: inline-block; width: 16px; height: 16px; border-radius: 4px;
  margin-right: 8px; vertical-align: -2px; }
details { border-top: 1px solid ${GRID}; padding: 10px 0; }
details > summary { cursor: pointer; font-size: 20px; font-weight: 600; padding: 4px 0; }
details > summary span { font-weight: 400; color: ${FAINT}; font-size: 17px; }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(600px, 1fr)); gap: 28px; }
@media print { body { background: #fff; } section { break-inside: avoid; } }
`;

/** A whole page that needs nothing else: no script, no font, no picture from outside. */
export function page(title: string, body: Markup): string {
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>${title}</title>
<style>${STYLE}</style>
</head>
<body><main>${body}</main></body>
</html>
`.toString();
}

export function legend(
  entries: readonly { readonly name: string; readonly colour: string }[],
): Markup {
  const items = entries.map(
    ({ name, colour }) => html`<span><i style="background:${colour}"></i>${name}</span>`,
  );
  return html`<div class="legend">${items}</div>`;
}
