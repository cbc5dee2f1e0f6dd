/** Validators that move into a cluster and out of it again: keystores, histories, commands. */
import assert from "node:assert/strict";
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, type TestContext } from "node:test";
import { openLevel } from "../../src/adapters/storage/level.ts";
import { systemRandom } from "../../src/adapters/system/random.ts";
import { encryptKeystore } from "../../src/crypto/keystore.ts";
import { parseSecretKey } from "../../src/crypto/points.ts";
import { randomScalar, scalarBytes } from "../../src/crypto/shamir.ts";
import { type PubKey, type Root, rootOf } from "../../src/domain/keys.ts";
import { openSlashingStore } from "../../src/safety/openSlashingStore.ts";
import type { SlashingStore } from "../../src/safety/slashingStore.ts";
import { toHex } from "../../src/util/bytes.ts";
import { type Finished, runCommand } from "./command.ts";
import { temporaryFolder } from "./temporary.ts";

export const ADDRESS = `0x${"a1".repeat(20)}`;
export const FORK_VERSION = "0x10000038";
export const ROOT: Root = rootOf(new Uint8Array(32).fill(9));
export const ADDRESSES = ["--fee-recipient-addresses", ADDRESS, "--withdrawal-addresses", ADDRESS];
export const PRIVATE_CHAIN = ["--testnet-fork-version", FORK_VERSION];
export const CHAIN_ROOT = ["--testnet-genesis-validators-root", ROOT];

type Key = { readonly secret: Uint8Array; readonly pubKey: PubKey };
type Entry = { readonly pubkey: string; readonly target?: number; readonly slot?: number };

/** Two validators of an ordinary client. */
export const KEYS: readonly Key[] = Array.from({ length: 2 }, () => {
  const secret = scalarBytes(randomScalar(systemRandom));
  const key = parseSecretKey(secret);
  assert(key !== null);
  return { secret, pubKey: toHex(key.publicKey) as PubKey };
});
/** What it signed. */
export const COMPLETE: readonly Entry[] = KEYS.map(({ pubKey }) => ({
  pubkey: pubKey,
  target: 100,
  slot: 3_200,
}));

const base = mkdtempSync(join(tmpdir(), "coterie-"));
export const OLD_KEYS = join(base, "old");
export const HISTORY = join(base, "history.json");
/** Their keys split among four nodes. */
export const SQUAD = join(base, "squad");

/** Makes {@link OLD_KEYS}, {@link HISTORY} and {@link SQUAD} for the tests of one file. */
export function useSplitKeys(): void {
  before(async () => {
    mkdirSync(OLD_KEYS);
    for (const [i, { secret }] of KEYS.entries()) {
      const password = `old password ${i}`;
      const json = await encryptKeystore({ secret, password, random: systemRandom, kdf: "weak" });
      const path = join(OLD_KEYS, `keystore-m_12381_3600_${i}_0_0`);
      writeFileSync(`${path}.json`, json);
      writeFileSync(`${path}.txt`, password, { mode: 0o600 });
    }
    const stranger = { pubkey: `0x${"b7".repeat(48)}`, target: 7 };
    writeFileSync(HISTORY, interchange([...COMPLETE, stranger]));
    const done = await split(SQUAD, ["--slashing-history", HISTORY, ...CHAIN_ROOT]);
    assert.equal(done.code, 0, done.stderr);
  });
  after(() => rmSync(base, { recursive: true }));
}

export function interchange(entries: readonly Entry[], root: string = ROOT): string {
  return JSON.stringify({
    metadata: { interchange_format_version: "5", genesis_validators_root: root },
    data: entries.map(({ pubkey, target, slot }) => ({
      pubkey,
      signed_blocks: slot === undefined ? [] : [{ slot: String(slot) }],
      signed_attestations:
        target === undefined
          ? []
          : [{ source_epoch: String(target - 1), target_epoch: String(target) }],
    })),
  });
}

export function split(clusterDir: string, rest: readonly string[]): Promise<Finished> {
  const keys = ["--split-existing-keys", "--split-keys-dir", OLD_KEYS, "--insecure-keys"];
  const where = ["--cluster-dir", clusterDir, ...PRIVATE_CHAIN, ...ADDRESSES];
  return runCommand(["create", "cluster", ...where, ...keys, ...rest]);
}

export function combine(rest: readonly string[]): Promise<Finished> {
  return runCommand(["combine", ...CHAIN_ROOT, ...rest]);
}

/** The slashing store of a data directory that no node uses. */
export async function withStore<T>(
  dataDir: string,
  use: (store: SlashingStore) => T | Promise<T>,
): Promise<T> {
  const level = await openLevel(join(dataDir, "db"));
  try {
    return await use(await openSlashingStore(level, ROOT));
  } finally {
    await level.close();
  }
}

/** Data directories of some nodes of {@link SQUAD}, that a test may spoil. */
export function copyNodes(t: TestContext, nodes: readonly number[]): string {
  const folder = temporaryFolder(t);
  for (const node of nodes) {
    cpSync(join(SQUAD, `node${node}`), join(folder, `node${node}`), { recursive: true });
  }
  return folder;
}
