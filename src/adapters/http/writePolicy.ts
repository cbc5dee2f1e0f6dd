/**
 * What of a client's requests is passed on to the beacon node as it came (API-3). Reads are; of
 * writes only those on a fixed list, none of which signs anything. What is not agreed on by the
 * cluster must neither be offered for signing nor reach the chain with one share's signature.
 */
export type Policy =
  | { readonly kind: "forward" }
  | { readonly kind: "deny"; readonly status: 405 | 501; readonly reason: string };

/** Writes by POST that read, prepare or subscribe. */
const FORWARDED_POSTS: readonly RegExp[] = [
  /^\/eth\/v1\/beacon\/states\/[^/]+\/(validator_balances|validator_identities|builders)$/,
  /^\/eth\/v1\/beacon\/rewards\/(sync_committee|attestations)\/[^/]+$/,
  /^\/eth\/v1\/validator\/(beacon_committee|sync_committee)_subscriptions$/,
];

/** Reads whose answers are there to be signed, and which the cluster does not agree on yet. */
const UNAGREED_READS: readonly RegExp[] = [
  /^\/eth\/v\d+\/validator\/(blocks|blinded_blocks)\//,
  /^\/eth\/v\d+\/validator\/aggregate_attestation$/,
  /^\/eth\/v\d+\/validator\/sync_committee_contribution$/,
  /^\/eth\/v\d+\/validator\/payload_attestation_data$/,
];

export function policyOf(method: string, path: string): Policy {
  if (method === "GET" || method === "HEAD") {
    if (!UNAGREED_READS.some((pattern) => pattern.test(path))) return { kind: "forward" };
    return deny(501, `${path} is not agreed on by the cluster in this release`);
  }
  if (method !== "POST") return deny(405, `${method} is not served`);
  if (FORWARDED_POSTS.some((pattern) => pattern.test(path))) return { kind: "forward" };
  return deny(501, `POST ${path} is not served: a write is passed on only where it signs nothing`);
}

function deny(status: 405 | 501, reason: string): Policy {
  return { kind: "deny", status, reason };
}
