/**
 * The {@link Logger} port on pino: one JSON object per line, or readable lines for a terminal.
 * Whatever a caller puts into a field, no secret leaves here (OPS-1).
 */
import { pino } from "pino";
import type { LogFields, Logger } from "../../ports/logger.ts";

export const LOG_LEVELS = ["debug", "info", "warn", "error"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];
export const LOG_FORMATS = ["json", "console"] as const;
export type LogFormat = (typeof LOG_FORMATS)[number];

export type LoggerOptions = {
  readonly level: LogLevel;
  readonly format: LogFormat;
  /** Takes one line with its newline at a time; standard error by default. */
  readonly write?: (line: string) => void;
};

/** Names of fields whose values are never printed, however deep they lie. */
const SECRET_NAME =
  /secret|password|passphrase|private|mnemonic|seed|keystore|token|authorization/i;
const REDACTED = "[redacted]";
/** Fields nested deeper than this are cut: a log line is not a dump. */
const MAX_DEPTH = 4;
/** Characters of one text in a field; a peer's bytes must not fill the disk. */
const MAX_TEXT_LENGTH = 1024;

export function createLogger(options: LoggerOptions): Logger {
  const write = options.write ?? pinoWrite();
  const render = options.format === "json" ? (line: string) => line : renderLine;
  const root = pino(
    {
      level: options.level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: {
        level: (label) => ({ level: label }),
        log: (fields) => sanitiseFields(fields),
      },
    },
    { write: (line: string) => write(render(line)) },
  );
  return wrap(root);
}

/** Synchronous: the line that says why a process stops must not be lost with it. */
function pinoWrite(): (line: string) => void {
  const stream = pino.destination({ dest: 2, sync: true });
  return (line) => {
    stream.write(line);
  };
}

function wrap(logger: pino.Logger): Logger {
  return {
    debug: (message, fields = {}) => logger.debug(fields, message),
    info: (message, fields = {}) => logger.info(fields, message),
    warn: (message, fields = {}) => logger.warn(fields, message),
    error: (message, fields = {}) => logger.error(fields, message),
    // Pino's `formatters.log` does not see the fields of a child.
    child: (fields) => wrap(logger.child(sanitiseFields(fields))),
  };
}

function sanitiseFields(fields: LogFields): Record<string, unknown> {
  return sanitise(fields, 0) as Record<string, unknown>;
}

/** A printable form of any value: secrets, raw bytes and depth removed. */
function sanitise(value: unknown, depth: number): unknown {
  if (typeof value === "string") return shorten(value);
  if (typeof value === "bigint") return value.toString();
  if (typeof value !== "object" || value === null) return value;
  // Bytes are signatures, keys or messages; what may be read is logged as hex text by its owner.
  if (value instanceof Uint8Array) return `[${value.length} bytes]`;
  if (depth >= MAX_DEPTH) return "[…]";
  if (value instanceof Error) return sanitiseError(value, depth);
  if (Array.isArray(value)) return value.map((each) => sanitise(each, depth + 1));
  return Object.fromEntries(
    Object.entries(value).map(([name, each]) => [
      name,
      SECRET_NAME.test(name) ? REDACTED : sanitise(each, depth + 1),
    ]),
  );
}

function sanitiseError(error: Error, depth: number): Record<string, unknown> {
  const { name, message, stack, cause } = error;
  const code = (error as NodeJS.ErrnoException).code;
  return {
    name,
    message: shorten(message),
    ...(code === undefined ? {} : { code }),
    // A bug is found by its stack; everything else is understood by its message.
    ...(name === "Bug" ? { stack } : {}),
    ...(cause === undefined ? {} : { cause: sanitise(cause, depth + 1) }),
  };
}

function shorten(text: string): string {
  return text.length <= MAX_TEXT_LENGTH ? text : `${text.slice(0, MAX_TEXT_LENGTH)}…`;
}

/** `12:34:56.789 INFO  topic     message  name=value`, from one of pino's lines; topic if any. */
function renderLine(line: string): string {
  const { time, level, topic, msg, ...fields } = JSON.parse(line) as Record<string, unknown>;
  const head = [
    String(time).slice("yyyy-mm-ddT".length, -"Z".length),
    String(level).toUpperCase().padEnd(5),
    ...(topic === undefined ? [] : [String(topic).padEnd(9)]),
    String(msg),
  ].join(" ");
  const tail = Object.entries(fields).map(([name, value]) => `${name}=${renderValue(value)}`);
  return `${[head, tail.join(" ")].join(tail.length > 0 ? "  " : "")}\n`;
}

function renderValue(value: unknown): string {
  if (typeof value !== "string") return JSON.stringify(value);
  return /^[\w.:/@%+-]+$/.test(value) ? value : JSON.stringify(value);
}
