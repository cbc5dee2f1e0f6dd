/** Operators whose machines differ from the others': clocks, versions, and what they remember. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { decodeHello } from "../../../src/dkg/hello.ts";
import { Lobby, type Seat } from "../../../src/dkg/lobby.ts";
import type { UsageError } from "../../../src/domain/errors.ts";
import { MAX_HELLO_BYTES } from "../../../src/domain/limits.ts";
import { CeremonyTable, PHASE_TIMEOUT_MS, type TableOptions } from "../../support/ceremonyTable.ts";
import { loadMutant } from "../../support/mutant.ts";

const ALL = [0, 1, 2, 3];
const YEAR = 365 * 86_400_000;
const HOUR = 3_600_000;

type Test = { after: (clean: () => Promise<void>) => void };

function tableOf(t: Test, options: TableOptions = {}): CeremonyTable {
  const table = new CeremonyTable(options);
  t.after(() => table.stop());
  return table;
}

function assertOneCluster(table: CeremonyTable): void {
  assert.deepEqual([...table.failures], []);
  const hashes = new Set(table.lockHashes());
  assert.ok(hashes.size === 1 && !hashes.has(null), [...hashes].join());
}

function seatOf(table: CeremonyTable, node: number, peer: number): Seat | undefined {
  return table
    .of(node, "lobby")
    .at(-1)
    ?.seats.find((seat) => seat.peer === peer);
}

async function untilIn(table: CeremonyTable, node: number, phase: string): Promise<void> {
  const isIn = () => table.of(node, "progress").some(({ progress }) => progress.phase === phase);
  while (!isIn()) await table.run(1);
}

/** A machine in the middle of a ceremony whose clock is set by `offset`. */
async function clockIsSet(table: CeremonyTable, offset: number): Promise<void> {
  for (const node of ALL) table.start(node);
  await untilIn(table, 1, "commit");
  // Operator 3 is away for a moment, so that the phase lasts.
  await table.kill(3);
  table.clocks.get(1)?.setOffset(offset);
  await table.run(20_000);
  table.start(3);
  await table.runToEnd();
}

test("LOBBY-2 a clock that is years off is shown and ends nothing (SlowMist N16)", async (t) => {
  const table = tableOf(t, { clockOffsets: { 1: 30 * YEAR, 2: -YEAR } });
  for (const node of ALL) table.start(node);
  await table.run(5_000);
  assert.equal(seatOf(table, 0, 1)?.clockOffsetMs, 30 * YEAR);
  assert.equal(seatOf(table, 0, 2)?.clockOffsetMs, -YEAR);
  assert.equal(seatOf(table, 0, 3)?.clockOffsetMs, 0);
  await table.runToEnd();
  assertOneCluster(table);
});

for (const [name, offset] of [
  ["forward", HOUR],
  ["back", -HOUR],
] as const) {
  test(`LOBBY-5 a clock that is set ${name} an hour ends no phase and delays none`, async (t) => {
    const table = tableOf(t, { clockOffsets: { 1: 0 } });
    await clockIsSet(table, offset);
    assertOneCluster(table);
    assert.deepEqual(
      ALL.flatMap((node) => table.of(node, "ended")),
      [],
    );
    assert.ok(table.clock.now() < 1_800_000_000_000 + PHASE_TIMEOUT_MS, "nor does anybody wait");
  });
}

test("LOBBY-5 a mutant whose phases end by the wall clock gives up when it is set", async (t) => {
  const { runCeremony } = await loadMutant<typeof import("../../../src/dkg/runner.ts")>(
    "src/dkg/runner.ts",
    [
      {
        find: "void this.#ports.clock.sleep(delayMs, timer.signal).then(",
        replace:
          "void new Promise<void>((resolve, reject) => {\n" +
          "const { clock } = this.#ports;\n" +
          "const waiting = clock.at(clock.now() + delayMs, resolve);\n" +
          "timer.signal.addEventListener('abort', () => { waiting.cancel(); reject(); });\n" +
          "}).then(",
      },
    ],
  );
  const table = tableOf(t, { clockOffsets: { 1: 0 }, run: runCeremony });
  await clockIsSet(table, HOUR);
  assert.deepEqual(table.of(1, "ended")[0]?.abort.missing, [3], "a minute became an instant");
});

