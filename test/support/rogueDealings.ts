/** Dealings and complaints that are wrong in one way each, for operators who keep to no rule. */
import assert from "node:assert/strict";
import type { RogueView } from "../../sim/ceremony/rogueOperator.ts";
import { proveSharedPoint } from "../../src/crypto/dleq.ts";
import { generateK1SecretKey, k1PublicKey, k1SharedPoint } from "../../src/crypto/k1.ts";
import { sealBytes } from "../../src/crypto/sealing.ts";
import { seededRandom } from "../../src/crypto/seededRandom.ts";
import { sha256 } from "../../src/crypto/sha256.ts";
import { type Dealing, receivingSecret } from "../../src/dkg/dealing.ts";
import { sealingContext } from "../../src/dkg/digests.ts";
import { columnFor, type DealingFor, ephemeralOf, sharedPointClaim } from "../../src/dkg/judge.ts";
import type { PeerIndex } from "../../src/domain/keys.ts";
import type { Complaint } from "../../src/wire/ceremonyBodies.ts";

/** The dealing with other bytes for one receiver, sealed and committed to as they should be. */
export function resealed(
  dealing: Dealing,
  view: RogueView,
  to: { readonly receiver: PeerIndex; readonly plaintext: Uint8Array },
): Dealing {
  const { record, config } = view;
  const { receiver, plaintext } = to;
  const session = record.context("commit");
  const receivingKey = record.get("agree", receiver)?.body.receivingKey;
  assert(session !== null && receivingKey !== undefined, "the session is agreed on");
  const secret = generateK1SecretKey(seededRandom(config.seed, Buffer.from("resealed")));
  const ephemeral = k1PublicKey(secret);
  const context = sealingContext({
    session,
    dealer: config.self,
    receiver,
    ephemeral,
    receivingKey,
  });
  const sealedShares = sealBytes(
    { sharedPoint: k1SharedPoint(secret, receivingKey), context },
    plaintext,
  );
  const column = columnFor(config.self, receiver);
  const { dealt } = dealing;
  return {
    ...dealing,
    dealt: {
      ...dealt,
      ephemerals: dealt.ephemerals.with(column, ephemeral),
      sealedHashes: dealt.sealedHashes.with(column, sha256(sealedShares)),
    },
    sealedShares: dealing.sealedShares.with(receiver, sealedShares),
  };
}

/** What was sealed for `view`'s operator by `dealer`, opened as the protocol has it. */
export function complaintAbout(
  view: RogueView,
  dealer: PeerIndex,
  sealedShares: Uint8Array,
): Complaint {
  const { record, config } = view;
  const attempt = record.context("agree");
  assert(attempt !== null, "the attempt has a context");
  const secret = receivingSecret(config.seed, attempt);
  const dealing = dealingFor(view, dealer);
  const sharedPoint = k1SharedPoint(secret, ephemeralOf(dealing));
  const proof = proveSharedPoint(sharedPointClaim(dealing, sharedPoint), secret);
  return { dealer, sealedShares, sharedPoint, proof };
}

function dealingFor({ record, config }: RogueView, dealer: PeerIndex): DealingFor {
  const session = record.context("commit");
  const dealt = record.get("reveal", dealer)?.body;
  const receivingKey = record.get("agree", config.self)?.body.receivingKey;
  assert(session !== null && dealt !== undefined && receivingKey !== undefined, "it revealed");
  return { session, dealer, receiver: config.self, dealt, receivingKey };
}
