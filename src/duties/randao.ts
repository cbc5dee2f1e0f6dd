/**
 * The randao duty: the proposer's signature over the epoch, which its block carries. There is
 * nothing to agree on, and it must be there when the proposer duty starts (SPEC RANDAO).
 */
import { computeSigningRoot, epochRoot, randaoDomain } from "../eth2/signing.ts";
import { uint64be } from "../util/bytes.ts";
import type { ComputedDuty } from "./kind.ts";

/** Half of the slot before: enough to collect shares, and within a peer's grace for the clock. */
const LEAD_BPS = 5_000;

export const randao: ComputedDuty = {
  type: "randao",
  consensus: "none",
  safety: { scope: "propose", messagesPerValidator: 1 },

  /** RANDAO-1: before the proposal that needs it. */
  dueAt(chain, slot) {
    return chain.dueAt(slot - 1, LEAD_BPS);
  },

  /** As the proposal that it serves. */
  expiresAt(chain, slot) {
    return chain.slotStart(slot + 2);
  },

  fetch({ duty, chain }) {
    return Promise.resolve(uint64be(chain.epochOf(duty.slot)));
  },

  tasks({ duty }, definitions, chain) {
    // The duty says it all: what is signed does not depend on any bytes from elsewhere.
    const epoch = chain.epochOf(duty.slot);
    const messageRoot = epochRoot(epoch);
    const signingRoot = computeSigningRoot(messageRoot, randaoDomain(chain, epoch));
    return definitions.map(({ validator, pubKey }) => ({
      validator,
      pubKey,
      messageRoot,
      signingRoot,
      slashing: null,
    }));
  },
};
