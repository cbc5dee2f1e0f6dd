/** Each guard of the ceremony taken out by itself: the attack that it is there for succeeds. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type Misdeeds, signEchoAs } from "../../../sim/ceremony/rogueOperator.ts";
import { Ceremony } from "../../../src/dkg/ceremony.ts";
import { deal } from "../../../src/dkg/dealing.ts";
import type { CeremonyEffect } from "../../../src/dkg/messages.ts";
import {
  type CeremonyMessage,
  type CeremonyPhase,
  decodeCeremonyFrame,
  encodeCeremonyFrame,
} from "../../../src/wire/ceremony.ts";
import {
  decodeAgree,
  decodeDeposits,
  encodeAgree,
  encodeDeposits,
  encodeReveal,
  encodeVerdict,
} from "../../../src/wire/ceremonyBodies.ts";
import { type CeremonyClass, CeremonyNetwork } from "../../support/ceremonyNetwork.ts";
import { loadMutant, type Patch } from "../../support/mutant.ts";
import { complaintAbout } from "../../support/rogueDealings.ts";

const MACHINE = "src/dkg/ceremony.ts";
const HELD = "state.record.missing(phase).length > 0";
const JOURNAL = 'this.#effects.persistFrame({ kind: "message", message, sealedShares: null });';
const ROGUE = 2;
const NODES = 3;

/** What went wrong for the honest operators; null when nothing did. */
type Attack = (Machine: CeremonyClass) => string | null;

type Mutant = {
  readonly name: string;
  readonly patches: readonly Patch[];
  readonly attack: Attack;
  readonly expect: RegExp;
};

