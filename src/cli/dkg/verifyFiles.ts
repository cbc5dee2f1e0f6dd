/**
 * `coterie dkg verify`: whether the files of a ceremony are true and belong together (PROVE-1). For
 * the staker who is no operator: any laptop will do, and nothing is asked of anybody.
 */
import { readdir, stat } from "node:fs/promises";
import { basename, join } from "node:path";
import { readTextFile } from "../../adapters/system/files.ts";
import { checksummedAddress } from "../../cluster/addresses.ts";
import { type ClusterDefinition, parseDefinition } from "../../cluster/definition.ts";
import { ethText } from "../../cluster/depositAmounts.ts";
import {
  type DepositFile,
  depositFileFaults,
  parseDepositFile,
} from "../../cluster/depositFile.ts";
import type { ClusterFault } from "../../cluster/fault.ts";
import { sameBytes } from "../../cluster/fields.ts";
import { type ClusterLock, parseLock } from "../../cluster/lock.ts";
import { verifyDefinition, verifyLock } from "../../cluster/verify.ts";
import { BLAME_FORMAT, type BlameFile, blameFaults, parseBlame } from "../../dkg/blameFile.ts";
import { parseTranscript, type Transcript } from "../../dkg/transcript.ts";
import { depositFaults, verifyTranscript } from "../../dkg/verifyTranscript.ts";
import { UsageError } from "../../domain/errors.ts";
import { MAX_CLUSTER_FILE_BYTES } from "../../domain/limits.ts";
import { toHex } from "../../util/bytes.ts";
import type { Result } from "../../util/result.ts";
import { describeFault } from "../verifyLock.ts";

export type FilesReport = { readonly isValid: boolean; readonly text: string };

type FileFault = ClusterFault & { readonly file: string };
type Named<T> = { readonly file: string; readonly value: T };

/** What was found, by what it is. */
type Found = {
  readonly locks: Named<ClusterLock>[];
  readonly definitions: Named<ClusterDefinition>[];
  readonly deposits: Named<DepositFile>[];
  readonly transcripts: Named<Transcript>[];
  readonly blames: Named<BlameFile>[];
  readonly faults: FileFault[];
};

/** Names of a data directory's files that are looked at. */
const CEREMONY_FILE =
  /^(cluster-lock|cluster-definition|transcript|blame|deposit-data[\w.-]*)\.json$/;
const MAX_SHOWN = 20;

/** Throws UsageError where there is nothing to check. */
export async function verifyFiles(options: {
  readonly paths: readonly string[];
  readonly contractWallets: ReadonlySet<string>;
  readonly json: boolean;
}): Promise<FilesReport> {
  const files = await listFiles(options.paths);
  const found = await readAll(files);
  const faults = [...found.faults, ...faultsAmong(found, options.contractWallets)];
  const isValid = faults.length === 0;
  if (options.json) {
    const report = { valid: isValid, files, ...claimsOf(found), faults };
    return { isValid, text: `${JSON.stringify(report, null, 2)}\n` };
  }
  return { isValid, text: describe(found, files, faults) };
}

async function listFiles(paths: readonly string[]): Promise<readonly string[]> {
  const files: string[] = [];
  for (const path of paths) {
    const isFolder = await stat(path).then(
      (stats) => stats.isDirectory(),
      () => false,
    );
    if (!isFolder) files.push(path);
    else {
      const names = (await readdir(path)).filter((name) => CEREMONY_FILE.test(name)).sort();
      files.push(...names.map((name) => join(path, name)));
    }
  }
  if (files.length > 0) return files;
  throw new UsageError(`${paths.join(", ")} holds no file of a ceremony`, {
    fix: "name a data directory, or cluster-lock.json, deposit-data.json and transcript.json",
  });
}

async function readAll(files: readonly string[]): Promise<Found> {
  const found: Found = {
    locks: [],
    definitions: [],
    deposits: [],
    transcripts: [],
    blames: [],
    faults: [],
  };
  for (const file of files) {
    const text = await readTextFile(file, {
      maxBytes: MAX_CLUSTER_FILE_BYTES,
      missingFix: "name a file that exists",
    });
    sort(found, file, text);
  }
  return found;
}

/** By its name where it has a usual one, else by what it says of itself. */
function sort(found: Found, file: string, text: string): void {
  const keep = <T>(list: Named<T>[], parsed: Result<T, readonly ClusterFault[]>): void => {
    if (parsed.ok) list.push({ file, value: parsed.value });
    else found.faults.push(...parsed.error.map((fault) => ({ file, ...fault })));
  };
  const is = (name: RegExp, content: string): boolean =>
    name.test(basename(file)) || (!CEREMONY_FILE.test(basename(file)) && text.includes(content));
  if (is(/^deposit/, '"deposit_data_root"')) keep(found.deposits, parseDepositFile(text));
  else if (is(/^blame/, BLAME_FORMAT)) keep(found.blames, parseBlame(text));
  else if (is(/^transcript/, '"format"')) keep(found.transcripts, parseTranscript(text));
  else if (is(/^cluster-lock/, '"distributed_validators"')) keep(found.locks, parseLock(text));
  else keep(found.definitions, parseDefinition(text));
}

