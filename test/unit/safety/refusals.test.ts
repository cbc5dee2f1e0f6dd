// Every refusal names its rule, the record that it is about, and what the operator can do.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { VirtualDisk } from "../../../sim/virtualStore.ts";
import { Deadlines } from "../../../src/core/deadlines.ts";
import { GAVE_WAY } from "../../../src/core/heartbeats.ts";
import type { SlashingInput } from "../../../src/domain/data.ts";
import {
  ERRORS,
  FaultError,
  messageOf,
  type RefusalCode,
  type RefusalReason,
  UsageError,
} from "../../../src/domain/errors.ts";
import type { Root } from "../../../src/domain/keys.ts";
import { DUTY_KINDS } from "../../../src/duties/table.ts";
import { openAudit } from "../../../src/node/audit.ts";
import { openPeerSafety } from "../../../src/node/peerSafety.ts";
import { openFreezes } from "../../../src/safety/freezes.ts";
import { createSafetyGate, type GateParts } from "../../../src/safety/gate.ts";
import { openSlashingStore } from "../../../src/safety/openSlashingStore.ts";
import { encodeHead, HEAD_KEY, SLASHING_SCHEMA } from "../../../src/safety/records.ts";
import { nativeProfile } from "../../../src/wire/nativeProfile.ts";
import { NodeCluster } from "../../support/nodeCluster.ts";
import {
  block,
  CHAIN,
  HELD,
  OPEN,
  pubKey,
  request,
  root,
  sign,
  task,
  vote,
} from "../../support/slashing.ts";
import { VirtualClock } from "../../support/virtualClock.ts";

type Refused = {
  readonly make: () => Promise<RefusalReason | undefined>;
  /** What it is about: the stored record, or what stands for one. */
  readonly record: RegExp;
  readonly remedy: RegExp;
};

/** The gate's refusal of `message` after `signed`, with some of its parts replaced. */
async function refusalOf(
  message: SlashingInput | null,
  signed: readonly SlashingInput[] = [],
  parts: Partial<GateParts> = {},
): Promise<RefusalReason | undefined> {
  const slashing = await openSlashingStore(new VirtualDisk().open(), CHAIN);
  for (const each of signed) await sign(slashing, each, { signingRoot: root(8) });
  const gate = createSafetyGate({ ...OPEN, slashing, ...parts });
  const { refused } = await gate.admit(request([task(1, message, root(9))]));
  return refused[0]?.reason;
}

/** What a node of a live cluster says before its peers have answered, and years after genesis. */
async function guardOf(which: "wait" | "foreign" | "rollback"): Promise<RefusalReason | undefined> {
  const nodes = new NodeCluster();
  try {
    const { ports, store } = nodes.member(0);
    const { chain, cluster } = nodes;
    const clock = new VirtualClock(chain.slotStart(1_000));
    const slashing = await openSlashingStore(store, chain.genesisValidatorsRoot);
    const audit = await openAudit({ store, clock, version: "test" }, slashing);
    const deadlines = new Deadlines(clock, chain, ({ type }) => DUTY_KINDS[type]);
    const precursors = { count: () => undefined };
    const common = { ...ports, clock, chain, cluster, slashing, audit, deadlines, precursors };
    const peers = await openPeerSafety({ ...common, profile: nativeProfile });
    const duty = { slot: 0, type: "attester" } as const;
    const data = new Uint8Array(128);
    const { attester } = DUTY_KINDS;
    const form = attester.consensus === "agree" ? attester.compact : undefined;
    const message = form?.read(data, chain) ?? assert.fail("zeroes are a message");
    peers.foreign.book.add({ duty, data, message, validator: 0 }, 0);
    for (const sighting of peers.foreign.book.all) peers.foreign.book.hold(sighting);
    const [validator] = cluster.validators;
    assert(validator !== undefined);
    const subject = { validator: 0, pubKey: validator.pubKey, duty };
    return peers[which].refusalOf(subject) ?? undefined;
  } finally {
    nodes.stop();
  }
}

async function ofFullDisk(): Promise<RefusalReason | undefined> {
  const disk = new VirtualDisk();
  const slashing = await openSlashingStore(disk.open(), CHAIN);
  disk.beforeWrite = () => Promise.reject(new FaultError("disk_failed", "/srv/dv/db: ENOSPC"));
  const gate = createSafetyGate({ ...OPEN, slashing });
  return (await gate.admit(request([task(1, vote(1, 2))]))).refused[0]?.reason;
}