test("LOBBY-1 another protocol is named with both numbers, and nothing begins", async (t) => {
  const table = tableOf(t);
  table.hub.tap(3, ({ channel, bytes }) => {
    if (channel !== "lobby") return [bytes];
    return [Buffer.from(Buffer.from(bytes).toString().replace('"protocol":1', '"protocol":2'))];
  });
  for (const node of ALL) table.start(node);
  await table.run(30_000);
  const seat = seatOf(table, 0, 3);
  assert.deepEqual(seat?.obstacle, { kind: "protocol", theirs: 2, ours: 1 });
  assert.equal(seat?.state, null, "it is not in");
  for (const node of [0, 1, 2]) assert.deepEqual(table.of(node, "attempt"), []);
});

test("LOBBY-1 what is shown of a hello gives no commands to a terminal", () => {
  const { definition } = new CeremonyTable();
  const of = (version: string, changes = {}): Uint8Array =>
    new Lobby({
      definition: { ...definition, ...changes },
      ...{ self: 0, protocol: 1, version, now: 0 },
    }).helloFor(1, 0);
  assert.ok(decodeHello(of("1.2.3-β")).ok);
  assert.ok(!decodeHello(of("\u001b[2J")).ok);
  // Other fields of a file mean nothing, and its hash does not cover them.
  const others = Array.from({ length: 200 }, (_, i) => [`\u001b[8m${"x".repeat(64)}${i}`, i]);
  const stuffed = decodeHello(of("1", Object.fromEntries(others)));
  const plain = decodeHello(of("1"));
  assert.ok(stuffed.ok && plain.ok);
  assert.deepEqual(stuffed.value.fields, plain.value.fields);
});

test("LOBBY-1 another version of the program is shown, and works", async (t) => {
  const table = tableOf(t);
  for (const node of ALL) table.start(node, { version: `1.${node}.0` });
  await table.runToEnd();
  assertOneCluster(table);
  assert.equal(seatOf(table, 0, 3)?.version, "1.3.0");
});

test("LOBBY-1 a hello beyond its bound is refused unread (Trail of Bits 3)", async (t) => {
  const table = tableOf(t);
  const long = Buffer.alloc(MAX_HELLO_BYTES + 1, " ");
  table.hub.tap(3, ({ channel, bytes }) => (channel === "lobby" ? [long] : [bytes]));
  for (const node of ALL) table.start(node);
  await table.run(30_000);
  const refused = table.of(0, "rejected").filter(({ from }) => from === 3);
  assert.match(refused[0]?.detail ?? "", /a long hello/);
  assert.equal(seatOf(table, 0, 3)?.state, null);
  assert.deepEqual(table.of(0, "attempt"), []);
});