function faultsAmong(found: Found, wallets: ReadonlySet<string>): readonly FileFault[] {
  const { locks, definitions, deposits, transcripts, blames } = found;
  const [lock] = locks;
  const faults: FileFault[] = [];
  let isLockValid = true;
  const add = (file: string, list: readonly ClusterFault[]): void => {
    faults.push(...list.map((fault) => ({ file, ...fault })));
  };
  for (const { file, value } of locks) {
    const verified = verifyLock(value, wallets);
    if (verified.ok) continue;
    add(file, verified.error);
    isLockValid = false;
  }
  for (const { file, value } of definitions) {
    const verified = verifyDefinition(value, wallets);
    if (!verified.ok) add(file, verified.error);
    const agreed = lock?.value.cluster_definition.definition_hash ?? value.definition_hash;
    if (sameBytes(agreed, value.definition_hash)) continue;
    add(file, [{ path: "definition_hash", reason: `is not the lock's, ${agreed}` }]);
  }
  for (const { file, value } of deposits) {
    add(file, depositFileFaults(value));
    if (lock === undefined) continue;
    const forkVersion = lock.value.cluster_definition.fork_version;
    for (const [i, own] of value.forkVersions.entries()) {
      if (sameBytes(own, forkVersion)) continue;
      add(file, [{ path: `[${i}].fork_version`, reason: `is ${own}, the lock's ${forkVersion}` }]);
    }
  }
  // An amount has a file of its own: only all of them together are complete.
  const all = deposits.flatMap(({ value }) => value.deposits);
  const canCompare = lock !== undefined && isLockValid && all.length > 0;
  const together = canCompare ? depositFaults(lock.value, all) : [];
  add(deposits.map(({ file }) => file).join(", "), together);
  for (const { file, value } of transcripts) {
    if (lock === undefined) {
      add(file, [{ path: "", reason: "cannot be checked without the cluster lock: name it too" }]);
    } else {
      const claims = { transcript: value, lock: lock.value, deposits: null };
      add(file, verifyTranscript({ ...claims, contractWallets: wallets }));
    }
  }
  const definition = definitions[0]?.value ?? lock?.value.cluster_definition;
  for (const { file, value } of blames) {
    if (definition !== undefined) add(file, blameFaults(value, definition));
    else add(file, [{ path: "", reason: "cannot be judged without the cluster definition" }]);
  }
  return faults;
}

/** What whoever reads the report wants to compare with what he knows. */
function claimsOf(found: Found) {
  const definition =
    found.locks[0]?.value.cluster_definition ?? found.definitions[0]?.value ?? null;
  return {
    lockHash: found.locks[0]?.value.lock_hash ?? null,
    validators: found.locks[0]?.value.distributed_validators.map(
      ({ distributed_public_key }) => distributed_public_key,
    ),
    withdrawalAddresses:
      definition === null
        ? []
        : [
            ...new Set(
              definition.validators.map((one) => checksummedAddress(one.withdrawal_address)),
            ),
          ],
    deposits: found.deposits.flatMap(({ value }) =>
      value.deposits.map(({ pubkey, amount, withdrawalCredentials }) => ({
        pubkey: toHex(pubkey),
        eth: ethText(amount),
        withdrawalCredentials: toHex(withdrawalCredentials),
      })),
    ),
    culprits: found.blames.map(({ value }) => value.culprit),
  };
}

function describe(found: Found, files: readonly string[], faults: readonly FileFault[]): string {
  const { lockHash, validators = [], withdrawalAddresses, deposits, culprits } = claimsOf(found);
  const total = found.deposits
    .flatMap(({ value }) => value.deposits)
    .reduce((sum, { amount }) => sum + amount, 0n);
  const lines = [
    ...files.map((file) => `checked      ${file}`),
    ...(lockHash === null ? [] : [`lock hash    ${lockHash}`]),
    ...(validators.length === 0 ? [] : [`validators   ${validators.length}`]),
    ...withdrawalAddresses.map((address) => `withdrawals  to ${address}: is it yours?`),
    ...(deposits.length === 0 ? [] : [`deposits     ${deposits.length}, ${ethText(total)} ETH`]),
    ...(faults.length === 0 ? culprits.map((i) => `guilty       operator ${i}, as proved`) : []),
  ];
  if (faults.length === 0) return `${[...lines, "ok: everything holds"].join("\n")}\n`;
  const named = faults
    .slice(0, MAX_SHOWN)
    .map((fault) => `  ${fault.file}: ${describeFault(fault)}`);
  const more =
    faults.length > MAX_SHOWN ? [`  … and ${faults.length - MAX_SHOWN} more (--json has all)`] : [];
  return `${[...lines, "INVALID", ...named, ...more].join("\n")}\n`;
}
