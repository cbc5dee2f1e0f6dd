/** How a long-running command logs. */
import { z } from "zod";
import { createLogger, LOG_FORMATS, LOG_LEVELS, type LogLevel } from "../adapters/system/logger.ts";
import type { Logger } from "../ports/logger.ts";
import type { OptionSpec } from "./options.ts";

const FORMATS = ["auto", ...LOG_FORMATS] as const;

export type LogSettings = {
  readonly logLevel: LogLevel;
  readonly logFormat: (typeof FORMATS)[number];
};

export const LOG_OPTIONS = [
  { name: "log-level", value: "level", default: "info", help: LOG_LEVELS.join(", ") },
  {
    name: "log-format",
    value: "format",
    default: "auto",
    help: "json, console, or auto: console on a terminal",
  },
] as const satisfies readonly OptionSpec[];

export const logSchema = {
  "log-level": z.enum(LOG_LEVELS, `is one of ${LOG_LEVELS.join(", ")}`),
  "log-format": z.enum(FORMATS, "is auto, json or console"),
} as const;

export function openLog({ logLevel, logFormat }: LogSettings): Logger {
  const isConsole = logFormat === "auto" ? process.stderr.isTTY : logFormat === "console";
  return createLogger({ level: logLevel, format: isConsole ? "console" : "json" });
}
