import assert from "node:assert/strict";
import { test } from "node:test";
import { parseCreateClusterOptions } from "../../../src/cli/createClusterOptions.ts";
import { UsageError } from "../../../src/domain/errors.ts";

const ALICE = `0x${"a1".repeat(20)}`;
const BOB = `0x${"b0".repeat(20)}`;
const RAW = {
  name: "squad",
  "cluster-dir": "cluster",
  nodes: "4",
  "num-validators": "2",
  network: "hoodi",
  "fee-recipient-addresses": ALICE,
  "withdrawal-addresses": `${ALICE},${BOB}`,
} as const;

test("the threshold is two thirds unless told, and one address serves all validators", () => {
  assert.deepEqual(parseCreateClusterOptions(RAW, null), {
    name: "squad",
    clusterDir: "cluster",
    nodes: 4,
    threshold: 3,
    validators: 2,
    forkVersion: "0x10000910",
    feeRecipients: [ALICE, ALICE],
    withdrawalAddresses: [ALICE, BOB],
    hasInsecureKeys: false,
    split: null,
  });
});

const BAD: readonly (readonly [change: Record<string, string>, message: RegExp])[] = [
  [{ nodes: "2" }, /--nodes: "2" is no number from 3 to/],
  [{ nodes: "1e1" }, /--nodes/],
  [{ threshold: "5" }, /--threshold: "5" is no number from 2 to 4/],
  [{ threshold: "2" }, /--threshold 2 of 4 nodes lets two groups sign apart/],
  [{ "num-validators": "0" }, /--num-validators/],
  [{ network: "goerli" }, /--network: "goerli" is unknown/],
  [{ "testnet-fork-version": "0x00000001" }, /the chain is not known/],
  [{ network: "mainnet", "insecure-keys": "true" }, /--insecure-keys is not for mainnet/],
  [{ "fee-recipient-addresses": "0x12" }, /--fee-recipient-addresses: "0x12"/],
  [{ "withdrawal-addresses": `0x${"00".repeat(20)}` }, /--withdrawal-addresses: .* zero address/],
  [{ "withdrawal-addresses": `${BOB},${BOB},${BOB}` }, /has 3 entries for 2 validators/],
];
for (const [change, message] of BAD) {
  test(`refuses ${JSON.stringify(change)}`, () => {
    assert.throws(
      () => parseCreateClusterOptions({ ...RAW, ...change }, null),
      (error) => {
        assert.ok(error instanceof UsageError);
        assert.match(error.message, message);
        return true;
      },
    );
  });
}

test("a private chain is named by its genesis fork version", () => {
  const { network: _, ...rest } = RAW;
  const options = parseCreateClusterOptions(
    { ...rest, "testnet-fork-version": "0x00000001" },
    null,
  );
  assert.equal(options.forkVersion, "0x00000001");
  assert.throws(() => parseCreateClusterOptions(rest, null), /the chain is not known/);
});
