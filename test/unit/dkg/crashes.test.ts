/** What a crash leaves behind is enough, nothing is said before it is kept, and secrets stay in. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Misdeeds } from "../../../sim/ceremony/rogueOperator.ts";
import { decodeJournalEntry, encodeJournalEntry } from "../../../src/dkg/journal.ts";
import type { CeremonyEffect } from "../../../src/dkg/messages.ts";
import { toHex } from "../../../src/util/bytes.ts";
import {
  CEREMONY_PHASES,
  type CeremonyPhase,
  decodeCeremonyFrame,
} from "../../../src/wire/ceremony.ts";
import {
  CeremonyNetwork,
  completed,
  finish,
  type Operator,
} from "../../support/ceremonyNetwork.ts";
import { resealed } from "../../support/rogueDealings.ts";

/** A dealer whose shares for operator 1 are wrong. */
const WRONG: Misdeeds = {
  dealing: (honest, view) =>
    resealed(honest, view, { receiver: 1, plaintext: new Uint8Array(64).fill(7) }),
};

describe("a crash (DKG-12)", () => {
  for (const phase of CEREMONY_PHASES) {
    it(`in the ${phase} phase of any node loses nothing, and nothing is said differently`, () => {
      for (const victim of [0, 2]) {
        const network = new CeremonyNetwork({ nodes: 3, threshold: 2, validators: 1 });
        network.start();
        network.run(() => network.operator(victim).machine.phase === phase);
        const before = saidBy(network.operator(victim));
        network.kill(victim);
        network.run();
        network.operator(victim).effects.length = 0;
        network.restart(victim);
        network.run();
        network.settle();
        completed(network);
        for (const [key, frame] of saidBy(network.operator(victim))) {
          assert(before.get(key) === undefined || before.get(key) === frame, `${key} is the same`);
        }
      }
    });
  }

  it("between what is persisted and what is sent is no difference to the peers", () => {
    // Every prefix of the journal is a state that a power cut can leave behind.
    const whole = new CeremonyNetwork({ nodes: 3, threshold: 2, validators: 1 });
    whole.start();
    whole.run();
    const entries = whole.operator(1).journal.length;
    for (let kept = 0; kept < entries; kept += 5) {
      const network = new CeremonyNetwork({ nodes: 3, threshold: 2, validators: 1 });
      network.start();
      network.run(() => network.operator(1).journal.length > kept);
      network.operator(1).journal.length = Math.min(kept, network.operator(1).journal.length);
      network.kill(1);
      network.run();
      network.restart(1);
      network.run();
      network.settle();
      completed(network);
    }
  });

  it("after a complaint convicts the dealer all the same (DKG-8)", () => {
    for (const kept of [0, 1]) {
      const rogues = new Map([[2, WRONG]]);
      const network = new CeremonyNetwork({ nodes: 3, threshold: 2, rogues });
      network.start();
      network.run(() => network.operator(1).abort !== null);
      assert.equal(network.operator(1).abort?.culprit, 2, "whoever complains believes it himself");
      // Its last words are the complaint and the end of the attempt; nobody hears them.
      const { journal } = network.operator(1);
      assert.equal(journal.pop()?.kind, "aborted");
      if (kept === 0) journal.pop();
      network.queue.length = 0;
      network.restart(1);
      network.run();
      for (const { abort } of network.honest()) assert.equal(abort?.culprit, 2, abort?.reason);
    }
  });

  it("while the shares are written writes them again", () => {
    const network = new CeremonyNetwork({ nodes: 3, threshold: 2, validators: 1 });
    network.storesShares = false;
    network.start();
    network.run();
    assert.equal(network.operator(0).machine.phase, "keys");
    network.storesShares = true;
    for (const self of [0, 1, 2]) network.kill(self);
    for (const self of [0, 1, 2]) network.restart(self);
    network.run();
    network.settle();
    completed(network);
  });

  it("entries of the journal survive their bytes", () => {
    const network = finish(new CeremonyNetwork({ nodes: 3, threshold: 2, validators: 1 }));
    const groupKeys = network.operator(0).shares?.groupKeys ?? [];
    const aborted = { kind: "aborted" as const, reason: "why", groupKeys };
    for (const entry of [...network.operator(0).journal, aborted]) {
      const decoded = decodeJournalEntry(encodeJournalEntry(entry));
      assert(decoded.ok, "an entry decodes");
      assert.deepEqual(plain(decoded.value), plain(entry));
    }
    for (const bad of [[], [9], [0, 1], [2], [3, 0], [4, 0, 0, 0, 9]]) {
      assert(!decodeJournalEntry(Uint8Array.from(bad)).ok, `${bad} is no entry`);
    }
  });
});

