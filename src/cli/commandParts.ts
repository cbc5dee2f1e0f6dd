/** What the commands share: options that several have, and where their values come from. */
import type { Command } from "commander";
import { adoptCharonEnvironment } from "./charonEnvironment.ts";
import type { ExitCode } from "./exitCodes.ts";
import { type OptionSpec, type RawOptions, resolveOptions } from "./options.ts";

export type Action = (command: Command, ...operands: readonly string[]) => Promise<ExitCode>;
export type WithAction = (command: Command, action: Action) => Command;

export const DATA_DIR = {
  name: "data-dir",
  value: "dir",
  default: ".coterie",
  help: "the node's data directory",
} as const satisfies OptionSpec;
export const JSON_OUTPUT = { name: "json", help: "print JSON" } as const satisfies OptionSpec;

/** CLI-10: Charon's variables count too, and are named on standard error. */
export function environmentFor(specs: readonly OptionSpec[]): NodeJS.ProcessEnv {
  const { environment, notices } = adoptCharonEnvironment(process.env, specs);
  for (const notice of notices) process.stderr.write(`notice: ${notice}\n`);
  return environment;
}

export function rawOptions(command: Command, specs: readonly OptionSpec[]): RawOptions {
  return resolveOptions(command, specs, { environment: process.env, file: {} });
}

export function dataDirOf(command: Command): string {
  return rawOptions(command, [DATA_DIR])[DATA_DIR.name] ?? DATA_DIR.default;
}

export function isOn(command: Command, spec: OptionSpec): boolean {
  return rawOptions(command, [spec])[spec.name] === "true";
}