async function ofFreeze(): Promise<RefusalReason | undefined> {
  const freezes = await openFreezes(new VirtualDisk().open());
  const target = { scope: "attest", validator: pubKey(1) } as const;
  await freezes.freeze({ ...target, reason: "drill", by: "alice by command" });
  return refusalOf(vote(1, 2), [], { freezes });
}

async function ofLimit(): Promise<RefusalReason | undefined> {
  const slashing = await openSlashingStore(new VirtualDisk().open(), CHAIN);
  const gate = createSafetyGate({ ...OPEN, slashing });
  const tasks = [1, 2].map((each) => task(1, null, root(each)));
  const [first, second] = tasks.map((each) => ({ ...request(tasks), set: request([each]).set }));
  assert(first !== undefined && second !== undefined);
  assert.notEqual((await gate.admit(first)).admitted, null);
  return (await gate.admit(second)).refused[0]?.reason;
}

async function ofAnother(): Promise<RefusalReason | undefined> {
  const slashing = await openSlashingStore(new VirtualDisk().open(), CHAIN);
  const gate = createSafetyGate({ ...OPEN, slashing });
  const { set } = request([task(1, vote(1, 2), root(9))]);
  const decided = { ...request([task(1, vote(1, 2), root(8))]), set };
  return (await gate.admit(decided)).refused[0]?.reason;
}

