/**
 * Operators who keep to no rule, one misdeed each: the attempt ends, the culprit is named with
 * evidence that convinces a stranger, and nothing is written.
 */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { bls12_381 } from "@noble/curves/bls12-381.js";
import { type Misdeeds, type RogueView, signEchoAs } from "../../../sim/ceremony/rogueOperator.ts";
import {
  evaluate,
  randomPolynomial,
  randomScalar,
  scalarBytes,
} from "../../../src/crypto/shamir.ts";
import { judgeBlame } from "../../../src/dkg/blame.ts";
import { type Dealing, deal } from "../../../src/dkg/dealing.ts";
import type { PeerIndex } from "../../../src/domain/keys.ts";
import type { CeremonyPhase } from "../../../src/wire/ceremony.ts";
import {
  decodeAgree,
  decodeDeposits,
  decodeLock,
  decodeReveal,
  encodeAgree,
  encodeCommit,
  encodeDeposits,
  encodeKeys,
  encodeLock,
  encodeNodes,
  encodeReveal,
  encodeVerdict,
  type RevealBody,
} from "../../../src/wire/ceremonyBodies.ts";
import { CeremonyNetwork, type CeremonyNetworkOptions } from "../../support/ceremonyNetwork.ts";
import { seededRandom } from "../../support/random.ts";
import { complaintAbout, resealed } from "../../support/rogueDealings.ts";
import { rogueKeyCommitments } from "../../support/rogueKey.ts";

const ROGUE = 3;
const INFINITY = Uint8Array.of(0xc0, ...new Uint8Array(47));

/** Runs a ceremony with one rogue to its end, peers asking for what they lack. */
function runWith(misdeeds: Misdeeds, options: CeremonyNetworkOptions = {}): CeremonyNetwork {
  const network = new CeremonyNetwork({ ...options, rogues: new Map([[ROGUE, misdeeds]]) });
  network.start();
  network.run();
  network.settle(2);
  return network;
}

/** All honest operators name `culprit`, a stranger agrees, and nobody wrote or finished. */
function assertNamed(network: CeremonyNetwork, culprit: PeerIndex, reason: RegExp): void {
  for (const operator of network.honest()) {
    const { abort, outcome, shares } = operator;
    assert.equal(abort?.culprit, culprit, `named: ${abort?.reason} in ${operator.machine.phase}`);
    assert.match(abort.reason, reason);
    assert(abort.blame !== null, "with evidence");
    const judged = judgeBlame(network.facts, abort.blame);
    assert(judged.ok, `the evidence convinces: ${JSON.stringify(judged)}`);
    assert.equal(judged.value.culprit, culprit);
    assert.match(judged.value.reason, reason);
    assert.equal(outcome, null, "nothing is finished");
    if (!abort.keepsShares) assert.equal(shares, null, "nothing is written");
  }
}

/** A body of one phase in the place of the honest one, the same for all peers. */
function inPhase(
  phase: CeremonyPhase,
  alter: (honest: Uint8Array, view: RogueView) => Uint8Array,
): Misdeeds {
  return {
    body: (honest, at) => (at.phase === phase ? alter(honest, at.view) : honest),
  };
}

/** A dealing whose public part is altered before it is committed to. */
function dealt(alter: (body: RevealBody, view: RogueView) => Partial<RevealBody>): Misdeeds {
  return {
    dealing: (honest, view) => ({
      ...honest,
      dealt: { ...honest.dealt, ...alter(honest.dealt, view) },
    }),
  };
}

function altered(bytes: Uint8Array): Uint8Array {
  return bytes.with(0, (bytes[0] ?? 0) ^ 1);
}

