/**
 * What audits found in other ceremonies, tried on this one. SPEC.md lists the findings and the
 * tests of each; those that are about one rogue dealer or signer are in `adversaries.test.ts`.
 */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Misdeeds } from "../../../sim/ceremony/rogueOperator.ts";
import { k1Sign } from "../../../src/crypto/k1.ts";
import { parseSecretKey } from "../../../src/crypto/points.ts";
import { sha256 } from "../../../src/crypto/sha256.ts";
import { recoverSecret } from "../../../src/crypto/threshold.ts";
import { attemptContext, messageDigest } from "../../../src/dkg/digests.ts";
import type { CeremonyEffect } from "../../../src/dkg/messages.ts";
import { toHex } from "../../../src/util/bytes.ts";
import {
  CEREMONY_PHASES,
  type CeremonyContent,
  type CeremonyPhase,
  decodeCeremonyFrame,
  encodeCeremonyFrame,
} from "../../../src/wire/ceremony.ts";
import {
  decodeLock,
  encodeCommit,
  encodeLock,
  encodeVerdict,
} from "../../../src/wire/ceremonyBodies.ts";
import { CeremonyNetwork, completed, type Delivery } from "../../support/ceremonyNetwork.ts";
import { seededRandom } from "../../support/random.ts";

const SIZE = { nodes: 3, threshold: 2, validators: 1 } as const;
const ROGUE = 2;

/** Every honest operator names the rogue, and has written nothing. */
function assertNamed(network: CeremonyNetwork, reason: RegExp): void {
  for (const { abort, outcome, shares } of network.honest()) {
    assert.equal(abort?.culprit, ROGUE, abort?.reason);
    assert.match(abort.reason, reason);
    assert(outcome === null && (abort.keepsShares || shares === null), "nothing is written");
  }
}

function runWith(misdeeds: Misdeeds): CeremonyNetwork {
  const network = new CeremonyNetwork({ ...SIZE, rogues: new Map([[ROGUE, misdeeds]]) });
  network.start();
  network.run();
  return network;
}

/** What operator `from` would say of a content, whatever it is worth. */
function frameOf(network: CeremonyNetwork, content: CeremonyContent): Uint8Array {
  const { definitionHash, attempt } = network.facts;
  return encodeCeremonyFrame({ definitionHash, attempt, content });
}

describe("what comes at the wrong time", () => {
  const signature = new Uint8Array(65);
  const hashes = Array.from({ length: SIZE.nodes }, () => new Uint8Array(32));
  const witnesses = hashes.map(() => signature);
  const all = [0, 1, 2];
  const contents: readonly CeremonyContent[] = CEREMONY_PHASES.flatMap((phase) => [
    {
      kind: "message",
      message: { phase, author: ROGUE, body: Uint8Array.of(1), signature },
      sealedShares: phase === "reveal" ? new Uint8Array(48) : null,
    },
    { kind: "echo", echo: { phase, author: ROGUE, hashes, witnesses, signature } },
    { kind: "want", want: { phase, messages: all, echoes: all, sealedShares: all } },
  ]);

  it("of any kind, in any phase, stops nobody (ChainSecurity 003, Obol 03 to 06)", () => {
    for (const phase of CEREMONY_PHASES) {
      const network = new CeremonyNetwork(SIZE);
      network.start();
      network.run(() => network.operator(0).machine.phase === phase);
      for (const content of [...contents, { kind: "blame", blame: new Uint8Array(9) } as const]) {
        network.inject({ from: ROGUE, to: 0, frame: frameOf(network, content) });
      }
      network.run();
      network.settle();
      completed(network);
    }
  });

  it("is kept of the next phase only, one per author: a flood fills nothing (DKG-4)", () => {
    const network = new CeremonyNetwork(SIZE);
    network.start([0]);
    const { machine } = network.operator(0);
    const before = network.operator(0).journal.length;
    let refused = 0;
    for (let i = 0; i < 2_000; i++) {
      const phase = CEREMONY_PHASES[i % CEREMONY_PHASES.length] ?? "agree";
      const message = { phase, author: ROGUE, body: new Uint8Array(64).fill(i), signature };
      const frame = frameOf(network, { kind: "message", message, sealedShares: null });
      const effects = machine.step({ kind: "receive", from: ROGUE, frame });
      refused += effects.filter(({ kind }) => kind === "reject").length;
    }
    // Those of the commit phase replace each other.
    assert.equal(refused, 2_000 - 2_000 / CEREMONY_PHASES.length);
    assert.equal(network.operator(0).journal.length, before, "nothing of it is written");
  });

  it("of ever new ceremonies and attempts costs nothing (ChainSecurity 008, 010, 015)", () => {
    const network = new CeremonyNetwork({ ...SIZE, attempt: 2 });
    network.start();
    network.run(() => network.operator(0).machine.phase === "commit");
    const want = { phase: "agree" as const, messages: [0], echoes: [], sealedShares: [] };
    const random = seededRandom("spam");
    for (let i = 0; i < 500; i++) {
      const definitionHash = toHex(random.bytes(32)) as typeof network.facts.definitionHash;
      const content = { kind: "want" as const, want };
      const other = encodeCeremonyFrame({ definitionHash, attempt: i + 1, content });
      const { definitionHash: own } = network.facts;
      const earlier = encodeCeremonyFrame({ definitionHash: own, attempt: 1, content });
      for (const frame of [other, earlier]) network.inject({ from: ROGUE, to: 0, frame });
    }
    network.run();
    network.settle();
    completed(network);
  });
});

