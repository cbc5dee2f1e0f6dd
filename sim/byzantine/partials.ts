/** Behaviours of an operator that signs what it should not, or not at all. */
import type { PartialSignatureSet, SigningTask } from "../../src/domain/data.ts";
import { type Duty, type DutyId, dutyId } from "../../src/domain/duty.ts";
import type { PeerIndex } from "../../src/domain/keys.ts";
import { DUTY_KINDS } from "../../src/duties/table.ts";
import { decodeProposal } from "../../src/eth2/blocks.ts";
import type { Chain } from "../../src/eth2/chain.ts";
import { BoundedCache } from "../../src/util/boundedCache.ts";
import { nativeProfile as profile } from "../../src/wire/nativeProfile.ts";
import { messageIn, partialsIn, rewritePartials, type Sent } from "./frames.ts";
import type { Behaviour, Operator } from "./operator.ts";
import { alternative, changedValue, Heads, randomRoot } from "./values.ts";

/** A share that signs at all signs at once. */
const NEVER = new AbortController().signal;
/** Duties whose values are remembered. */
const MAX_DUTIES = 64;

/**
 * Sends signatures that are no signatures: by turns bytes that are no point, another validator's
 * signature (a valid point under the wrong key), and its own under a root that nobody decided.
 */
export function garbagePartials({ identity, random, acted }: Operator): Behaviour {
  return {
    rewrite: rewritePartials(identity.self, (set) => {
      const kind = random.pick(["bytes", "point", "root"] as const);
      acted(`sends garbage (${kind}) for ${dutyId(set.duty)}`);
      const shifted = [...set.signatures.slice(1), ...set.signatures.slice(0, 1)];
      const signatures = set.signatures.map((partial, i) => {
        if (kind === "root") return { ...partial, messageRoot: randomRoot(random) };
        const other = shifted[i]?.signature ?? partial.signature;
        const isOther = kind === "point" && set.signatures.length > 1;
        return { ...partial, signature: isOther ? other : flipped(partial.signature) };
      });
      return [{ ...set, signatures }];
    }),
  };
}

function flipped(signature: Uint8Array): Uint8Array {
  const changed = Uint8Array.from(signature);
  changed[95] = (changed[95] ?? 0) ^ 1;
  return changed;
}

/**
 * Signs a second message with its key shares, validly, and sends it to half of the others in place
 * of the decided one: what a forked proposal decided there, else a message of its own.
 */
export function doubleSign(operator: Operator): Behaviour {
  const { conspiracy, identity } = operator;
  const others = new OtherValues(operator);
  return {
    hear: (frame) => others.note(frame),
    rewrite: (sent) => {
      others.note(sent);
      const set = partialsIn(sent, identity.self);
      const isFooled = set !== null && conspiracy.sideOf(sent.to, identity.nodes) === 1;
      const value = isFooled ? others.valueFor(set.duty) : null;
      if (set === null || value === null || sent.to === null) return [sent.bytes];
      signOther(operator, set, { value, to: sent.to });
      return [];
    },
  };
}

/** For each duty a value besides the one that the cluster decides. */
class OtherValues {
  readonly #operator: Operator;
  readonly #heads = new Heads();
  readonly #proposed = new BoundedCache<DutyId, Uint8Array>(MAX_DUTIES);
  readonly #others = new BoundedCache<DutyId, Uint8Array>(MAX_DUTIES);

  constructor(operator: Operator) {
    this.#operator = operator;
  }

  note(frame: Pick<Sent, "channel" | "bytes">): void {
    this.#heads.note(frame);
    const message = messageIn(frame);
    if (message === null || message.value === null) return;
    this.#proposed.set(dutyId(message.duty), message.value);
  }

  valueFor(duty: Duty): Uint8Array | null {
    const { conspiracy, chain, random } = this.#operator;
    const known = conspiracy.forkOfDuty(duty)?.sides[1].value ?? this.#others.get(dutyId(duty));
    const value = this.#proposed.get(dutyId(duty));
    if (known !== undefined || value === undefined) return known ?? null;
    const change = alternative(random, this.#heads);
    const other = changedValue(chain, duty, { value, change });
    if (other !== null) this.#others.set(dutyId(duty), other);
    return other;
  }
}

function signOther(
  operator: Operator,
  set: PartialSignatureSet,
  { value, to }: { readonly value: Uint8Array; readonly to: PeerIndex },
): void {
  const { signer, acted } = operator;
  const tasks = tasksFor(operator, set, value);
  if (signer === null || tasks.length === 0) return;
  void signer.sign(tasks, NEVER).then((signed) => {
    if (signed.length === 0) return;
    const signatures = signed.map(({ task: { validator, messageRoot }, signature }) => ({
      validator,
      messageRoot,
      signature,
    }));
    acted(`signs another message of ${dutyId(set.duty)} for ${to}`);
    operator.say(to, "partials", profile.encodePartials({ ...set, signatures }));
  });
}

/** As the validators of `set` would sign `value`. */
function tasksFor(
  { cluster, chain }: Operator,
  { duty, signatures }: PartialSignatureSet,
  value: Uint8Array,
): readonly SigningTask[] {
  const kind = DUTY_KINDS[duty.type];
  if (kind.consensus === "none") return [];
  const definitions = signatures.flatMap(({ validator }) => {
    const pubKey = cluster.validators[validator]?.pubKey;
    const validatorIndex = proposerIndexOf(duty, value, chain);
    // Seats do not enter what is signed since EIP-7549; before it the other message has index 0.
    return pubKey === undefined ? [] : [{ validator, pubKey, validatorIndex, committeeIndex: 0 }];
  });
  return kind.tasks({ duty, value, root: profile.valueRoot(value) }, definitions, chain);
}

/** Only the block's own proposer signs it; nothing asks for it elsewhere. */
function proposerIndexOf(duty: Duty, value: Uint8Array, chain: Chain): number {
  if (duty.type !== "proposer") return 0;
  const { fork } = chain.forkAt(chain.epochOf(duty.slot));
  return decodeProposal(fork, value)?.proposerIndex ?? 0;
}