describe("a rogue dealer", () => {
  it("with more commitments than t (Obol 01, wrong degree) is named", () => {
    const network = runWith(
      dealt(({ commitments }) => ({
        commitments: commitments.map((row) => [...row, row[1] ?? INFINITY]),
      })),
    );
    // DKG-2: the length of every column follows from n, t and the number of validators.
    assertNamed(network, ROGUE, /not exactly 3 commitments/);
  });

  it("with fewer commitments than t is named", () => {
    const network = runWith(
      dealt(({ commitments }) => ({ commitments: commitments.map((row) => row.slice(0, 2)) })),
    );
    assertNamed(network, ROGUE, /not exactly 3 commitments/);
  });

  for (const coefficient of [0, 1, 2]) {
    it(`with infinity as coefficient ${coefficient} (a lower degree) is named (DKG-6)`, () => {
      const network = runWith(
        dealt(({ commitments }) => ({
          commitments: commitments.map((row) => row.with(coefficient, INFINITY)),
        })),
      );
      assertNamed(network, ROGUE, /infinity or no point/);
    });
  }

  it("with a commitment outside the group is named (DKG-6)", () => {
    const outside = pointOutsideTheGroup();
    const network = runWith(
      dealt(({ commitments }) => ({ commitments: commitments.map((row) => row.with(1, outside)) })),
    );
    assertNamed(network, ROGUE, /infinity or no point/);
  });

  it("who rushes to choose the group key (rogue key, ChainSecurity 014) is named", () => {
    const network = runWith({
      rushesIn: "reveal",
      body: (honest, { phase, view }) =>
        phase === "reveal" ? rogueKeyReveal(honest, view) : honest,
    });
    assertNamed(network, ROGUE, /something else than it committed to/);
  });

  it("who does not know what he commits to is named (DKG-7)", () => {
    const network = runWith(
      dealt(({ commitments }) => ({
        // The other validator's constant term is a valid key, with a proof that is not for it.
        commitments: commitments.map((row, v) =>
          row.with(0, commitments[(v + 1) % 2]?.[0] ?? INFINITY),
        ),
      })),
    );
    assertNamed(network, ROGUE, /does not prove that it knows/);
  });

  it("who replays his proofs from the attempt before (ChainSecurity 005) is named", () => {
    const network = runWith({
      dealing: (honest, view) => {
        const { self, seed, facts } = view.config;
        const receivingKeys = view.record.bodies("agree").map(({ receivingKey }) => receivingKey);
        const session = new Uint8Array(32).fill(1);
        const { shape } = facts;
        const before = deal({ seed, session, dealer: self, shape, receivingKeys });
        const { commitments, points, proofs } = before.dealt;
        return { ...honest, dealt: { ...honest.dealt, commitments, points, proofs } };
      },
    });
    assertNamed(network, ROGUE, /does not prove that it knows/);
  });

  it("who proves one validator's secret twice (Trail of Bits 6) is named", () => {
    const network = runWith(
      dealt(({ commitments, proofs }) => ({
        commitments: commitments.map(() => commitments[0] ?? []),
        proofs: proofs.map(() => proofs[0] ?? new Uint8Array()),
      })),
    );
    assertNamed(network, ROGUE, /for validator 1/);
  });

  it("who reveals another dealer's commitments is named", () => {
    const network = runWith({
      rushesIn: "reveal",
      body: (honest, { phase, view }) => {
        const other = view.record.get("reveal", 0)?.message.body;
        return phase === "reveal" ? (other ?? honest) : honest;
      },
    });
    assertNamed(network, ROGUE, /something else than it committed to/);
  });

  it("who seals a wrong share is named by its receiver's proof (DKG-8, ChainSecurity 009)", () => {
    const network = runWith({
      dealing: (honest, view) => {
        const plaintext = new Uint8Array(64).fill(7);
        return resealed(honest, view, { receiver: 1, plaintext });
      },
    });
    assertNamed(network, ROGUE, /share of validator 0 for operator 1 does not fit/);
  });

  it("who deals a share of zero is named", () => {
    const network = runWith({
      dealing: (honest, view) =>
        resealed(honest, view, { receiver: 0, plaintext: new Uint8Array(64) }),
    });
    assertNamed(network, ROGUE, /share of validator 0 for operator 0 does not fit/);
  });

  it("who swaps the sealed shares of two receivers is named", () => {
    const network = runWith({ dealing: swapped });
    assertNamed(network, ROGUE, /shares for operator [01] do not open/);
  });

  it("with another polynomial than the one committed to is named", () => {
    const random = seededRandom(1);
    const polynomial = randomPolynomial({ secret: randomScalar(random), threshold: 3, random });
    const share = scalarBytes(evaluate(polynomial, 2));
    const network = runWith({
      dealing: (honest, view) =>
        resealed(honest, view, { receiver: 1, plaintext: Buffer.concat([share, share]) }),
    });
    assertNamed(network, ROGUE, /does not fit/);
  });

  it("whose bytes are no body is named", () => {
    const network = runWith(inPhase("commit", () => Uint8Array.of(0xff)));
    assertNamed(network, ROGUE, /malformed/);
  });
});

