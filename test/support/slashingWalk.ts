/**
 * Random lives of a slashing store, with several shares, imports, failing writes and restarts, held
 * against the reference model of `slashingModel.ts`.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import { VirtualDisk } from "../../sim/virtualStore.ts";
import type { SlashingInput } from "../../src/domain/data.ts";
import { FaultError } from "../../src/domain/errors.ts";
import type { PubKey } from "../../src/domain/keys.ts";
import { importInterchange } from "../../src/safety/interchange.ts";
import { openSlashingStore } from "../../src/safety/openSlashingStore.ts";
import type { SlashingStore } from "../../src/safety/slashingStore.ts";
import { CHAIN, pubKey, root, sign } from "./slashing.ts";
import { isSlashable, type ModelMessage, SlashingModel } from "./slashingModel.ts";

export const VALIDATORS = [1, 2] as const;

export type Step =
  | {
      readonly type: "sign";
      readonly validator: number;
      readonly share: number;
      readonly message: ModelMessage;
    }
  | {
      readonly type: "import";
      readonly validator: number;
      readonly messages: readonly ModelMessage[];
    }
  | { readonly type: "failNextWrite"; readonly lands: boolean }
  | { readonly type: "restart" };

/** Few epochs, slots and roots, so that messages meet. */
export const messageOf = (
  highest: number,
  signingRoot: fc.Arbitrary<ModelMessage["signingRoot"]>,
) =>
  fc.oneof(
    {
      weight: 4,
      arbitrary: fc.record({
        kind: fc.constant("attestation" as const),
        source: fc.nat(highest),
        target: fc.nat(highest),
        signingRoot,
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({
        kind: fc.constant("block" as const),
        slot: fc.nat(highest),
        signingRoot,
      }),
    },
  );
export const someRoot = fc.integer({ min: 1, max: 3 }).map((number) => root(number));
const validator = fc.constantFrom(...VALIDATORS);
export const stepOf = (highest: number): fc.Arbitrary<Step> =>
  fc.oneof(
    {
      weight: 12,
      arbitrary: fc.record({
        type: fc.constant("sign" as const),
        validator,
        share: fc.integer({ min: 1, max: 3 }),
        message: messageOf(highest, someRoot),
      }),
    },
    {
      weight: 2,
      arbitrary: fc.record({
        type: fc.constant("import" as const),
        validator,
        messages: fc.array(messageOf(highest, fc.option(someRoot)), { maxLength: 4 }),
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({ type: fc.constant("failNextWrite" as const), lands: fc.boolean() }),
    },
    { weight: 1, arbitrary: fc.record({ type: fc.constant("restart" as const) }) },
  );

/** A life of one validator that goes on, with stragglers: longer than what is kept of it. */
export const advancing = (longest: number): fc.Arbitrary<readonly Step[]> =>
  fc
    .array(fc.tuple(fc.nat(6), fc.nat(3), someRoot), { minLength: 200, maxLength: longest })
    .map((walk) =>
      walk.map(([back, width, signingRoot], index) => {
        const target = Math.max(0, index + 3 - back);
        const source = Math.max(0, target - width);
        const message = { kind: "attestation", source, target, signingRoot } as const;
        return { type: "sign", validator: 1, share: 1, message };
      }),
    );

/** One store with its disk, the models beside it, and what was let out. */
export class SlashingWalk {
  store: SlashingStore;
  isCompared = true;
  readonly #disk: VirtualDisk;
  readonly #models = new Map<number, SlashingModel>(
    VALIDATORS.map((number) => [number, new SlashingModel()]),
  );
  readonly #emitted = new Map<number, ModelMessage[]>();

  constructor(disk: VirtualDisk, store: SlashingStore) {
    this.#disk = disk;
    this.store = store;
  }

  static async start(): Promise<SlashingWalk> {
    const disk = new VirtualDisk();
    return new SlashingWalk(disk, await openSlashingStore(disk.open(), CHAIN));
  }

  emitted(number: number): readonly ModelMessage[] {
    return this.#emitted.get(number) ?? [];
  }

  async take(step: Step): Promise<void> {
    switch (step.type) {
      case "sign":
        return this.#sign(step.validator, step.share, step.message);
      case "import":
        return this.#import(step.validator, step.messages);
      case "failNextWrite":
        this.#disk.fault = { write: this.#disk.writes + 1, lands: step.lands };
        return;
      case "restart":
        this.store = await openSlashingStore(this.#disk.open(), CHAIN);
    }
  }

  async #sign(number: number, shareIndex: number, message: ModelMessage): Promise<void> {
    const { signingRoot, ...slashing } = message;
    if (signingRoot === null) return;
    const model = this.#models.get(number);
    const expected = model?.admits(message);
    try {
      const key = pubKey(number);
      const verdict = await sign(this.store, slashing as SlashingInput, {
        key,
        signingRoot,
        shareIndex,
      });
      if (this.isCompared) assert.equal(verdict.isApproved, expected, JSON.stringify(message));
      if (!verdict.isApproved) return;
      model?.hear([message]);
      this.#emitted.set(number, [...this.emitted(number), message]);
    } catch (error) {
      if (!(error instanceof FaultError)) throw error;
    }
  }

  async #import(number: number, messages: readonly ModelMessage[]): Promise<void> {
    // In the file's order: blocks first.
    const blocks = messages.filter(({ kind }) => kind === "block");
    const votes = messages.filter(({ kind }) => kind === "attestation");
    try {
      await importText(this.store, interchange(number, messages));
      this.#models.get(number)?.import([...blocks, ...votes]);
    } catch (error) {
      if (!(error instanceof FaultError)) throw error;
    }
  }
}

export function assertHarmless(messages: readonly ModelMessage[]): void {
  for (const [index, message] of messages.entries()) {
    for (const other of messages.slice(0, index)) {
      assert(!isSlashable(message, other), JSON.stringify([message, other]));
    }
  }
}

export async function importText(store: SlashingStore, text: string): Promise<void> {
  const result = await importInterchange(store, text, { validatorOf: (key) => key as PubKey });
  assert(result.ok, result.ok ? "" : result.error);
}

function interchange(number: number, messages: readonly ModelMessage[]): string {
  const rootJson = ({ signingRoot }: ModelMessage) =>
    signingRoot === null ? {} : { signing_root: signingRoot };
  const blocks = messages.flatMap((message) =>
    message.kind === "block" ? [{ slot: `${message.slot}`, ...rootJson(message) }] : [],
  );
  const votes = messages.flatMap((message) =>
    message.kind === "attestation"
      ? [
          {
            source_epoch: `${message.source}`,
            target_epoch: `${message.target}`,
            ...rootJson(message),
          },
        ]
      : [],
  );
  return JSON.stringify({
    metadata: { interchange_format_version: "5", genesis_validators_root: CHAIN },
    data: [{ pubkey: pubKey(number), signed_blocks: blocks, signed_attestations: votes }],
  });
}
