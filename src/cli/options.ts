/**
 * Options of the commands: each is a flag, an environment variable `COTERIE_*`, a key of the
 * configuration file and a default, in this order of precedence (CLI-2). Texts in, texts out; what
 * they mean is the command's business.
 */
import { type Command, Option } from "commander";
import { UsageError } from "../domain/errors.ts";

export type OptionSpec = {
  /** Kebab-case, without dashes, e.g. `data-dir`. */
  readonly name: string;
  readonly help: string;
  /** What stands for the value in the help; absent for a switch. */
  readonly value?: string;
  readonly default?: string;
};

/** Where the values may come from besides the command line. */
export type OptionSources = {
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Keys as {@link OptionSpec.name}; lists may be arrays of texts. */
  readonly file: Readonly<Record<string, unknown>>;
};

/** Texts by option name; a switch that is on is `"true"`; what nobody set is absent. */
export type RawOptions = Readonly<Record<string, string>>;

const NO_PREFIX = "no-";

export function environmentName(name: string): string {
  return `COTERIE_${name.replaceAll("-", "_").toUpperCase()}`;
}

/** Declares the options to commander, which knows nothing of their defaults and sources. */
export function addOptions(command: Command, specs: readonly OptionSpec[]): Command {
  for (const spec of specs) {
    const value = spec.value === undefined ? "" : ` <${spec.value}>`;
    const notes = [
      ...(spec.default === undefined ? [] : [`default: ${spec.default}`]),
      environmentName(spec.name),
    ];
    command.addOption(new Option(`--${spec.name}${value}`, `${spec.help} (${notes.join(", ")})`));
  }
  return command;
}

/** Merges the sources; an empty environment variable counts as absent. */
export function resolveOptions(
  command: Command,
  specs: readonly OptionSpec[],
  sources: OptionSources,
): RawOptions {
  refuseUnknownKeys(specs, sources.file);
  const resolved: Record<string, string> = {};
  for (const spec of specs) {
    const value =
      flagValue(command, spec) ??
      environmentValue(spec, sources.environment) ??
      fileValue(spec, sources.file[spec.name]) ??
      spec.default;
    if (value !== undefined && value !== "false") resolved[spec.name] = value;
  }
  return resolved;
}

function flagValue(command: Command, spec: OptionSpec): string | undefined {
  // Commander calls `--no-x` the negation of `x`.
  const key = camelCase(spec.name.startsWith(NO_PREFIX) ? spec.name.slice(3) : spec.name);
  if (command.getOptionValueSource(key) !== "cli") return undefined;
  const value: unknown = command.getOptionValue(key);
  return typeof value === "string" ? value : "true";
}

function environmentValue(
  spec: OptionSpec,
  environment: OptionSources["environment"],
): string | undefined {
  const name = environmentName(spec.name);
  const text = environment[name];
  if (text === undefined || text === "") return undefined;
  return spec.value === undefined ? switchValue(name, text) : text;
}

function fileValue(spec: OptionSpec, value: unknown): string | undefined {
  if (value === undefined) return undefined;
  if (spec.value === undefined) return switchValue(spec.name, String(value));
  if (Array.isArray(value)) return value.map(String).join(",");
  if (typeof value === "string" || typeof value === "number") return String(value);
  throw new UsageError(`${spec.name} in the configuration file is neither text, number nor list`);
}

/** `COTERIE_NO_VERIFY=false` must not switch anything on. */
function switchValue(name: string, text: string): string {
  if (["true", "1"].includes(text)) return "true";
  if (["false", "0"].includes(text)) return "false";
  throw new UsageError(`${name} is a switch and cannot be "${text}"`, { fix: "say true or false" });
}

function refuseUnknownKeys(specs: readonly OptionSpec[], file: OptionSources["file"]): void {
  const unknown = Object.keys(file).find((key) => !specs.some((spec) => spec.name === key));
  if (unknown === undefined) return;
  throw new UsageError(`the configuration file has an unknown key "${unknown}"`, {
    fix: `keys are flags without dashes: ${specs.map((spec) => spec.name).join(", ")}`,
  });
}

function camelCase(name: string): string {
  return name.replaceAll(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());
}
