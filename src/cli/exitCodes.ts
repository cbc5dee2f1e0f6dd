/** What the process's exit code means, after sysexits.h where it has a word for it (CLI-1). */
import { FaultError, UsageError } from "../domain/errors.ts";

export const EXIT_CODES = {
  ok: 0,
  /** A check was made and failed, e.g. a cluster lock that does not verify. */
  invalid: 1,
  /** The node that was asked about does not run, as `systemctl status` has it. */
  stopped: 3,
  /** A flag, file or definition is wrong: starting again changes nothing. */
  usage: 64,
  /** What must hold did not: a bug, or a second process with this data directory or identity. */
  bug: 70,
  /** The world failed (beacon node, disk, network): starting again may help. */
  fault: 75,
} as const;

export type ExitCode = (typeof EXIT_CODES)[keyof typeof EXIT_CODES];

/** Starting again would bring the second process back that had to go. */
const IN_USE: ReadonlySet<string> = new Set(["data_dir_lost", "twin_alive"]);

/** What a file system refuses, and what its operator does about it; none of it is a bug of ours. */
const REFUSALS: ReadonlyMap<unknown, string> = new Map([
  ["ENOSPC", "free space on that disk, then run the same command again"],
  ["EDQUOT", "free space within the user's quota, then run the same command again"],
  ["EIO", "the disk fails: look at the system's log before anything is written to it"],
  ["EROFS", "name a place on a disk that can be written to"],
  ["EACCES", "run as the user who owns the file, or correct its owner and mode"],
  ["EPERM", "run as the user who owns the file, or correct its owner and mode"],
]);

export function exitCodeOf(error: unknown): ExitCode {
  if (error instanceof UsageError) return EXIT_CODES.usage;
  if (refusalOf(error) !== undefined) return EXIT_CODES.fault;
  if (error instanceof FaultError && !IN_USE.has(error.code)) return EXIT_CODES.fault;
  return EXIT_CODES.bug;
}

/**
 * What the operator reads on standard error: the problem and the fix. Only a bug shows its stack,
 * because only its reporter can use one.
 */
export function describeError(error: unknown): string {
  if (error instanceof UsageError) {
    const fix = error.fix === undefined ? "" : `fix: ${error.fix}\n`;
    return `error: ${error.message}\n${fix}`;
  }
  if (error instanceof FaultError) return `error: ${error.message}\n`;
  const refusal = refusalOf(error);
  if (refusal !== undefined) return `error: ${refusal.message}\nfix: ${refusal.fix}\n`;
  const detail = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return `error: this is a bug in coterie; please report it with these lines\n${detail}\n`;
}

/** A call to the file system that failed where nobody had better words for it. */
function refusalOf(error: unknown): { readonly message: string; readonly fix: string } | undefined {
  if (!(error instanceof Error && "code" in error && "syscall" in error)) return undefined;
  const fix = REFUSALS.get(error.code);
  const isOfNetwork = "address" in error || "port" in error;
  return fix === undefined || isOfNetwork ? undefined : { message: error.message, fix };
}
