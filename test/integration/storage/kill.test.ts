import assert from "node:assert/strict";
import { once } from "node:events";
import { join } from "node:path";
import { test } from "node:test";
import { openLevel } from "../../../src/adapters/storage/level.ts";
import { openSlashingStore } from "../../../src/safety/openSlashingStore.ts";
import { startChild } from "../../support/childProcess.ts";
import { CHAIN, outcomeOf, pubKey, root, vote } from "../../support/slashing.ts";
import { temporaryFolder } from "../../support/temporary.ts";

const KILLS = 10;

test("STORE-1: kill -9 at any moment loses no record of what was let out", async (t) => {
  const directory = temporaryFolder(t);
  let last = 0;
  for (let kill = 0; kill < KILLS; kill++) {
    const child = startChild(t, "slashingWriter", [directory, `${last + 1}`]);
    // Later each time, so that the kill meets different moments of a write.
    const enough = last + 1 + 7 * kill;
    let text = "";
    for await (const chunk of child.stdout) {
      text += String(chunk);
      const complete = text.slice(0, text.lastIndexOf("\n")).split("\n");
      last = Math.max(last, Number(complete.at(-1)));
      if (last >= enough) child.kill("SIGKILL");
    }
    if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
    assert.equal(child.signalCode, "SIGKILL", "the child was at work when it died");

    const disk = await openLevel(join(directory, "db"));
    const store = await openSlashingStore(disk, CHAIN);
    for (let epoch = 1; epoch <= last; epoch++) {
      for (const validator of [1, 2, 3, 4]) {
        const other = { slashing: vote(epoch - 1, epoch), signingRoot: root(2) };
        assert(!store.check(pubKey(validator), other).isApproved, `epoch ${epoch} is forgotten`);
      }
    }
    const same = { slashing: vote(last - 1, last), signingRoot: root(1) };
    assert.equal(outcomeOf(store.check(pubKey(1), same)), "repeat");
    await disk.close();
    // The epoch that was under way may be recorded; the same message again is what the child signs.
  }
  t.diagnostic(`${KILLS} kills, ${last} epochs of 4 validators acknowledged, none lost`);
});
