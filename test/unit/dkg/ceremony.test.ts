/** A ceremony among honest operators, over any network, and what it refuses. */
import assert from "node:assert/strict";
import { constants } from "node:buffer";
import { describe, it } from "node:test";
import fc from "fast-check";
import { parseSecretKey } from "../../../src/crypto/points.ts";
import { combineSignatures, recoverSecret } from "../../../src/crypto/threshold.ts";
import { ceremonyFacts } from "../../../src/dkg/facts.ts";
import { setsOf } from "../../../src/dkg/testSignatures.ts";
import { pubKeyOf } from "../../../src/domain/keys.ts";
import { MAX_CLUSTER_FILE_BYTES } from "../../../src/domain/limits.ts";
import {
  type CeremonyPhase,
  decodeCeremonyFrame,
  encodeCeremonyFrame,
} from "../../../src/wire/ceremony.ts";
import {
  CeremonyNetwork,
  completed,
  type Delivery,
  finish,
  testFacts,
} from "../../support/ceremonyNetwork.ts";
import { subsetsOf } from "../../support/subsets.ts";

function sharesOf(network: CeremonyNetwork, validator: number) {
  return network.operators.map(({ shares }, self) => {
    const secret = shares?.secrets[validator];
    assert(secret !== undefined, "every operator has its share");
    return { index: self + 1, secret };
  });
}

describe("a ceremony", () => {
  it("gives every t operators the group's key, and fewer nothing (DKG-1)", () => {
    const network = finish(new CeremonyNetwork());
    completed(network);
    for (const validator of [0, 1]) {
      const shares = sharesOf(network, validator);
      const groupKey = network.operator(0).shares?.groupKeys[validator];
      const isGroupKey = (set: readonly (typeof shares)[number][]): boolean => {
        const secret = recoverSecret(set);
        const key = secret === null ? null : parseSecretKey(secret);
        return key !== null && pubKeyOf(key.publicKey) === groupKey;
      };
      for (const set of subsetsOf(shares, 3)) assert(isGroupKey(set), "three make the key");
      for (const set of subsetsOf(shares, 2)) assert(!isGroupKey(set), "two do not");
    }
  });

  it("combines signatures to the same in any order of the shares (SlowMist N9)", () => {
    const network = finish(new CeremonyNetwork({ validators: 1 }));
    const message = new Uint8Array(32).fill(5);
    const partials = sharesOf(network, 0).map(({ index, secret }) => ({
      index,
      signature: parseSecretKey(secret)?.sign(message) ?? new Uint8Array(),
    }));
    const [a, b, c] = partials;
    assert(a !== undefined && b !== undefined && c !== undefined, "there are three");
    assert.deepEqual(combineSignatures([a, b, c]), combineSignatures([c, a, b]));
  });

  for (const [nodes, threshold] of [
    [3, 2],
    [4, 4],
    [5, 4],
    [7, 5],
  ] as const) {
    it(`of ${threshold} in ${nodes} ends with one lock`, () => {
      completed(finish(new CeremonyNetwork({ nodes, threshold, validators: 1 })));
    });
  }

  it("of more than four validators tests one random combination (DKG-10)", () => {
    completed(finish(new CeremonyNetwork({ nodes: 3, threshold: 2, validators: 5 })));
  });

  it("makes one deposit per amount", () => {
    const gwei = 1_000_000_000n;
    const network = finish(
      new CeremonyNetwork({ validators: 1, depositAmounts: [1n * gwei, 31n * gwei] }),
    );
    completed(network);
    assert.deepEqual(
      network.operator(0).outcome?.deposits.map(({ amount }) => amount),
      [1n * gwei, 31n * gwei],
    );
  });

  it("makes the same keys whatever the order of arrival (DKG-4)", () => {
    const expected = completed(
      finish(new CeremonyNetwork({ nodes: 3, threshold: 2, validators: 1 })),
    );
    fc.assert(
      fc.property(fc.infiniteStream(fc.nat()), (numbers) => {
        const network = new CeremonyNetwork({
          nodes: 3,
          threshold: 2,
          validators: 1,
          pick: (count) => (numbers.next().value ?? 0) % count,
        });
        assert.equal(completed(finish(network)), expected);
      }),
      { numRuns: 5 },
    );
  });

  it("ends the same over a network that loses and duplicates", () => {
    const expected = completed(
      finish(new CeremonyNetwork({ nodes: 3, threshold: 2, validators: 1 })),
    );
    fc.assert(
      fc.property(fc.infiniteStream(fc.nat({ max: 3 })), (fates) => {
        const network = new CeremonyNetwork({
          nodes: 3,
          threshold: 2,
          validators: 1,
          tamper: (delivery: Delivery) => {
            const fate = fates.next().value;
            if (fate === 0) return [];
            return fate === 1 ? [delivery, delivery] : [delivery];
          },
        });
        assert.equal(completed(finish(network)), expected);
      }),
      { numRuns: 4 },
    );
  });

  it("tests every set of t, or as many as imply the others (DKG-10)", () => {
    assert.equal(setsOf(10, 7).length, 120);
    assert.equal(setsOf(31, 21).length, 11);
    assert(
      setsOf(31, 21).every((set) => new Set(set).size === 21),
      "sets of t",
    );
  });
});

