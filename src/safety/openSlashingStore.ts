/**
 * Reads the slashing records at start-up and refuses to go on with any that it cannot vouch for: an
 * empty history looks like a safe one, so nothing unreadable may pass for empty.
 */
import { UsageError } from "../domain/errors.ts";
import type { PubKey, Root } from "../domain/keys.ts";
import type { KeyValueStore } from "../ports/keyValueStore.ts";
import { ValidatorHistory } from "./history.ts";
import {
  decodeHead,
  decodeSchema,
  EntryDecoder,
  encodeHead,
  HEAD_KEY,
  SLASHING_RANGE,
  SLASHING_SCHEMA,
  type StoreEntry,
  type StoreHead,
} from "./records.ts";
import { SlashingStore } from "./slashingStore.ts";

/**
 * Opens the slashing records within `store` for the chain of `genesisValidatorsRoot`. Throws a
 * `UsageError` with the remedy when they belong to another chain (STORE-2), were written by a newer
 * release (STORE-3), or are damaged or incomplete (STORE-4).
 */
export async function openSlashingStore(
  store: KeyValueStore,
  genesisValidatorsRoot: Root,
): Promise<SlashingStore> {
  const head = await readHead(store, genesisValidatorsRoot);
  const histories = new Map<PubKey, ValidatorHistory>();
  let entries = 0;
  const decoder = new EntryDecoder();
  for await (const [key, value] of store.entries(SLASHING_RANGE)) {
    if (key === HEAD_KEY) continue;
    const entry = decoder.decode(key, value);
    if (!entry.ok) throw damagedRecords(entry.error);
    load(histories, entry.value);
    entries++;
  }
  // A batch that LevelDB's recovery dropped leaves no other trace than the count in a later one.
  const expected = head?.entries ?? 0;
  if (entries !== expected) {
    throw damagedRecords(`${entries} entries are there, ${expected} were written`);
  }

  if (head === null) {
    const first = { schema: SLASHING_SCHEMA, genesisValidatorsRoot, entries: 0 };
    await store.batch([{ type: "put", key: HEAD_KEY, value: encodeHead(first) }]);
  }
  return new SlashingStore(store, { genesisValidatorsRoot, histories, entries });
}

async function readHead(store: KeyValueStore, expectedRoot: Root): Promise<StoreHead | null> {
  const value = await store.get(HEAD_KEY);
  if (value === undefined) return null;
  const schema = decodeSchema(value);
  if (!schema.ok) throw damagedRecords(schema.error);
  if (schema.value > SLASHING_SCHEMA) {
    throw new UsageError(
      `the slashing records have schema ${schema.value}, this release reads up to ` +
        `${SLASHING_SCHEMA}: a newer release wrote them`,
      { fix: "run the newer release again; never delete the records to start an older one" },
    );
  }
  const head = decodeHead(value);
  if (!head.ok) throw damagedRecords(head.error);
  const { genesisValidatorsRoot } = head.value;
  if (genesisValidatorsRoot !== expectedRoot) {
    throw new UsageError(
      "the slashing records belong to the chain with genesis validators root " +
        `${genesisValidatorsRoot}, the beacon node is on ${expectedRoot}`,
      { fix: "connect a beacon node of the right chain, or use that chain's own data directory" },
    );
  }
  return head.value;
}

function load(histories: Map<PubKey, ValidatorHistory>, entry: StoreEntry): void {
  const history = histories.get(entry.pubKey) ?? new ValidatorHistory();
  histories.set(entry.pubKey, history);
  if (entry.type === "message") {
    history.insert(entry.message);
    return;
  }
  const { attestation, block } = entry.watermarks;
  if (attestation !== null) history.raiseAttestationWatermark(attestation);
  if (block !== null) history.raiseBlockWatermark(block);
}

export function damagedRecords(what: string): UsageError {
  return new UsageError(`the slashing records are damaged: ${what}`, {
    fix:
      "stop every other signer of these validators, move the data directory's db folder away, " +
      "and import a complete slashing history before this node signs again",
  });
}
