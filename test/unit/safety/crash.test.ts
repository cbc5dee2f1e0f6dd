/**
 * A node's life over several epochs, in which the n-th write fails or the process dies at it, for
 * every n, and with either outcome on the platter. Whoever comes after it wants to sign the other
 * of two forks (STORE-1, STORE-6).
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { VirtualDisk } from "../../../sim/virtualStore.ts";
import type { SigningTask } from "../../../src/domain/data.ts";
import type { Root } from "../../../src/domain/keys.ts";
import { createSafetyGate } from "../../../src/safety/gate.ts";
import { openSlashingStore } from "../../../src/safety/openSlashingStore.ts";
import type { SlashingStore } from "../../../src/safety/slashingStore.ts";
import { block, CHAIN, OPEN, request, root, task, vote } from "../../support/slashing.ts";
import { isSlashable, type ModelMessage } from "../../support/slashingModel.ts";

/** Long enough that the oldest records are pruned on the way. */
const EPOCHS = 60;
/** The head, and one write per epoch. */
const WRITES = EPOCHS + 1;
const FORK = root(1);
const OTHER_FORK = root(2);

for (const lands of [true, false]) {
  const outcome = lands ? "lands" : "is lost";

  test(`STORE-6: the n-th write fails and ${outcome}: nothing contradicting leaves`, async () => {
    for (let n = 2; n <= WRITES; n++) {
      const disk = new VirtualDisk();
      disk.fault = { write: n, lands };
      const store = await openSlashingStore(disk.open(), CHAIN);
      const emitted: Emitted[] = [];
      await live(store, { fork: FORK, emitted });
      assert.equal(emitted.length, 3 * EPOCHS, `n = ${n}: what failed went at the second attempt`);
      await live(store, { fork: OTHER_FORK, emitted });
      await live(await openSlashingStore(disk.open(), CHAIN), { fork: OTHER_FORK, emitted });
      assertHarmless(emitted);
    }
  });

  test(`STORE-1: it dies at the n-th write, which ${outcome}: nothing is lost`, async () => {
    for (let n = 2; n <= WRITES; n++) {
      const disk = new VirtualDisk();
      const died = dieAt(disk, { write: n, lands });
      const emitted: Emitted[] = [];
      void live(await openSlashingStore(disk.open(), CHAIN), { fork: FORK, emitted });
      await died;
      assert.equal(emitted.length, 3 * (n - 2), "acknowledged before the process died");

      disk.beforeWrite = () => undefined;
      const restarted = await openSlashingStore(disk.open(), CHAIN);
      for (const { task, message } of emitted.slice(-3)) {
        const candidate = { slashing: message, signingRoot: FORK };
        const verdict = restarted.check(task.pubKey, candidate);
        assert.deepEqual(verdict, { isApproved: true, isRepeat: true }, "still remembered");
      }
      await live(restarted, { fork: OTHER_FORK, emitted });
      assertHarmless(emitted);
    }
  });
}

type Emitted = { readonly task: SigningTask; readonly message: ModelMessage };
type Life = { readonly fork: Root; readonly emitted: Emitted[] };

/** Takes every epoch's duties to the gate, each again if nothing came of it. */
async function live(slashing: SlashingStore, { fork, emitted }: Life): Promise<void> {
  const gate = createSafetyGate({ ...OPEN, slashing });
  for (let epoch = 1; epoch <= EPOCHS; epoch++) {
    const tasks = [
      task(1, vote(epoch - 1, epoch), fork),
      task(2, vote(epoch - 1, epoch), fork),
      task(3, block(epoch), fork),
    ];
    for (let attempt = 0; attempt < 2; attempt++) {
      const { admitted } = await gate.admit(request(tasks));
      if (admitted === null) continue;
      for (const { validator } of admitted.signatures) {
        const own = tasks[validator - 1];
        assert(own?.slashing);
        emitted.push({ task: own, message: { ...own.slashing, signingRoot: fork } });
      }
      break;
    }
  }
}

/** Resolves when the write begins; it never ends, and neither does a later one. */
function dieAt(
  disk: VirtualDisk,
  { write, lands }: { readonly write: number; readonly lands: boolean },
): Promise<void> {
  return new Promise((resolve) => {
    disk.beforeWrite = (operations) => {
      if (disk.writes < write) return undefined;
      if (lands) disk.apply(operations);
      resolve();
      return new Promise(() => undefined);
    };
  });
}

function assertHarmless(emitted: readonly Emitted[]): void {
  const byValidator = Map.groupBy(emitted, ({ task }) => task.validator);
  for (const messages of byValidator.values()) {
    const bySigned = Map.groupBy(messages, ({ message }) => JSON.stringify(message));
    const distinct = [...bySigned.values()].map(([first]) => first?.message);
    for (const [index, message] of distinct.entries()) {
      for (const other of distinct.slice(0, index)) {
        assert(message !== undefined && other !== undefined);
        assert(!isSlashable(message, other), JSON.stringify([message, other]));
      }
    }
  }
}
