/** The page of one run, made of its trace. */
import { html, type Markup } from "./html.ts";
import { roundDiagram } from "./rounds.ts";
import type { RunModel, SlotDetail } from "./runModel.ts";
import { partsOf } from "./runModel.ts";
import { milliseconds, quantile } from "./scale.ts";
import { invariantTable, stageTable } from "./tables.ts";
import { legend, MESSAGES, page, STAGES } from "./theme.ts";
import { timeline, timelineLegend } from "./timeline.ts";
import { waterfall } from "./waterfall.ts";

export function runPage(model: RunModel): string {
  const { header } = model;
  const title = header === null ? "Coterie simulation" : `Coterie simulation, seed ${header.seed}`;
  return page(
    title,
    html`<h1>${title}</h1>${
      header &&
      html`<p class="lead"><code>${header.command}</code> at
commit ${header.commit}</p>`
    }
${tiles(model)}
<section><h2>The run</h2><p class="lead">Each cell is one duty of one slot at all nodes; a number
in it is the highest round of consensus, where it is not the first.</p>
${legend(timelineLegend)}${timeline(model)}</section>
<section><h2>Invariants</h2>${invariantTable(model)}${behaviours(model)}</section>
<section><h2>Where the time goes</h2><p class="lead">All nodes and duties of the run. The solid
bar is the median, the pale one the 99th percentile.</p>
${stageTable(model)}</section>
<section><h2>Slots worth a look</h2><p class="lead">Misses first, then rounds beyond the first.
Times count from the slot's start; grey stretches are cut short.</p>
${legend(Object.values(STAGES))}${legend(
  Object.entries(MESSAGES).map(([name, colour]) => ({ name, colour })),
)}
${model.details.map((detail, index) =>
  slotSection(detail, model, index === worst(model)),
)}</section>`,
  );
}

function tiles({ slots, nodes, violations, totals, header, included }: RunModel): Markup {
  const duties = slots.flatMap((slot) => [...slot.duties.values()]);
  const done = duties.reduce((sum, duty) => sum + duty.done, 0);
  const missed = duties.reduce((sum, duty) => sum + duty.missed, 0);
  const entries: readonly (readonly [string, string])[] = [
    [`${nodes}`, `nodes, threshold ${header?.scenario.threshold ?? "unknown"}`],
    [`${header?.scenario.validators ?? "–"}`, "validators"],
    [`${slots.length}`, "slots with duties"],
    [`${done} of ${done + missed}`, "parts of duties done"],
    [`${included}`, "duties on chain"],
    [milliseconds(quantile(totals.get("attester") ?? [], 0.5)), "median attestation"],
    [violations.length === 0 ? "none" : `${violations.length}`, "violations"],
  ];
  return html`<div class="tiles">${entries.map(
    ([value, name]) => html`<div
class="tile"><b>${value}</b><span>${name}</span></div>`,
  )}</div>`;
}

function behaviours({ behaviours: acted }: RunModel): Markup | null {
  if (acted.size === 0) return null;
  const parts = [...acted].map(([name, count]) => html`<li>${name}: acted ${count} times</li>`);
  return html`<h3>Byzantine operators</h3><ul>${parts}</ul>`;
}

/** The slot that is open when the page is: the first with a miss or a round change. */
function worst({ details }: RunModel): number {
  const index = details.findIndex(({ duties }) =>
    [...duties.values()].some(({ missed, rounds }) => missed.size > 0 || rounds > 1),
  );
  return Math.max(index, 0);
}

function slotSection(
  { slot, at, duties }: SlotDetail,
  { nodes }: RunModel,
  isOpen: boolean,
): Markup {
  const all = [...duties.values()];
  const missed = all.reduce((sum, duty) => sum + duty.missed.size, 0);
  const rounds = Math.max(...all.map((duty) => duty.rounds), 0);
  const notes = [
    all.map(({ duty }) => partsOf(duty).type).join(", "),
    ...(missed > 0 ? [`${missed} missed`] : []),
    ...(rounds > 1 ? [`${rounds} rounds`] : []),
  ];
  const parts = all.map((duty) => {
    const { type } = partsOf(duty.duty);
    const reasons = [...new Set(duty.obstacles)]
      .slice(0, 6)
      .map((reason) => html`<li>${reason}</li>`);
    return html`<h3>${type}</h3>${waterfall(duty, at)}${
      reasons.length > 0 ? html`<ul>${reasons}</ul>` : null
    }
${type === "randao" ? null : roundDiagram(duty, { nodes, slotAt: at })}`;
  });
  const summary = html`<summary>Slot ${slot} <span>${notes.join(" · ")}</span></summary>`;
  return isOpen
    ? html`<details open>${summary}${parts}</details>`
    : html`<details>${summary}${parts}</details>`;
}