test("LOBBY-3 who claims attempts that nobody else saw is named by those who stop", async (t) => {
  const table = tableOf(t);
  table.hub.tap(3, ({ channel, bytes }) => {
    if (channel !== "lobby") return [bytes];
    return [Buffer.from(Buffer.from(bytes).toString().replace('"ended":0', '"ended":900'))];
  });
  for (const node of ALL) table.start(node);
  await table.run(30_000);
  for (const node of [0, 1, 2]) {
    const failure = String(table.failures.get(node));
    assert.match(failure, /attempt 901 needs this operator's acceptance/);
    assert.match(failure, /operator 3 remembers 900/);
  }
  assert.deepEqual(table.lockHashes(), [null, null, null, null]);
});

test("LOBBY-3 nobody uses up the numbers of attempts with one word", async (t) => {
  const table = tableOf(t);
  letSay(table, (hello) => hello.replace('"ended":0', '"ended":1000000'));
  for (const node of ALL) table.start(node);
  await table.run(30_000);
  for (const node of [0, 1, 2]) {
    const refused = table.of(node, "rejected").filter(({ from }) => from === 3);
    assert.match(refused[0]?.detail ?? "", /attempt 1000000 is far from the last, 0/);
    // It would be on this disk for every later ceremony, too.
    assert.deepEqual(table.disks[node]?.ended(), []);
  }
  letSay(table, (hello) => hello);
  await table.runToEnd();
  assertOneCluster(table);
});

test("LOBBY-3 a new disk learns how many attempts there were: a new yes is enough", async (t) => {
  const table = tableOf(t);
  for (const node of [0, 1, 2]) {
    const ended = {
      phase: "agree",
      reason: "",
      culprit: null,
      missing: [],
      groupKeys: [],
    } as const;
    await table.disks[node]?.end({ ...ended, attempt: 7, keepsShares: false }, null);
  }
  for (const node of [0, 1, 2]) table.start(node, { maxAttempt: 9 });
  table.start(3);
  await table.run(10_000);
  assert.match(String(table.failures.get(3)), /operator 0, operator 1, operator 2 remember 7/);
  // `dkg accept` counts from what the disk holds now.
  const made = Math.max(...(table.disks[3]?.ended().map(({ attempt }) => attempt) ?? []));
  table.failures.delete(3);
  await table.kill(3);
  table.start(3, { maxAttempt: made + 3 });
  await table.runToEnd();
  assertOneCluster(table);
  assert.equal(table.of(3, "attempt").at(-1)?.attempt, 8);
});

/** From now on operator 3 says in the lobby what `change` makes of its words. */
function letSay(table: CeremonyTable, change: (hello: string) => string): void {
  table.hub.tap(3, ({ channel, bytes }) => {
    if (channel !== "lobby") return [bytes];
    return [Buffer.from(change(Buffer.from(bytes).toString()))];
  });
}
const FINISHED_NINE = (hello: string): string =>
  hello.replace(/"current":\d+/, '"current":9').replace(/"state":"\w+"/, '"state":"done"');
const OTHER_DEFINITION = (hello: string): string =>
  hello.replace(/"definitionHash":"0x../, '"definitionHash":"0xff');

test("LOBBY-1 what one says of another definition's attempts ends none here", async (t) => {
  for (const change of [
    FINISHED_NINE,
    (hello: string): string => hello.replace('"ended":0', '"ended":7'),
  ]) {
    const table = tableOf(t);
    for (const node of ALL) table.start(node);
    await untilIn(table, 1, "commit");
    letSay(table, (hello) => OTHER_DEFINITION(change(hello)));
    await table.run(30_000);
    letSay(table, (hello) => hello);
    await table.runToEnd();
    assertOneCluster(table);
    for (const node of ALL) assert.equal(table.of(node, "attempt").length, 1, "one attempt");
  }
});

test("LOBBY-4 a made-up finish is named, and ends no attempt that its author is in", async (t) => {
  const first = tableOf(t);
  letSay(first, FINISHED_NINE);
  for (const node of ALL) first.start(node);
  await first.run(10_000);
  for (const node of [0, 1, 2]) {
    const failure = first.failures.get(node);
    assert.match(String(failure), /operator 3 finished attempt 9, of which there is no key share/);
    assert.match(String((failure as UsageError).fix), /what operator 3 told is wrong/);
  }
  const second = tableOf(t);
  for (const node of ALL) second.start(node);
  await untilIn(second, 1, "deposits");
  letSay(second, FINISHED_NINE);
  await second.run(30_000);
  letSay(second, (hello) => hello);
  await second.runToEnd();
  assertOneCluster(second);
});

test("LOBBY-4 of two finishes the one counts of which there are key shares", () => {
  const table = new CeremonyTable();
  const seated = (self: number, current: number): Lobby => {
    const { definition } = table;
    const lobby = new Lobby({ definition, self, protocol: 1, version: "", now: 0 });
    lobby.standing = { ended: 0, current, state: "done", heard: new Set() };
    return lobby;
  };
  const lobby = seated(1, 0);
  for (const [peer, attempt] of [
    [0, 1],
    [3, 9],
  ] as const) {
    assert.ok(lobby.receive(peer, seated(peer, attempt).helloFor(1, 0), 0).ok);
  }
  assert.equal(lobby.finished(new Set([1])), 1);
  assert.equal(lobby.finished(new Set()), 9);
  assert.deepEqual(lobby.done(9), [3]);
});

test("LOBBY-5 who gives up first makes nobody look elsewhere: all miss the same one", async (t) => {
  const table = tableOf(t);
  table.hub.lose(({ from, channel }) => from === 3 && channel === "ceremony");
  for (const node of [1, 2, 3]) table.start(node);
  table.start(0, { phaseTimeoutMs: () => PHASE_TIMEOUT_MS / 2 });
  await table.run(PHASE_TIMEOUT_MS * 0.8);
  for (const node of [0, 1, 2]) {
    const [ended] = table.of(node, "ended");
    assert.deepEqual(ended?.abort.missing, [3], `operator ${node}: ${ended?.abort.reason}`);
    assert.match(ended?.abort.reason ?? "", /operator 3 .*in the agree phase/);
  }
});