describe("persist, then speak", () => {
  const run = finish(new CeremonyNetwork({ nodes: 3, threshold: 2, validators: 1 }));

  it("nothing is sent before it is journaled (DKG-12)", () => {
    for (const { effects } of run.operators) {
      const journaled = new Set<string>();
      for (const effect of effects) {
        if (effect.kind === "persist" && effect.entry.kind === "frame") {
          journaled.add(contentKey(effect.entry.frame));
        }
        if (effect.kind === "broadcast" || effect.kind === "send") {
          assert(journaled.has(contentKey(effect.frame)), "it is in the journal");
        }
      }
    }
  });

  it("the keys are vouched for once the shares were read back, deposits after that (DKG-9)", () => {
    for (const { effects } of run.operators) {
      const at = (found: (effect: CeremonyEffect) => boolean): number => effects.findIndex(found);
      const stored = at(
        (effect) => effect.kind === "persist" && effect.entry.kind === "sharesStored",
      );
      const vouched = at((effect) => sends(effect, "keys"));
      const deposited = at((effect) => sends(effect, "deposits"));
      assert(stored >= 0 && stored < vouched && vouched < deposited, "in this order");
    }
  });

  it("shares that read back differently end the attempt unsaid", () => {
    const network = new CeremonyNetwork({ nodes: 3, threshold: 2, validators: 1 });
    network.storesShares = false;
    network.start();
    network.run();
    network.step(0, { kind: "sharesStored", secrets: [new Uint8Array(32)] });
    assert.match(network.operator(0).abort?.reason ?? "", /read back/);
    assert(!network.operator(0).effects.some((effect) => sends(effect, "keys")), "unsaid");
  });
});

describe("secrets", () => {
  it("are in the encrypted journal and the share store, and nowhere else", () => {
    const network = finish(new CeremonyNetwork());
    const secrets = network.operators.flatMap(({ shares }, self) => [
      network.seedOf(self),
      ...(shares?.secrets ?? []),
    ]);
    const spellings = secrets.flatMap((secret) => [
      toHex(secret).slice(2),
      Buffer.from(secret).toString("base64").slice(0, 40),
    ]);
    for (const { effects, outcome } of network.operators) {
      const open = effects.filter(({ kind }) => kind !== "storeShares").filter(isNoSecretEntry);
      const text = JSON.stringify([open, outcome], (_key, value: unknown) => {
        if (value instanceof Uint8Array) return toHex(value);
        return typeof value === "bigint" ? value.toString() : value;
      });
      for (const spelling of spellings) assert(!text.includes(spelling), "no secret is in sight");
    }
  });

  it("are overwritten by erase", () => {
    const network = finish(new CeremonyNetwork({ nodes: 3, threshold: 2, validators: 1 }));
    const { machine, shares, effects } = network.operator(0);
    const seeds = effects.flatMap((effect) =>
      effect.kind === "persist" && effect.entry.kind === "entropy" ? [effect.entry.seed] : [],
    );
    machine.erase();
    for (const secret of [...(shares?.secrets ?? []), ...seeds]) {
      assert(
        secret.every((byte) => byte === 0),
        "overwritten",
      );
    }
  });
});

function isNoSecretEntry(effect: CeremonyEffect): boolean {
  return !(effect.kind === "persist" && effect.entry.kind === "entropy");
}

function sends(effect: CeremonyEffect, phase: CeremonyPhase): boolean {
  if (effect.kind !== "broadcast") return false;
  const decoded = decodeCeremonyFrame(effect.frame, 4);
  if (!decoded.ok || decoded.value.content.kind !== "message") return false;
  return decoded.value.content.message.phase === phase;
}

/** Own frames by what they are; a reveal differs by receiver only in what lies beside it. */
function saidBy({ effects }: Operator): ReadonlyMap<string, string> {
  const said = new Map<string, string>();
  for (const effect of effects) {
    if (effect.kind !== "persist" || effect.entry.kind !== "frame") continue;
    const decoded = decodeCeremonyFrame(effect.entry.frame, 4);
    if (!decoded.ok) continue;
    const { content } = decoded.value;
    const statement = content.kind === "message" ? content.message : null;
    if (statement !== null) {
      said.set(`${statement.author}/${statement.phase}`, toHex(effect.entry.frame));
    }
  }
  return said;
}

function contentKey(frame: Uint8Array): string {
  const decoded = decodeCeremonyFrame(frame, 3);
  assert(decoded.ok, "own frames decode");
  const { content } = decoded.value;
  if (content.kind !== "message") return toHex(frame);
  return `${content.message.phase} ${toHex(content.message.signature)}`;
}

function plain(value: object): unknown {
  return JSON.parse(
    JSON.stringify(value, (_key, item: unknown) =>
      item instanceof Uint8Array ? toHex(item) : item,
    ),
  );
}
