/**
 * What wallets sign in cluster files: EIP-712 typed data with one text member each, under the
 * domain "Obol" version "1" of the cluster's chain (LOCK-5).
 */
import { keccak256 } from "../crypto/keccak.ts";
import { concatBytes, uint64be } from "../util/bytes.ts";

/** The creator approves the configuration, each operator approves it and its own ENR. */
export type Approval = "creatorConfig" | "operatorConfig" | "operatorEnr";

const TYPES: Readonly<Record<Approval, string>> = {
  creatorConfig: "CreatorConfigHash(string creator_config_hash)",
  operatorConfig: "OperatorConfigHash(string operator_config_hash)",
  operatorEnr: "ENR(string enr)",
};
const DOMAIN_TYPE = "EIP712Domain(string name,string version,uint256 chainId)";

/** The 32-byte digest of an approval; `value` is the config hash as 0x hex, or the ENR's text. */
export function approvalDigest(approval: Approval, value: string, chainId: number): Uint8Array {
  const domain = concatBytes(
    hashText(DOMAIN_TYPE),
    hashText("Obol"),
    hashText("1"),
    new Uint8Array(24),
    uint64be(chainId),
  );
  const message = concatBytes(hashText(TYPES[approval]), hashText(value));
  return keccak256(concatBytes(Uint8Array.of(0x19, 0x01), keccak256(domain), keccak256(message)));
}

function hashText(text: string): Uint8Array {
  return keccak256(Buffer.from(text, "utf8"));
}
