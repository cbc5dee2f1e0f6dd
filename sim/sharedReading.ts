/**
 * A wire that reads each frame once. A broadcast hands the same bytes to every peer of a simulated
 * cluster, and what they say is immutable; in the field every node reads for itself. Nodes of one
 * cluster have one scope, and their identities judge a signature alike.
 */
import { dutyId } from "../src/domain/duty.ts";
import type { ShareIndex } from "../src/domain/keys.ts";
import type { AuthoredStatement, Profile } from "../src/wire/profile.ts";

export function sharedReading(profile: Profile): Profile {
  const consensus = new WeakMap<Uint8Array, ReturnType<Profile["decodeConsensus"]>>();
  const status = new WeakMap<Uint8Array, ReturnType<Profile["decodeStatus"]>>();
  const partials = new Map<
    ShareIndex,
    WeakMap<Uint8Array, ReturnType<Profile["decodePartials"]>>
  >();
  const gossip = new WeakMap<Uint8Array, ReturnType<Profile["openGossip"]>>();
  const heartbeats = new WeakMap<object, boolean>();
  const digests = new WeakMap<
    AuthoredStatement,
    { readonly duty: string; readonly digest: Uint8Array }
  >();
  return {
    ...profile,
    decodeConsensus: (bytes) => once(consensus, bytes, () => profile.decodeConsensus(bytes)),
    decodeStatus: (bytes) => once(status, bytes, () => profile.decodeStatus(bytes)),
    decodePartials: (bytes, author) => {
      const known = partials.get(author) ?? new WeakMap();
      partials.set(author, known);
      return once(known, bytes, () => profile.decodePartials(bytes, author));
    },
    openGossip: (scope, bytes, identity) =>
      once(gossip, bytes, () => profile.openGossip(scope, bytes, identity)),
    isSignedHeartbeat: (scope, signed, identity) =>
      once(heartbeats, signed, () => profile.isSignedHeartbeat(scope, signed, identity)),
    statementDigest: (scope, duty, statement) => {
      const id = dutyId(duty);
      const known = digests.get(statement);
      if (known?.duty === id) return known.digest;
      const digest = profile.statementDigest(scope, duty, statement);
      digests.set(statement, { duty: id, digest });
      return digest;
    },
  };
}

function once<K extends object, V>(known: WeakMap<K, V>, key: K, read: () => V): V {
  const before = known.get(key);
  if (before !== undefined) return before;
  const value = read();
  known.set(key, value);
  return value;
}
