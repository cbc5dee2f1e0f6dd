/**
 * What an operator sees of a ceremony (LOBBY-5): a board that is redrawn on a terminal, a line for
 * each change without one, or a JSON object for each change.
 */
import type { ClusterDefinition } from "../../cluster/definition.ts";
import type { CeremonyReport } from "../../dkg/ceremonyRun.ts";
import type { Obstacle, Seat } from "../../dkg/lobby.ts";
import type { CeremonyAbort, CeremonyProgress } from "../../dkg/messages.ts";
import type { PeerIndex } from "../../domain/keys.ts";
import type { Millis } from "../../domain/units.ts";
import { CEREMONY_PHASES } from "../../wire/ceremony.ts";

export type BoardStyle = "terminal" | "lines" | "json";

export type BoardOptions = {
  readonly definition: ClusterDefinition;
  readonly fingerprint: string;
  readonly self: PeerIndex;
  readonly style: BoardStyle;
  readonly now: () => Millis;
  readonly write: (text: string) => void;
};

/** A clock that is further off than this deserves a word. */
const CLOCK_WARNING_MS: Millis = 2_000;
/** Offsets move by less than this with every hello. */
const CLOCK_STEP_MS: Millis = 500;
const MAX_NAMED_FIELDS = 5;

export class Board {
  readonly #options: BoardOptions;
  #seats: readonly Seat[] = [];
  #progress: CeremonyProgress | null = null;
  #attempt = 0;
  #drawn = 0;
  readonly #told = new Map<string, string>();

  constructor(options: BoardOptions) {
    this.#options = options;
  }

  show(report: CeremonyReport): void {
    if (report.kind === "lobby") this.#seats = report.seats;
    if (report.kind === "attempt") {
      this.#attempt = report.attempt;
      this.#progress = null;
    }
    if (report.kind === "progress") this.#progress = report.progress;
    const { style, write } = this.#options;
    if (style === "json") this.#showJson(report);
    else if (style === "terminal") this.#redraw(report);
    else for (const line of this.#linesOf(report)) write(`${line}\n`);
  }

  #showJson(report: CeremonyReport): void {
    const value = jsonOf(report);
    const { kind } = report;
    // A lobby is reported with every hello; only its changes are news.
    const text = JSON.stringify(kind === "lobby" ? { ...value, seats: this.#stable() } : value);
    if (!this.#isNews(kind, text)) return;
    const at = new Date(this.#options.now()).toISOString();
    this.#options.write(`${JSON.stringify({ at, ...value })}\n`);
  }

  #stable(): readonly unknown[] {
    return this.#seats.map((seat) => ({ ...seat, clockOffsetMs: clockStep(seat) }));
  }

  #linesOf(report: CeremonyReport): readonly string[] {
    if (report.kind !== "lobby") {
      const text = sentenceOf(report);
      return text !== "" && this.#isNews(report.kind, text) ? [text] : [];
    }
    return this.#seats.flatMap((seat) => {
      const stable = { ...seat, clockOffsetMs: clockStep(seat) };
      const text = `operator ${seat.peer}: ${describeSeat(stable)}`;
      return this.#isNews(`seat ${seat.peer}`, text) ? [text] : [];
    });
  }

  #isNews(subject: string, text: string): boolean {
    if (this.#told.get(subject) === text) return false;
    this.#told.set(subject, text);
    return true;
  }

  /** Sentences scroll by above; the board stays at the bottom. */
  #redraw(report: CeremonyReport): void {
    const isBoard = report.kind === "lobby" || report.kind === "progress";
    const sentence = isBoard ? "" : sentenceOf(report);
    const rows = this.#rows();
    const up = this.#drawn > 0 ? `\x1b[${this.#drawn}A\x1b[J` : "";
    this.#options.write(`${up}${sentence === "" ? "" : `${sentence}\n`}${rows.join("\n")}\n`);
    this.#drawn = rows.length;
  }

  #rows(): readonly string[] {
    const { definition, fingerprint, self } = this.#options;
    const now = this.#options.now();
    const rows = definition.operators.map((_, i) => {
      const seat = this.#seats.find(({ peer }) => peer === i);
      const text = i === self ? "you" : seat === undefined ? "…" : describeSeat(seat, now);
      const mark = i === self || seat?.state != null ? "●" : "○";
      return `  ${mark} ${String(i).padStart(2)}  ${text}`;
    });
    const attempt = this.#attempt === 0 ? "" : `  attempt ${this.#attempt}`;
    return [
      `${definition.name}  ${fingerprint}${attempt}`,
      ...rows,
      this.#progress === null ? "  in the lobby" : `  ${phaseBar(this.#progress)}`,
    ];
  }
}

