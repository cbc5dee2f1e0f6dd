/** What an operator sees of a ceremony, on a screen that does what terminals do. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Board, type BoardOptions, keystoreProgress } from "../../../src/cli/dkg/board.ts";
import type { Seat } from "../../../src/dkg/lobby.ts";
import { definitionFor } from "../../support/ceremonyTable.ts";

const NOW = 1_800_000_000_000;
const COLUMNS = 72;
/** Up by so many rows, or clear what follows, or a row. */
const SEQUENCE = /\^\[(\d+)A|(\^\[J)|([^^\n]*)\n/g;
const KEYS = [1, 2, 3].map((i) => new Uint8Array(32).fill(i));

/** Lines, a cursor at the start of one, and the two sequences that the board writes. */
class Screen {
  lines: string[] = [];
  #row = 0;

  write = (text: string): void => {
    for (const [, up, isCleared, line] of text.replaceAll("\u001b", "^").matchAll(SEQUENCE)) {
      if (up !== undefined) this.#row -= Number(up);
      else if (isCleared !== undefined) this.lines.length = this.#row;
      else this.#print(line ?? "");
    }
  };

  /** A row that is too long goes on in the next. */
  #print(line: string): void {
    const characters = [...line];
    do {
      this.lines[this.#row++] = characters.splice(0, COLUMNS).join("");
    } while (characters.length > 0);
  }
}

function boardOn(write: (text: string) => void, options: Partial<BoardOptions> = {}): Board {
  return new Board({
    definition: definitionFor(KEYS, { threshold: 2, validators: 1 }),
    fingerprint: "six words that were read aloud",
    self: 0,
    style: "terminal",
    now: () => NOW,
    columns: () => COLUMNS,
    write,
    ...options,
  });
}

function seat(peer: number, changes: Partial<Seat> = {}): Seat {
  return {
    peer,
    path: "direct",
    since: NOW - 90_000,
    hasBeenSeen: true,
    version: "1.0.0",
    clockOffsetMs: 20,
    obstacle: null,
    state: "waiting",
    ...changes,
  };
}

const away = { path: "none", hasBeenSeen: false, version: null, clockOffsetMs: null, state: null };
const progress = { phase: "keys", messages: [0, 1], echoes: [], sealedShares: [] } as const;

test("LOBBY-5 one board stays at the bottom, sentences scroll away above it", () => {
  const screen = new Screen();
  const board = boardOn(screen.write);
  board.show({ kind: "lobby", seats: [seat(1), seat(2, away as Partial<Seat>)] });
  assert.deepEqual(screen.lines, [
    "squad  six words that were read aloud",
    "  ●  0  you",
    "  ●  1  connected directly, version 1.0.0, clock +0.0 s, ready",
    "  ○  2  never connected for 1 min; its operator runs: coterie dkg",
    "  in the lobby",
  ]);
  board.show({ kind: "lobby", seats: [seat(1), seat(2, { path: "relayed", state: "running" })] });
  board.show({ kind: "attempt", attempt: 1, isResumed: false });
  board.show({ kind: "progress", progress });
  assert.deepEqual(screen.lines, [
    "attempt 1 begins",
    "squad  six words that were read aloud  attempt 1",
    "  ●  0  you",
    "  ●  1  connected directly, version 1.0.0, clock +0.0 s, ready",
    "  ●  2  connected by a relay, version 1.0.0, clock +0.0 s, in the cerem…",
    "  █████░░░ keys: waiting for operators 0, 1",
  ]);
});

test("LOBBY-5 no row wraps, or the board would eat what stands above it", () => {
  const screen = new Screen();
  const board = boardOn(screen.write);
  const fields = ["name", "threshold", "operators[0].enr", "validators", "fork_version"];
  const differs = { obstacle: { kind: "definition", fields }, state: null } as const;
  board.show({ kind: "attempt", attempt: 1, isResumed: false });
  for (let hello = 0; hello < 5; hello++) {
    board.show({ kind: "lobby", seats: [seat(1, differs), seat(2, { clockOffsetMs: 9e6 })] });
  }
  assert.equal(screen.lines.length, 6, screen.lines.join("\n"));
  assert.match(screen.lines[3] ?? "", /but its definition differs from yours in.*…$/);
});

test("LOBBY-5 key shares on their way to the disk count up, with the time that is left", () => {
  const screen = new Screen();
  const lines: string[] = [];
  let at = 0;
  const boards = [
    boardOn(screen.write),
    boardOn((line) => lines.push(line.trim()), { style: "lines" }),
  ];
  for (const board of boards) board.show({ kind: "progress", progress });
  const steps = boards.map((board) => keystoreProgress(() => at, board));
  for (let done = 1; done <= 60; done++) {
    for (const step of steps) step(done, 200);
    at += 1_000;
  }
  assert.equal(
    screen.lines.at(-1),
    "  █████░░░ keystores written and read back: 30 %, about 2 min left",
  );
  assert.deepEqual(lines, [
    "keys: waiting for operators 0, 1",
    "keystores written and read back: 0 %",
    "keystores written and read back: 10 %, about 3 min left",
    "keystores written and read back: 20 %, about 2 min left",
    "keystores written and read back: 30 %, about 2 min left",
  ]);
  for (const step of steps) step(200, 200);
  assert.equal(screen.lines.at(-1), "  █████░░░ keys: waiting for operators 0, 1");
});

test("LOBBY-5 who has not written its files yet is what the end waits for", () => {
  const screen = new Screen();
  const board = boardOn(screen.write);
  board.show({ kind: "progress", progress: { ...progress, phase: "nodes", messages: [2] } });
  board.show({ kind: "published", lock: { lock_hash: "0xabc" } as never });
  assert.equal(screen.lines.at(-1), "  ████████ files written: waiting for operators 1, 2");
  board.show({ kind: "confirmed", peers: [1] });
  assert.equal(screen.lines.at(-1), "  ████████ files written: waiting for operator 2");
  board.show({ kind: "confirmed", peers: [1, 2] });
  assert.equal(screen.lines.at(-1), "  ████████ files written");
});
