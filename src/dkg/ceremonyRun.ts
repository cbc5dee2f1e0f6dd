/** What a ceremony is held with, what it reports, and how it ends. */
import type { ClusterDefinition } from "../cluster/definition.ts";
import type { VerifiedLock } from "../cluster/verify.ts";
import type { PeerIndex } from "../domain/keys.ts";
import type { Millis } from "../domain/units.ts";
import type { Clock } from "../ports/clock.ts";
import type { Identity } from "../ports/identity.ts";
import type { CeremonyChannel, Network } from "../ports/network.ts";
import type { Random } from "../ports/random.ts";
import type { CeremonyPhase } from "../wire/ceremony.ts";
import type { Seat } from "./lobby.ts";
import type { CeremonyAbort, CeremonyProgress } from "./messages.ts";
import type { CeremonyStorage } from "./storage.ts";

export type CeremonyRun = {
  /** Verified, and its terms are those of a ceremony. */
  readonly definition: ClusterDefinition;
  readonly self: PeerIndex;
  /** Of the program, for the other operators to read. */
  readonly version: string;
  /** Attempts beyond need a new acceptance. */
  readonly maxAttempt: number;
  readonly phaseTimeoutMs: (phase: CeremonyPhase) => Millis;
  /** How long a finished node waits for those who have not confirmed. */
  readonly lingerMs: Millis;
  readonly contractWallets: ReadonlySet<string>;
};

export type CeremonyPorts = {
  readonly clock: Clock;
  readonly random: Random;
  readonly identity: Identity;
  readonly network: Network<CeremonyChannel>;
  readonly storage: CeremonyStorage;
  readonly report: (report: CeremonyReport) => void;
};

/** What the operator is shown. */
export type CeremonyReport =
  | { readonly kind: "lobby"; readonly seats: readonly Seat[] }
  | { readonly kind: "attempt"; readonly attempt: number; readonly isResumed: boolean }
  | { readonly kind: "progress"; readonly progress: CeremonyProgress }
  | {
      readonly kind: "rejected";
      readonly from: PeerIndex;
      readonly code: string;
      readonly detail: string;
    }
  | { readonly kind: "ended"; readonly attempt: number; readonly abort: CeremonyAbort }
  | { readonly kind: "published"; readonly lock: VerifiedLock }
  | { readonly kind: "confirmed"; readonly peers: readonly PeerIndex[] };

export type CeremonyEnd =
  | { readonly kind: "finished"; readonly lock: VerifiedLock }
  /** Everything is written; these operators did not say that they wrote it too. */
  | {
      readonly kind: "unconfirmed";
      readonly lock: VerifiedLock;
      readonly missing: readonly PeerIndex[];
    }
  /** An operator is proved guilty. */
  | { readonly kind: "aborted"; readonly abort: CeremonyAbort };
