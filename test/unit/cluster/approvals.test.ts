import assert from "node:assert/strict";
import { test } from "node:test";
import { addr, signTyped } from "micro-eth-signer";
import { approvalFaults } from "../../../src/cluster/approvals.ts";
import type { ClusterDefinition } from "../../../src/cluster/definition.ts";
import { approvalDigest } from "../../../src/cluster/eip712.ts";
import { generateK1SecretKey, k1Sign } from "../../../src/crypto/k1.ts";
import { toHex } from "../../../src/util/bytes.ts";
import { seededRandom } from "../../support/random.ts";
import { dealtCluster } from "../../support/sealedLock.ts";

const HOODI = { forkVersion: "0x10000910", chainId: 560_048 } as const;
const KEYS = (() => {
  const random = seededRandom("wallets");
  return Array.from({ length: 5 }, () => generateK1SecretKey(random));
})();
const NONE: ReadonlySet<string> = new Set();

const addressOfKey = (key: Uint8Array | undefined): string =>
  addr.fromPrivateKey(toHex(key ?? assert.fail()));

/** A definition whose operators and creator all approved with their own wallets. */
function approved(): ClusterDefinition {
  const definition = dealtCluster({ forkVersion: HOODI.forkVersion }).lock.cluster_definition;
  const approve = (who: number, kind: Parameters<typeof approvalDigest>[0], value: string) =>
    toHex(k1Sign(approvalDigest(kind, value, HOODI.chainId), KEYS[who] ?? assert.fail()));
  return {
    ...definition,
    creator: {
      address: addressOfKey(KEYS[4]),
      config_signature: approve(4, "creatorConfig", definition.config_hash),
    },
    operators: definition.operators.map(({ enr }, i) => ({
      enr,
      address: addressOfKey(KEYS[i]),
      config_signature: approve(i, "operatorConfig", definition.config_hash),
      enr_signature: approve(i, "operatorEnr", enr),
    })),
  };
}

function withOperator(
  definition: ClusterDefinition,
  change: Partial<ClusterDefinition["operators"][number]>,
): ClusterDefinition {
  const operator = definition.operators[1] ?? assert.fail();
  return { ...definition, operators: definition.operators.with(1, { ...operator, ...change }) };
}

const paths = (definition: ClusterDefinition, contracts = NONE) =>
  approvalFaults(definition, contracts).map(({ path }) => path);

test("LOCK-5 what another EIP-712 implementation signs is the digest that we verify", () => {
  const types = [
    ["creatorConfig", "CreatorConfigHash", "creator_config_hash"],
    ["operatorConfig", "OperatorConfigHash", "operator_config_hash"],
    ["operatorEnr", "ENR", "enr"],
  ] as const;
  for (const [kind, primaryType, member] of types) {
    const key = KEYS[0] ?? assert.fail();
    const typed = {
      types: {
        EIP712Domain: [
          { name: "name", type: "string" },
          { name: "version", type: "string" },
          { name: "chainId", type: "uint256" },
        ],
        [primaryType]: [{ name: member, type: "string" }],
      },
      primaryType,
      domain: { name: "Obol", version: "1", chainId: BigInt(HOODI.chainId) },
      message: { [member]: "some text" },
    };
    const theirs = signTyped(typed as never, toHex(key), false);
    const ours = toHex(k1Sign(approvalDigest(kind, "some text", HOODI.chainId), key));
    assert.equal(ours.slice(0, -2), theirs.slice(0, -2), kind);
  }
});

test("LOCK-5 a fully approved definition and a fully unsigned one are fine", () => {
  assert.deepEqual(paths(approved()), []);
  assert.deepEqual(paths(dealtCluster().lock.cluster_definition), []);
});

test("LOCK-5 an operator that did not sign, while others did, is named", () => {
  const unsigned = withOperator(approved(), { config_signature: "", enr_signature: "" });
  assert.deepEqual(paths(unsigned), [
    "operators[1].config_signature",
    "operators[1].enr_signature",
  ]);
  const anonymous = withOperator(approved(), { address: "" });
  assert.deepEqual(paths(anonymous).length, 2);
});

test("LOCK-5 a missing creator's approval is named once operators signed", () => {
  const definition = { ...approved(), creator: { address: "", config_signature: "" } };
  assert.deepEqual(paths(definition), ["creator.config_signature"]);
});

test("LOCK-5 an approval of something else or by somebody else is named", () => {
  const definition = approved();
  const [first, second] = definition.operators;
  assert(first !== undefined && second !== undefined);
  const copied = withOperator(definition, { config_signature: first.config_signature });
  assert.deepEqual(paths(copied), ["operators[1].config_signature"]);
  const mixed = withOperator(definition, { enr_signature: second.config_signature });
  assert.deepEqual(paths(mixed), ["operators[1].enr_signature"]);
  const otherHash = { ...definition, config_hash: `0x${"11".repeat(32)}` };
  assert.equal(paths(otherHash).length, 5);
});

test("LOCK-5 signatures for a chain whose id is unknown cannot be verified", () => {
  assert.deepEqual(paths({ ...approved(), fork_version: "0x12345678" }), ["fork_version"]);
  assert.equal(paths({ ...approved(), fork_version: "0x00000000" }).length, 9);
});

test("LOCK-5 only the contract wallets that were named are exempt", () => {
  const broken = withOperator(approved(), { config_signature: `0x${"22".repeat(65)}` });
  const address = broken.operators[1]?.address.toLowerCase() ?? "";
  assert.deepEqual(paths(broken), ["operators[1].config_signature"]);
  assert.deepEqual(paths(broken, new Set([address])), []);
  const missing = withOperator(approved(), { config_signature: "" });
  assert.equal(paths(missing, new Set([address])).length, 1);
  assert.equal(paths(broken, new Set([addressOfKey(KEYS[0]).toLowerCase()])).length, 1);
});
