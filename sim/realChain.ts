/**
 * SIM-7: the dev chain as the simulator sees it. It is loaded by name when it is asked for: the
 * compiled package does not hold it, and nothing of it enters a run on the virtual chain.
 */
import { UsageError } from "../src/domain/errors.ts";
import { type LockIndex, type Root, rootOf } from "../src/domain/keys.ts";
import type { Epoch, Slot, ValidatorIndex } from "../src/domain/units.ts";
import type { Chain } from "../src/eth2/chain.ts";
import { assert } from "../src/util/assert.ts";
import { fromHex } from "../src/util/bytes.ts";
import { FIRST_INDEX } from "./ledger.ts";

export type ImportedBlock = {
  readonly slot: Slot;
  readonly root: string;
  readonly proposerIndex: ValidatorIndex;
  readonly previousDutyDependentRoot: string;
  readonly currentDutyDependentRoot: string;
  readonly votes: readonly {
    readonly slot: Slot;
    readonly attesters: readonly ValidatorIndex[];
  }[];
};

/** An attestation of several validators: who of the committees is in it. */
export type ShownAttestation = {
  /** 128 bytes. */
  readonly data: Uint8Array;
  readonly committees: readonly number[];
  readonly positions: readonly number[];
  readonly length: number;
  readonly signature: Uint8Array;
};

/** `sim/devchain/inProcess.ts`; a test holds the two together. */
export interface InProcessChain {
  readonly genesisValidatorsRoot: string;
  readonly headSlot: Slot;
  readonly failures: readonly string[];
  spec(): Readonly<Record<string, unknown>>;
  onImport(listener: (block: ImportedBlock) => void): void;
  propose(slot: Slot): void;
  attest(slot: Slot): void;
  aggregate(slot: Slot): void;
  validators(pubkeys: readonly string[]): readonly {
    readonly index: ValidatorIndex;
    readonly status: string;
    readonly pubkey: string;
  }[];
  attesterDuties(
    epoch: Epoch,
    indices: readonly ValidatorIndex[],
  ): {
    readonly dependentRoot: string;
    readonly duties: readonly {
      readonly slot: Slot;
      readonly pubkey: string;
      readonly validatorIndex: ValidatorIndex;
      readonly committeeIndex: number;
      readonly committeeLength: number;
      readonly committeesAtSlot: number;
      readonly validatorCommitteeIndex: number;
    }[];
  };
  proposerDuties(epoch: Epoch): {
    readonly dependentRoot: string;
    readonly duties: readonly {
      readonly slot: Slot;
      readonly pubkey: string;
      readonly validatorIndex: ValidatorIndex;
    }[];
  };
  attestationData(slot: Slot): Uint8Array;
  slotOf(root: string): Slot | null;
  /** A block's header as SSZ, with its signature; null when it is not known. */
  signedHeader(
    root: string,
  ): { readonly header: Uint8Array; readonly signature: Uint8Array } | null;
  attestationsIn(root: string): readonly ShownAttestation[];
  /** What the pool holds of the slot. */
  attestationsOf(slot: Slot): readonly ShownAttestation[];
  /** Members of the slot's committees. */
  committees(slot: Slot): readonly (readonly ValidatorIndex[])[];
  isLive(epoch: Epoch, index: ValidatorIndex): boolean;
  addAttestation(json: unknown): string | null;
  prepareProposer(validatorIndex: ValidatorIndex, feeRecipient: Uint8Array): void;
  produce(
    slot: Slot,
    randaoReveal: Uint8Array,
  ): { readonly ssz: Uint8Array; readonly rewardGwei: bigint };
  publish(signed: Uint8Array): void;
  /** What the chain has against a request, when that is what was thrown. */
  refusalIn(error: unknown): string | null;
}

export type OpenChain = (options: {
  readonly slotMs: number;
  readonly genesisTime: number;
  readonly plainCount: number;
  readonly distributedPubkeys: readonly Uint8Array[];
  readonly nowMs: () => number;
}) => InProcessChain;
type Devchain = { readonly openInProcess: OpenChain };

/** A name that no compiler follows: the package is built without the dev chain. */
const DEVCHAIN: string = "./devchain/inProcess.ts";

/** Throws UsageError where the dev chain or what it needs is not installed. */
export async function loadDevchain(): Promise<Devchain> {
  try {
    const devchain: Devchain = await import(DEVCHAIN);
    return devchain;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ERR_MODULE_NOT_FOUND") {
      throw new UsageError("--chain real needs the dev chain, which a package does not hold", {
        fix: "run it in a clone of the sources, after npm ci",
      });
    }
    throw error;
  }
}

/** Seats of the cluster's validators; without reorgs an epoch's never change. */
export class Seats {
  readonly #real: InProcessChain;
  readonly #chain: Chain;
  readonly #indices: readonly ValidatorIndex[];
  readonly #attesters = new Map<Slot, LockIndex[]>();
  readonly #proposers = new Map<Slot, LockIndex>();
  #known: Epoch = -1;

  constructor(real: InProcessChain, chain: Chain, validators: number) {
    this.#real = real;
    this.#chain = chain;
    this.#indices = Array.from({ length: validators }, (_, position) => FIRST_INDEX + position);
  }

  /** Once in each epoch at least: the chain forgets the seats of old ones. */
  enterSlot(slot: Slot): void {
    const epoch = this.#chain.epochOf(slot);
    if (this.#known === epoch) return;
    this.#known = epoch;
    for (const { slot, validatorIndex } of this.#real.attesterDuties(epoch, this.#indices).duties) {
      const seated = this.#attesters.get(slot) ?? [];
      this.#attesters.set(slot, seated);
      seated.push(validatorIndex - FIRST_INDEX);
    }
    for (const { slot, validatorIndex } of this.#real.proposerDuties(epoch).duties) {
      const validator = validatorIndex - FIRST_INDEX;
      if (slot > 0 && validator >= 0) this.#proposers.set(slot, validator);
    }
  }

  attestersIn(slot: Slot): readonly LockIndex[] {
    return this.#attesters.get(slot) ?? [];
  }

  proposerIn(slot: Slot): LockIndex | null {
    return this.#proposers.get(slot) ?? null;
  }
}

export function parseRoot(text: string): Root {
  const bytes = fromHex(text);
  assert(bytes !== null, "the dev chain names roots in hex");
  return rootOf(bytes);
}
