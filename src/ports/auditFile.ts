/** Where the audit log can be read without the node: lines of text, added at the end only. */
export interface AuditFile {
  /** How the file ends; a line that a crash cut off is taken away. */
  last(): Promise<AuditFileEnd>;
  /** Adds the lines, in order. They survive a power cut only after {@link sync}. */
  append(lines: readonly AuditFileLine[]): Promise<void>;
  /**
   * After one that failed nobody knows which lines since the one before are on the disk, and a
   * later success says nothing of them: they are taken back by {@link rewind} and added again.
   */
  sync(): Promise<void>;
  /** Takes away every line after the one with this number. */
  rewind(sequence: number): Promise<void>;
  /** The last line that retention removed; null while it removed none. */
  removed(): Promise<RemovedLines | null>;
}
export type AuditFileEnd = {
  /** The last whole line; null where there is none. */
  readonly line: string | null;
  /** Bytes of a half-written one that were taken away. */
  readonly cutBytes: number;
};
/** Everything up to a line and with it. */
export type RemovedLines = { readonly sequence: number; readonly hash: string };
export type AuditFileLine = { readonly sequence: number; readonly text: string };
