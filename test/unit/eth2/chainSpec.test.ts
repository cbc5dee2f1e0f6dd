import assert from "node:assert/strict";
import { test } from "node:test";
import { FaultError } from "../../../src/domain/errors.ts";
import { parseChainSpec } from "../../../src/eth2/chainSpec.ts";
import { activePreset, assertPreset } from "../../../src/eth2/preset.ts";
import { LADDER_SPEC, NEVER, type RawSpec } from "../../support/rawSpec.ts";

function without(key: string): RawSpec {
  return Object.fromEntries(Object.entries(LADDER_SPEC).filter(([name]) => name !== key));
}

function refusal(raw: RawSpec): string {
  let message = "";
  assert.throws(
    () => parseChainSpec(raw),
    (error) => {
      assert.ok(error instanceof FaultError && error.code === "beacon_bad_response");
      message = error.message;
      return true;
    },
  );
  return message;
}

const REQUIRED = [
  "PRESET_BASE",
  "SECONDS_PER_SLOT",
  "SLOTS_PER_EPOCH",
  "GENESIS_FORK_VERSION",
  "ALTAIR_FORK_EPOCH",
  "ELECTRA_FORK_EPOCH",
  "ELECTRA_FORK_VERSION",
  "GLOAS_FORK_VERSION",
];
for (const key of REQUIRED) {
  test(`ETH-4: names ${key} when config/spec lacks it`, () => {
    assert.match(refusal(without(key)), new RegExp(`config/spec: ${key} is missing`));
  });
}

const WRONG: Readonly<Record<string, unknown>> = {
  SLOTS_PER_EPOCH: "0",
  SECONDS_PER_SLOT: "12.5",
  SLOT_DURATION_MS: "-1",
  GENESIS_FORK_VERSION: "0x0000",
  FULU_FORK_EPOCH: "soon",
  ATTESTATION_DUE_BPS: "10001",
  ATTESTATION_DUE_BPS_GLOAS: 2500,
  PRESET_BASE: "",
};
for (const [key, value] of Object.entries(WRONG)) {
  test(`ETH-4: names ${key} when it is ${JSON.stringify(value)}`, () => {
    assert.match(refusal({ ...LADDER_SPEC, [key]: value }), new RegExp(`config/spec: ${key} `));
  });
}

test("ETH-4: refuses forks out of order", () => {
  const raw = { ...LADDER_SPEC, FULU_FORK_EPOCH: "4" };
  assert.match(refusal(raw), /FULU_FORK_EPOCH lies before ELECTRA_FORK_EPOCH/);
});

test("a beacon node that does not name the newest forks is understood", () => {
  const raw = Object.fromEntries(
    Object.entries(LADDER_SPEC).filter(([name]) => !/^(FULU|GLOAS)_/.test(name)),
  );
  assert.equal(parseChainSpec(raw).forks.at(-1)?.fork.name, "electra");
});

test("a fork that is not scheduled never starts", () => {
  const spec = parseChainSpec({ ...LADDER_SPEC, GLOAS_FORK_EPOCH: NEVER });
  assert.equal(spec.forks.at(-1)?.epoch, Infinity);
});

test("prefers the slot duration in milliseconds where it is named", () => {
  assert.equal(parseChainSpec(LADDER_SPEC).slotDurationMs, 12_000);
  assert.equal(parseChainSpec({ ...LADDER_SPEC, SLOT_DURATION_MS: "250" }).slotDurationMs, 250);
});

test("reads due times from config/spec and falls back to the consensus specs'", () => {
  const plain = parseChainSpec(LADDER_SPEC);
  assert.deepEqual(
    plain.forks.map(({ attestationDueBps }) => attestationDueBps),
    [3333, 3333, 3333, 3333, 3333, 3333, 3333, 2500],
  );
  assert.deepEqual(
    plain.forks.map(({ aggregateDueBps }) => aggregateDueBps),
    [6667, 6667, 6667, 6667, 6667, 6667, 6667, 5000],
  );
  const changed = parseChainSpec({ ...LADDER_SPEC, ATTESTATION_DUE_BPS: "4000" });
  assert.equal(changed.forks[0].attestationDueBps, 4000);
  assert.equal(changed.forks.at(-1)?.attestationDueBps, 2500);
});

test("ETH-6: knows the first epoch of a fork without a row", () => {
  assert.equal(parseChainSpec(LADDER_SPEC).unknownForkEpoch, Infinity);
  const unscheduled = parseChainSpec({ ...LADDER_SPEC, HEZE_FORK_EPOCH: NEVER });
  assert.equal(unscheduled.unknownForkEpoch, Infinity);
  const raw = { ...LADDER_SPEC, IOTA_FORK_EPOCH: "900", HEZE_FORK_EPOCH: "700" };
  assert.equal(parseChainSpec(raw).unknownForkEpoch, 700);
});

test("ETH-2: refuses a chain of another preset, and says how to start", () => {
  assert.doesNotThrow(() => assertPreset(activePreset));
  assert.throws(
    () => assertPreset("other"),
    (error) => error instanceof FaultError && error.message.includes("LODESTAR_PRESET=other"),
  );
});
