/** `deposit-data.json`: what the staking launchpad takes, in the layout of the deposit CLI. */
import { z } from "zod";
import { batchVerify } from "../crypto/bls.ts";
import { bytesOf } from "../domain/keys.ts";
import { MAX_CLUSTER_FILE_BYTES, MAX_JSON_DEPTH } from "../domain/limits.ts";
import {
  type DepositData,
  depositDataRoot,
  depositMessageRoot,
  depositSigningRoot,
} from "../eth2/deposit.ts";
import { compareBytes, fromHex, toHex } from "../util/bytes.ts";
import { parseJson } from "../util/json.ts";
import { err, ok, type Result } from "../util/result.ts";
import { type ClusterFault, faultsOf } from "./fault.ts";
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

const bareHex = (bytes: number) =>
  z.string().regex(new RegExp(`^[0-9a-fA-F]{${2 * bytes}}$`), `is not ${bytes} bytes of hex`);
const entrySchema = z.object({
  pubkey: bareHex(48),
  withdrawal_credentials: bareHex(32),
  amount: z.int().min(0),
  signature: bareHex(96),
  deposit_message_root: bareHex(32),
  deposit_data_root: bareHex(32),
  fork_version: bareHex(4),
  network_name: z.string().max(64),
});
/** More than a launchpad takes at once. */
const MAX_DEPOSITS = 100_000;

export type DepositFile = {
  readonly deposits: readonly DepositData[];
  /** Genesis fork version of each deposit's chain, as 0x hex. */
  readonly forkVersions: readonly `0x${string}`[];
};

/** Reads a deposit file of any tool; what it claims is {@link depositFileFaults}' matter. */
export function parseDepositFile(text: string): Result<DepositFile, readonly ClusterFault[]> {
  if (text.length > MAX_CLUSTER_FILE_BYTES) return err([{ path: "", reason: "is too large" }]);
  const json = parseJson(text, MAX_JSON_DEPTH);
  if (!json.ok) return err([{ path: "", reason: `the file is no JSON: ${json.error}` }]);
  const parsed = z.array(entrySchema).min(1).max(MAX_DEPOSITS).safeParse(json.value);
  if (!parsed.success) return err(faultsOf(parsed.error));
  const faults: ClusterFault[] = [];
  const deposits = parsed.data.map((entry, i): DepositData => {
    const deposit = {
      pubkey: bytes(entry.pubkey),
      withdrawalCredentials: bytes(entry.withdrawal_credentials),
      amount: BigInt(entry.amount),
      signature: bytes(entry.signature),
    };
    const expect = (path: "deposit_message_root" | "deposit_data_root", root: string): void => {
      if (bare(root) === entry[path].toLowerCase()) return;
      faults.push({ path: `[${i}].${path}`, reason: `does not match: the deposit's is ${root}` });
    };
    expect("deposit_message_root", depositMessageRoot(deposit));
    expect("deposit_data_root", depositDataRoot(deposit));
    return deposit;
  });
  if (faults.length > 0) return err(faults);
  return ok({
    deposits,
    forkVersions: parsed.data.map(({ fork_version }) => `0x${fork_version.toLowerCase()}` as const),
  });
}

/** Deposits whose signature is not their key's: the deposit contract would keep their money. */
export function depositFileFaults(file: DepositFile): readonly ClusterFault[] {
  return file.deposits.flatMap((deposit, i) => {
    const forkVersion = fromHex(file.forkVersions[i] ?? "") ?? new Uint8Array();
    const message = bytesOf(depositSigningRoot(deposit, forkVersion));
    const { pubkey: publicKey, signature } = deposit;
    if (batchVerify([{ publicKey, message, signature }])) return [];
    return [{ path: `[${i}].signature`, reason: "does not verify under the deposit's key" }];
  });
}

function bytes(text: string): Uint8Array {
  return fromHex(`0x${text}`) ?? new Uint8Array();
}

function bare(hex: string): string {
  return hex.slice(2);
}
