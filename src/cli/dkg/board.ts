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
  /** Of the terminal: a row that wraps would be two. */
  readonly columns: () => number;
  readonly write: (text: string) => void;
};

/** What the board shows besides: key shares on their way to the disk and back. */
type KeystoreReport = {
  readonly kind: "keystores";
  readonly done: number;
  readonly total: number;
  readonly leftMs: Millis;
};
type BoardReport = CeremonyReport | KeystoreReport;

const KEYSTORES_MS: Millis = 500;

/** A clock that is further off than this deserves a word. */
const CLOCK_WARNING_MS: Millis = 2_000;
/** Offsets move by less than this with every hello. */
const CLOCK_STEP_MS: Millis = 500;
const MAX_NAMED_FIELDS = 5;

export class Board {
  readonly #options: BoardOptions;
  #seats: readonly Seat[] = [];
  #progress: CeremonyProgress | null = null;
  #keystores: KeystoreReport | null = null;
  /** Who has written his files; null before this node has. */
  #confirmed: readonly PeerIndex[] | null = null;
  #attempt = 0;
  #drawn = 0;
  readonly #told = new Map<string, string>();

  constructor(options: BoardOptions) {
    this.#options = options;
  }

  show(report: BoardReport): void {
    this.#remember(report);
    const { style, write } = this.#options;
    if (style === "json") this.#showJson(report);
    else if (style === "terminal") this.#redraw(report);
    else for (const line of this.#linesOf(report)) write(`${line}\n`);
  }

  #remember(report: BoardReport): void {
    switch (report.kind) {
      case "lobby":
        this.#seats = report.seats;
        return;
      case "attempt":
        this.#attempt = report.attempt;
        this.#progress = null;
        this.#keystores = null;
        return;
      case "progress":
        this.#progress = report.progress;
        return;
      case "keystores":
        this.#keystores = report;
        return;
      case "published":
        this.#confirmed = [];
        return;
      case "confirmed":
        this.#confirmed = report.peers;
        return;
      case "rejected":
      case "ended":
        return;
    }
  }

  #showJson(report: BoardReport): void {
    const value = jsonOf(report);
    const { kind } = report;
    // A lobby is reported with every hello; only its changes are news.
    const stable = kind === "keystores" ? tenthsOf(report) : value;
    const text = JSON.stringify(kind === "lobby" ? { ...value, seats: this.#stable() } : stable);
    if (!this.#isNews(kind, text)) return;
    const at = new Date(this.#options.now()).toISOString();
    this.#options.write(`${JSON.stringify({ at, ...value })}\n`);
  }

  #stable(): readonly unknown[] {
    return this.#seats.map((seat) => ({ ...seat, clockOffsetMs: clockStep(seat) }));
  }

  #linesOf(report: BoardReport): readonly string[] {
    if (report.kind !== "lobby") {
      const text = sentenceOf(report);
      const news = report.kind === "keystores" ? `${tenthsOf(report)}` : text;
      return text !== "" && this.#isNews(report.kind, news) ? [text] : [];
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
  #redraw(report: BoardReport): void {
    const isBoard = ["lobby", "progress", "keystores"].includes(report.kind);
    const sentence = isBoard ? "" : sentenceOf(report);
    const columns = this.#options.columns();
    const rows = this.#rows().map((row) => cut(row, columns));
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
    return [`${definition.name}  ${fingerprint}${attempt}`, ...rows, `  ${this.#stand()}`];
  }

  /** What there is to wait for, in one line. */
  #stand(): string {
    const { definition, self } = this.#options;
    const confirmed = this.#confirmed;
    if (confirmed !== null) {
      const missing = [...definition.operators.keys()].filter(
        (peer) => peer !== self && !confirmed.includes(peer),
      );
      const others = missing.length === 0 ? "" : `: waiting for ${operators(missing)}`;
      return `${barOf(CEREMONY_PHASES.length)} files written${others}`;
    }
    if (this.#progress === null) return "in the lobby";
    const keystores = this.#keystores;
    const isWriting = keystores !== null && keystores.done < keystores.total;
    const text = isWriting ? keystoreText(keystores) : phaseText(this.#progress);
    return `${barOf(CEREMONY_PHASES.indexOf(this.#progress.phase) + 1)} ${text}`;
  }
}

/** Reports steps to the board, with the time that is left at the speed so far. */
export function keystoreProgress(now: () => Millis, board: Board) {
  let startedAt: Millis | null = null;
  let toldAt = 0;
  return (done: number, total: number): void => {
    const at = now();
    // The first step's time is in the second's.
    startedAt ??= at;
    if (done < total && done > 1 && at - toldAt < KEYSTORES_MS) return;
    toldAt = at;
    const each = (at - startedAt) / Math.max(1, done - 1);
    board.show({ kind: "keystores", done, total, leftMs: Math.round(each * (total - done)) });
  };
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

function sentenceOf(report: BoardReport): string {
  switch (report.kind) {
    case "lobby":
      return "";
    case "attempt":
      return report.isResumed
        ? `attempt ${report.attempt} goes on where it stopped`
        : `attempt ${report.attempt} begins`;
    case "progress":
      return phaseText(report.progress);
    case "keystores":
      return keystoreText(report);
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

function keystoreText({ done, total, leftMs }: KeystoreReport): string {
  const left = done < 2 || done === total ? "" : `, about ${durationText(leftMs)} left`;
  return `keystores written and read back: ${Math.floor((100 * done) / total)} %${left}`;
}

function tenthsOf({ done, total }: KeystoreReport): number {
  return Math.floor((10 * done) / total);
}

function barOf(step: number): string {
  return "█".repeat(step) + "░".repeat(CEREMONY_PHASES.length - step);
}

function cut(row: string, columns: number): string {
  const characters = [...row];
  return characters.length <= columns ? row : `${characters.slice(0, columns - 1).join("")}…`;
}

function operators(peers: readonly PeerIndex[]): string {
  return `${peers.length === 1 ? "operator" : "operators"} ${peers.join(", ")}`;
}

function durationText(ms: Millis): string {
  const seconds = Math.floor(ms / 1_000);
  return seconds < 60 ? `${seconds} s` : `${Math.floor(seconds / 60)} min`;
}

/** Bytes and whole locks are for files. */
function jsonOf(report: BoardReport) {
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
