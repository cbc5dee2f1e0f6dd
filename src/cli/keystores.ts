/**
 * This operator's key shares: EIP-2335 keystores `keystore-N.json` with their password beside them
 * in `keystore-N.txt`. A keystore's owner is found by its public share in the cluster lock, never
 * by its file name (CLI-7).
 */
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { readTextFile } from "../adapters/system/files.ts";
import type { Cluster } from "../cluster/cluster.ts";
import type { ShareSecret } from "../crypto/builtinSigner.ts";
import { decryptKeystore, type KeystoreFault } from "../crypto/keystore.ts";
import { parseSecretKey } from "../crypto/points.ts";
import { UsageError } from "../domain/errors.ts";
import type { LockIndex, PeerIndex } from "../domain/keys.ts";
import { MAX_JSON_DEPTH } from "../domain/limits.ts";
import { assert } from "../util/assert.ts";
import { toHex } from "../util/bytes.ts";
import { parseJson } from "../util/json.ts";
import { permissionWarnings } from "./identityFiles.ts";

export type Shares = {
  readonly shares: readonly ShareSecret[];
  /** What the operator should look at, though the node runs. */
  readonly warnings: readonly string[];
};

type SharesInput = {
  readonly dir: string;
  readonly cluster: Cluster;
  readonly self: PeerIndex;
  /** Called every few seconds on long work. */
  readonly onProgress?: (done: number, total: number) => void;
};

/** A share's place in the lock. */
type Place = { readonly validator: LockIndex; readonly peer: PeerIndex };

const KEYSTORE_NAME = /^keystore.*\.json$/;
const MAX_KEYSTORE_BYTES = 64 * 1024;
const MAX_PASSWORD_BYTES = 1024;
/** Two cores; scrypt at its usual cost needs 256 MiB for each. */
const PARALLEL_KEYSTORES = 2;
const PROGRESS_MS = 2_000;
/** Problems that are named at once; the rest is counted. */
const MAX_NAMED_PROBLEMS = 5;

/**
 * Opens every keystore of `dir`. Throws UsageError that names each file at fault and why: a
 * share of another operator, a wrong password, a whole validator key, no keystore at all.
 */
export async function readShares(input: SharesInput): Promise<Shares> {
  const { dir, cluster } = input;
  const paths = await listKeystores(dir);
  const advance = progressOf(paths.length, input.onProgress);
  const places = placesOf(cluster);
  const shares = new Map<LockIndex, ShareSecret>();
  const problems = new Map<string, UsageError>();
  const warnings: string[] = [];
  const waiting = [...paths];
  const openNext = async (): Promise<void> => {
    for (let path = waiting.shift(); path !== undefined; path = waiting.shift()) {
      const opened = await openShare(path, { ...input, places });
      if (opened instanceof UsageError) problems.set(path, opened);
      else {
        if (shares.has(opened.validator))
          warnings.push(`${path} repeats a share; it is not needed`);
        shares.set(opened.validator, opened);
        warnings.push(...(await permissionWarnings(passwordPath(path))));
      }
      advance();
    }
  };
  await Promise.all(Array.from({ length: PARALLEL_KEYSTORES }, openNext));
  // In the order of the files, not in that in which they were opened.
  const found = paths.flatMap((path) => problems.get(path) ?? []);
  if (found.length > 0) throw joinProblems(found);
  const missing = cluster.validators.length - shares.size;
  if (missing > 0) {
    const total = cluster.validators.length;
    warnings.push(`${dir} has no key share for ${missing} of the cluster's ${total} validators`);
  }
  return { shares: [...shares.values()].sort((a, b) => a.validator - b.validator), warnings };
}

function progressOf(total: number, report: SharesInput["onProgress"]): () => void {
  let done = 0;
  let reportedAt = performance.now();
  return () => {
    done++;
    if (performance.now() - reportedAt < PROGRESS_MS) return;
    reportedAt = performance.now();
    report?.(done, total);
  };
}

async function listKeystores(dir: string): Promise<readonly string[]> {
  const fix = "copy this operator's validator_keys folder here, or name it: --validator-keys-dir";
  try {
    const names = (await readdir(dir)).filter((name) => KEYSTORE_NAME.test(name)).sort();
    if (names.length > 0) return names.map((name) => join(dir, name));
  } catch (error) {
    if (!(error instanceof Error && "code" in error)) throw error;
    throw new UsageError(`${dir} cannot be read: ${error.code}`, { fix, cause: error });
  }
  throw new UsageError(`${dir} holds no keystore-N.json`, { fix });
}

