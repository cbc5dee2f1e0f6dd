/** Nothing that a peer can send throws, and nobody honest is accused for it (DKG-4, DKG-11). */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { judgeBlame } from "../../../src/dkg/blame.ts";
import { CEREMONY_PHASES, decodeCeremonyFrame } from "../../../src/wire/ceremony.ts";
import { CeremonyNetwork } from "../../support/ceremonyNetwork.ts";

const SIZE = { nodes: 3, threshold: 2, validators: 1 } as const;
const ROGUE = 2;

/** One byte changed, cut, or doubled. */
const mutation = fc.record({
  at: fc.nat(),
  value: fc.integer({ min: 1, max: 255 }),
  kind: fc.constantFrom("change", "cut", "double"),
});
type Mutation = { readonly at: number; readonly value: number; readonly kind: string };

function mutated(bytes: Uint8Array, { at, value, kind }: Mutation): Uint8Array {
  if (bytes.length === 0) return Uint8Array.of(value);
  const position = at % bytes.length;
  if (kind === "cut") return bytes.slice(0, position);
  if (kind === "double") return Uint8Array.from([...bytes, ...bytes.subarray(position)]);
  return bytes.with(position, (bytes[position] ?? 0) ^ value);
}

describe("whatever a peer sends", () => {
  it("unsigned: changed frames of every kind are refused and change nothing", () => {
    const frames: Uint8Array[] = [];
    const network = new CeremonyNetwork({
      ...SIZE,
      tamper: (delivery) => {
        if (delivery.from === ROGUE && delivery.to === 0) frames.push(delivery.frame);
        return [delivery];
      },
    });
    network.start();
    network.run();
    for (const self of network.operators.keys()) network.step(self, { kind: "nudge" });
    fc.assert(
      fc.property(fc.array(mutation, { minLength: 1, maxLength: 8 }), (mutations) => {
        const target = new CeremonyNetwork(SIZE);
        target.start();
        for (const [i, each] of mutations.entries()) {
          const frame = frames[(each.at + i) % frames.length] ?? new Uint8Array();
          const changed = mutated(frame, each);
          target.step(0, { kind: "receive", from: ROGUE, frame: changed });
        }
        assert.equal(target.operator(0).abort?.culprit ?? ROGUE, ROGUE);
      }),
      { numRuns: 60 },
    );
  });

  it("signed: a changed body of any phase harms its author alone", () => {
    for (const phase of CEREMONY_PHASES) {
      fc.assert(
        fc.property(mutation, (change) => {
          const network = new CeremonyNetwork({
            ...SIZE,
            rogues: new Map([
              [
                ROGUE,
                {
                  body: (honest, at) => (at.phase === phase ? mutated(honest, change) : honest),
                },
              ],
            ]),
          });
          network.start();
          network.run();
          const culprits = network.honest().map(({ abort }) => abort?.culprit ?? null);
          const locks = network.honest().map(({ outcome }) => outcome?.lock.lock_hash ?? null);
          const isNamed = culprits.every((culprit) => culprit === ROGUE);
          // A changed version text, for one, is a body like another.
          const isDone = locks.every((lock) => lock !== null) && new Set(locks).size === 1;
          assert(isNamed || isDone, `${phase}: ${JSON.stringify([culprits, locks])}`);
        }),
        { numRuns: 3 },
      );
    }
  });

  it("as an accusation: changed evidence convicts nobody else", () => {
    const network = new CeremonyNetwork({
      ...SIZE,
      rogues: new Map([
        [
          ROGUE,
          {
            body: (honest, { phase, to }) =>
              phase === "commit" && to === 1 ? Uint8Array.of(7) : honest,
          },
        ],
      ]),
    });
    network.start();
    network.run();
    const blame = network.honest().flatMap(({ abort }) => abort?.blame ?? [])[0];
    assert(blame !== undefined, "the rogue is accused");
    assert(judgeBlame(network.facts, blame).ok, "rightly");
    fc.assert(
      fc.property(mutation, (change) => {
        const judged = judgeBlame(network.facts, mutated(blame, change));
        assert(!judged.ok || judged.value.culprit === ROGUE, "nobody else is convicted");
      }),
      { numRuns: 200 },
    );
    assert(!decodeCeremonyFrame(blame, SIZE.nodes).ok, "and it is no frame by itself");
  });
});
