/**
 * A disk under a ceremony: what was not synced when the power went is gone, or landed all the same.
 */
import type { CeremonyShares } from "../../src/dkg/messages.ts";
import { LOCK_FILE, type OutputFile } from "../../src/dkg/outputs.ts";
import type { CeremonyStorage, EndedAttempt } from "../../src/dkg/storage.ts";
import { assert } from "../../src/util/assert.ts";

export type DiskWatch = {
  journaled(record: Uint8Array): void;
  ended(attempt: EndedAttempt, blame: Uint8Array | null): void;
  published(lock: string, shares: CeremonyShares): void;
};

type DiskOptions = {
  /** Calls back when a write would be durable. */
  readonly later: (callback: () => void) => void;
  /** Whether a write that was under way at a power cut landed. */
  readonly maySurvive: () => boolean;
  readonly watch: DiskWatch;
};

type Write = { readonly land: () => void; isOver: boolean };

export class CeremonyDisk {
  /** Attempts that ended, kept or not. */
  readonly history: EndedAttempt[] = [];
  readonly #options: DiskOptions;
  readonly #journals = new Map<number, Uint8Array[]>();
  readonly #shares = new Map<number, CeremonyShares>();
  readonly #underWay = new Set<Write>();
  #ended: readonly EndedAttempt[] = [];
  #current = 0;
  #files: readonly OutputFile[] | null = null;
  #life = 0;

  constructor(options: DiskOptions) {
    this.#options = options;
  }

  lockHash(): string | null {
    const lock = this.#files?.find(({ name }) => name === LOCK_FILE);
    const hash = lock === undefined ? null : /"lock_hash": "(0x[0-9a-f]+)"/.exec(lock.text);
    return hash?.[1] ?? null;
  }

  powerOff(): void {
    this.#life++;
    // Writes land in their order, so what follows a lost one is lost too.
    for (const write of this.#underWay) {
      if (!this.#options.maySurvive()) break;
      write.land();
    }
    for (const write of this.#underWay) write.isOver = true;
    this.#underWay.clear();
  }

  /** The storage of one life of the machine: it never answers once the power is off. */
  powerOn(): CeremonyStorage {
    const life = ++this.#life;
    const write = <T>(land: () => T): Promise<T> =>
      new Promise((resolve) => {
        if (this.#life !== life) return;
        let landed: { readonly value: T } | null = null;
        const item: Write = {
          isOver: false,
          land: () => {
            landed = { value: land() };
          },
        };
        this.#underWay.add(item);
        this.#options.later(() => {
          if (item.isOver) return;
          this.#underWay.delete(item);
          item.land();
          assert(landed !== null, "a write that landed has a result");
          resolve(landed.value);
        });
      });
    return {
      ended: () => this.#ended,
      current: () => this.#current,
      isPublished: () => this.#files !== null,
      open: (attempt) =>
        write(() => {
          this.#current = attempt;
          const journal = this.#journals.get(attempt) ?? [];
          this.#journals.set(attempt, journal);
          return [...journal];
        }),
      append: (record) =>
        write(() => {
          this.#journals.get(this.#current)?.push(record);
          this.#options.watch.journaled(record);
        }),
      storeShares: (shares) =>
        write(() => {
          const copies = shares.secrets.map((secret) => Uint8Array.from(secret));
          this.#shares.set(this.#current, { ...shares, secrets: copies });
          return copies.map((secret) => Uint8Array.from(secret));
        }),
      end: (attempt, blame) => write(() => this.#end(attempt, blame)),
      reopen: (attempt) => write(() => this.#reopen(attempt)),
      publish: (files) => write(() => this.#publish(files)),
      erase: () => write(() => this.#forget()),
      close: () => Promise.resolve(),
    };
  }

  #end(attempt: EndedAttempt, blame: Uint8Array | null): void {
    this.#options.watch.ended(attempt, blame);
    this.history.push(attempt);
    this.#ended = [...this.#ended, attempt];
    if (attempt.keepsShares) this.#current = 0;
    else this.#forget();
  }

  #reopen(attempt: number): boolean {
    const kept = this.#ended.some((each) => each.attempt === attempt && each.keepsShares);
    if (!kept) return false;
    this.#ended = this.#ended.filter((each) => each.attempt !== attempt || !each.keepsShares);
    this.#current = attempt;
    return true;
  }

  #publish(files: readonly OutputFile[]): void {
    const shares = this.#shares.get(this.#current);
    const lock = files.find(({ name }) => name === LOCK_FILE);
    if (shares !== undefined && lock !== undefined) {
      this.#options.watch.published(lock.text, shares);
    }
    this.#files = files;
  }

  #forget(): void {
    this.#journals.delete(this.#current);
    this.#shares.delete(this.#current);
    this.#current = 0;
  }
}
