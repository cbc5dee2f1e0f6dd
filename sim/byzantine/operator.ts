/**
 * A Byzantine operator: everything that belongs to one operator of a cluster (its identity key, its
 * key shares, its end of the network), and nothing that does not. Behaviours wrap the Network port
 * and never touch the node's code, so that the same ones act in the simulator and on a live cluster
 * (BYZ-1).
 */
import type { Cluster } from "../../src/cluster/cluster.ts";
import type { PeerIndex } from "../../src/domain/keys.ts";
import type { Chain } from "../../src/eth2/chain.ts";
import type { Clock } from "../../src/ports/clock.ts";
import type { Channel, Network } from "../../src/ports/network.ts";
import type { PartialSigner } from "../../src/ports/partialSigner.ts";
import type { SeededRandom } from "../random.ts";
import type { Conspiracy } from "./conspiracy.ts";
import type { Rewrite, Speaker } from "./frames.ts";

/** What a scenario or the command line says about a behaviour beyond its name. */
export type BehaviourOptions = Readonly<Record<string, number | string | boolean>>;

export type OperatorContext = Speaker & {
  /** The network, or the behaviour below this one: behaviours are composed by wrapping. */
  readonly network: Network;
  readonly cluster: Cluster;
  readonly chain: Chain;
  readonly clock: Clock;
  readonly random: SeededRandom;
  /** Its own share of each validator; null where a validator client holds them. */
  readonly signer: PartialSigner | null;
  /** Shared by all Byzantine operators of a run. */
  readonly conspiracy: Conspiracy;
  readonly options: BehaviourOptions;
  /** Whether the behaviour acts now; outside of it the operator is honest. */
  readonly isActive: () => boolean;
  /** BYZ-2: it has just done what an honest operator never does. */
  readonly acted: (detail: string) => void;
};

/** What a behaviour is made of; everything that it does follows from this and what it hears. */
export type Operator = Omit<OperatorContext, "network"> & {
  /** Every other operator. */
  readonly peers: readonly PeerIndex[];
  /** Sends a frame of its own making to one peer. */
  readonly say: (peer: PeerIndex, channel: Channel, bytes: Uint8Array) => void;
  /** Gossips a sealed frame of its own making. */
  readonly shout: (channel: Channel, bytes: Uint8Array) => void;
};

/** A frame of a peer: who wrote it, and what is in it, whatever envelope it came in. */
export type Heard = {
  readonly channel: Channel;
  readonly author: PeerIndex;
  readonly bytes: Uint8Array;
};

/** One way to misbehave: it sees all that its own node says and hears, and may say more. */
export type Behaviour = {
  /** Asked only while the behaviour is active. */
  readonly rewrite?: Rewrite;
  /** Told at all times: what was heard before may be of use. */
  readonly hear?: (frame: Heard) => void;
};
