/** How an attempt ends without a cluster (DKG-11, DKG-14): once, and naming who it can. */
import type { PeerIndex } from "../domain/keys.ts";
import type { Offence } from "../wire/ceremonyBlame.ts";
import { accuse } from "./blame.ts";
import type { EffectList } from "./effects.ts";
import type { CeremonyAbort } from "./messages.ts";
import type { CeremonyState } from "./state.ts";

export class Ending {
  readonly #state: CeremonyState;
  readonly #effects: EffectList;
  /** Whether the attempt ended, either way; a finished one still answers its peers. */
  isOver = false;

  constructor(state: CeremonyState, effects: EffectList) {
    this.#state = state;
    this.#effects = effects;
  }

  /** Tells everybody what proves it. */
  blame(culprit: PeerIndex, reason: string, offence: Offence): void {
    const blame = accuse(this.#state.record, culprit, offence);
    this.#effects.broadcastBlame(blame);
    this.abort({ reason: accusation(culprit, reason), culprit, blame });
  }

  /** Where a fault is not named, `missing` is whom this node waited for. */
  abort(why: {
    readonly reason: string;
    readonly culprit?: PeerIndex;
    readonly blame?: Uint8Array;
    readonly missing?: readonly PeerIndex[];
  }): void {
    const { hasVouched, phase } = this.#state;
    const { reason, culprit = null, blame = null, missing = [] } = why;
    const groupKeys = this.#state.knownGroupKeys();
    this.isOver = true;
    if (!hasVouched) this.#effects.persist({ kind: "aborted", reason, groupKeys });
    const said = { reason, culprit, blame, missing };
    const abort: CeremonyAbort = { ...said, phase, groupKeys, keepsShares: hasVouched };
    this.#effects.push({ kind: "abort", abort });
  }
}

export function accusation(culprit: PeerIndex, reason: string): string {
  return `operator ${culprit} is to blame: ${reason}`;
}

export function operatorsText(peers: readonly PeerIndex[]): string {
  return peers.map((peer) => `operator ${peer}`).join(", ");
}
