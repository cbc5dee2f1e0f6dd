// KEYS-6: key shares that are new to the built-in signer bring their history, or never signed.
import assert from "node:assert/strict";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { VirtualDisk } from "../../../sim/virtualStore.ts";
import { readDataDir } from "../../../src/cli/dataDir.ts";
import type * as importing from "../../../src/cli/keyImport.ts";
import { importKeys } from "../../../src/cli/keyImport.ts";
import { writeTranscript } from "../../../src/dkg/transcript.ts";
import type { PubKey } from "../../../src/domain/keys.ts";
import type { ValidatorState } from "../../../src/ports/beaconNode.ts";
import { MigrationWait } from "../../../src/safety/migrationWait.ts";
import { openSlashingStore } from "../../../src/safety/openSlashingStore.ts";
import { makeSquad } from "../../support/backups.ts";
import { FakeBeacon } from "../../support/fakeBeacon.ts";
import { loadMutant, type Patch } from "../../support/mutant.ts";
import { recordingLogger } from "../../support/quiet.ts";
import { CHAIN, outcomeOf, root, sign, vote } from "../../support/slashing.ts";
import { GENESIS_VALIDATORS_ROOT, SLOTS_PER_EPOCH, testChain } from "../../support/testChain.ts";
import { VirtualClock } from "../../support/virtualClock.ts";

const folder = mkdtempSync(join(tmpdir(), "coterie-"));
const nodeDir = join(folder, "squad", "node0");
const chain = testChain();
const LATER = 100 * SLOTS_PER_EPOCH;
type Code = Pick<typeof importing, "importKeys">;
let loaded: Awaited<ReturnType<typeof readDataDir>>;

before(async () => {
  await makeSquad(join(folder, "squad"), "0x00000f00");
  loaded = await readDataDir({
    dataDir: nodeDir,
    lockFile: join(nodeDir, "cluster-lock.json"),
    privateKeyFile: null,
    validatorKeysDir: join(nodeDir, "validator_keys"),
    contractWallets: new Set(),
  });
});
after(() => rmSync(folder, { recursive: true }));

const pubKeys = (): readonly PubKey[] => loaded.cluster.validators.map(({ pubKey }) => pubKey);

type Start = {
  readonly disk?: VirtualDisk;
  readonly dataDir?: string;
  readonly file?: string;
  readonly isFresh?: boolean;
  readonly skipWait?: boolean;
  readonly slot?: number;
  /** Of each validator; null where the chain does not know it. */
  readonly statuses?: readonly (string | null)[];
  readonly shares?: number;
  readonly code?: Code;
};

/** One start of a node up to the point where its signer gets its shares; the disk after it. */
async function start(given: Start = {}): Promise<VirtualDisk> {
  return (await startFully(given)).disk;
}

async function startFully(given: Start) {
  const { disk = new VirtualDisk(), slot = LATER, code = { importKeys }, shares = 2 } = given;
  const { statuses = ["active_ongoing", "active_ongoing"] } = given;
  const states = pubKeys().flatMap((pubKey, index): ValidatorState[] => {
    const status = statuses[index] ?? null;
    return status === null ? [] : [{ pubKey, index, status }];
  });
  const beacon = Object.assign(new FakeBeacon(pubKeys()), { validators: async () => states });
  const logger = recordingLogger();
  const isFresh = await code.importKeys(
    {
      options: {
        dataDir: given.dataDir ?? nodeDir,
        keyHistory: { file: given.file ?? null, isFresh: given.isFresh ?? false },
        skipWait: given.skipWait ?? false,
      },
      dataDir: { ...loaded, shares: loaded.shares.slice(0, shares) },
      store: disk.open(),
      beacon,
      clock: new VirtualClock(chain.slotStart(slot)),
      logger,
      onWaiting: () => undefined,
    },
    new AbortController().signal,
  );
  return { disk, isFresh, told: logger.lines.map(({ message }) => message).join() };
}

