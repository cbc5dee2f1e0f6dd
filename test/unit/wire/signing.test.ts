import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { describe, it } from "node:test";
import fc from "fast-check";
import type { Duty } from "../../../src/domain/duty.ts";
import { toHex } from "../../../src/util/bytes.ts";
import { nativeProfile } from "../../../src/wire/nativeProfile.ts";
import type { AuthoredStatement, Scope } from "../../../src/wire/profile.ts";
import { gossipDigest } from "../../../src/wire/signing.ts";
import { loadMutant } from "../../support/mutant.ts";
import { filledRoot, statementOf } from "../../support/wireFrames.ts";

type Profiles = typeof import("../../../src/wire/nativeProfile.ts");
type Meaning = {
  readonly scope: Scope;
  readonly duty: Duty;
  readonly statement: AuthoredStatement;
};
const base: Meaning = {
  scope: { genesisValidatorsRoot: filledRoot(1), lockHash: filledRoot(2) },
  duty: { slot: 1234, type: "attester" },
  statement: statementOf("ROUND-CHANGE", {
    round: 4,
    preparedRound: 3,
    preparedValue: filledRoot(3),
  }),
};
const { scope, duty, statement } = base;

/** Every part of a statement's meaning changed on its own. */
const changed: Readonly<Record<string, Meaning>> = {
  chain: { ...base, scope: { ...scope, genesisValidatorsRoot: filledRoot(9) } },
  cluster: { ...base, scope: { ...scope, lockHash: filledRoot(9) } },
  "chain and cluster swapped": {
    ...base,
    scope: { genesisValidatorsRoot: scope.lockHash, lockHash: scope.genesisValidatorsRoot },
  },
  slot: { ...base, duty: { ...duty, slot: 1235 } },
  "a slot beyond 2^32": { ...base, duty: { ...duty, slot: 1234 + 2 ** 32 } },
  source: { ...base, statement: { ...statement, source: 2 } },
  type: { ...base, statement: { ...statement, type: "PREPARE" } },
  round: { ...base, statement: { ...statement, round: 5 } },
  value: { ...base, statement: { ...statement, value: filledRoot(3) } },
  "a value of zeros": { ...base, statement: { ...statement, value: filledRoot(0) } },
  "prepared round": { ...base, statement: { ...statement, preparedRound: 2 } },
  "prepared value": { ...base, statement: { ...statement, preparedValue: filledRoot(4) } },
  "no prepared value": { ...base, statement: { ...statement, preparedValue: null } },
  "value and prepared value swapped": {
    ...base,
    statement: { ...statement, value: filledRoot(3), preparedValue: null },
  },
};

function digestOf(meaning: Meaning, profile = nativeProfile): string {
  return toHex(profile.statementDigest(meaning.scope, meaning.duty, meaning.statement));
}

describe("signed digests", () => {
  it("WIRE-5: any change of meaning changes the digest", () => {
    const digests = [base, ...Object.values(changed)].map((meaning) => digestOf(meaning));
    assert.equal(new Set(digests).size, digests.length);
  });

  it("WIRE-5: is the SHA-256 of these fixed-width fields", () => {
    const number = (value: number, bytes: 4 | 8): Buffer => {
      const out = Buffer.alloc(bytes);
      out.writeUInt32BE(value, bytes - 4);
      return out;
    };
    const expected = createHash("sha256")
      .update(Buffer.concat([Buffer.from("coterie/consensus/statement"), Buffer.alloc(5)]))
      .update(number(1, 4))
      .update(Buffer.alloc(32, 1))
      .update(Buffer.alloc(32, 2))
      .update(number(1, 4))
      .update(number(1234, 8))
      .update(number(1, 4))
      .update(number(4, 4))
      .update(number(4, 4))
      .update(Buffer.alloc(33))
      .update(number(3, 4))
      .update(Buffer.concat([Buffer.of(1), Buffer.alloc(32, 3)]))
      .digest("hex");
    assert.equal(digestOf(base), `0x${expected}`);
  });

  const guards: Readonly<Record<string, string>> = {
    cluster: "      bytesOf(lockHash),\n",
    chain: "      bytesOf(genesisValidatorsRoot),\n",
    slot: "    uint64be(duty.slot),\n",
    source: "    uint32be(statement.source),\n",
    round: "    uint32be(statement.round),\n",
    type: "    uint32be(MESSAGE_NUMBERS[statement.type]),\n",
    "prepared value": "    optionalRoot(statement.preparedValue),\n",
  };
  for (const [field, find] of Object.entries(guards)) {
    it(`WIRE-5: a mutant that does not bind the ${field} replays across it`, async () => {
      const patches = [{ file: "src/wire/signing.ts", find, replace: "" }];
      const mutant = await loadMutant<Profiles>("src/wire/nativeProfile.ts", patches);
      const other = changed[field];
      assert(other !== undefined);
      const { nativeProfile: lax } = mutant;
      assert.equal(digestOf(base, lax), digestOf(other, lax));
      assert.notEqual(digestOf(base), digestOf(other));
    });
  }

  it("WIRE-5: another profile's number makes another digest", async () => {
    const next = await loadMutant<Profiles>("src/wire/nativeProfile.ts", [
      {
        file: "src/wire/signing.ts",
        find: "NATIVE_PROFILE_ID = 1;",
        replace: "NATIVE_PROFILE_ID = 2;",
      },
    ]);
    assert.notEqual(digestOf(base, next.nativeProfile), digestOf(base));
  });

  it("WIRE-6: a gossiped payload cannot pass for a statement", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat({ max: 30 }), (payload, author) => {
        const digest = gossipDigest(scope, author, { channel: "consensus", payload });
        assert.notEqual(toHex(digest), digestOf(base));
        const moved = gossipDigest(scope, author, { channel: "partials", payload });
        assert.notDeepEqual(moved, digest);
      }),
    );
  });
});

describe("the native profile", () => {
  it("WIRE-2: rotates the leader by slot and round over all nodes", () => {
    for (const nodes of [4, 7]) {
      const leader = (slot: number, round: number) =>
        nativeProfile.leaderOf({ slot, type: "attester" }, round, nodes);
      assert.equal(leader(0, 1), 2 % nodes);
      const bySlot = Array.from({ length: nodes }, (_, slot) => leader(slot, 1));
      const byRound = Array.from({ length: nodes }, (_, i) => leader(5, i + 1));
      assert.equal(new Set(bySlot).size, nodes);
      assert.equal(new Set(byRound).size, nodes);
    }
  });

  it("WIRE-3: ends attester rounds every 800 basis points, and knows no seventh", () => {
    const ends = [1, 2, 3, 4, 5, 6].map((round) => nativeProfile.roundEnd("attester", round));
    assert.deepEqual(ends, [800, 1600, 2400, 3200, 4000, 4800]);
    assert.throws(() => nativeProfile.roundEnd("attester", 7), /between 1 and 6/);
    assert.throws(() => nativeProfile.roundEnd("attester", 0), /between 1 and 6/);
  });

  it("WIRE-2: names a value by its SHA-256", () => {
    assert.equal(
      nativeProfile.valueRoot(new TextEncoder().encode("abc")),
      "0xba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
    );
  });
});
