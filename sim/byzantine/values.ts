/** Values that no honest operator proposes, made of honest ones. */
import type { Duty } from "../../src/domain/duty.ts";
import { type Root, rootOf } from "../../src/domain/keys.ts";
import { decodeAttestationData, encodeAttestationData } from "../../src/eth2/attestationData.ts";
import type { BlockValue } from "../../src/eth2/blockForms.ts";
import { decodeProposal, encodeProposal } from "../../src/eth2/blocks.ts";
import type { Chain } from "../../src/eth2/chain.ts";
import type { AttestationData } from "../../src/eth2/types.ts";
import { assert } from "../../src/util/assert.ts";
import { toHex } from "../../src/util/bytes.ts";
import type { SeededRandom } from "../random.ts";
import { messageIn, type Sent } from "./frames.ts";

/** How an honest value of each type becomes another; null where it cannot. */
export type ValueChange = {
  readonly attestation: (data: AttestationData) => AttestationData | null;
  /** Changes the block in place; false where it cannot. */
  readonly block: (block: BlockValue) => boolean;
};

export function changedValue(
  chain: Chain,
  duty: Duty,
  { value, change }: { readonly value: Uint8Array; readonly change: ValueChange },
): Uint8Array | null {
  if (duty.type !== "attester") return changedBlock(chain, duty, { value, change });
  const data = decodeAttestationData(value);
  const changed = data === null ? null : change.attestation(data);
  return changed === null ? null : encodeAttestationData(changed);
}

function changedBlock(
  chain: Chain,
  { slot }: Duty,
  { value, change }: { readonly value: Uint8Array; readonly change: ValueChange },
): Uint8Array | null {
  const { fork } = chain.forkAt(chain.epochOf(slot));
  const proposal = decodeProposal(fork, value);
  if (proposal === null) return null;
  const form = proposal.isBlinded ? fork.blocks?.blinded : fork.blocks?.full;
  assert(form !== null && form !== undefined, "a block that decodes has a form");
  const contents = form.deserialize(proposal.ssz);
  if (!change.block(contents.block)) return null;
  return encodeProposal({ ...proposal, ssz: form.serialize(contents) });
}

/** Another vote or block of the same duty: signing both is slashable. */
export function alternative(random: SeededRandom, heads: Heads): ValueChange {
  return {
    attestation: (data) => ({
      ...data,
      beaconBlockRoot: heads.otherThan(data.beaconBlockRoot) ?? randomRoot(random),
    }),
    block: (block) => {
      Object.assign(block.body, { graffiti: random.bytes(32) });
      return true;
    },
  };
}

/** Builds on, or attests, a block that does not exist. */
export function randomHead(random: SeededRandom): ValueChange {
  return {
    attestation: (data) => ({ ...data, beaconBlockRoot: randomRoot(random) }),
    block: (block) => {
      block.parentRoot = random.bytes(32);
      return true;
    },
  };
}

/** Pays the block to the adversary. */
export function foreignFeeRecipient(random: SeededRandom): ValueChange {
  return {
    attestation: () => null,
    block: ({ body: { executionPayload } }) => {
      if (executionPayload === undefined) return false;
      executionPayload.feeRecipient = random.bytes(20);
      return true;
    },
  };
}

export const SLASH_BAITS = [
  "future-source",
  "far-future",
  "surrounding",
  "other-target",
  "wrong-slot",
] as const;
export type SlashBait = (typeof SLASH_BAITS)[number];

/** What would convict or bar whoever signs it, now or together with what comes. */
export function slashBait(bait: SlashBait, random: SeededRandom): ValueChange {
  return {
    attestation: (data) => baitedAttestation(data, bait, random),
    block: (block) => {
      // Blocks are slashable by their slot alone: another block of another duty's slot.
      block.slot += bait === "far-future" ? 1_000 : 1;
      return true;
    },
  };
}

function baitedAttestation(
  data: AttestationData,
  bait: SlashBait,
  random: SeededRandom,
): AttestationData | null {
  const { source, target } = data;
  switch (bait) {
    // Just below the target: beyond what is justified, and all that a deterministic rule allows.
    case "future-source":
      if (target.epoch - 1 <= source.epoch) return null;
      return { ...data, source: { epoch: target.epoch - 1, root: randomRoot(random) } };
    case "far-future":
      return {
        ...data,
        source: { ...source, epoch: source.epoch + 1_000 },
        target: { ...target, epoch: target.epoch + 1_000 },
      };
    case "surrounding":
      if (source.epoch === 0) return null;
      return { ...data, source: { epoch: 0, root: source.root } };
    case "other-target":
      return { ...data, target: { ...target, root: randomRoot(random) } };
    case "wrong-slot":
      return { ...data, slot: data.slot + 1 };
  }
}

/** Heads that operators voted for, heard on the wire: a lie about the head is best a known one. */
export class Heads {
  readonly #known: Root[] = [];

  note(sent: Pick<Sent, "channel" | "bytes">): void {
    const frame = messageIn(sent);
    if (frame === null || frame.value === null || frame.duty.type !== "attester") return;
    const head = decodeAttestationData(frame.value)?.beaconBlockRoot;
    if (head === undefined || this.#known.includes(head)) return;
    this.#known.push(head);
    if (this.#known.length > MAX_HEADS) this.#known.shift();
  }

  /** The newest head that is not this one. */
  otherThan(head: Root): Root | null {
    return this.#known.findLast((known) => known !== head) ?? null;
  }
}

/** An epoch of the shortest chain. */
const MAX_HEADS = 8;

export function randomRoot(random: SeededRandom): Root {
  return rootOf(random.bytes(32));
}

/** What an observer is told of a root. */
export function short(root: Root | Uint8Array): string {
  return (typeof root === "string" ? root : toHex(root)).slice(2, 10);
}
