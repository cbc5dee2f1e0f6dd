/** Where the audit log can be read without the node: lines of text, added at the end only. */
export interface AuditFile {
  /** The last whole line; null where there is none. A line that a crash cut off is taken away. */
  last(): Promise<string | null>;
  /** Adds the lines, in order. They survive a power cut only after {@link sync}. */
  append(lines: readonly AuditFileLine[]): Promise<void>;
  sync(): Promise<void>;
  /** The last line that retention removed; null while it removed none. */
  removed(): Promise<RemovedLines | null>;
}
/** Everything up to a line and with it. */
export type RemovedLines = { readonly sequence: number; readonly hash: string };
export type AuditFileLine = { readonly sequence: number; readonly text: string };
