import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { VirtualDisk } from "../../../sim/virtualStore.ts";
import type { PubKey } from "../../../src/domain/keys.ts";
import { type Interchange, importInterchange } from "../../../src/safety/interchange.ts";
import {
  covers,
  type Highest,
  higher,
  highestOf,
  minimalInterchange,
  summarizeInterchange,
} from "../../../src/safety/interchangeSummary.ts";
import { openSlashingStore } from "../../../src/safety/openSlashingStore.ts";
import type { SlashingStore } from "../../../src/safety/slashingStore.ts";
import { block, CHAIN, pubKey, root, sign, vote } from "../../support/slashing.ts";

const KEY = pubKey(1);
const EPOCHS = 12;

type Message = { readonly source: number; readonly target: number } | { readonly slot: number };

/** Honest or not: source and target in any order. */
const messages = fc.array(
  fc.oneof(
    fc.record({ source: fc.nat(EPOCHS), target: fc.nat(EPOCHS) }),
    fc.record({ slot: fc.nat(EPOCHS) }),
  ),
  { maxLength: 12 },
);

function fileOf(list: readonly Message[], key: string = KEY): Interchange {
  return {
    metadata: { interchange_format_version: "5", genesis_validators_root: CHAIN },
    data: [
      {
        pubkey: key,
        signed_blocks: list.flatMap((message) =>
          "slot" in message ? [{ slot: String(message.slot) }] : [],
        ),
        signed_attestations: list.flatMap((message) =>
          "slot" in message
            ? []
            : [{ source_epoch: String(message.source), target_epoch: String(message.target) }],
        ),
      },
    ],
  };
}

async function storeWith(file: Interchange): Promise<SlashingStore> {
  const store = await openSlashingStore(new VirtualDisk().open(), CHAIN);
  const validatorOf = (key: `0x${string}`): PubKey => key as PubKey;
  const imported = await importInterchange(store, JSON.stringify(file), { validatorOf });
  assert(imported.ok);
  return store;
}

function highestIn(file: Interchange): ReadonlyMap<`0x${string}`, Highest> {
  const summary = summarizeInterchange(JSON.stringify(file));
  assert(summary.ok);
  return summary.value.highest;
}

// SLASH-12
test("the smallest file refuses whatever the whole one refuses", async () => {
  await fc.assert(
    fc.asyncProperty(messages, async (list) => {
      const highest = highestIn(fileOf(list)) as ReadonlyMap<PubKey, Highest>;
      const whole = await storeWith(fileOf(list));
      const smallest = await storeWith(minimalInterchange(CHAIN, highest));
      const candidates = [
        ...Array.from({ length: EPOCHS + 2 }, (_, slot) => block(slot)),
        ...Array.from({ length: (EPOCHS + 2) ** 2 }, (_, i) =>
          vote(Math.floor(i / (EPOCHS + 2)), i % (EPOCHS + 2)),
        ),
      ];
      for (const slashing of candidates) {
        const candidate = { slashing, signingRoot: root(1) };
        if (whole.check(KEY, candidate).isApproved) continue;
        assert.equal(smallest.check(KEY, candidate).isApproved, false, JSON.stringify(slashing));
      }
    }),
    { numRuns: 200, verbose: true },
  );
});

test("what was signed next to a history stands above it, what it holds does not", async () => {
  const store = await storeWith(fileOf([{ source: 3, target: 4 }, { slot: 40 }]));
  const known = highestIn(fileOf([{ source: 3, target: 4 }, { slot: 40 }])).get(KEY);
  const now = (): Highest => {
    const [entry] = store.snapshot();
    assert(entry !== undefined);
    return highestOf(entry[1]);
  };
  assert(known !== undefined);
  assert.equal(covers(known, now()), true);
  await sign(store, vote(4, 5));
  assert.equal(covers(known, now()), false);
  assert.equal(covers(higher(known, now()), known), true);
  assert.equal(covers({ ...known, block: null }, known), false);
  assert.equal(covers({ ...known, attestation: null }, known), false);
  const nothing = { attestation: null, block: null };
  assert.equal(covers(known, nothing), true);
});

test("entries of one key add up, and a key without a message is absent", () => {
  const [first] = fileOf([{ source: 1, target: 9 }]).data;
  const [second] = fileOf([{ source: 5, target: 6 }, { slot: 2 }]).data;
  const [empty] = fileOf([], pubKey(2)).data;
  assert(first !== undefined && second !== undefined && empty !== undefined);
  const highest = highestIn({ ...fileOf([]), data: [first, second, empty] });
  assert.deepEqual(
    [...highest],
    [[KEY, { attestation: { source: 5, target: 9 }, block: { slot: 2 } }]],
  );
});

test("a malformed file is refused by the name of its field", () => {
  const [entry] = fileOf([]).data;
  assert(entry !== undefined);
  const broken = { ...fileOf([]), data: [{ ...entry, signed_blocks: [{ slot: "minus one" }] }] };
  const summary = summarizeInterchange(JSON.stringify(broken));
  assert(!summary.ok);
  assert.match(summary.error, /data\[0\]\.signed_blocks\[0\]\.slot/);
});
