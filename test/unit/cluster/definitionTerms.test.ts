import assert from "node:assert/strict";
import { test } from "node:test";
import { addressFault, checksummedAddress } from "../../../src/cluster/addresses.ts";
import type { ClusterDefinition } from "../../../src/cluster/definition.ts";
import { depositAmountsFault, ethText, gweiOf } from "../../../src/cluster/depositAmounts.ts";
import { fieldBytes } from "../../../src/cluster/fields.ts";
import { fingerprintOf, isFingerprint } from "../../../src/cluster/fingerprint.ts";
import { definitionHash } from "../../../src/cluster/hashing.ts";
import { newDefinition } from "../../../src/cluster/newDefinition.ts";
import { preSigningOf } from "../../../src/cluster/preSigned.ts";
import { verifyDefinition } from "../../../src/cluster/verify.ts";
import { encodeEnr } from "../../../src/crypto/enr.ts";
import { termsFaults } from "../../../src/dkg/terms.ts";
import { rootOf } from "../../../src/domain/keys.ts";
import { toHex } from "../../../src/util/bytes.ts";

/** From EIP-55's own examples. */
const ADDRESS = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed";
const OTHER = "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359";

function definitionOf(overrides: Partial<Parameters<typeof newDefinition>[0]> = {}) {
  return newDefinition({
    name: "squad",
    enrs: [1, 2, 3, 4].map((i) => encodeEnr({ secretKey: new Uint8Array(32).fill(i) })),
    threshold: 3,
    forkVersion: "0x10000910",
    validators: [{ feeRecipient: OTHER, withdrawalAddress: ADDRESS }],
    createdAt: "2026-01-02T03:04:05Z",
    uuid: "6e2f9a4e-0000-4000-8000-000000000001",
    depositAmounts: [32_000_000_000n],
    targetGasLimit: 45_000_000,
    isCompounding: false,
    ...overrides,
  });
}

test("DEF-2 a wrong or missing checksum and the zero address are refused (Obol 20)", () => {
  const needed = { isChecksumNeeded: true };
  const optional = { isChecksumNeeded: false };
  assert.equal(addressFault(ADDRESS, needed), null);
  assert.equal(checksummedAddress(ADDRESS.toLowerCase()), ADDRESS);
  assert.match(addressFault(ADDRESS.toLowerCase(), needed) ?? "", /no checksum/);
  assert.equal(addressFault(ADDRESS.toLowerCase(), optional), null);
  const mistyped = ADDRESS.replace("5aA", "5AA");
  assert.match(addressFault(mistyped, optional) ?? "", /wrong checksum/);
  assert.match(addressFault(`0x${"0".repeat(40)}`, optional) ?? "", /zero address/);
  assert.match(addressFault(ADDRESS.slice(0, -1), optional) ?? "", /no 20-byte address/);
});

test("DEF-3 amounts that the contract refuses or that activate nothing are refused", () => {
  const fault = (eth: readonly string[], isCompounding = false): string =>
    depositAmountsFault(
      eth.map((text) => gweiOf(text) ?? 0n),
      isCompounding,
    ) ?? "none";
  assert.equal(fault(["32"]), "none");
  assert.equal(fault(["1", "31"]), "none");
  assert.match(fault(["0.5", "31.5"]), /0\.5 ETH is no deposit: one is from 1 to 32 ETH/);
  assert.match(fault(["8", "8"]), /16 ETH in all activate no validator/);
  assert.match(fault(["64"]), /64 ETH is no deposit/);
  assert.equal(fault(["2048"], true), "none");
  assert.match(fault(["2049"], true), /2048 ETH/);
  assert.equal(gweiOf("1e3"), null);
  assert.equal(ethText(1_500_000_000n), "1.5");
});

test("DEF-4 any change of a definition changes its words", () => {
  const hash = (definition: ClusterDefinition) => rootOf(fieldBytes(definition.definition_hash));
  const words = fingerprintOf(hash(definitionOf()));
  assert.match(words, /^([a-z]{3,8}-){5}[a-z]{3,8}$/);
  assert.equal(words, fingerprintOf(hash(definitionOf())));
  const enrs = [1, 2, 3, 5].map((i) => encodeEnr({ secretKey: new Uint8Array(32).fill(i) }));
  for (const change of [{ enrs }, { threshold: 4 }, { name: "squat" }, { isCompounding: true }]) {
    assert.notEqual(fingerprintOf(hash(definitionOf(change))), words, JSON.stringify(change));
  }
  assert.ok(isFingerprint(words.replaceAll("-", " ").toUpperCase(), hash(definitionOf())));
  assert.ok(!isFingerprint(words.split("-").slice(1).join("-"), hash(definitionOf())));
  // 66 bits: the sixth word is the last that the root decides.
  const root = (last: number) => rootOf(new Uint8Array(32).fill(0xff, 0, 8).fill(last, 8, 9));
  assert.equal(fingerprintOf(root(0xc0)), fingerprintOf(root(0xff)));
  assert.notEqual(fingerprintOf(root(0xc0)), fingerprintOf(root(0x80)));
});

