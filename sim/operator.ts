/**
 * What a Byzantine operator has to work with: its own keys, what its node knows, and its end of the
 * network. Behaviours wrap the Network port and never touch the node's code, so that the same ones
 * act in the simulator and on a live cluster.
 */
import type { ShareSecret } from "../src/crypto/builtinSigner.ts";
import type { Chain } from "../src/eth2/chain.ts";
import type { Clock } from "../src/ports/clock.ts";
import type { Identity } from "../src/ports/identity.ts";
import type { Network } from "../src/ports/network.ts";
import type { Scope } from "../src/wire/profile.ts";
import type { SeededRandom } from "./random.ts";
import type { ByzantineFault } from "./scenario.ts";

export type OperatorContext = {
  /** The network, or the behaviour below this one: behaviours are composed by wrapping. */
  readonly network: Network;
  readonly identity: Identity;
  readonly scope: Scope;
  readonly chain: Chain;
  readonly clock: Clock;
  readonly random: SeededRandom;
  /** The operator's key shares; the lies of a partial signature are signed with them. */
  readonly shares: readonly ShareSecret[];
  /** Validators in the cluster lock. */
  readonly validators: number;
  readonly options: NonNullable<ByzantineFault["options"]>;
  /** Whether the behaviour acts now; outside of it the operator is honest. */
  readonly isActive: () => boolean;
  /** Tells the trace that it did what an honest operator does not. */
  readonly acted: (detail: string) => void;
};

/** The Network port that the operator's own node gets. */
export type Behaviour = (context: OperatorContext) => Network;
export type Behaviours = Readonly<Record<string, Behaviour>>;
