// FREEZE-5: what froze the node from its very start can be lifted like any other freeze.
import assert from "node:assert/strict";
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { VirtualDisk } from "../../../sim/virtualStore.ts";
import { openAdmin } from "../../../src/cli/safety/openAdmin.ts";
import type { SafetyControl } from "../../../src/node/safetyControl.ts";
import { openFreezes } from "../../../src/safety/freezes.ts";
import { recordingLogger } from "../../support/quiet.ts";
import { pubKey } from "../../support/slashing.ts";
import { temporaryFolder } from "../../support/temporary.ts";
import { until } from "../../support/until.ts";

// The test runner has its children write a report of themselves at this very signal.
process.report.reportOnSignal = false;

/** A node that starts when it is told to, of which only the freezes are real. */
async function open(t: TestContext) {
  const dataDir = temporaryFolder(t);
  const freezes = await openFreezes(new VirtualDisk().open());
  let followed = 0;
  const running: Pick<SafetyControl, "freeze" | "followFile"> = {
    freeze: (freeze) => freezes.freeze(freeze),
    followFile: async (reason) => {
      followed++;
      freezes.followFile(reason);
    },
  };
  let control: SafetyControl | null = null;
  const admin = await openAdmin({
    dataDir,
    address: { host: "127.0.0.1", port: 0 },
    control: () => control,
    status: () => null,
    cluster: { validator: () => undefined },
    logger: recordingLogger(),
    onBug: (error) => assert.fail(String(error)),
  });
  t.after(() => admin[Symbol.asyncDispose]());
  return {
    file: join(dataDir, "FREEZE"),
    freezes,
    readStanding: (): void => freezes.followFile(admin.standingFreeze()),
    start: (): void => {
      control = running as SafetyControl;
    },
    followed: (): number => followed,
    isFrozen: (): boolean => freezes.refusalOf(pubKey(1), "attest") !== null,
  };
}

test("FREEZE-5: a FREEZE file that goes while the node starts lifts its freeze", async (t) => {
  const { file, readStanding, start, isFrozen } = await open(t);
  writeFileSync(file, "not before I have looked\n");
  readStanding();
  assert(isFrozen());
  rmSync(file);
  start();
  await until("the freeze is lifted", () => !isFrozen());
});

test("FREEZE-5: a FREEZE file that stays holds, and goes later", async (t) => {
  const { file, readStanding, start, isFrozen, followed } = await open(t);
  writeFileSync(file, "not before I have looked\n");
  readStanding();
  start();
  await until("it is followed", () => followed() === 1);
  assert(isFrozen());
  rmSync(file);
  await until("the freeze is lifted", () => !isFrozen());
});

for (const isRead of [true, false]) {
  const when = isRead ? "before the gate is there" : "after the gate has asked";
  test(`FREEZE-5: a signal ${when} freezes the node until it is unfrozen`, async (t) => {
    const { freezes, readStanding, start, isFrozen } = await open(t);
    if (!isRead) readStanding();
    process.emit("SIGUSR2");
    if (isRead) readStanding();
    assert.equal(isFrozen(), isRead);
    start();
    const isHanded = (): boolean =>
      freezes.list().length === 1 && freezes.list()[0]?.by === "signal";
    await until("it is a freeze like any other", isHanded);
    assert(await freezes.unfreeze({ scope: "all", validator: null }));
    assert(!isFrozen());
  });
}