test("DEF-1 a definition that a ceremony cannot be held for is refused by field", () => {
  assert.deepEqual(termsFaults(definitionOf()), []);
  assert.ok(verifyDefinition(definitionOf()).ok);
  const paths = (changes: Partial<ClusterDefinition>): readonly string[] =>
    termsFaults({ ...definitionOf(), ...changes }).map(({ path }) => path);
  assert.deepEqual(paths({ threshold: 2 }), ["threshold"]);
  assert.deepEqual(paths({ dkg_algorithm: "pedersen" }), ["dkg_algorithm"]);
  assert.deepEqual(paths({ timestamp: "yesterday" }), ["timestamp"]);
  // The first two are another time in each time zone, and the keys' registrations say it.
  for (const timestamp of [
    "2026-01-02T03:04:05",
    "Jan 2 2026 (\u001b[8m)",
    "1969-12-31T00:00:00Z",
  ]) {
    assert.deepEqual(paths({ timestamp }), ["timestamp"], timestamp);
  }
  assert.deepEqual(paths({ timestamp: "2026-01-02T03:04:05.678+09:00" }), []);
  assert.deepEqual(paths({ target_gas_limit: 2 ** 53 + 2 }), ["target_gas_limit"]);
  assert.deepEqual(paths({ target_gas_limit: 2n ** 60n + 1n }), ["target_gas_limit"]);
  assert.deepEqual(paths({ target_gas_limit: 0 }), []);
  for (const name of ["squad\u001b[8m", "squad\nwithdrawals  to 0x5aAe", "\u202edauqs"]) {
    assert.deepEqual(paths({ name }), ["name"]);
  }
  assert.deepEqual(paths({ name: "Équipe 四 👩‍🚀" }), []);
  assert.deepEqual(paths({ deposit_amounts: ["16000000000"] }), ["deposit_amounts"]);
  assert.deepEqual(paths({ deposit_amounts: [] }), []);
  assert.deepEqual(paths({ version: "v1.7.0" }), ["version"]);
  const [first, ...others] = definitionOf().operators;
  assert.ok(first !== undefined);
  assert.deepEqual(paths({ operators: [{ ...first, enr: "" }, ...others] }), ["operators[0].enr"]);
  const zero = { fee_recipient_address: OTHER, withdrawal_address: `0x${"0".repeat(40)}` };
  assert.deepEqual(paths({ validators: [zero] }), ["validators[0].withdrawal_address"]);
});

test("LOCK-10 deposits and registration follow the definition to the letter", () => {
  const key = new Uint8Array(48).fill(7);
  const amounts = [1_000_000_000n, 31_000_000_000n, 1_000_000_000n];
  const { deposits, registration } = preSigningOf(
    definitionOf({ depositAmounts: amounts, isCompounding: true }),
    0,
    key,
  );
  assert.deepEqual(
    deposits.map(({ message }) => message.amount),
    [1_000_000_000n, 31_000_000_000n],
  );
  const credentials = toHex(deposits[0]?.message.withdrawalCredentials ?? new Uint8Array());
  assert.equal(credentials, `0x02${"00".repeat(11)}${ADDRESS.slice(2).toLowerCase()}`);
  assert.equal(toHex(registration.message.feeRecipient), OTHER.toLowerCase());
  assert.equal(registration.message.gasLimit, 45_000_000n);
  assert.equal(registration.message.timestamp, 1_767_323_045n);
  const plain = preSigningOf(definitionOf(), 0, key).deposits[0]?.message.withdrawalCredentials;
  assert.equal(plain?.[0], 0x01);
});

test("LOCK-10 what a version's hashes do not cover decides nothing", () => {
  const { compounding: _, target_gas_limit: __, ...common } = definitionOf();
  const older = { ...common, version: "v1.9.0" };
  const named = { ...older, definition_hash: definitionHash(older) };
  // A copy with one field more: the same words, so nobody would notice.
  const other: ClusterDefinition = { ...named, compounding: true };
  assert.equal(definitionHash(other), named.definition_hash);
  const key = new Uint8Array(48).fill(7);
  assert.deepEqual(preSigningOf(other, 0, key), preSigningOf(named, 0, key));
});
