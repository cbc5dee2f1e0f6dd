export type StoreOperation =
  | { readonly type: "put"; readonly key: string; readonly value: Uint8Array }
  | { readonly type: "del"; readonly key: string };

export type KeyRange = { readonly gte: string; readonly lt: string };

/** Ordered durable storage (LevelDB). Keys are ASCII text and sort by their bytes. */
export interface KeyValueStore {
  get(key: string): Promise<Uint8Array | undefined>;
  /** Entries of `range` in key order, as they were on the disk at one instant. */
  entries(range: KeyRange): AsyncIterable<readonly [key: string, value: Uint8Array]>;
  /**
   * Applies all operations or none. Resolves once they survive a power cut (fsync); throws
   * `FaultError("disk_failed")` otherwise, after which they may or may not be on disk.
   */
  batch(operations: readonly StoreOperation[]): Promise<void>;
  close(): Promise<void>;
}
