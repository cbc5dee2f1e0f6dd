/**
 * The attester duty: the cluster agrees on one AttestationData per slot, and every validator with
 * a seat in the slot signs it (DESIGN §5, §6; SPEC ATT).
 */
import type { AttesterDefinition, SigningTask } from "../domain/data.ts";
import type { Duty } from "../domain/duty.ts";
import { FaultError } from "../domain/errors.ts";
import type { CommitteeIndex } from "../domain/units.ts";
import {
  ATTESTATION_DATA_BYTES,
  attestationDataRoot,
  decodeAttestationData,
  encodeAttestationData,
} from "../eth2/attestationData.ts";
import type { Chain } from "../eth2/chain.ts";
import type { Fork } from "../eth2/forks.ts";
import { attesterDomain, computeSigningRoot } from "../eth2/signing.ts";
import type { AttestationData, SignedAttestation } from "../eth2/types.ts";
import type { ItemFailure } from "../ports/beaconNode.ts";
import { assert } from "../util/assert.ts";
import { err, ok } from "../util/result.ts";
import type { AgreedDuty, CompactForm, JudgeContext, Judgement, OwnView } from "./kind.ts";

const ACCEPT: Judgement = { kind: "accept" };

const compact: CompactForm<AttesterDefinition> = {
  isWhole: true,
  agreed: ({ value }) => value,

  signed({ duty, value }, definition, chain) {
    return encodeAttestationData(signedBy(decoded(value), definition, forkOf(duty, chain)));
  },

  // ATT-2: the target is the slot's epoch.
  signingRoot(messageRoot, slot, chain) {
    return computeSigningRoot(messageRoot, attesterDomain(chain, chain.epochOf(slot)));
  },

  read(bytes, chain) {
    const data = decodeAttestationData(bytes);
    if (data === null) return null;
    const { slot, source, target } = data;
    const messageRoot = attestationDataRoot(data);
    const signingRoot = computeSigningRoot(messageRoot, attesterDomain(chain, target.epoch));
    const slashing = { kind: "attestation", source: source.epoch, target: target.epoch } as const;
    return { slot, messageRoot, signingRoot, slashing };
  },

  /** ATT-7: before EIP-7549 each validator filled its own committee in. */
  explains(agreed, signed, chain) {
    const [ours, seen] = [decodeAttestationData(agreed), decodeAttestationData(signed)];
    if (ours === null || seen === null) return false;
    const { signsCommittee } = chain.forkAt(chain.epochOf(ours.slot)).fork.attestationIndex;
    const index = signsCommittee ? seen.index : ours.index;
    return attestationDataRoot({ ...ours, index }) === attestationDataRoot(seen);
  },
};

export const attester: AgreedDuty<AttesterDefinition> = {
  type: "attester",
  consensus: "agree",
  compact,
  safety: { scope: "attest", messagesPerValidator: 1 },
  isDurable: false,
  maxValueBytes: ATTESTATION_DATA_BYTES,
  pullPatienceBps: 100,
  needsOwnData: true,

  /** ATT-8: the fork's share of the slot. */
  dueAt(chain, slot) {
    return chain.dueAt(slot, chain.forkAt(chain.epochOf(slot)).attestationDueBps);
  },

  /** ATT-8: inclusion is most useful within an epoch; one slot more lets the last block arrive. */
  expiresAt(chain, slot) {
    return chain.slotStart(slot + chain.spec.slotsPerEpoch + 1);
  },

  async fetch({ duty, chain, beacon, signal }) {
    const answered = await beacon.attestationData(duty.slot, signal);
    const data = { ...answered, index: agreedIndex(forkOf(duty, chain), answered.index) };
    // ATT-6: what every peer would refuse is a fault of our beacon node and never proposed.
    const broken = brokenRule(data, duty, chain);
    if (broken !== null) throw new FaultError("beacon_bad_response", `attestation data: ${broken}`);
    return encodeAttestationData(data);
  },

  check({ duty, value }, _definitions, chain) {
    const data = decodeAttestationData(value);
    if (data === null) {
      const detail = `expected ${ATTESTATION_DATA_BYTES} bytes with numbers below 2^53`;
      return err({ code: "malformed", detail });
    }
    const broken = brokenRule(data, duty, chain);
    return broken === null ? ok(undefined) : err({ code: "malformed", detail: broken });
  },

  signatureChecks() {
    return [];
  },

  attestedHead({ value }) {
    return decodeAttestationData(value)?.beaconBlockRoot ?? null;
  },

  judge({ duty, value }, view, context) {
    const data = decoded(value);
    const own = view.own === null ? null : decoded(view.own);
    if (context.certified) return ACCEPT;
    const safety = judgeSource(data, own, context);
    if (safety.kind !== "accept" || context.round > context.ownViewRounds) return safety;
    const checkpoints = own === null ? ACCEPT : judgeCheckpoints(data, own);
    return checkpoints.kind === "accept" ? judgeHead(duty, view) : checkpoints;
  },

  tasks({ duty, value }, definitions, chain) {
    const data = decoded(value);
    const { source, target } = data;
    const domain = attesterDomain(chain, target.epoch);
    const rootsByIndex = new Map<
      CommitteeIndex,
      Pick<SigningTask, "messageRoot" | "signingRoot">
    >();
    return definitions.map((definition) => {
      const { index } = signedBy(data, definition, forkOf(duty, chain));
      let roots = rootsByIndex.get(index);
      if (roots === undefined) {
        const messageRoot = attestationDataRoot({ ...data, index });
        roots = { messageRoot, signingRoot: computeSigningRoot(messageRoot, domain) };
        rootsByIndex.set(index, roots);
      }
      return {
        validator: definition.validator,
        pubKey: definition.pubKey,
        ...roots,
        slashing: { kind: "attestation", source: source.epoch, target: target.epoch },
      };
    });
  },

  /** ATT-9: a validator that signed may have no seat any more. */
  async submit({ data, signatures, definitions, chain, beacon, signal }) {
    const agreed = decoded(data.value);
    const fork = forkOf(data.duty, chain);
    const byValidator = new Map(
      definitions.map((definition) => [definition.validator, definition]),
    );
    const seated: { readonly index: number; readonly attestation: SignedAttestation }[] = [];
    const unseated: ItemFailure[] = [];
    for (const [index, { validator, signature }] of signatures.entries()) {
      const definition = byValidator.get(validator);
      if (definition === undefined) {
        unseated.push({ index, message: `validator ${validator} has lost its seat in the slot` });
        continue;
      }
      const attestation = {
        fork: fork.name,
        data: signedBy(agreed, definition, fork),
        validatorIndex: definition.validatorIndex,
        committeeIndex: definition.committeeIndex,
        committeeLength: definition.committeeLength,
        validatorCommitteeIndex: definition.validatorCommitteeIndex,
        signature,
      };
      seated.push({ index, attestation });
    }
    if (seated.length === 0) return unseated;
    const attestations = seated.map(({ attestation }) => attestation);
    const refused = await beacon.submitAttestations(attestations, signal);
    const named = refused.map(({ index, message }) => {
      return { index: seated[index]?.index ?? index, message };
    });
    return [...unseated, ...named];
  },
};

