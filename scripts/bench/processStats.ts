/** What the kernel counted for a process (proc(5)); Linux only. */
import { readFileSync } from "node:fs";

/** Clock ticks per second of /proc, fixed for user space on every Linux architecture. */
const TICKS_PER_SECOND = 100;
/** Positions of utime and stime behind the command name, which may itself contain spaces. */
const UTIME = 11;
const STIME = 12;

export type ProcessMemory = {
  readonly rssMb: number;
  /** The most it ever held. */
  readonly peakRssMb: number;
};

/** CPU time of all threads so far, user and system, in milliseconds; resolution 10 ms. */
export function cpuMsOf(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return ((Number(fields[UTIME]) + Number(fields[STIME])) / TICKS_PER_SECOND) * 1_000;
}

export function memoryOf(pid: number): ProcessMemory {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  const megabytes = (name: string): number =>
    Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, "m").exec(status)?.[1]) / 1_024;
  return { rssMb: megabytes("VmRSS"), peakRssMb: megabytes("VmHWM") };
}