describe("an equivocating operator", () => {
  for (const phase of ["agree", "commit"] as const) {
    it(`with two ${phase} messages (Obol 10) is named by the echoes (DKG-5)`, () => {
      const network = runWith({
        body: (honest, at) => {
          if (at.phase !== phase || at.to !== 2) return honest;
          return phase === "agree"
            ? otherAgreement(honest)
            : encodeCommit({ digest: new Uint8Array(32) });
        },
      });
      assertNamed(network, ROGUE, /signed two different/);
    });
  }

  it("with two node signatures is named before anybody is done", () => {
    const network = runWith({
      body: (honest, at) => {
        if (at.phase !== "nodes" || at.to !== 2) return honest;
        return encodeNodes({ signature: altered(honest.slice(2)) });
      },
    });
    assertNamed(network, ROGUE, /two different nodes|does not verify/);
  });

  it("who makes up what another said is named, and that other is not", () => {
    const network = runWith({
      echo: (honest, { view }) =>
        honest.phase === "commit"
          ? signEchoAs(view, { ...honest, hashes: honest.hashes.with(0, new Uint8Array(32)) })
          : honest,
    });
    assertNamed(network, ROGUE, /names a message that .* did not sign/);
  });
});

describe("a false complainer", () => {
  const falseComplaint = (
    alter: (complaint: ReturnType<typeof complaintAbout>) => ReturnType<typeof complaintAbout>,
  ): Misdeeds => {
    const seen = new Map<PeerIndex, Uint8Array>();
    return {
      body: (honest, { phase, view }) => {
        if (phase !== "verdict") return honest;
        const sealed = seen.get(0) ?? sealedFrom(view, 0);
        seen.set(0, sealed);
        return encodeVerdict({ complaints: [alter(complaintAbout(view, 0, sealed))], silent: [] });
      },
    };
  };

  it("about a right dealing is named (DKG-8)", () => {
    assertNamed(runWith(falseComplaint((complaint) => complaint)), ROGUE, /every share is right/);
  });

  it("who shows other sealed shares is named", () => {
    const misdeeds = falseComplaint((complaint) => ({
      ...complaint,
      sealedShares: altered(complaint.sealedShares),
    }));
    assertNamed(runWith(misdeeds), ROGUE, /did not commit to/);
  });

  it("who opens them with another point is named", () => {
    const misdeeds = falseComplaint((complaint) => ({
      ...complaint,
      sharedPoint: altered(complaint.sharedPoint),
    }));
    assertNamed(runWith(misdeeds), ROGUE, /not proved to be the right one/);
  });

  it("who accuses itself is named", () => {
    const misdeeds = inPhase("verdict", () => encodeVerdict({ complaints: [], silent: [ROGUE] }));
    assertNamed(runWith(misdeeds), ROGUE, /accuses itself/);
  });
});

