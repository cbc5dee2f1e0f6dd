/**
 * The proposer duty: the cluster agrees on one block, whole, so that every node can publish it
 * (DESIGN §5, §6; SPEC BLOCK).
 */
import type { ProposerDefinition } from "../domain/data.ts";
import type { Duty } from "../domain/duty.ts";
import { FaultError } from "../domain/errors.ts";
import { MAX_VALUE_BYTES } from "../domain/limits.ts";
import { blockHeaderRoot, decodeBlockHeader } from "../eth2/blockHeader.ts";
import { decodeProposal, encodeProposal, type Proposal } from "../eth2/blocks.ts";
import type { Chain } from "../eth2/chain.ts";
import type { Fork } from "../eth2/forks.ts";
import { computeSigningRoot, epochRoot, proposerDomain, randaoDomain } from "../eth2/signing.ts";
import { assert } from "../util/assert.ts";
import { equalBytes } from "../util/bytes.ts";
import { err, ok } from "../util/result.ts";
import type { AgreedDuty, CompactForm, Judgement, OwnView } from "./kind.ts";

/** An execution client moves the gas limit by less than this part of the parent's per block. */
const GAS_LIMIT_STEP_DIVISOR = 1_024;

const ACCEPT: Judgement = { kind: "accept" };

const compact: CompactForm<ProposerDefinition> = {
  isWhole: false,
  agreed: ({ duty, value }, chain) => decoded(duty, value, chain).header(),
  signed: ({ duty, value }, _definition, chain) => decoded(duty, value, chain).header(),

  signingRoot(messageRoot, slot, chain) {
    return computeSigningRoot(messageRoot, proposerDomain(chain, chain.epochOf(slot)));
  },

  read(bytes, chain) {
    const header = decodeBlockHeader(bytes);
    if (header === null) return null;
    const { slot } = header;
    const messageRoot = blockHeaderRoot(header);
    const signingRoot = compact.signingRoot(messageRoot, slot, chain);
    return { slot, messageRoot, signingRoot, slashing: { kind: "block", slot } };
  },

  explains: (agreed, signed) => equalBytes(agreed, signed),
};

export const proposer: AgreedDuty<ProposerDefinition> = {
  type: "proposer",
  consensus: "agree",
  compact,
  safety: { scope: "propose", messagesPerValidator: 1 },
  isDurable: true,
  maxValueBytes: MAX_VALUE_BYTES,
  // Megabytes to every peer at 100 Mbit/s take about this long.
  pullPatienceBps: 400,
  // A block takes a beacon node a second and more, which no verdict can wait for.
  needsOwnData: false,

  /** BLOCK-8: the start of the slot. */
  dueAt(chain, slot) {
    return chain.slotStart(slot);
  },

  /** BLOCK-8: the next proposer may still build on a late block. */
  expiresAt(chain, slot) {
    return chain.slotStart(slot + 2);
  },

  async fetch({ duty, definitions, chain, beacon, awaitSignature, signal }) {
    const unsupported = unsupportedFork(duty, chain);
    if (unsupported !== null) throw new FaultError("fork_unsupported", unsupported);
    const [definition] = definitions;
    assert(definition !== undefined, "a duty has a validator");
    const reveal: Duty = { slot: duty.slot, type: "randao" };
    const randaoReveal = await awaitSignature(reveal, definition.validator, signal);
    const produced = await beacon.produceBlock(duty.slot, { randaoReveal }, signal);
    const fork = forkOf(duty, chain);
    const value = encodeProposal(produced);
    const proposal = produced.fork === fork.name ? decodeProposal(fork, value) : null;
    // What every peer would refuse is a fault of our beacon node and never proposed.
    const broken =
      proposal === null
        ? `it is no ${fork.name} block in canonical SSZ`
        : brokenRule(proposal, duty, definitions);
    if (broken !== null) throw new FaultError("beacon_bad_response", `block: ${broken}`);
    return value;
  },

  check({ duty, value }, definitions, chain) {
    const unsupported = unsupportedFork(duty, chain);
    if (unsupported !== null) return err({ code: "malformed", detail: unsupported });
    const fork = forkOf(duty, chain);
    const proposal = decodeProposal(fork, value);
    if (proposal === null) {
      return err({ code: "malformed", detail: `the value is no ${fork.name} block` });
    }
    const broken = brokenRule(proposal, duty, definitions);
    return broken === null ? ok(undefined) : err({ code: "malformed", detail: broken });
  },

  /** BLOCK-3: a block with another reveal is invalid, and its author would know the next mix. */
  signatureChecks({ duty, value }, definitions, chain) {
    const epoch = chain.epochOf(duty.slot);
    const signingRoot = computeSigningRoot(epochRoot(epoch), randaoDomain(chain, epoch));
    const signature = decoded(duty, value, chain).randaoReveal;
    return definitions.map(({ pubKey }) => ({ publicKey: pubKey, signingRoot, signature }));
  },

  attestedHead({ duty, value }, chain) {
    return decoded(duty, value, chain).parentRoot;
  },

  judge({ duty, value }, view, { round, ownViewRounds, certified, definitions, chain }) {
    if (certified) return ACCEPT;
    const [definition] = definitions;
    assert(definition !== undefined, "a checked value has a proposer");
    const proposal = decoded(duty, value, chain);
    const own = view.own === null ? null : decoded(duty, view.own, chain);
    const payment = judgePayment(proposal, own, definition);
    if (payment.kind !== "accept" || round > ownViewRounds) return payment;
    return judgeParent(duty, view);
  },

  /** BLOCK-6: by the validator that the block names, whatever became of the definitions since. */
  tasks({ duty, value }, definitions, chain) {
    const { slot, root: messageRoot, proposerIndex } = decoded(duty, value, chain);
    const domain = proposerDomain(chain, chain.epochOf(duty.slot));
    const signingRoot = computeSigningRoot(messageRoot, domain);
    return definitions
      .filter(({ validatorIndex }) => validatorIndex === proposerIndex)
      .map(({ validator, pubKey }) => ({
        validator,
        pubKey,
        messageRoot,
        signingRoot,
        slashing: { kind: "block", slot },
      }));
  },

  /** BLOCK-7: every node publishes; a beacon node that has the block by then refuses nothing. */
  async submit({ data, signatures, chain, beacon, signal }) {
    const proposal = decoded(data.duty, data.value, chain);
    const [aggregated] = signatures;
    assert(aggregated !== undefined && signatures.length === 1, "a block has one proposer");
    try {
      await beacon.publishBlock(proposal.sign(aggregated.signature), signal);
    } catch (error) {
      if (!(error instanceof FaultError)) throw error;
      if ((await beacon.blockSlot(proposal.root, signal)) === null) throw error;
    }
    return [];
  },
};