const RECORDED = /contradicts the recorded .* with root 0x0{63}8 \(signed by this node's share 1\)/;
const OTHER_SIGNER = /look for a second signer with this validator's keys and stop it/;
const CHECK_BEACON = /Check the beacon node that proposed it/;

const REFUSALS: Readonly<Record<RefusalCode, Refused>> = {
  slashable_double_vote: {
    make: () => refusalOf(vote(2, 3), [vote(1, 3)]),
    record: RECORDED,
    remedy: OTHER_SIGNER,
  },
  slashable_surrounding: {
    make: () => refusalOf(vote(2, 6), [vote(1, 2), vote(3, 5)]),
    record: RECORDED,
    remedy: OTHER_SIGNER,
  },
  slashable_surrounded: {
    make: () => refusalOf(vote(3, 5), [vote(1, 2), vote(2, 6)]),
    record: RECORDED,
    remedy: OTHER_SIGNER,
  },
  slashable_double_proposal: {
    make: () => refusalOf(block(7), [block(7)]),
    record: RECORDED,
    remedy: OTHER_SIGNER,
  },
  slashable_source_after_target: {
    make: () => refusalOf(vote(4, 3)),
    record: /attestation 4 → 3 .*no record is concerned/,
    remedy: CHECK_BEACON,
  },
  slashing_unrecordable: {
    make: () => refusalOf(vote(1, 2 ** 53)),
    record: /attestation 1 → 9007199254740992 is not a pair of epochs/,
    remedy: CHECK_BEACON,
  },
  below_watermark: {
    make: () => refusalOf(vote(1, 2), [vote(5, 6)]),
    record: /a source of at least 5 and a target above 6, where this validator's remembered/,
    remedy: /check this machine's clock and the beacon node's head/,
  },
  not_decided: {
    make: ofAnother,
    record: /message root 0x\w+ of validator 1 is not what the cluster decided \(0x\w+\)/,
    remedy: /Check that the validator client asks this node alone/,
  },
  frozen: {
    make: ofFreeze,
    record: /0x0{95}1 is frozen by alice by command: drill/,
    remedy: /run: coterie unfreeze --scope attest --validator 0x0{95}1$/,
  },
  rate_limited: {
    make: ofLimit,
    record: /validator 1 signed 0x\w+ for duty .*and its limit is 1: 0x\w+ would be one more/,
    remedy: /look for a second validator client with this key share/,
  },
  lock_stale: {
    make: () => refusalOf(vote(1, 2), [], { lock: { ...HELD, isFresh: () => false } }),
    record: /this process stood still .* its token still stands in instance\.lock/,
    remedy: /Nothing has to be done: it signs again a few seconds later/,
  },
  lock_lost: {
    make: () => refusalOf(vote(1, 2), [], { lock: { ...HELD, isHeld: () => false } }),
    record: /instance\.lock no longer holds this process's token/,
    remedy: /must stop; make sure that only one uses the directory/,
  },
  waiting: {
    make: () => guardOf("wait"),
    record:
      /signing resumes in \d+m\d\ds \(2 epochs, at slot \d+\): this data directory never signed/,
    remedy: /--skip-wait with --i-understand ends the wait/,
  },
  unwitnessed: {
    make: () => guardOf("rollback"),
    record: /0 of 2 needed peers have said what they saw this node sign; missing: 1, 2, 3/,
    remedy: /Check that enough peers run and are reachable/,
  },
  foreign_signer: {
    make: () => guardOf("foreign"),
    record: /^0x[0-9a-f]{96} signed .*nor a peer that it reached has explained it yet/,
    remedy: /stop every other signer and run: coterie unfreeze/,
  },
  identity_in_use: {
    make: async () => GAVE_WAY,
    record: /another process signs .* right now, and its records reach further/,
    remedy: /Find out which machine is the right one.* delete the copied data directory/,
  },
  store_failed: {
    make: ofFullDisk,
    record: /\/srv\/dv\/db: ENOSPC/,
    remedy: /Check free space and health of the data directory's disk; signing resumes by itself/,
  },
  audit_full: {
    make: () => refusalOf(vote(1, 2), [], { audit: { append: () => undefined, isFull: true } }),
    record: /5000 entries of the audit log wait for the data directory's disk/,
    remedy: /Check free space and health of that disk; signing resumes by itself/,
  },
};

const SPEC = readFileSync(join(import.meta.dirname, "../../../SPEC.md"), "utf8");

describe("GATE-3: each refusal's message", () => {
  const codes = Object.keys(REFUSALS) as RefusalCode[];

  test("is in the table, for every code that there is", () => {
    const known = Object.entries(ERRORS).filter(([, { kind }]) => kind === "refusal");
    assert.deepEqual(codes.sort(), known.map(([code]) => code).sort());
  });

  for (const code of codes) {
    test(`names rule, record and remedy: ${code}`, async () => {
      const { make, record, remedy } = REFUSALS[code];
      const reason = await make();
      assert.equal(reason?.code, code);
      const detail = reason?.detail ?? "";
      assert.match(detail, record);
      assert.match(detail, remedy);
      const { rule } = ERRORS[code];
      assert(SPEC.includes(`### ${rule} `), `${rule} is in SPEC.md`);
      assert(messageOf(code).endsWith(`(${rule})`));
    });
  }
});

describe("STORE-4: what keeps a node from starting", () => {
  const [other, schema] = [`0x${"05".repeat(32)}` as Root, SLASHING_SCHEMA];
  type Case = { value: Uint8Array; message: RegExp; fix: RegExp };
  const CASES: Readonly<Record<string, Case>> = {
    "records of another chain": {
      value: encodeHead({ schema, genesisValidatorsRoot: other, entries: 0 }),
      message: /belong to the chain with genesis validators root 0x05.*is on 0x04/,
      fix: /connect a beacon node of the right chain, or use that chain's own data directory/,
    },
    "records of a newer release": {
      value: encodeHead({ schema: schema + 1, genesisValidatorsRoot: CHAIN, entries: 0 }),
      message: /have schema 3, this release reads up to 2/,
      fix: /run the newer release again; never delete the records/,
    },
    "records that are not all there": {
      value: encodeHead({ schema, genesisValidatorsRoot: CHAIN, entries: 7 }),
      message: /damaged: 0 entries are there, 7 were written/,
      fix: /stop every other signer.*import a complete slashing history/,
    },
  };
  for (const [name, { value, message, fix }] of Object.entries(CASES)) {
    test(`names what is wrong and what to do: ${name}`, async () => {
      const disk = new VirtualDisk();
      await disk.open().batch([{ type: "put", key: HEAD_KEY, value }]);
      await assert.rejects(openSlashingStore(disk.open(), CHAIN), (error) => {
        assert(error instanceof UsageError);
        assert.match(error.message, message);
        assert.match(error.fix ?? "", fix);
        return true;
      });
    });
  }
});
