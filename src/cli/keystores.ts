/**
 * This operator's key shares: EIP-2335 keystores with their passwords beside them. A keystore's
 * owner is found by its public share in the cluster lock, never by its file name (CLI-7).
 */
import type { Cluster } from "../cluster/cluster.ts";
import type { ShareSecret } from "../crypto/builtinSigner.ts";
import { UsageError } from "../domain/errors.ts";
import type { LockIndex, PeerIndex } from "../domain/keys.ts";
import { permissionWarnings } from "./identityFiles.ts";
import { listKeystores, openKeystores, passwordPath } from "./keystoreFiles.ts";

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
export type SharePlace = { readonly validator: LockIndex; readonly peer: PeerIndex };
export type SharePlaces = ReadonlyMap<string, SharePlace | "group">;

const PROGRESS_MS = 2_000;

/**
 * Opens every keystore of `dir`. Throws UsageError that names each file at fault and why: a
 * share of another operator, a wrong password, a whole validator key, no keystore at all.
 */
export async function readShares(input: SharesInput): Promise<Shares> {
  const { dir, cluster, self } = input;
  const fix = "copy this operator's validator_keys folder here, or name it: --validator-keys-dir";
  const paths = await listKeystores(dir, fix);
  const advance = progressOf(paths.length, input.onProgress);
  const places = placesOf(cluster);
  const shares = new Map<LockIndex, ShareSecret>();
  const warnings: string[] = [];
  const judge = (path: string, publicKey: string): void => {
    requireOwn(path, placeOf(path, publicKey, places), self);
  };
  await openKeystores(paths, judge, async ({ path, publicKey, secret }) => {
    const { validator } = placeOf(path, publicKey, places);
    if (shares.has(validator)) warnings.push(`${path} repeats a share; it is not needed`);
    shares.set(validator, { validator, secret });
    warnings.push(...(await permissionWarnings(passwordPath(path))));
    advance();
  });
  const missing = cluster.validators.length - shares.size;
  if (missing > 0) {
    const total = cluster.validators.length;
    warnings.push(`${dir} has no key share for ${missing} of the cluster's ${total} validators`);
  }
  return { shares: [...shares.values()].sort((a, b) => a.validator - b.validator), warnings };
}

/** Where each public key of the lock stands. */
export function placesOf(cluster: Cluster): SharePlaces {
  const places = new Map<string, SharePlace | "group">();
  for (const [validator, { pubKey, pubShares }] of cluster.validators.entries()) {
    places.set(pubKey, "group");
    for (const [peer, pubShare] of pubShares.entries()) places.set(pubShare, { validator, peer });
  }
  return places;
}

/** Throws UsageError unless the public key is a share of some operator. */
export function placeOf(path: string, publicKey: string, places: SharePlaces): SharePlace {
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
  return place;
}

function requireOwn(path: string, place: SharePlace, self: PeerIndex): void {
  if (place.peer !== self) {
    throw new UsageError(
      `${path} is the key share of operator ${place.peer} for validator ${place.validator}; this ` +
        `node is operator ${self} (counted from 0, in the lock's order)`,
      {
        fix: "use this operator's own keystores and delete the others: nobody may hold two shares",
      },
    );
  }
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
