/**
 * The two names of a validator (API-1): its group public key, which the chain knows, and this
 * operator's public share, which a validator client with the share's keystore takes for the key.
 */
import type { Cluster } from "../../cluster/cluster.ts";
import type { LockIndex, PeerIndex, PubKey, PubShare } from "../../domain/keys.ts";
import type { Denial } from "../../ports/validatorApi.ts";

type ForeignShare = { readonly validator: LockIndex; readonly peer: PeerIndex };

export class KeyNames {
  readonly #self: PeerIndex;
  readonly #pubKeys = new Map<string, PubKey>();
  readonly #pubShares = new Map<string, PubShare>();
  readonly #foreign = new Map<string, ForeignShare>();

  constructor(cluster: Cluster, self: PeerIndex) {
    this.#self = self;
    for (const { lockIndex: validator, pubKey, pubShares } of cluster.validators) {
      for (const [peer, pubShare] of pubShares.entries()) {
        if (peer !== self) this.#foreign.set(pubShare, { validator, peer });
        else {
          this.#pubKeys.set(pubShare, pubKey);
          this.#pubShares.set(pubKey, pubShare);
        }
      }
    }
  }

  /** The chain's name for an identifier of a request; what is no share of ours stays as it is. */
  toChain(id: string): string {
    return this.#pubKeys.get(id.toLowerCase()) ?? id;
  }

  /** The client's name for a public key of an answer; validators of others stay as they are. */
  toClient(pubKey: string): string {
    return this.#pubShares.get(pubKey.toLowerCase()) ?? pubKey;
  }

  isGroupKey(id: string): boolean {
    return this.#pubShares.has(id.toLowerCase());
  }

  /** Null unless `id` is another operator's share; says whose it is (API-5). */
  foreignShare(id: string): Denial | null {
    const owner = this.#foreign.get(id.toLowerCase());
    if (owner === undefined) return null;
    return {
      code: "foreign_share",
      detail:
        `${id.slice(0, 12)}… is operator ${owner.peer}'s key share of validator ` +
        `${owner.validator}, this node is operator ${this.#self} (counted from 0, in the lock's ` +
        "order); give the validator client this operator's keystores and delete the others",
    };
  }
}
