/** What the slashing store promises, each promise with the danger present; see safetyClaims.ts. */
import assert from "node:assert/strict";
import { VirtualDisk } from "../../sim/virtualStore.ts";
import { FaultError } from "../../src/domain/errors.ts";
import type { PubKey } from "../../src/domain/keys.ts";
import { SLASHING_RECORDS_KEPT, SLASHING_RECORDS_SLACK } from "../../src/domain/limits.ts";
import { encodeHead } from "../../src/safety/records.ts";
import type { SafetyCode } from "./safetyClaims.ts";
import { block, CHAIN, outcomeOf, pubKey, root, sign, vote } from "./slashing.ts";

const KNOWN = { validatorOf: (key: string) => key as PubKey };

export const STORE_CLAIMS = {
  "SLASH-2: a second vote for a target epoch is refused, also after a restart": async (code) => {
    const disk = new VirtualDisk();
    const store = await code.openSlashingStore(disk.open(), CHAIN);
    assert.equal(outcomeOf(await sign(store, vote(1, 2))), "approved");
    assert.equal(
      outcomeOf(await sign(store, vote(1, 2), { signingRoot: root(2) })),
      "slashable_double_vote",
    );
    const again = await code.openSlashingStore(disk.open(), CHAIN);
    assert.equal(
      outcomeOf(await sign(again, vote(1, 2), { signingRoot: root(2) })),
      "slashable_double_vote",
    );
    assert.equal(outcomeOf(await sign(again, vote(1, 2))), "repeat");
  },

  "SLASH-3: a vote that surrounds a recorded one is refused": async (code) => {
    const store = await code.openSlashingStore(new VirtualDisk().open(), CHAIN);
    await sign(store, vote(2, 3));
    await sign(store, vote(5, 6));
    await sign(store, vote(5, 8));
    assert.equal(outcomeOf(await sign(store, vote(4, 7))), "slashable_surrounding");
  },

  "SLASH-3: a vote that a recorded one surrounds is refused": async (code) => {
    const store = await code.openSlashingStore(new VirtualDisk().open(), CHAIN);
    await sign(store, vote(2, 3));
    await sign(store, vote(2, 9));
    assert.equal(outcomeOf(await sign(store, vote(4, 7))), "slashable_surrounded");
  },

  "SLASH-4: a second block for a slot is refused, also after a restart": async (code) => {
    const disk = new VirtualDisk();
    const store = await code.openSlashingStore(disk.open(), CHAIN);
    await sign(store, block(1));
    await sign(store, block(2));
    const again = await code.openSlashingStore(disk.open(), CHAIN);
    const verdict = await sign(again, block(2), { signingRoot: root(2) });
    assert.equal(outcomeOf(verdict), "slashable_double_proposal");
  },

  "SLASH-5: a vote with its source after its target is refused": async (code) => {
    const store = await code.openSlashingStore(new VirtualDisk().open(), CHAIN);
    assert.equal(outcomeOf(await sign(store, vote(4, 3))), "slashable_source_after_target");
  },

  "SLASH-5: a number that no chain reaches is refused, whatever the message": async (code) => {
    const store = await code.openSlashingStore(new VirtualDisk().open(), CHAIN);
    for (const number of [2 ** 53, 1.5, Number.NaN, Infinity]) {
      for (const message of [vote(1, number), vote(number, number), block(number)]) {
        const signingRoot = root(1);
        const verdict = store.check(pubKey(1), { slashing: message, signingRoot });
        assert.equal(outcomeOf(verdict), "slashing_unrecordable", JSON.stringify(message));
      }
    }
  },

  "SLASH-6: a history begins with its first message; an older import opens nothing under it":
    async (code) => {
      const disk = new VirtualDisk();
      const store = await code.openSlashingStore(disk.open(), CHAIN);
      await sign(store, vote(9, 10));
      await sign(store, block(320));
      const file = interchange([vote(1, 2), vote(3, 4), block(10)]);
      assert.equal((await code.importInterchange(store, file, KNOWN)).ok, true);
      for (const opened of [store, await code.openSlashingStore(disk.open(), CHAIN)]) {
        for (const message of [vote(9, 9), vote(4, 5), vote(8, 11), block(319)]) {
          const verdict = await sign(opened, message, { signingRoot: root(7) });
          assert.equal(verdict.isApproved, false, JSON.stringify(message));
        }
      }
    },

  "SLASH-7: what one share signed binds every other share of the validator on this node": async (
    code,
  ) => {
    const store = await code.openSlashingStore(new VirtualDisk().open(), CHAIN);
    await sign(store, vote(1, 2), { shareIndex: 1 });
    const verdict = await sign(store, vote(1, 2), { shareIndex: 3, signingRoot: root(2) });
    assert.equal(outcomeOf(verdict), "slashable_double_vote");
  },

  "SLASH-8: an import tightens and is idempotent": async (code) => {
    const disk = new VirtualDisk();
    const store = await code.openSlashingStore(disk.open(), CHAIN);
    await sign(store, vote(9, 20));
    const file = interchange([vote(9, 20), vote(12, 15), vote(21, 22)]);
    const first = await code.importInterchange(store, file, KNOWN);
    assert.equal(first.ok && first.value.added > 0, true);
    const second = await code.importInterchange(store, file, KNOWN);
    assert.equal(second.ok && second.value.added, 0);
    for (const opened of [store, await code.openSlashingStore(disk.open(), CHAIN)]) {
      // Surrounds 12 → 15, which lies under the watermark, and would have been fine before.
      assert.equal((await sign(opened, vote(11, 21), { signingRoot: root(3) })).isApproved, false);
      assert.equal((await sign(opened, vote(21, 22), { signingRoot: root(3) })).isApproved, false);
    }
  },

  "SLASH-12: the smallest history refuses everything up to it, in a used store as in a new one":
    async (code) => {
      const disk = new VirtualDisk();
      const store = await code.openSlashingStore(disk.open(), CHAIN);
      await sign(store, vote(1, 2));
      await sign(store, block(64));
      const file = interchange([vote(39, 40), block(1_280)]);
      assert.equal((await code.importInterchange(store, file, KNOWN)).ok, true);
      for (const opened of [store, await code.openSlashingStore(disk.open(), CHAIN)]) {
        for (const message of [vote(29, 30), vote(38, 39), vote(38, 41), block(1_000)]) {
          const verdict = await sign(opened, message, { signingRoot: root(7) });
          assert.equal(verdict.isApproved, false, JSON.stringify(message));
        }
        assert.equal((await sign(opened, vote(39, 41))).isApproved, true);
      }
    },

  "SLASH-9: an imported message that contradicts our own is never signed": async (code) => {
    const disk = new VirtualDisk();
    const store = await code.openSlashingStore(disk.open(), CHAIN);
    await sign(store, vote(1, 2));
    await sign(store, vote(2, 3), { signingRoot: root(4) });
    const file = interchange([{ ...vote(2, 3), signing_root: root(5) }]);
    assert.equal((await code.importInterchange(store, file, KNOWN)).ok, true);
    for (const opened of [store, await code.openSlashingStore(disk.open(), CHAIN)]) {
      const verdict = await sign(opened, vote(2, 3), { signingRoot: root(5) });
      assert.equal(outcomeOf(verdict), "slashable_double_vote");
      const own = await sign(opened, vote(2, 3), { signingRoot: root(4) });
      assert.equal(outcomeOf(own), "repeat");
    }
  },

  "STORE-2: records of another chain are refused": async (code) => {
    const disk = new VirtualDisk();
    await code.openSlashingStore(disk.open(), CHAIN);
    await assert.rejects(code.openSlashingStore(disk.open(), root(5)), {
      name: "UsageError",
      message: /belong to the chain/,
    });
  },

  "STORE-3: records of a newer schema are refused": async (code) => {
    const disk = new VirtualDisk();
    await code.openSlashingStore(disk.open(), CHAIN);
    const head = disk.platter.get("slashing/head");
    assert(head !== undefined);
    head[3] = 3;
    await assert.rejects(code.openSlashingStore(disk.open(), CHAIN), {
      name: "UsageError",
      message: /a newer release wrote them/,
    });
  },

  "STORE-3: records of the schema before are opened, bind, and are upgraded": async (code) => {
    const disk = new VirtualDisk();
    const store = await code.openSlashingStore(disk.open(), CHAIN);
    await sign(store, vote(1, 2));
    const old = { schema: 1, genesisValidatorsRoot: CHAIN, entries: 2 };
    disk.platter.set("slashing/head", encodeHead(old));
    const opened = await code.openSlashingStore(disk.open(), CHAIN);
    const other = await sign(opened, vote(1, 2), { signingRoot: root(2) });
    assert.equal(outcomeOf(other), "slashable_double_vote");
    assert.equal(disk.platter.get("slashing/head")?.[3], 1, "reading changes nothing");
    await sign(opened, vote(2, 3));
    assert.equal(disk.platter.get("slashing/head")?.[3], 2);
    const again = await code.openSlashingStore(disk.open(), CHAIN);
    assert.equal(outcomeOf(await sign(again, vote(1, 2))), "repeat");
  },

  "SLASH-13: a group signature that contradicts is remembered, and never repeated": async (
    code,
  ) => {
    const disk = new VirtualDisk();
    const store = await code.openSlashingStore(disk.open(), CHAIN);
    await sign(store, vote(1, 5));
    const seen = { ...vote(2, 4), signingRoot: root(7) } as const;
    await store.transact((transaction) => transaction.witness(pubKey(1), seen, "seen"));
    const again = await code.openSlashingStore(disk.open(), CHAIN);
    const repeated = await sign(again, vote(2, 4), { signingRoot: root(7) });
    assert.equal(outcomeOf(repeated), "slashable_double_vote");
    // It contradicts what was seen, and nothing that this node signed.
    assert.equal(outcomeOf(await sign(again, vote(1, 4))), "slashable_double_vote");
  },

  "STORE-4: a damaged record keeps the node from starting, whichever bit it is": async (code) => {
    const disk = new VirtualDisk();
    const store = await code.openSlashingStore(disk.open(), CHAIN);
    await sign(store, vote(1, 2));
    for (const [key, value] of disk.platter) {
      for (let bit = 0; bit < value.length * 8; bit++) {
        const damaged = value.slice();
        damaged[bit >> 3] = (damaged[bit >> 3] ?? 0) ^ (1 << (bit & 7));
        disk.platter.set(key, damaged);
        await assert.rejects(
          code.openSlashingStore(disk.open(), CHAIN),
          { name: "UsageError" },
          `${key}, bit ${bit}`,
        );
      }
      disk.platter.set(key, value);
    }
  },

  "STORE-4: a record that is missing keeps the node from starting": async (code) => {
    const disk = new VirtualDisk();
    const store = await code.openSlashingStore(disk.open(), CHAIN);
    await sign(store, vote(1, 2));
    await sign(store, vote(2, 3));
    for (const [key, value] of [...disk.platter]) {
      disk.platter.delete(key);
      await assert.rejects(
        code.openSlashingStore(disk.open(), CHAIN),
        { name: "UsageError", message: /damaged/ },
        key,
      );
      disk.platter.set(key, value);
    }
  },

  "STORE-5: a long history stays small, and what it forgot is still refused": async (code) => {
    const disk = new VirtualDisk();
    const store = await code.openSlashingStore(disk.open(), CHAIN);
    const last = 1_000;
    for (let epoch = 1; epoch <= last; epoch++) {
      await sign(store, vote(epoch - 1, epoch));
      await sign(store, block(epoch * 32));
    }
    const bound = 2 * (SLASHING_RECORDS_KEPT + SLASHING_RECORDS_SLACK + 1) + 2;
    assert(disk.platter.size <= bound, `${disk.platter.size} entries, at most ${bound}`);
    for (const opened of [store, await code.openSlashingStore(disk.open(), CHAIN)]) {
      for (let epoch = 1; epoch <= last; epoch++) {
        const key = { signingRoot: root(9) };
        const second = await sign(opened, vote(epoch - 1, epoch), key);
        assert.equal(second.isApproved, false, `second vote for ${epoch}`);
        const proposal = await sign(opened, block(epoch * 32), key);
        assert.equal(proposal.isApproved, false, `second block in epoch ${epoch}`);
      }
      // Surrounds much of the history, the forgotten part included.
      assert.equal((await sign(opened, vote(3, last + 1))).isApproved, false);
    }
  },

  "STORE-5: a history of nothing but what others signed is pruned, and opens again": async (
    code,
  ) => {
    for (const messageOf of [(epoch: number) => vote(epoch - 1, epoch), block]) {
      const disk = new VirtualDisk();
      const store = await code.openSlashingStore(disk.open(), CHAIN);
      const last = SLASHING_RECORDS_KEPT + SLASHING_RECORDS_SLACK + 2;
      for (let number = 1; number <= last; number++) {
        const seen = { ...messageOf(number), signingRoot: root(number) };
        await store.transact((transaction) => transaction.witness(pubKey(1), seen, "seen"));
      }
      // A node that cannot reach its peers sees hours of them, and then restarts.
      await assert.doesNotReject(code.openSlashingStore(disk.open(), CHAIN));
      const again = await code.openSlashingStore(disk.open(), CHAIN);
      const verdict = await sign(again, messageOf(1), { signingRoot: root(99) });
      assert.equal(outcomeOf(verdict), "below_watermark");
    }
  },

  "STORE-6: a message whose write failed still binds, and is signed only once it is written":
    async (code) => {
      for (const lands of [true, false]) {
        const disk = new VirtualDisk();
        const store = await code.openSlashingStore(disk.open(), CHAIN);
        await sign(store, vote(1, 2));
        disk.fault = { write: disk.writes + 1, lands };
        await assert.rejects(sign(store, vote(2, 3)), FaultError);
        const other = await sign(store, vote(2, 3), { signingRoot: root(2) });
        assert.equal(outcomeOf(other), "slashable_double_vote");

        const writes = disk.writes;
        assert.equal(outcomeOf(await sign(store, vote(2, 3))), "repeat");
        assert.equal(disk.writes, writes + 1, "the retry writes");
        const again = await code.openSlashingStore(disk.open(), CHAIN);
        assert.equal(outcomeOf(await sign(again, vote(2, 3))), "repeat");
      }
    },

  "STORE-6: what a full disk is offered does not grow with each time that it is": async (code) => {
    const disk = new VirtualDisk();
    const inner = disk.open();
    const sizes: number[] = [];
    const batch: typeof inner.batch = (operations) => {
      sizes.push(operations.length);
      return inner.batch(operations);
    };
    const watched = { batch, get: inner.get.bind(inner), entries: inner.entries.bind(inner) };
    const store = await code.openSlashingStore({ ...watched, close: async () => undefined }, CHAIN);
    await sign(store, vote(1, 2));
    disk.beforeWrite = () => Promise.reject(new FaultError("disk_failed", "full"));
    for (let i = 0; i < 10; i++) await assert.rejects(sign(store, vote(2, 3)), FaultError);
    assert.equal(new Set(sizes.slice(-10)).size, 1, `batches of ${sizes.join()}`);
  },

  "SLASH-1: a repeat needs no write, so it goes on while the disk is out of order": async (
    code,
  ) => {
    const disk = new VirtualDisk();
    const store = await code.openSlashingStore(disk.open(), CHAIN);
    await sign(store, vote(1, 2));
    const writes = disk.writes;
    disk.fault = { write: writes + 1, lands: false };
    const [repeat, fresh] = await Promise.allSettled([
      sign(store, vote(1, 2)),
      sign(store, vote(2, 3)),
    ]);
    assert.equal(repeat.status, "fulfilled");
    assert.equal(fresh.status, "rejected");
    assert.equal(outcomeOf(await sign(store, vote(1, 2))), "repeat");
    assert.equal(disk.writes, writes + 1);
  },
} satisfies Readonly<Record<string, (code: SafetyCode) => Promise<void>>>;

type FileMessage = ReturnType<typeof vote> & { readonly signing_root?: string };

/** An interchange file about validator 1. */
function interchange(messages: readonly FileMessage[]): string {
  const optional = ({ signing_root }: FileMessage): object =>
    signing_root === undefined ? {} : { signing_root };
  return JSON.stringify({
    metadata: { interchange_format_version: "5", genesis_validators_root: CHAIN },
    data: [
      {
        pubkey: pubKey(1),
        signed_blocks: messages.flatMap((message) =>
          message.kind === "block" ? [{ slot: `${message.slot}`, ...optional(message) }] : [],
        ),
        signed_attestations: messages.flatMap((message) =>
          message.kind === "attestation"
            ? [
                {
                  source_epoch: `${message.source}`,
                  target_epoch: `${message.target}`,
                  ...optional(message),
                },
              ]
            : [],
        ),
      },
    ],
  });
}