function placesOf(cluster: Cluster): ReadonlyMap<string, Place | "group"> {
  const places = new Map<string, Place | "group">();
  for (const [validator, { pubKey, pubShares }] of cluster.validators.entries()) {
    places.set(pubKey, "group");
    for (const [peer, pubShare] of pubShares.entries()) places.set(pubShare, { validator, peer });
  }
  return places;
}

async function openShare(
  path: string,
  context: SharesInput & { readonly places: ReadonlyMap<string, Place | "group"> },
): Promise<ShareSecret | UsageError> {
  try {
    const json = await readTextFile(path, { maxBytes: MAX_KEYSTORE_BYTES, missingFix: "" });
    // The label first: a wrong owner is named without the cost, or the password, of opening it.
    const label = labelOf(json);
    if (label !== null) placeOf(path, label, context);
    const password = await readTextFile(passwordPath(path), {
      maxBytes: MAX_PASSWORD_BYTES,
      missingFix: `put the password of ${path} into it`,
    });
    const opened = await decryptKeystore({ json, password });
    if (!opened.ok) return keystoreError(path, opened.error);
    const key = parseSecretKey(opened.value);
    assert(key !== null, "an opened keystore holds a key");
    const { validator } = placeOf(path, toHex(key.publicKey), context);
    return { validator, secret: opened.value };
  } catch (error) {
    if (error instanceof UsageError) return error;
    throw error;
  }
}

/** The public key that the keystore claims, in our spelling; null when it claims none. */
function labelOf(json: string): string | null {
  const parsed = parseJson(json, MAX_JSON_DEPTH);
  if (!parsed.ok || typeof parsed.value !== "object" || parsed.value === null) return null;
  const label = "pubkey" in parsed.value ? parsed.value["pubkey"] : null;
  if (typeof label !== "string" || label === "") return null;
  return `0x${label.replace(/^0x/, "").toLowerCase()}`;
}

/** Throws unless the public key is one of this operator's shares. */
function placeOf(
  path: string,
  publicKey: string,
  context: Pick<SharesInput, "self"> & {
    readonly places: ReadonlyMap<string, Place | "group">;
  },
): Place {
  const { self, places } = context;
  const place = places.get(publicKey);
  if (place === undefined) {
    throw new UsageError(`${path} (${publicKey.slice(0, 12)}…) is no key share of this cluster`, {
      fix: "use the validator_keys and the cluster-lock.json of one and the same ceremony",
    });
  }
  if (place === "group") {
    throw new UsageError(`${path} is a validator's whole key, not a share of it`, {
      fix: "remove it from this machine: whoever holds it can sign, and be slashed, alone",
    });
  }
  if (place.peer !== self) {
    throw new UsageError(
      `${path} is the key share of operator ${place.peer} for validator ${place.validator}; this ` +
        `node is operator ${self} (counted from 0, in the lock's order)`,
      {
        fix: "use this operator's own keystores and delete the others: nobody may hold two shares",
      },
    );
  }
  return place;
}

function keystoreError(path: string, fault: KeystoreFault): UsageError {
  switch (fault.code) {
    case "malformed": {
      const field = fault.path === "" ? "" : ` at ${fault.path}`;
      return new UsageError(`${path} is no EIP-2335 keystore${field}: ${fault.reason}`, {
        fix: "restore the file from your backup",
      });
    }
    case "wrong_password":
      return new UsageError(`the password in ${passwordPath(path)} does not open ${path}`, {
        fix: "restore both files from the same backup",
      });
    case "wrong_public_key":
      return new UsageError(`${path} claims another public key than its secret has`, {
        fix: "the file was changed; restore it from your backup",
      });
  }
}

function passwordPath(keystorePath: string): string {
  return keystorePath.replace(/\.json$/, ".txt");
}

function joinProblems(problems: readonly UsageError[]): UsageError {
  const named = problems.slice(0, MAX_NAMED_PROBLEMS).map((problem) => problem.message);
  const more = problems.length - named.length;
  const message = [...named, ...(more > 0 ? [`and ${more} more like these`] : [])].join("\n  ");
  const fix = problems[0]?.fix;
  return new UsageError(message, fix === undefined ? {} : { fix });
}
