import assert from "node:assert/strict";
import { test } from "node:test";
import { VirtualDisk } from "../../../sim/virtualStore.ts";
import { createSafetyGate } from "../../../src/safety/gate.ts";
import { openSlashingStore } from "../../../src/safety/openSlashingStore.ts";
import { decodeProvenance } from "../../../src/safety/records.ts";
import { block, CHAIN, OPEN, request, task } from "../../support/slashing.ts";

test("STORE-3: an own record names share epoch, PubShare and what was decided", async () => {
  const disk = new VirtualDisk();
  const slashing = await openSlashingStore(disk.open(), CHAIN);
  const tasks = [task(3, block(64))];
  await createSafetyGate({ ...OPEN, slashing }).admit(request(tasks));
  const records = [...disk.platter].filter(([key]) => /\/block\//.test(key));
  assert.deepEqual(
    records.map(([key, value]) => decodeProvenance(key, value)),
    [
      {
        shareEpoch: 0,
        pubShare: `0x${"03".repeat(48)}`,
        messageRoot: tasks[0]?.messageRoot,
      },
    ],
  );
});
