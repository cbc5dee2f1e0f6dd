export type LogFields = Readonly<Record<string, unknown>>;

/**
 * Structured log. Messages are fixed English sentences, data goes into fields (`duty`, `peer`,
 * `reason`). Signatures, keys and passwords never enter a field.
 */
export interface Logger {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  /** A human should look at this. */
  error(message: string, fields?: LogFields): void;
  /** A logger whose every line carries `fields`. */
  child(fields: LogFields): Logger;
}
