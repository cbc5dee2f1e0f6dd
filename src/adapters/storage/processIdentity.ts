/**
 * Who a process is, so that another one can tell later whether it still lives. A process id alone
 * says little: it is reused, starts again after a reboot, and means something else in each
 * container.
 */
import { readFileSync, readlinkSync } from "node:fs";
import { hostname } from "node:os";

export type ProcessIdentity = {
  readonly pid: number;
  readonly host: string;
  /** Of the kernel's current run; null where the system does not tell. */
  readonly bootId: string | null;
  /** Which numbering `pid` belongs to; containers have their own. */
  readonly pidNamespace: string | null;
  /** Clock ticks from boot to the process's start: distinguishes it from a later one of its pid. */
  readonly startTicks: string | null;
};

/** `unknown` where this machine cannot look the process up: another container, host or boot. */
export type Liveness = "alive" | "dead" | "unknown";

export function currentProcess(): ProcessIdentity {
  return {
    pid: process.pid,
    host: hostname(),
    bootId: readProc(() => readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim()),
    pidNamespace: readProc(() => readlinkSync("/proc/self/ns/pid")),
    startTicks: startTicksOf(process.pid),
  };
}

export function livenessOf(other: ProcessIdentity): Liveness {
  const own = currentProcess();
  if (other.host !== own.host || other.bootId !== own.bootId) return "unknown";
  if (other.pidNamespace !== own.pidNamespace) return "unknown";
  if (!isPidInUse(other.pid)) return "dead";
  return startTicksOf(other.pid) === other.startTicks ? "alive" : "dead";
}

function isPidInUse(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // EPERM: it is there and belongs to another user.
    return !(error instanceof Error && "code" in error && error.code === "ESRCH");
  }
}

function startTicksOf(pid: number): string | null {
  const stat = readProc(() => readFileSync(`/proc/${pid}/stat`, "utf8"));
  // Field 22, counted behind the command's name, which may hold spaces and brackets.
  return stat?.slice(stat.lastIndexOf(")") + 2).split(" ")[19] ?? null;
}

/** Null where the file is not there: other systems have no /proc. */
function readProc(read: () => string): string | null {
  try {
    return read();
  } catch (error) {
    if (error instanceof Error && "code" in error) return null;
    throw error;
  }
}
