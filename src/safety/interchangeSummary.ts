/**
 * What an interchange file (EIP-3076) comes to: per key the highest message, and the smallest file
 * that says as much. A key that moves needs no more, for whoever imports it refuses everything up
 * to there (SLASH-12).
 */
import type { PubKey, Root } from "../domain/keys.ts";
import { ok, type Result } from "../util/result.ts";
import type { AttestationWatermark, BlockWatermark } from "./history.ts";
import { type Interchange, parseInterchange } from "./interchange.ts";
import type { HistorySnapshot } from "./slashingStore.ts";

/** The highest epochs and slot of a history, each kind null where nothing was signed. */
export type Highest = {
  readonly attestation: AttestationWatermark | null;
  readonly block: BlockWatermark | null;
};

export type InterchangeSummary = {
  readonly genesisValidatorsRoot: Root;
  /** By the file's own public keys, lower-case 0x hex; keys without any message are absent. */
  readonly highest: ReadonlyMap<`0x${string}`, Highest>;
};

/** An error names the field of the file that is wrong. */
export function summarizeInterchange(text: string): Result<InterchangeSummary, string> {
  const parsed = parseInterchange(text);
  if (!parsed.ok) return parsed;
  const { genesisValidatorsRoot, histories } = parsed.value;
  const highest = new Map<`0x${string}`, Highest>();
  for (const { publicKey, messages } of histories) {
    if (messages.length === 0) continue;
    const own: Highest = {
      attestation: messages
        .filter((message) => message.kind === "attestation")
        .reduce<AttestationWatermark | null>(higherAttestation, null),
      block: messages
        .filter((message) => message.kind === "block")
        .reduce<BlockWatermark | null>(higherBlock, null),
    };
    highest.set(publicKey, higher(highest.get(publicKey) ?? NOTHING, own));
  }
  return ok({ genesisValidatorsRoot, highest });
}

export function highestOf(history: HistorySnapshot): Highest {
  return {
    attestation: history.attestations.reduce(higherAttestation, history.attestationWatermark),
    block: history.blocks.reduce(higherBlock, history.blockWatermark),
  };
}

/** Epochs and slots are compared each for itself, so the result may stand above both. */
export function higher(a: Highest, b: Highest): Highest {
  return {
    attestation:
      b.attestation === null ? a.attestation : higherAttestation(a.attestation, b.attestation),
    block: b.block === null ? a.block : higherBlock(a.block, b.block),
  };
}

/** Whether everything of `b` lies at or below `a`. */
export function covers(a: Highest, b: Highest): boolean {
  const both = higher(a, b);
  return (
    both.attestation?.source === a.attestation?.source &&
    both.attestation?.target === a.attestation?.target &&
    both.block?.slot === a.block?.slot
  );
}

/** One message of each kind per key, without signing root: nothing up to it is signed again. */
export function minimalInterchange(
  genesisValidatorsRoot: Root,
  histories: ReadonlyMap<PubKey, Highest>,
): Interchange {
  return {
    metadata: {
      interchange_format_version: "5",
      genesis_validators_root: genesisValidatorsRoot,
    },
    data: [...histories].map(([pubkey, { attestation, block }]) => ({
      pubkey,
      signed_blocks: block === null ? [] : [{ slot: block.slot.toString() }],
      signed_attestations:
        attestation === null
          ? []
          : [
              {
                source_epoch: attestation.source.toString(),
                target_epoch: attestation.target.toString(),
              },
            ],
    })),
  };
}

const NOTHING: Highest = { attestation: null, block: null };

function higherAttestation(
  a: AttestationWatermark | null,
  b: AttestationWatermark,
): AttestationWatermark {
  return {
    source: Math.max(a?.source ?? 0, b.source),
    target: Math.max(a?.target ?? 0, b.target),
  };
}

function higherBlock(a: BlockWatermark | null, b: BlockWatermark): BlockWatermark {
  return { slot: Math.max(a?.slot ?? 0, b.slot) };
}
