import assert from "node:assert/strict";
import { test } from "node:test";
import { createLogger, type LoggerOptions } from "../../../../src/adapters/system/logger.ts";
import type { Logger } from "../../../../src/ports/logger.ts";
import { assert as assertInvariant, Bug } from "../../../../src/util/assert.ts";
import { loadMutant } from "../../../support/mutant.ts";

function capture(options: Partial<LoggerOptions> = {}): { logger: Logger; lines: string[] } {
  const lines: string[] = [];
  const write = (line: string): void => {
    lines.push(line);
  };
  return { logger: createLogger({ level: "debug", format: "json", write, ...options }), lines };
}

test("writes one JSON object per line with time, level, message and fields", () => {
  const { logger, lines } = capture();
  logger.child({ topic: "qbft" }).info("decided", { duty: "12/attester", round: 1 });
  assert.equal(lines.length, 1);
  assert.ok(lines[0]?.endsWith("}\n"));
  const { time, ...rest } = JSON.parse(lines[0] ?? "");
  assert.ok(Math.abs(Date.parse(time) - Date.now()) < 60_000);
  assert.deepEqual(rest, {
    level: "info",
    topic: "qbft",
    duty: "12/attester",
    round: 1,
    msg: "decided",
  });
});

test("keeps quiet below its level", () => {
  const { logger, lines } = capture({ level: "warn" });
  logger.debug("a");
  logger.info("b");
  logger.warn("c");
  logger.error("d");
  assert.equal(lines.length, 2);
});

// OPS-1: secrets never leave through a log line, whatever a caller passes.
test("redacts secrets by name at any depth, in fields and in a child's fields", () => {
  const { logger, lines } = capture();
  const key = "6b".repeat(32);
  logger
    .child({ privateKey: key, peer: { identityPrivateKey: key } })
    .error("failed", { options: { keystorePassword: key, list: [{ secret: key }] }, seed: key });
  assert.ok(!lines[0]?.includes(key), lines[0]);
  assert.equal(lines[0]?.match(/\[redacted\]/g)?.length, 5);
});

test("mutant: without the list of names the key is in the log", async () => {
  const mutant = await loadMutant<typeof import("../../../../src/adapters/system/logger.ts")>(
    "src/adapters/system/logger.ts",
    [{ find: "SECRET_NAME.test(name) ? REDACTED :", replace: "" }],
  );
  const lines: string[] = [];
  const write = (line: string): void => {
    lines.push(line);
  };
  const key = "6b".repeat(32);
  mutant.createLogger({ level: "info", format: "json", write }).info("x", { privateKey: key });
  assert.ok(lines[0]?.includes(key));
});

test("never prints raw bytes, which may be a signature or a key", () => {
  const { logger, lines } = capture();
  logger.info("bytes", { value: new Uint8Array(32).fill(0x6b), buffer: Buffer.alloc(96, 0x6b) });
  const { value, buffer } = JSON.parse(lines[0] ?? "");
  assert.deepEqual([value, buffer], ["[32 bytes]", "[96 bytes]"]);
});

test("prints errors by message and cause, with a stack for bugs only", () => {
  const { logger, lines } = capture();
  logger.warn("fault", { error: new Error("outer", { cause: new Error("inner") }) });
  const { error } = JSON.parse(lines[0] ?? "");
  assert.deepEqual(error, {
    name: "Error",
    message: "outer",
    cause: { name: "Error", message: "inner" },
  });
  try {
    assertInvariant(false, "two is two");
  } catch (bug) {
    assert.ok(bug instanceof Bug);
    logger.error("bug", { error: bug });
  }
  assert.match(JSON.parse(lines[1] ?? "").error.stack, /logger\.test\.ts/);
});

test("cuts long texts, deep and circular fields instead of filling the disk", () => {
  const { logger, lines } = capture();
  const circular: Record<string, unknown> = {};
  circular["again"] = circular;
  logger.info("large", { text: "x".repeat(1_000_000), circular, amount: 2n ** 70n });
  assert.ok((lines[0]?.length ?? 0) < 2000);
  assert.equal(JSON.parse(lines[0] ?? "").amount, (2n ** 70n).toString());
});

test("a terminal gets one readable line per entry", () => {
  const { logger, lines } = capture({ format: "console" });
  logger.child({ topic: "p2p" }).warn("peer left", { peer: 2, reason: "no answer", rtt: 1.5 });
  assert.match(
    lines[0] ?? "",
    /^\d\d:\d\d:\d\d\.\d{3} WARN {2}p2p {7}peer left {2}peer=2 reason="no answer" rtt=1\.5\n$/,
  );
  logger.info("started");
  assert.match(lines[1] ?? "", /^\d\d:\d\d:\d\d\.\d{3} INFO {2}started\n$/);
});

test("a line feed in a field cannot forge a second line", () => {
  for (const format of ["json", "console"] as const) {
    const { logger, lines } = capture({ format });
    logger.info("name", { peer: "a\n12:00:00.000 INFO forged" });
    assert.equal(lines.join("").split("\n").length, 2, format);
  }
});