describe("who can hold a ceremony (DKG-1)", () => {
  const { facts } = testFacts();
  const { definition } = facts;
  const refused = (change: object, path: string): void => {
    const result = ceremonyFacts({ ...definition, ...change }, 1);
    assert(!result.ok && result.error.path === path, `${path}: ${JSON.stringify(result)}`);
  };

  it("not with a threshold of 1, above n, or of at most half (Obol 19, Trail of Bits 2)", () => {
    for (const threshold of [1, 2, 5]) refused({ threshold }, "threshold");
  });

  it("not with one operator twice (Charon 4635)", () => {
    const [first, second, third] = definition.operators;
    refused({ operators: [first, second, third, first] }, "operators");
  });

  it("not for more validators than fit into a message", () => {
    refused({ num_validators: 20_000 }, "num_validators");
  });

  it("not where the transcript is no text that can be written and read", () => {
    const large = testFacts({ nodes: 31, threshold: 21, validators: 1 }).facts.definition;
    const fits = (num_validators: number): boolean =>
      ceremonyFacts({ ...large, num_validators }, 1).ok;
    // Each of 31 operators reveals 21 commitments and a proof of each validator, written in hex.
    const perValidator = 2 * 31 * (21 * 48 + 96);
    assert.ok(fits(7_000) && 7_000 * perValidator < MAX_CLUSTER_FILE_BYTES);
    assert.ok(!fits(10_000) && 10_000 * perValidator > MAX_CLUSTER_FILE_BYTES);
    const longest = Math.max(...[7_000, 7_500, 8_000].filter(fits)) * perValidator;
    assert.ok(longest < constants.MAX_STRING_LENGTH, "the language has no longer texts");
  });
});

describe("frames that are refused", () => {
  const network = (): CeremonyNetwork => {
    const made = new CeremonyNetwork({ validators: 1 });
    made.start();
    made.run(() => made.operator(0).machine.phase === "reveal");
    return made;
  };
  const rejectionOf = (frame: Uint8Array, from = 1): string | undefined => {
    const made = network();
    const effects = made.operator(0).machine.step({ kind: "receive", from, frame });
    assert(!effects.some(({ kind }) => kind === "abort"), "and end nothing");
    return effects.find((effect) => effect.kind === "reject")?.reason.code;
  };
  const framesOf = (options: { readonly attempt?: number; readonly seed?: string }) => {
    const other = new CeremonyNetwork({ validators: 1, ...options });
    other.start();
    const [delivery] = other.queue;
    assert(delivery !== undefined, "something is sent");
    return delivery.frame;
  };

  it("those of an earlier attempt, replayed (DKG-15)", () => {
    const later = new CeremonyNetwork({ validators: 1, attempt: 2 });
    later.start();
    const effects = later
      .operator(0)
      .machine.step({ kind: "receive", from: 1, frame: framesOf({ attempt: 1 }) });
    assert.equal(effects.find((effect) => effect.kind === "reject")?.reason.code, "too_late");
  });

  it("messages of an earlier attempt under this attempt's number (DKG-3)", () => {
    const later = new CeremonyNetwork({ validators: 1, attempt: 2 });
    later.start([0]);
    const old = decodeCeremonyFrame(framesOf({ attempt: 1 }), 4);
    assert(old.ok, "the frame decodes");
    const frame = encodeCeremonyFrame({ ...old.value, attempt: 2 });
    const effects = later.operator(1).machine.step({ kind: "receive", from: 0, frame });
    assert.equal(effects.find((effect) => effect.kind === "reject")?.reason.code, "bad_signature");
  });

  it("those of another ceremony that runs at the same time", () => {
    assert.equal(rejectionOf(framesOf({ seed: "another" })), "wrong_cluster");
  });

  it("those of another protocol version", () => {
    const frame = Uint8Array.from(framesOf({}));
    assert.equal(frame[0], 0x08, "the protocol comes first");
    frame[1] = 9;
    assert.equal(rejectionOf(frame), "wrong_profile");
  });

  it("a message in another operator's name (Obol 02)", () => {
    const sent = decodeCeremonyFrame(framesOf({}), 4);
    assert(sent.ok && sent.value.content.kind === "message", "a message");
    const { message } = sent.value.content;
    const forged = { ...message, author: 2, body: message.body.with(5, 1) };
    const content = { kind: "message" as const, message: forged, sealedShares: null };
    assert.equal(rejectionOf(encodeCeremonyFrame({ ...sent.value, content })), "bad_signature");
  });

  it("authors that there are not, and bytes cut anywhere (Obol 09, Trail of Bits 7)", () => {
    const frame = framesOf({});
    const sent = decodeCeremonyFrame(frame, 4);
    assert(sent.ok && sent.value.content.kind === "message", "a message");
    const { message } = sent.value.content;
    const content = {
      kind: "message" as const,
      message: { ...message, author: 4 },
      sealedShares: null,
    };
    assert.equal(rejectionOf(encodeCeremonyFrame({ ...sent.value, content })), "malformed");
    for (let length = 0; length < frame.length; length += 7) {
      assert(!decodeCeremonyFrame(frame.subarray(0, length), 4).ok, `cut at ${length}`);
    }
  });

  it("an accusation that proves nothing (DKG-11)", () => {
    const { facts } = testFacts({ validators: 1 });
    const content = { kind: "blame" as const, blame: Uint8Array.of(1, 2, 3) };
    const { definitionHash, attempt } = facts;
    const frame = encodeCeremonyFrame({ definitionHash, attempt, content });
    assert.equal(rejectionOf(frame), "unjustified");
  });
});