describe("two ceremonies of the same operators", () => {
  it("whose frames are mixed end as if they were alone (DKG-3)", () => {
    const alone = [1, 2].map((validators) => {
      const network = new CeremonyNetwork({ ...SIZE, validators });
      network.start();
      network.run();
      return completed(network);
    });
    const [first, second] = [1, 2].map(
      (validators) => new CeremonyNetwork({ ...SIZE, validators }),
    );
    assert(first !== undefined && second !== undefined);
    for (const [own, other] of [
      [first, second],
      [second, first],
    ] as const) {
      own.tamper = (delivery) => {
        // The other ceremony hears it too.
        other.queue.push(delivery);
        return [delivery];
      };
    }
    first.start();
    second.start();
    for (let round = 0; first.queue.length + second.queue.length > 0; round++) {
      assert(round < 10_000, "both come to rest");
      for (const network of [first, second]) {
        let left = 1;
        network.run(() => left-- === 0);
      }
    }
    assert.deepEqual([completed(first), completed(second)], alone);
  });

  it("one after the other: all of attempt 1, said again in attempt 2, changes nothing", () => {
    const said: Delivery[] = [];
    const earlier = new CeremonyNetwork({
      ...SIZE,
      tamper: (delivery) => {
        said.push(delivery);
        return [delivery];
      },
    });
    earlier.start();
    earlier.run();
    const relabelled = said.map(({ from, to, frame }): Delivery => {
      const decoded = decodeCeremonyFrame(frame, SIZE.nodes);
      assert(decoded.ok, "own frames decode");
      return { from, to, frame: encodeCeremonyFrame({ ...decoded.value, attempt: 2 }) };
    });
    const run = (replayed: readonly Delivery[]): string => {
      const network = new CeremonyNetwork({ ...SIZE, attempt: 2, seed: "ceremony" });
      let replays = [...replayed];
      network.tamper = (delivery) => [...replays.splice(0, 3), delivery];
      network.start();
      network.run();
      network.settle();
      replays = [];
      return completed(network);
    };
    assert.equal(run(relabelled), run([]), "as if nobody had replayed anything");
  });
});

describe("share indices", () => {
  it("are the definition's and begin at 1 (Trail of Bits 5, ChainSecurity 007)", () => {
    const network = new CeremonyNetwork({ ...SIZE, pick: (count) => count - 1 });
    network.start([2]);
    network.start([1, 0]);
    network.run();
    network.settle();
    completed(network);
    const lock = network.operator(0).outcome?.lock.distributed_validators[0];
    const shares = network.operators.map(({ shares: own }, self) => {
      const secret = own?.secrets[0];
      assert(secret !== undefined, "every operator has its share");
      const key = parseSecretKey(secret);
      assert.equal(toHex(key?.publicKey ?? new Uint8Array()), lock?.public_shares[self]);
      return { index: self + 1, secret };
    });
    const whole = recoverSecret(shares.slice(0, SIZE.threshold));
    assert(whole !== null, "t shares make the key");
    const groupKey = parseSecretKey(whole)?.publicKey ?? new Uint8Array();
    assert.equal(toHex(groupKey), lock?.distributed_public_key);
    for (const { secret } of shares) {
      assert.notEqual(toHex(secret), toHex(whole), "nobody's share is the value at 0");
    }
  });

  it("that nobody has are refused and their author is named (Trail of Bits 7)", () => {
    for (const silent of [[7], [ROGUE + 1], [1, 1], [1, 0]]) {
      const network = runWith({
        body: (honest, { phase }) =>
          phase === "verdict" ? encodeVerdict({ complaints: [], silent }) : honest,
      });
      assertNamed(network, /malformed/);
    }
  });
});

