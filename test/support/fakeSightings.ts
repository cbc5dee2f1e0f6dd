/** What a scripted beacon node shows of signatures on the chain: what a test puts in. */
import type { Root, Signature } from "../../src/domain/keys.ts";
import type { CommitteeIndex, Epoch, Slot, ValidatorIndex } from "../../src/domain/units.ts";
import type { AttestationData } from "../../src/eth2/types.ts";
import type {
  BlockEvent,
  ChainSightings,
  SeenAttestation,
  SignedHeader,
} from "../../src/ports/chainSightings.ts";

export class FakeSightings implements ChainSightings {
  readonly headers = new Map<Root, SignedHeader>();
  readonly attestations = new Map<Root, readonly SeenAttestation[]>();
  readonly pool = new Map<Slot, readonly SeenAttestation[]>();
  /** Validators that were seen active, by epoch. */
  readonly live = new Map<Epoch, readonly ValidatorIndex[]>();
  /** Members of the one committee of any slot. */
  committee: readonly ValidatorIndex[] = [];
  readonly #blocks = new Set<(event: BlockEvent) => void>();
  readonly #slashings = new Set<(indices: readonly ValidatorIndex[]) => void>();

  async signedHeader(block: Root): Promise<SignedHeader | null> {
    return this.headers.get(block) ?? null;
  }

  async blockAttestations(block: Root): Promise<readonly SeenAttestation[]> {
    return this.attestations.get(block) ?? [];
  }

  async poolAttestations(slot: Slot): Promise<readonly SeenAttestation[]> {
    return this.pool.get(slot) ?? [];
  }

  async committees(): Promise<ReadonlyMap<CommitteeIndex, readonly ValidatorIndex[]>> {
    return new Map([[0, this.committee]]);
  }

  async liveValidators(epoch: Epoch, indices: readonly ValidatorIndex[]) {
    const live = this.live.get(epoch) ?? [];
    return indices.filter((index) => live.includes(index));
  }

  onBlock(handler: (event: BlockEvent) => void, signal: AbortSignal): void {
    this.#blocks.add(handler);
    signal.addEventListener("abort", () => this.#blocks.delete(handler), { once: true });
  }

  onSlashing(handler: (indices: readonly ValidatorIndex[]) => void, signal: AbortSignal): void {
    this.#slashings.add(handler);
    signal.addEventListener("abort", () => this.#slashings.delete(handler), { once: true });
  }

  emitBlock(event: BlockEvent): void {
    for (const handler of this.#blocks) handler(event);
  }

  emitSlashing(...indices: readonly ValidatorIndex[]): void {
    for (const handler of this.#slashings) handler(indices);
  }

  /** An attestation of the committee's members at these positions. */
  vote(
    data: AttestationData,
    positions: readonly number[],
    signature: Signature = new Uint8Array(96),
  ): SeenAttestation {
    const length = this.committee.length;
    const has = (position: number): boolean => positions.includes(position);
    return { data, committees: [0], bits: { length, set: positions.length, has }, signature };
  }
}