const MUTANTS: readonly Mutant[] = [
  {
    name: "a dealer may reveal what it did not commit to",
    patches: [
      {
        file: "src/dkg/bodies.ts",
        find: "if (!equalBytes(dealingDigest(session, author, body), committed.body.digest)) {",
        replace: "if (committed.body.digest.length === 0) {",
      },
    ],
    attack: (Machine) => {
      const network = attacked(Machine, {
        rushesIn: "reveal",
        body: (honest, { phase, view }) => {
          if (phase !== "reveal") return honest;
          const { facts, self } = view.config;
          const session = view.record.context("commit");
          assert(session !== null, "the session is agreed on");
          const receivingKeys = view.record.bodies("agree").map((body) => body.receivingKey);
          const seed = new Uint8Array(32).fill(8);
          const { shape } = facts;
          return encodeReveal(deal({ seed, session, dealer: self, shape, receivingKeys }).dealt);
        },
      });
      return accepts(network, "reveal") ? "a rushed dealing counts" : null;
    },
    expect: /rushed dealing/,
  },
  {
    name: "a dealer need not know what it deals",
    patches: [
      {
        file: "src/dkg/bodies.ts",
        find: "if (unproved !== null) {",
        replace: "if (unproved === undefined) {",
      },
    ],
    attack: (Machine) => {
      const network = attacked(Machine, {
        dealing: (honest) => {
          const { commitments, points } = honest.dealt;
          const dealt = {
            ...honest.dealt,
            commitments: commitments.toReversed(),
            points: points.toReversed(),
          };
          return { ...honest, dealt };
        },
      });
      return accepts(network, "reveal") ? "a dealing without proof counts" : null;
    },
    expect: /without proof/,
  },
  {
    name: "a dealing may have more commitments than t",
    patches: [
      {
        file: "src/wire/ceremonyBodies.ts",
        find: "columnsOf(wire.commitments, threshold * PUBLIC_KEY_BYTES, validators)",
        replace: "columnsOf(wire.commitments, wire.commitments.length / validators, validators)",
      },
      {
        file: "src/wire/ceremonyBodies.ts",
        find: "columnsOf(row, PUBLIC_KEY_BYTES, threshold)",
        replace: "columnsOf(row, PUBLIC_KEY_BYTES, row.length / PUBLIC_KEY_BYTES)",
      },
    ],
    attack: (Machine) => {
      const higher: Misdeeds = {
        dealing: (_, { record, config }) => {
          const session = record.context("commit");
          assert(session !== null, "the session is agreed on");
          const receivingKeys = record.bodies("agree").map((body) => body.receivingKey);
          const shape = { ...config.facts.shape, threshold: 3 };
          return deal({ seed: config.seed, session, dealer: config.self, shape, receivingKeys });
        },
      };
      try {
        const network = attacked(Machine, higher);
        return accepts(network, "reveal") ? "a higher degree counts" : null;
      } catch (error) {
        // The sum of the polynomials is the second line of defence.
        return `a higher degree counts: ${String(error)}`;
      }
    },
    expect: /higher degree/,
  },
  {
    name: "a complaint's point needs no proof",
    patches: [
      {
        file: "src/dkg/judge.ts",
        find: "if (!verifySharedPoint(sharedPointClaim(dealing, sharedPoint), proof)) {",
        replace: "if (proof.length === 0) {",
      },
    ],
    attack: (Machine) => framed(attacked(Machine, falseComplaint("sharedPoint"))),
    expect: /operator 0 is framed/,
  },
  {
    name: "a complaint may show any sealed shares",
    patches: [
      {
        file: "src/dkg/judge.ts",
        find: "if (!areSealedShares(dealing, sealedShares)) {",
        replace: "if (sealedShares.length === 0) {",
      },
    ],
    attack: (Machine) => framed(attacked(Machine, falseComplaint("sealedShares"))),
    expect: /operator 0 is framed/,
  },
  {
    name: "echoes are not compared with what is held",
    patches: [
      {
        file: MACHINE,
        find: "ECHOED_PHASES.has(this.phase) ? state.echoes.conflict(this.phase) : null",
        replace: "null as ReturnType<typeof state.echoes.conflict>",
      },
    ],
    attack: (Machine) => {
      const network = attacked(Machine, {
        body: (honest, { phase, to }) => {
          const body = phase === "agree" && to === 1 ? decodeAgree(honest) : null;
          return body?.ok === true ? encodeAgree({ ...body.value, version: "other" }) : honest;
        },
      });
      const named = network.honest().every(({ abort }) => abort?.culprit === ROGUE);
      return named ? null : "two faces go unnamed";
    },
    expect: /unnamed/,
  },
  {
    name: "an echo's witness is not verified",
    patches: [
      {
        file: "src/dkg/echoes.ts",
        find: "if (!isWitnessed(this.#record, echo, author)) {",
        replace: "if (author < 0) {",
      },
    ],
    attack: (Machine) =>
      framed(
        attacked(Machine, {
          echo: (honest, { view }) =>
            honest.phase === "commit"
              ? signEchoAs(view, { ...honest, hashes: honest.hashes.with(0, new Uint8Array(32)) })
              : honest,
        }),
      ),
    expect: /operator 0 is framed/,
  },
  {
    name: "what was read back is not compared",
    patches: [{ file: MACHINE, find: "if (!isSame) {", replace: "if (secrets.length > 99) {" }],
    attack: (Machine) => {
      const network = new CeremonyNetwork({ nodes: NODES, threshold: 2, validators: 1, Machine });
      network.storesShares = false;
      network.start();
      network.run();
      network.step(0, { kind: "sharesStored", secrets: [new Uint8Array(32)] });
      const { effects } = network.operator(0);
      return effects.some((effect) => says(effect, "keys")) ? "lost shares are vouched for" : null;
    },
    expect: /vouched for/,
  },
  {
    name: "deposits are signed before the key certificate",
    patches: [
      {
        file: MACHINE,
        find: "if (state.record.missing(this.phase).length > 0) return false;\n    if (!this",
        replace: "if (!this",
      },
      {
        file: MACHINE,
        find: `if (${HELD}) return false;\n    if (state.isSettled`,
        replace: `if (phase !== "keys" && ${HELD}) return false;\n    if (state.isSettled`,
      },
      {
        file: "src/dkg/record.ts",
        find: "if (this.missing(phase).length > 0) return null;",
        replace: 'if (phase !== "keys" && this.missing(phase).length > 0) return null;',
      },
    ],
    attack: (Machine) => {
      const network = attacked(Machine, {
        body: (honest, { phase }) => (phase === "keys" ? null : honest),
      });
      const [first] = network.honest();
      return first?.effects.some((effect) => says(effect, "deposits")) === true
        ? "a deposit is signed without the certificate"
        : null;
    },
    expect: /without the certificate/,
  },
  {
    name: "signatures of key shares are not verified",
    patches: [
      { file: MACHINE, find: "if (wrong !== undefined) {", replace: "if (wrong === -1) {" },
    ],
    attack: (Machine) => {
      try {
        const network = attacked(Machine, {
          body: (honest, { phase, view }) => {
            const body =
              phase === "deposits" ? decodeDeposits(honest, view.config.facts.shape) : null;
            if (body?.ok !== true) return honest;
            const signatures = body.value.signatures.map((row) => row.toReversed());
            return encodeDeposits({ signatures });
          },
        });
        const named = network.honest().every(({ abort }) => abort?.culprit === ROGUE);
        return named ? null : "a wrong deposit signature goes unnamed";
      } catch (error) {
        return `a wrong deposit signature ends in ${String(error)}`;
      }
    },
    expect: /a wrong deposit signature/,
  },
  {
    name: "a message is sent before it is journaled",
    patches: [
      {
        file: MACHINE,
        find: `${JOURNAL}\n    this.#sendOwn(message);`,
        replace: `this.#sendOwn(message);\n    ${JOURNAL}`,
      },
    ],
    attack: (Machine) => {
      const network = new CeremonyNetwork({ nodes: NODES, threshold: 2, validators: 1, Machine });
      network.start();
      const { effects } = network.operator(0);
      const sent = effects.findIndex((effect) => says(effect, "agree"));
      const journaled = effects.findIndex(
        (effect) => effect.kind === "persist" && effect.entry.kind === "frame",
      );
      return sent < journaled ? "a crash forgets what was said" : null;
    },
    expect: /forgets/,
  },
  {
    name: "signatures do not say which attempt they are for",
    patches: [
      {
        file: "src/dkg/digests.ts",
        find: "return sha256(MESSAGE, context, ",
        replace: "return sha256(MESSAGE, context.subarray(32), ",
      },
    ],
    attack: (Machine) => {
      const options = { nodes: NODES, threshold: 2, validators: 1, Machine };
      const earlier = new CeremonyNetwork({ ...options, attempt: 1 });
      earlier.start();
      const later = new CeremonyNetwork({ ...options, attempt: 2 });
      later.start([1]);
      for (const { from, to, frame } of earlier.queue) {
        const decoded = decodeCeremonyFrame(frame, NODES);
        if (from !== 0 || to !== 1 || !decoded.ok) continue;
        const relabelled = encodeCeremonyFrame({ ...decoded.value, attempt: 2 });
        later.step(1, { kind: "receive", from: 2, frame: relabelled });
      }
      return later.operator(1).abort?.culprit === 0 ? "operator 0 is framed" : null;
    },
    expect: /operator 0 is framed/,
  },
];