describe("signatures of all", () => {
  it("are in the lock: one that is missing names its author (Obol 18)", () => {
    const network = runWith({
      body: (honest, { phase, view }) => {
        if (phase !== "lock") return honest;
        const body = decodeLock(honest, view.config.facts.shape);
        assert(body.ok, "the honest body decodes");
        return encodeLock({ ...body.value, signatures: [] });
      },
    });
    assertNamed(network, /lock message is malformed/);
  });

  it("are the operators' own: a stranger's are nobody's (Obol 02, ChainSecurity 002)", () => {
    const network = new CeremonyNetwork(SIZE);
    network.start([0]);
    const context = attemptContext(network.facts);
    const body = encodeCommit({ digest: new Uint8Array(32) });
    const said = (secretKey: Uint8Array, author: number) => {
      const digest = messageDigest(context, { phase: "agree", author, hash: sha256(body) });
      const signature = k1Sign(digest, secretKey);
      const message = { phase: "agree" as const, author, body, signature };
      const frame = frameOf(network, { kind: "message", message, sealedShares: null });
      return network.operator(0).machine.step({ kind: "receive", from: ROGUE, frame });
    };
    assert.deepEqual(codesOf(said(new Uint8Array(32).fill(0x5a), 1)), ["bad_signature"]);
    const rogueKey = network.operator(ROGUE).secretKey;
    assert.deepEqual(codesOf(said(rogueKey, 1)), ["bad_signature"], "nor another operator's");
    // The same bytes under the author's own key are looked at, and convict him.
    const [abort] = said(rogueKey, ROGUE).filter((effect) => effect.kind === "abort");
    assert.equal(abort?.abort.culprit, ROGUE);
  });
});

describe("sealed shares that were altered on their way (ChainSecurity 006)", () => {
  const alteredOnce = (times: number): CeremonyNetwork => {
    const network = new CeremonyNetwork(SIZE);
    let left = times;
    network.tamper = (delivery) => {
      const altered = delivery.from === 1 && delivery.to === 0 ? withAlteredShares(delivery) : null;
      if (altered === null || left === 0) return [delivery];
      left--;
      return [altered];
    };
    network.start();
    network.run();
    return network;
  };

  it("count as not come, and are asked for again", () => {
    const network = alteredOnce(1);
    assert.equal(network.operator(0).machine.phase, "verdict", "it waits for the right ones");
    network.settle();
    completed(network);
  });

  it("blame nobody where only altered ones ever come", () => {
    const network = alteredOnce(1_000);
    network.settle(3);
    network.deadline("verdict");
    network.deadline("verdict");
    for (const { abort, outcome, shares } of network.operators) {
      assert.equal(abort?.culprit, null);
      assert.match(abort?.reason ?? "", /operator 0 got no shares from operator 1/);
      assert(outcome === null && shares === null, "nothing is written");
    }
  });
});

it("a later attempt that somebody claims ends this one in his name (DKG-15)", () => {
  const network = new CeremonyNetwork(SIZE);
  network.start();
  network.run(() => network.operator(0).machine.phase === "commit");
  const want = { phase: "agree" as CeremonyPhase, messages: [0], echoes: [], sealedShares: [] };
  const { definitionHash } = network.facts;
  const content = { kind: "want" as const, want };
  const frame = encodeCeremonyFrame({ definitionHash, attempt: 4_000_000_000, content });
  network.step(0, { kind: "receive", from: ROGUE, frame });
  const { abort, shares } = network.operator(0);
  assert.match(abort?.reason ?? "", /^operator 2 began attempt 4000000000, with no word of op/);
  assert.deepEqual([abort?.culprit, shares], [null, null]);
});

function codesOf(effects: readonly CeremonyEffect[]): readonly string[] {
  return effects.flatMap((effect) => (effect.kind === "reject" ? [effect.reason.code] : []));
}

/** Null where the frame carries no sealed shares. */
function withAlteredShares(delivery: Delivery): Delivery | null {
  const decoded = decodeCeremonyFrame(delivery.frame, SIZE.nodes);
  if (!decoded.ok || decoded.value.content.kind !== "message") return null;
  const { sealedShares } = decoded.value.content;
  if (sealedShares === null) return null;
  const flipped = sealedShares.with(3, (sealedShares[3] ?? 0) ^ 1);
  const content = { ...decoded.value.content, sealedShares: flipped };
  return { ...delivery, frame: encodeCeremonyFrame({ ...decoded.value, content }) };
}
