/**
 * Validity: nothing is decided that breaks a deterministic rule at an honest node, and nothing that
 * is slashable for every share (CHECK-3). Judged here by the chain's facts alone, and not by what
 * the nodes say of themselves.
 */
import type { Slot } from "../../src/domain/units.ts";
import { decodeAttestationData } from "../../src/eth2/attestationData.ts";
import { decodeProposal } from "../../src/eth2/blocks.ts";
import type { Chain } from "../../src/eth2/chain.ts";
import { FEE_RECIPIENT } from "../virtualBlocks.ts";
import type { CheckContext, Checker } from "./checker.ts";

export function createValidity({ byzantine, facts, report }: CheckContext): Checker {
  let checked = 0;
  return {
    checked: () => checked,
    decided(node, { duty, value }) {
      if (byzantine.has(node) || duty.type === "randao") return;
      checked++;
      const broken =
        duty.type === "attester"
          ? brokenVote(duty.slot, value, facts)
          : brokenBlock(duty.slot, value, facts);
      if (broken !== null) report(`node ${node} decided for slot ${duty.slot}: ${broken}`);
    },
  };
}

function brokenVote(slot: Slot, value: Uint8Array, facts: Chain): string | null {
  const data = decodeAttestationData(value);
  if (data === null) return "bytes that are no attestation data";
  const epoch = facts.epochOf(slot);
  if (data.slot !== slot) return `data of slot ${data.slot}`;
  if (data.target.epoch !== epoch) return `target epoch ${data.target.epoch} in epoch ${epoch}`;
  const { source, target } = data;
  const isGenesis = source.epoch === 0 && target.epoch === 0;
  if (source.epoch >= target.epoch && !isGenesis) return `source epoch ${source.epoch}`;
  return data.index === 0 ? null : `index ${data.index}`;
}

function brokenBlock(slot: Slot, value: Uint8Array, facts: Chain): string | null {
  const { fork } = facts.forkAt(facts.epochOf(slot));
  const proposal = decodeProposal(fork, value);
  if (proposal === null) return "bytes that are no block";
  if (proposal.slot !== slot) return `a block of slot ${proposal.slot}`;
  if (proposal.feeRecipient !== FEE_RECIPIENT) return `a block that pays ${proposal.feeRecipient}`;
  return null;
}
