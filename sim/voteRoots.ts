/**
 * Roots of votes: every validator of a slot and every node hands in the same data, and hashing it
 * costs ten times as much as naming it.
 */
import type { Root } from "../src/domain/keys.ts";
import { attestationDataRoot } from "../src/eth2/attestationData.ts";
import type { AttestationData } from "../src/eth2/types.ts";
import { BoundedCache } from "../src/util/boundedCache.ts";

const MAX_ROOTS = 256;
const roots = new BoundedCache<string, Root>(MAX_ROOTS);

export function voteRoot(data: AttestationData): Root {
  const { slot, index, beaconBlockRoot, source, target } = data;
  const name = [slot, index, beaconBlockRoot, ...named(source), ...named(target)].join();
  const known = roots.get(name);
  if (known !== undefined) return known;
  const root = attestationDataRoot(data);
  roots.set(name, root);
  return root;
}

function named({ epoch, root }: AttestationData["target"]): readonly [number, Root] {
  return [epoch, root];
}
