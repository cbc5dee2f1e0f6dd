// The sighting watch and the beacon client against a chain whose state transition is not ours: whom
// they read out of aggregates of several committees is who signed, and nobody else (FOREIGN-1).
import "../../support/minimalPreset.ts";
import assert from "node:assert/strict";
import { test } from "node:test";
import { createBeaconClient } from "../../../src/adapters/beacon/client.ts";
import { systemClock } from "../../../src/adapters/system/clock.ts";
import { Background } from "../../../src/core/background.ts";
import type { SeenMessage } from "../../../src/core/foreignSigners.ts";
import { HeadFeed } from "../../../src/core/headFeed.ts";
import { verify } from "../../../src/crypto/bls.ts";
import type { DutyDefinition } from "../../../src/domain/data.ts";
import { type Duty, dutyId } from "../../../src/domain/duty.ts";
import { Cancelled } from "../../../src/domain/errors.ts";
import { bytesOf } from "../../../src/domain/keys.ts";
import { DUTY_KINDS } from "../../../src/duties/table.ts";
import { Chain } from "../../../src/eth2/chain.ts";
import { parseChainSpec } from "../../../src/eth2/chainSpec.ts";
import { SightingWatch, type SightingWatchParts } from "../../../src/node/sightingWatch.ts";
import type { BeaconNode } from "../../../src/ports/beaconNode.ts";
import { toHex } from "../../../src/util/bytes.ts";
import { countingMetrics, recordingLogger } from "../../support/quiet.ts";
import { until } from "../../support/until.ts";
import { startVirtualDevchain } from "../../support/virtualDevchain.ts";

/** After the first head that is told. */
const SLOTS = 10;
/** Of so many of them all votes are in blocks or pools by the end. */
const SETTLED_SLOTS = 6;
const EPOCHS = [0, 1];
/** A stream opens in its own time: a slot for so many looks, and not too many slots. */
const LOOKS_PER_SLOT = 100;
const STREAM_SLOTS = 5;
const never = new AbortController().signal;

/** Everybody's duties, as if all validators of the chain were the cluster's. */
async function dutiesOf(beacon: BeaconNode, indices: readonly number[]) {
  const definitions = new Map<string, DutyDefinition[]>();
  const add = (duty: Duty, definition: DutyDefinition): void => {
    const known = definitions.get(dutyId(duty)) ?? [];
    definitions.set(dutyId(duty), [...known, definition]);
  };
  for (const epoch of EPOCHS) {
    for (const duty of (await beacon.attesterDuties(epoch, indices, never)).duties) {
      add({ slot: duty.slot, type: "attester" }, { ...duty, validator: duty.validatorIndex });
    }
    for (const duty of (await beacon.proposerDuties(epoch, never)).duties) {
      add({ slot: duty.slot, type: "proposer" }, { ...duty, validator: duty.validatorIndex });
    }
  }
  return definitions;
}

test("FOREIGN-1: every vote and block on the chain is seen as its signer's", async () => {
  const devchain = await startVirtualDevchain({ fork: "fulu" });
  const logger = recordingLogger();
  const beacon = createBeaconClient({
    endpoints: [devchain.url],
    genesisForkVersion: toHex(devchain.chain.config.GENESIS_FORK_VERSION),
    clock: systemClock,
    logger,
    metrics: countingMetrics(),
  });
  const stopping = new AbortController();
  const seen = new Map<string, SeenMessage>();
  let heads = 0;
  try {
    const chain = new Chain(parseChainSpec(await beacon.spec(never)), await beacon.genesis(never));
    const indices = Array.from({ length: 64 }, (_, index) => index);
    const definitions = await dutiesOf(beacon, indices);
    const feed = new HeadFeed(beacon);
    feed.onHead(() => heads++);
    const foreign = {
      isExplained: async () => false,
      see: async (message: SeenMessage) => {
        seen.set(`${dutyId(message.duty)}/${message.validator}/${toHex(message.data)}`, message);
      },
    };
    new SightingWatch({
      beacon,
      heads: feed,
      scheduler: { definitions: (duty) => definitions.get(dutyId(duty)) ?? [] },
      foreign: foreign as unknown as SightingWatchParts["foreign"],
      chain,
      // Every time is a quiet one.
      clock: { now: () => Number.MAX_SAFE_INTEGER, sleep: () => Promise.resolve() },
      logger,
      background: new Background((error) => {
        throw error;
      }),
      signal: stopping.signal,
    }).start();
    feed.start(stopping.signal);
    let first = 0;
    let looks = 0;
    await until("the first head is told", () => {
      const isNext = heads === 0 && looks++ % LOOKS_PER_SLOT === 0 && first < STREAM_SLOTS;
      if (isNext) devchain.runTo(++first);
      return heads > 0;
    });
    for (let slot = first + 1; slot <= first + SLOTS; slot++) {
      const before = heads;
      devchain.runTo(slot);
      await until("the next head is told", () => heads > before);
    }
    const settled = Array.from({ length: SETTLED_SLOTS }, (_, i) => first + 1 + i);
    const expected = settled.flatMap((slot) =>
      (["attester", "proposer"] as const).flatMap((type) => {
        const duty = { slot, type };
        return (definitions.get(dutyId(duty)) ?? []).map(({ validator }) => ({ duty, validator }));
      }),
    );
    const isSeen = ({ duty, validator }: (typeof expected)[number]): boolean =>
      [...seen.keys()].some((key) => key.startsWith(`${dutyId(duty)}/${validator}/`));
    assert(expected.length > 40, "a chain full of votes");
    await until("each vote and each block is seen", () => expected.every(isSeen));
    let alone = 0;
    for (const { duty, validator, data, signature } of seen.values()) {
      const kind = DUTY_KINDS[duty.type];
      const message = kind.consensus === "agree" ? kind.compact?.read(data, chain) : null;
      assert(message !== null && message !== undefined, "the bytes are what was signed");
      if (duty.type === "attester") {
        const votes = devchain.chain.watcher.votesOf(validator);
        assert(
          votes.some(({ dataRoot }) => dataRoot === message.messageRoot),
          "it did sign",
        );
      }
      if (signature === null) continue;
      alone++;
      const publicKey = devchain.keyOf(validator).toPublicKey().toBytes();
      assert(verify({ publicKey, message: bytesOf(message.signingRoot), signature }), "its own");
    }
    assert(alone >= SETTLED_SLOTS, "blocks at least are checked alone");
    const warnings = logger.lines.filter(({ level }) => level === "warn" || level === "error");
    assert.deepEqual(warnings, []);
  } finally {
    stopping.abort(new Cancelled("over"));
    await beacon.close();
    await devchain.stop();
  }
});
