import assert from "node:assert/strict";
import { test } from "node:test";
import { describeError, exitCodeOf } from "../../../src/cli/exitCodes.ts";
import { FaultError, UsageError } from "../../../src/domain/errors.ts";
import { Bug } from "../../../src/util/assert.ts";

// CLI-1
test("each kind of error has its exit code, and what nobody knows is a bug", () => {
  assert.equal(exitCodeOf(new UsageError("x")), 64);
  assert.equal(exitCodeOf(new Bug("x")), 70);
  assert.equal(exitCodeOf(new TypeError("x")), 70);
  assert.equal(exitCodeOf("x"), 70);
  assert.equal(exitCodeOf(new FaultError("beacon_unreachable", "x")), 75);
  // Starting again at once would be the second process on one directory (DESIGN §7).
  assert.equal(exitCodeOf(new FaultError("data_dir_lost", "x")), 70);
  assert.equal(exitCodeOf(new FaultError("twin_alive", "x")), 70);
});

// CLI-1
test("a disk that is full is no bug: what failed is named, and what to do", () => {
  const full = Object.assign(new Error("ENOSPC: no space left on device, write"), {
    code: "ENOSPC",
    syscall: "write",
  });
  assert.equal(exitCodeOf(full), 75);
  assert.match(
    describeError(full),
    /^error: ENOSPC: no space left.*\nfix: free space on that disk/,
  );
  const port = Object.assign(new Error("listen EACCES"), {
    code: "EACCES",
    syscall: "listen",
    port: 80,
  });
  assert.equal(exitCodeOf(port), 70);
});

test("the operator's errors show problem and fix; only a bug shows its stack", () => {
  const usage = new UsageError("a.json does not exist", { fix: "create it" });
  assert.equal(describeError(usage), "error: a.json does not exist\nfix: create it\n");
  const fault = describeError(new FaultError("disk_failed", "a.json: ENOSPC"));
  assert.equal(fault, "error: the data directory's disk failed: a.json: ENOSPC\n");
  assert.match(describeError(new Bug("two is two")), /bug in coterie[\s\S]*exitCodes\.test\.ts/);
});