describe("silence (DKG-14)", () => {
  for (const phase of ["agree", "commit", "reveal"] as const) {
    it(`in the ${phase} phase is named by the others, who blame nobody`, () => {
      const network = new CeremonyNetwork({ validators: 1 });
      network.tamper = (delivery) => (isMessage(delivery, 2, phase) ? [] : [delivery]);
      network.start();
      network.run();
      network.deadline(phase);
      for (const self of [0, 1, 3]) {
        const { abort, shares } = network.operator(self);
        assert.deepEqual(abort?.missing, [2], abort?.reason);
        assert.match(abort.reason, new RegExp(`operator 2 said nothing in the ${phase} phase`));
        assert.equal(abort.culprit, null);
        assert.equal(shares, null);
      }
    });
  }

  it("about sealed shares is said by the receiver, and blames nobody (DKG-8)", () => {
    const network = new CeremonyNetwork({ validators: 1 });
    network.tamper = (delivery) =>
      delivery.from === 2 && delivery.to === 0 ? withoutShares(delivery) : [delivery];
    network.start();
    network.run();
    network.deadline("verdict");
    for (const { abort } of network.operators) {
      assert.match(abort?.reason ?? "", /operator 0 got no shares from operator 2/);
      assert.equal(abort?.culprit, null);
    }
    const { groupKeys } = network.operator(1).abort ?? { groupKeys: [] };
    assert.equal(groupKeys.length, 1, "the key that somebody may have seen is recorded");
  });

  it("after the key certificate costs no shares: a resumed machine completes", () => {
    const network = new CeremonyNetwork({ validators: 1 });
    let isLost = true;
    network.tamper = (delivery) => (isLost && isMessage(delivery, 2, "nodes") ? [] : [delivery]);
    network.start();
    network.run();
    network.deadline("nodes");
    for (const self of [0, 1, 3]) {
      const { abort, journal } = network.operator(self);
      assert.equal(abort?.keepsShares, true);
      assert(!journal.some(({ kind }) => kind === "aborted"), "nothing is given up");
    }
    isLost = false;
    for (const self of network.operators.keys()) network.restart(self);
    network.run();
    network.settle();
    completed(network);
  });
});

function isMessage({ from, frame }: Delivery, author: number, phase: CeremonyPhase): boolean {
  const decoded = decodeCeremonyFrame(frame, 4);
  if (from !== author || !decoded.ok || decoded.value.content.kind !== "message") return false;
  const { message } = decoded.value.content;
  return message.author === author && message.phase === phase;
}

function withoutShares(delivery: Delivery): readonly Delivery[] {
  const decoded = decodeCeremonyFrame(delivery.frame, 4);
  if (!decoded.ok || decoded.value.content.kind !== "message") return [delivery];
  const content = { ...decoded.value.content, sealedShares: null };
  return [{ ...delivery, frame: encodeCeremonyFrame({ ...decoded.value, content }) }];
}
