/**
 * A queue that works on one batch at a time. While a batch is under way, arrivals collect in the
 * next one, so that work which costs the same for one item as for a hundred (an fsync) is shared by
 * everything that waits for it: group commit.
 */
import { assert } from "./assert.ts";
import type { Result } from "./result.ts";

/** Answers every item of a batch, in the batch's order; an error fails that item alone. */
export type BatchWork<Item, Answer> = (
  batch: readonly Item[],
) => Promise<readonly Result<Answer, unknown>[]>;

type Waiting<Item, Answer> = {
  readonly item: Item;
  readonly resolve: (answer: Answer) => void;
  readonly reject: (reason: unknown) => void;
};

export class SerialQueue<Item, Answer> {
  readonly #work: BatchWork<Item, Answer>;
  #waiting: Waiting<Item, Answer>[] = [];
  #isWorking = false;

  constructor(work: BatchWork<Item, Answer>) {
    this.#work = work;
  }

  /** Resolves with the item's answer once its batch is done; rejects with its error. */
  run(item: Item): Promise<Answer> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ item, resolve, reject });
      if (this.#isWorking) return;
      this.#isWorking = true;
      // Everything that arrives within the same turn shares the first batch.
      queueMicrotask(() => void this.#drain());
    });
  }

  async #drain(): Promise<void> {
    while (this.#waiting.length > 0) {
      const batch = this.#waiting;
      this.#waiting = [];
      await this.#settle(batch);
    }
    this.#isWorking = false;
  }

  /** Never throws: whatever fails is an answer to those who wait for it. */
  async #settle(batch: readonly Waiting<Item, Answer>[]): Promise<void> {
    try {
      const answers = await this.#work(batch.map(({ item }) => item));
      assert(answers.length === batch.length, "a batch is answered item by item");
      for (const [index, { resolve, reject }] of batch.entries()) {
        const answer = answers[index];
        if (answer?.ok) resolve(answer.value);
        else reject(answer?.error);
      }
    } catch (error) {
      for (const { reject } of batch) reject(error);
    }
  }
}