/** Share views of two epochs, as a validator client exports them. */
function history(
  name: string,
  validators: number,
  genesis: string = GENESIS_VALIDATORS_ROOT,
): string {
  const data = loaded.cluster.validators.slice(0, validators).map(({ pubShares }) => ({
    pubkey: pubShares[0],
    signed_blocks: [],
    signed_attestations: [98, 99].map((target) => {
      return { source_epoch: `${target - 1}`, target_epoch: `${target}` };
    }),
  }));
  const metadata = { interchange_format_version: "5", genesis_validators_root: genesis };
  // A key of somebody else in the same client is passed over.
  const other = { pubkey: `0x${"ab".repeat(48)}`, signed_blocks: [], signed_attestations: [] };
  const path = join(folder, name);
  writeFileSync(path, JSON.stringify({ metadata, data: [...data, other] }));
  return path;
}

/** As the node does right after: from then on it has met the lock. */
async function openWait(disk: VirtualDisk): Promise<void> {
  await MigrationWait.open({
    ...{ store: disk.open(), chain, clock: new VirtualClock(0), logger: recordingLogger() },
    ...{ lockHash: loaded.cluster.lockHash, isFresh: false, isSkipped: false },
  });
}

const DEMANDED = { name: "UsageError", message: /say nothing of 0x/, fix: /--slashing-protection/ };

describe("KEYS-6: key shares that are new here", () => {
  test("of active validators are refused without a history, at every start", async () => {
    const disk = new VirtualDisk();
    await assert.rejects(start({ disk }), {
      ...DEMANDED,
      message: /their key shares are new here/,
    });
    await assert.rejects(start({ disk }), DEMANDED);
  });

  test("bring their history, which binds, is audited, and is not asked for again", async () => {
    const { disk, told } = await startFully({ file: history("history.json", 2) });
    assert.doesNotMatch(told, /was not read/);
    const store = await openSlashingStore(disk.open(), GENESIS_VALIDATORS_ROOT);
    for (const pubKey of pubKeys()) {
      const again = { slashing: vote(98, 99), signingRoot: root(9) };
      assert.notEqual(outcomeOf(store.check(pubKey, again)), "approved");
      const next = { slashing: vote(99, 100), signingRoot: root(9) };
      assert.equal(outcomeOf(store.check(pubKey, next)), "approved");
    }
    const audited = [...disk.platter].filter(([key]) => key.startsWith("audit/entries/"));
    const text = audited.map(([, value]) => new TextDecoder().decode(value)).join();
    assert.match(text, /"action":"key-import".*with the history of .*history\.json/);
    await start({ disk });
    const again = await startFully({ disk, file: history("later.json", 2) });
    assert.match(again.told, /was not read.*coterie slashing import/);
  });

  test("are refused with a history that lacks one of them, or is of another chain", async () => {
    const disk = new VirtualDisk();
    await assert.rejects(start({ disk, file: history("one.json", 1) }), /says nothing of 0x/);
    await assert.rejects(
      start({ disk, file: history("foreign.json", 2, CHAIN.replace("04", "05")) }),
      {
        message: /is of the chain with genesis validators root/,
      },
    );
    await assert.rejects(start({ disk }), DEMANDED, "nothing of it was taken");
  });

  test("are fresh only where the beacon node says that they were never active", async () => {
    const statuses = ["pending_queued", null];
    await start({ isFresh: true, statuses });
    await assert.rejects(start({ statuses }), DEMANDED, "it has to be said");
    for (const status of ["active_ongoing", "exited_unslashed", "withdrawal_done"]) {
      const refused = start({ isFresh: true, statuses: [null, status] });
      await assert.rejects(refused, { ...DEMANDED, message: /says that they have been active/ });
    }
  });

  test("of this directory's own ceremony need no word while they were never active", async () => {
    const transcript = JSON.parse(
      readFileSync(join(import.meta.dirname, "../../golden/ceremony/transcript.json"), "utf8"),
    );
    const dataDir = join(folder, "ceremony");
    cpSync(nodeDir, dataDir, { recursive: true });
    const write = (lockHash: string): void => {
      const text = writeTranscript({ ...transcript, lock_hash: lockHash });
      writeFileSync(join(dataDir, "transcript.json"), text);
    };
    write(loaded.cluster.lockHash);
    await start({ dataDir, statuses: [null, "pending_initialized"] });
    await assert.rejects(start({ dataDir }), DEMANDED, "copied later, they have a history");
    write(root(7));
    await assert.rejects(start({ dataDir, statuses: [null, null] }), DEMANDED);
  });

  test("WAIT-1: need no wait where a ceremony made them and the chain lets none sign", async () => {
    const dataDir = join(folder, "ceremony");
    const file = join(dataDir, "transcript.json");
    const transcript = JSON.parse(readFileSync(file, "utf8"));
    const lock_hash = loaded.cluster.lockHash;
    writeFileSync(file, writeTranscript({ ...transcript, lock_hash }));
    const statuses = [null, "pending_queued"];
    const { isFresh, disk } = await startFully({ dataDir, statuses });
    assert.equal(isFresh, true);
    // A client may hold the shares.
    assert.equal((await startFully({ dataDir, statuses, shares: 0 })).isFresh, true);
    const active = [null, "active_ongoing"];
    assert.equal((await startFully({ dataDir, shares: 0, statuses: active })).isFresh, false);
    assert.equal((await startFully({ isFresh: true, statuses })).isFresh, false, "by another tool");
    await openWait(disk);
    assert.equal((await startFully({ dataDir, statuses, disk })).isFresh, false, "known by now");
  });

  test("need nothing where nobody can have signed yet, or by --skip-wait", async () => {
    await start({ slot: 2 * SLOTS_PER_EPOCH - 1 });
    await start({ skipWait: true });
  });

  test("are told from shares that signed here, and not by what others signed", async () => {
    const disk = new VirtualDisk();
    const slashing = await openSlashingStore(disk.open(), GENESIS_VALIDATORS_ROOT);
    const [first, second] = pubKeys();
    assert(first !== undefined && second !== undefined);
    await sign(slashing, vote(1, 2), { key: first });
    await slashing.transact((t) => {
      const message = { ...vote(1, 2), signingRoot: root(1) };
      t.witness(second, message, "combined");
    });
    await start({ disk, shares: 1 });
    await assert.rejects(start({ disk, shares: 2 }), DEMANDED, "its share signed elsewhere");
  });
});