describe("an operator who signs wrongly", () => {
  it("who copies another's receiving key is named", () => {
    const network = new CeremonyNetwork({
      rogues: new Map([
        [
          ROGUE,
          inPhase("agree", (honest, view) => view.record.get("agree", 0)?.message.body ?? honest),
        ],
      ]),
    });
    network.start([0, 1, 2]);
    network.run();
    assertNamed(network, ROGUE, /does not show that it holds its receiving key/);
  });

  it("who vouches for other keys (Trail of Bits 8) is named, and the shares stay", () => {
    const network = runWith(inPhase("keys", () => encodeKeys({ keysHash: new Uint8Array(32) })));
    assertNamed(network, ROGUE, /other keys than the commitments make/);
    for (const { abort } of network.honest()) assert.equal(abort?.keepsShares, true);
  });

  it("with a wrong deposit signature (Obol 16, 17) is named (DKG-10)", () => {
    const network = runWith(
      inPhase("deposits", (honest, view) => {
        const body = decodeDeposits(honest, view.config.facts.shape);
        assert(body.ok, "the honest body decodes");
        const [first = [], ...rest] = body.value.signatures;
        // Each is a signature of this share, at the other's place.
        return encodeDeposits({ signatures: [first.toReversed(), ...rest] });
      }),
    );
    assertNamed(network, ROGUE, /does not verify/);
  });

  it("with a wrong test signature is named", () => {
    const network = runWith(
      inPhase("lock", (honest, view) => {
        const body = decodeLock(honest, view.config.facts.shape);
        assert(body.ok, "the honest body decodes");
        return encodeLock({ ...body.value, signatures: body.value.signatures.toReversed() });
      }),
    );
    assertNamed(network, ROGUE, /does not verify/);
  });

  it("who signs another lock is named", () => {
    const network = runWith(
      inPhase("lock", (honest, view) => {
        const body = decodeLock(honest, view.config.facts.shape);
        assert(body.ok, "the honest body decodes");
        return encodeLock({ ...body.value, lockHash: new Uint8Array(32) });
      }),
    );
    assertNamed(network, ROGUE, /another lock/);
  });

  it("who gives another's node signature as his own (Trail of Bits 4) is named", () => {
    const network = runWith({
      rushesIn: "nodes",
      body: (honest, { phase, view }) =>
        phase === "nodes" ? (view.record.get("nodes", 0)?.message.body ?? honest) : honest,
    });
    assertNamed(network, ROGUE, /signature of the lock hash does not verify/);
  });
});

function otherAgreement(honest: Uint8Array): Uint8Array {
  const body = decodeAgree(honest);
  assert(body.ok, "the honest body decodes");
  return encodeAgree({ ...body.value, version: "another" });
}

function swapped(honest: Dealing): Dealing {
  const [first, second, ...rest] = honest.sealedShares;
  const { ephemerals, sealedHashes } = honest.dealt;
  return {
    ...honest,
    dealt: {
      ...honest.dealt,
      ephemerals,
      sealedHashes: [sealedHashes[1], sealedHashes[0], sealedHashes[2]].filter(
        (hash) => hash !== undefined,
      ),
    },
    sealedShares: [second ?? null, first ?? null, ...rest],
  };
}

function rogueKeyReveal(honest: Uint8Array, view: RogueView): Uint8Array {
  const body = decodeReveal(honest, view.config.facts.shape);
  assert(body.ok, "the honest body decodes");
  const others = [0, 1, 2].map((dealer) => view.record.get("reveal", dealer)?.body.commitments);
  const commitments = body.value.commitments.map((row, v) =>
    rogueKeyCommitments(
      row,
      others.map((each) => each?.[v]?.[0] ?? INFINITY),
    ),
  );
  return encodeReveal({ ...body.value, commitments });
}

/** On the curve, and not in the subgroup of prime order. */
function pointOutsideTheGroup(): Uint8Array {
  const { Fp } = bls12_381.fields;
  for (let x = 4n; ; x++) {
    const y2 = Fp.add(Fp.pow(x, 3n), 4n);
    if (!Fp.eql(Fp.pow(y2, (Fp.ORDER - 1n) / 2n), Fp.ONE)) continue;
    const encoded = Fp.toBytes(x);
    return encoded.with(0, (encoded[0] ?? 0) | 0x80);
  }
}

function sealedFrom(view: RogueView, dealer: PeerIndex): Uint8Array {
  const sealed = view.sealed.get(dealer);
  assert(sealed !== undefined, "the dealer's shares came");
  return sealed;
}
