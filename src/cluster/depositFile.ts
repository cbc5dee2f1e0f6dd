/** `deposit-data.json`: what the staking launchpad takes, in the layout of the deposit CLI. */
import { type DepositData, depositDataRoot, depositMessageRoot } from "../eth2/deposit.ts";
import { compareBytes, toHex } from "../util/bytes.ts";
import { networkOf } from "./networks.ts";

/** The version of the deposit CLI whose layout this is; launchpads refuse old ones. */
const DEPOSIT_CLI_VERSION = "2.7.0";

/** The file's text for deposits on the chain with this genesis fork version (0x hex). */
export function writeDepositFile(deposits: readonly DepositData[], forkVersion: string): string {
  const sorted = deposits.toSorted((a, b) => compareBytes(a.pubkey, b.pubkey));
  const entries = sorted.map((deposit) => ({
    pubkey: bare(toHex(deposit.pubkey)),
    withdrawal_credentials: bare(toHex(deposit.withdrawalCredentials)),
    amount: Number(deposit.amount),
    signature: bare(toHex(deposit.signature)),
    deposit_message_root: bare(depositMessageRoot(deposit)),
    deposit_data_root: bare(depositDataRoot(deposit)),
    fork_version: bare(forkVersion.toLowerCase()),
    network_name: networkOf(forkVersion)?.name ?? "custom",
    deposit_cli_version: DEPOSIT_CLI_VERSION,
  }));
  return JSON.stringify(entries, null, 1);
}

function bare(hex: string): string {
  return hex.slice(2);
}
