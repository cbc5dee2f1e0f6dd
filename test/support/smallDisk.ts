/** A disk of a few megabytes over a folder: the real thing, where this process may mount one. */
import { execFileSync } from "node:child_process";
import { closeSync, cpSync, openSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";

const DISK_MB = 8;
const FILLER = "filler";
const CHUNK = new Uint8Array(4096);

export class SmallDisk {
  readonly #folder: string;

  private constructor(folder: string) {
    this.#folder = folder;
  }

  /** Mounts it with the folder's content on it; null where the system does not let us. */
  static mountOver(folder: string): SmallDisk | null {
    const aside = `${folder}.aside`;
    cpSync(folder, aside, { recursive: true });
    const isMounted = run("mount", "-t", "tmpfs", "-o", `size=${DISK_MB}m`, "tmpfs", folder);
    if (isMounted) cpSync(aside, folder, { recursive: true });
    rmSync(aside, { recursive: true });
    return isMounted ? new SmallDisk(folder) : null;
  }

  /** Takes every byte that is left. */
  fill(): void {
    const file = openSync(join(this.#folder, FILLER), "a");
    try {
      for (;;) writeSync(file, CHUNK);
    } catch (error) {
      if (!(error instanceof Error && "code" in error && error.code === "ENOSPC")) throw error;
    } finally {
      closeSync(file);
    }
  }

  free(): void {
    rmSync(join(this.#folder, FILLER));
  }

  unmount(): void {
    run("umount", "--lazy", this.#folder);
  }
}

function run(command: string, ...args: readonly string[]): boolean {
  try {
    execFileSync(command, args, { stdio: "ignore" });
    return true;
  } catch (error) {
    if (error instanceof Error) return false;
    throw error;
  }
}