/** ETH-6, and BLOCK-1 for forks whose blocks have no row; null when blocks can be proposed. */
function unsupportedFork(duty: Duty, chain: Chain): string | null {
  const epoch = chain.epochOf(duty.slot);
  if (!chain.isForkKnown(epoch)) return `epoch ${epoch} belongs to an unknown fork`;
  const fork = forkOf(duty, chain);
  return fork.blocks === null ? `blocks of the fork ${fork.name}` : null;
}

/** BLOCK-2: the first deterministic rule that the block breaks, or null. */
function brokenRule(
  proposal: Proposal,
  duty: Duty,
  definitions: readonly ProposerDefinition[],
): string | null {
  const { slot, proposerIndex, isComplete } = proposal;
  if (slot !== duty.slot) return `slot ${slot} is not the duty's slot ${duty.slot}`;
  if (!definitions.some(({ validatorIndex }) => validatorIndex === proposerIndex)) {
    return `validator ${proposerIndex} is not the slot's proposer`;
  }
  return isComplete ? null : "blobs and proofs are not those that the block commits to";
}

/** BLOCK-4: what is paid to whom, and how far the gas limit goes. */
function judgePayment(
  { feeRecipient, gasLimit }: Proposal,
  own: Proposal | null,
  definition: ProposerDefinition,
): Judgement {
  if (feeRecipient !== null && feeRecipient !== definition.feeRecipient) {
    const reason = `the fee recipient is ${feeRecipient}, the lock says ${definition.feeRecipient}`;
    return { kind: "refuse", reason };
  }
  const target = definition.targetGasLimit;
  if (target === null || gasLimit === null || own === null || own.gasLimit === null) return ACCEPT;
  const ownDistance = Math.abs(own.gasLimit - target);
  const slack = Math.floor(own.gasLimit / GAS_LIMIT_STEP_DIVISOR);
  if (Math.abs(gasLimit - target) <= ownDistance + slack) return ACCEPT;
  const reason = `the gas limit ${gasLimit} leads away from the lock's ${target}`;
  return { kind: "refuse", reason };
}

/** BLOCK-5: our beacon node knows the block that this one builds on. */
function judgeParent({ slot }: Duty, { headSlot }: OwnView): Judgement {
  if (headSlot === undefined) return ACCEPT;
  if (headSlot === null) {
    return { kind: "ask-again", reason: "our beacon node does not know the parent block" };
  }
  if (headSlot < slot) return ACCEPT;
  return { kind: "refuse", reason: `the parent is of slot ${headSlot}, not before ${slot}` };
}

function forkOf({ slot }: Duty, chain: Chain): Fork {
  return chain.forkAt(chain.epochOf(slot)).fork;
}

function decoded(duty: Duty, value: Uint8Array, chain: Chain): Proposal {
  const proposal = decodeProposal(forkOf(duty, chain), value);
  assert(proposal !== null, "a value is checked before it is judged, signed or submitted");
  return proposal;
}