describe("a ceremony without one guard", () => {
  for (const { name, patches, attack, expect } of MUTANTS) {
    it(`${name}: is noticed`, async () => {
      assert.equal(attack(Ceremony), null, "with the guard nothing goes wrong");
      const mutant = await loadMutant<typeof import("../../../src/dkg/ceremony.ts")>(
        MACHINE,
        patches,
      );
      assert.match(attack(mutant.Ceremony) ?? "nothing", expect);
    });
  }
});

function attacked(Machine: CeremonyClass, misdeeds: Misdeeds): CeremonyNetwork {
  const network = new CeremonyNetwork({
    nodes: NODES,
    threshold: 2,
    validators: 2,
    Machine,
    rogues: new Map([[ROGUE, misdeeds]]),
  });
  network.start();
  network.run();
  return network;
}

/** Operator 0 dealt rightly; the rogue complains with one field changed. */
function falseComplaint(field: "sealedShares" | "sharedPoint"): Misdeeds {
  return {
    body: (honest, { phase, view }) => {
      const sealed = view.sealed.get(0);
      if (phase !== "verdict" || sealed === undefined) return honest;
      const complaint = complaintAbout(view, 0, sealed);
      const changed = complaint[field].with(0, (complaint[field][0] ?? 0) ^ 1);
      return encodeVerdict({ complaints: [{ ...complaint, [field]: changed }], silent: [] });
    },
  };
}

function framed(network: CeremonyNetwork): string | null {
  const framedBy = network.honest().filter(({ abort }) => abort?.culprit === 0);
  return framedBy.length === 0 ? null : "operator 0 is framed";
}

/** Whether an honest operator took the rogue's message of the phase for right. */
function accepts(network: CeremonyNetwork, phase: CeremonyPhase): boolean {
  return network.honest().some(({ journal }) =>
    journal.some((entry) => {
      const message = entry.kind === "frame" ? messageIn(entry.frame) : null;
      return message?.author === ROGUE && message.phase === phase;
    }),
  );
}

function says(effect: CeremonyEffect, phase: CeremonyPhase): boolean {
  return effect.kind === "broadcast" && messageIn(effect.frame)?.phase === phase;
}

function messageIn(frame: Uint8Array): CeremonyMessage | null {
  const decoded = decodeCeremonyFrame(frame, NODES);
  if (!decoded.ok || decoded.value.content.kind !== "message") return null;
  return decoded.value.content.message;
}