/** A peer in one line; `now` adds for how long. */
function describeSeat(seat: Seat, now?: Millis): string {
  const since = now === undefined ? "" : ` for ${durationText(now - seat.since)}`;
  if (seat.path === "none") {
    if (!seat.hasBeenSeen) {
      return `never connected${since}; its operator runs: coterie dkg`;
    }
    return `not connected${since}; connected before`;
  }
  const path = seat.path === "direct" ? "connected directly" : "connected by a relay";
  if (seat.obstacle !== null) return `${path}, ${describeObstacle(seat.obstacle)}`;
  if (seat.state === null) return path;
  const version = `version ${seat.version}`;
  const state = { waiting: "ready", running: "in the ceremony", done: "files written ✓" };
  return [path, version, ...clockText(seat.clockOffsetMs), state[seat.state]].join(", ");
}

function describeObstacle(obstacle: Obstacle): string {
  if (obstacle.kind === "protocol") {
    const older = obstacle.theirs < obstacle.ours ? "its operator updates" : "you update";
    return `speaks ceremony ${obstacle.theirs}, this node ${obstacle.ours}: ${older} coterie`;
  }
  const { fields } = obstacle;
  const named = fields.slice(0, MAX_NAMED_FIELDS).join(", ");
  const others = fields.length - MAX_NAMED_FIELDS;
  const more = others > 0 ? ` and ${others} more` : "";
  return `but its definition differs from yours in ${named}${more}: compare the fingerprints`;
}

function clockText(offsetMs: Millis | null): readonly string[] {
  if (offsetMs === null) return [];
  const seconds = (Math.abs(offsetMs) / 1_000).toFixed(1);
  const text = `clock ${offsetMs < 0 ? "−" : "+"}${seconds} s`;
  return [Math.abs(offsetMs) > CLOCK_WARNING_MS ? `${text} (one of the two is wrong)` : text];
}

function clockStep({ clockOffsetMs }: Seat): Millis | null {
  if (clockOffsetMs === null) return null;
  const step = Math.round(clockOffsetMs / CLOCK_STEP_MS) * CLOCK_STEP_MS;
  return step === 0 ? 0 : step;
}

function sentenceOf(report: CeremonyReport): string {
  switch (report.kind) {
    case "lobby":
      return "";
    case "attempt":
      return report.isResumed
        ? `attempt ${report.attempt} goes on where it stopped`
        : `attempt ${report.attempt} begins`;
    case "progress":
      return phaseText(report.progress);
    case "rejected":
      return `operator ${report.from} sent what is not acceptable: ${report.code} ${report.detail}`;
    case "ended":
      return endText(report.attempt, report.abort);
    case "published":
      return `the cluster is made: lock hash ${report.lock.lock_hash}; all files are written`;
    case "confirmed":
      return report.peers.length === 0 ? "" : `files written by ${operators(report.peers)} ✓`;
  }
}

function endText(attempt: number, abort: CeremonyAbort): string {
  const { phase, reason, keepsShares } = abort;
  const shares = keepsShares ? "; the key shares are kept, it goes on when all are back" : "";
  return `attempt ${attempt} stopped in the ${phase} phase: ${reason}${shares}`;
}

function phaseText({ phase, messages, echoes, sealedShares }: CeremonyProgress): string {
  const missing = [...new Set([...messages, ...echoes, ...sealedShares])].sort((a, b) => a - b);
  return missing.length === 0 ? `${phase}` : `${phase}: waiting for ${operators(missing)}`;
}

function phaseBar(progress: CeremonyProgress): string {
  const step = CEREMONY_PHASES.indexOf(progress.phase) + 1;
  const bar = "█".repeat(step) + "░".repeat(CEREMONY_PHASES.length - step);
  return `${bar} ${phaseText(progress)}`;
}

function operators(peers: readonly PeerIndex[]): string {
  return `${peers.length === 1 ? "operator" : "operators"} ${peers.join(", ")}`;
}

function durationText(ms: Millis): string {
  const seconds = Math.floor(ms / 1_000);
  return seconds < 60 ? `${seconds} s` : `${Math.floor(seconds / 60)} min`;
}

/** Bytes and whole locks are for files. */
function jsonOf(report: CeremonyReport) {
  switch (report.kind) {
    case "ended": {
      const { blame: _, ...abort } = report.abort;
      return { ...report, abort };
    }
    case "published":
      return { kind: report.kind, lockHash: report.lock.lock_hash };
    default:
      return report;
  }
}