const MUTANTS: Readonly<Record<string, Patch>> = {
  "no history is demanded": {
    find: 'if (!isFresh && !isOwn) throw historyMissing(keys, "their key shares are new here");',
    replace: "",
  },
  "--fresh is believed": { find: "if (active.length === 0) return", replace: "return" },
  "the file is not imported": {
    find: "const imported = await importInterchange(slashing, text, { validatorOf });",
    replace: "const imported = { ok: true, error: text };",
  },
};

/** What the mutants break: nothing undeclared, nothing active, nothing below the history. */
async function claimsOf(code: Code): Promise<readonly boolean[]> {
  const isRefused = async (given: Start): Promise<boolean> =>
    start({ ...given, code }).then(
      () => false,
      () => true,
    );
  const disk = await start({ file: history("mutant.json", 2), code });
  const store = await openSlashingStore(disk.open(), GENESIS_VALIDATORS_ROOT);
  const [pubKey] = pubKeys();
  assert(pubKey !== undefined);
  const again = { slashing: vote(98, 99), signingRoot: root(9) };
  return [
    await isRefused({ statuses: ["pending_queued", null] }),
    await isRefused({ isFresh: true, statuses: ["active_ongoing", null] }),
    !store.check(pubKey, again).isApproved,
  ];
}

describe("mutants of the import", () => {
  test("KEYS-6: the product does not show what they show", async () => {
    assert.deepEqual(await claimsOf({ importKeys }), [true, true, true]);
  });

  for (const [name, patch] of Object.entries(MUTANTS)) {
    test(`KEYS-6: killed: ${name}`, async () => {
      const code = await loadMutant<Code>("src/cli/keyImport.ts", [patch]);
      assert((await claimsOf(code)).includes(false));
    });
  }
});