/** The deterministic rules ETH-6, ATT-2 and ATT-3: the first that `data` breaks, or null. */
function brokenRule(data: AttestationData, duty: Duty, chain: Chain): string | null {
  const { slot, index, source, target } = data;
  const epoch = chain.epochOf(duty.slot);
  if (!chain.isForkKnown(epoch)) {
    return `epoch ${epoch} belongs to a fork that this release does not know; update Coterie`;
  }
  if (slot !== duty.slot) return `slot ${slot} is not the duty's slot ${duty.slot}`;
  if (target.epoch !== epoch) return `target epoch ${target.epoch} is not the slot's, ${epoch}`;
  const isGenesis = source.epoch === 0 && target.epoch === 0;
  if (source.epoch >= target.epoch && !isGenesis) {
    return `source epoch ${source.epoch} is not before target epoch ${target.epoch}`;
  }
  const { agreed } = forkOf(duty, chain).attestationIndex;
  return agreed.includes(index) ? null : `index ${index} is none of ${agreed.join(", ")}`;
}

/**
 * ATT-4: a source beyond what our beacon node has justified is refused in every round. Signed once,
 * it would bar the validator from every honest vote until the chain catches up with it.
 */
function judgeSource(
  data: AttestationData,
  own: AttestationData | null,
  { round }: Pick<JudgeContext<AttesterDefinition>, "round">,
): Judgement {
  if (own === null) {
    return round === 1 ? ACCEPT : askAgain("our beacon node has not answered, round is above 1");
  }
  if (data.source.epoch <= own.source.epoch) return ACCEPT;
  return askAgain(
    `source epoch ${data.source.epoch} is above our justified epoch ${own.source.epoch}`,
  );
}

/** ATT-5: both checkpoints are the ones our own beacon node would attest. */
function judgeCheckpoints(data: AttestationData, own: AttestationData): Judgement {
  if (data.source.epoch !== own.source.epoch || data.source.root !== own.source.root) {
    return { kind: "refuse", reason: "the source checkpoint is not the one we have" };
  }
  // Our node may be one block behind at the epoch's first slot.
  if (data.target.root !== own.target.root) {
    return askAgain("the target root is not the one we have");
  }
  return ACCEPT;
}

/** ATT-5: our beacon node knows the attested head, and its slot is not later. */
function judgeHead({ slot }: Duty, { headSlot }: OwnView): Judgement {
  if (headSlot === undefined) return ACCEPT;
  if (headSlot === null) return askAgain("our beacon node does not know the attested head");
  if (headSlot <= slot) return ACCEPT;
  return { kind: "refuse", reason: `the attested head is of slot ${headSlot}, after ${slot}` };
}

function askAgain(reason: string): Judgement {
  return { kind: "ask-again", reason };
}

/** ATT-3: one value serves all committees; where the fork has a single choice it is taken. */
function agreedIndex({ attestationIndex }: Fork, answered: CommitteeIndex): CommitteeIndex {
  const [first, ...others] = attestationIndex.agreed;
  return others.length === 0 ? first : answered;
}

/** ATT-7: the data as this validator signs it; before EIP-7549 it names its own committee. */
function signedBy(
  data: AttestationData,
  definition: AttesterDefinition,
  { attestationIndex }: Fork,
): AttestationData {
  return attestationIndex.signsCommittee ? { ...data, index: definition.committeeIndex } : data;
}

function forkOf({ slot }: Duty, chain: Chain): Fork {
  return chain.forkAt(chain.epochOf(slot)).fork;
}

function decoded(value: Uint8Array): AttestationData {
  const data = decodeAttestationData(value);
  assert(data !== null, "a value is checked before it is judged, signed or submitted");
  return data;
}
