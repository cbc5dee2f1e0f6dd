/**
 * `npm run drill:pause`: a real process that is stopped for ten seconds, as a suspended machine is,
 * between the check of its instance lock and the write of its record. It must sign nothing with
 * what it decided before, and sign again after its next heartbeat (GATE-6). A mutant that does not
 * look again after the write shows that the danger is there.
 */
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { INSTANCE_LOCK_STALE_MS } from "../src/domain/limits.ts";

const SIGNER = join(import.meta.dirname, "../test/support/children/pausedSigner.ts");
const PAUSE_MS = INSTANCE_LOCK_STALE_MS + 500;

/** What the signer said, in order. */
async function pausedSigner(...words: readonly string[]): Promise<readonly string[]> {
  const directory = mkdtempSync(join(tmpdir(), "coterie-pause-"));
  try {
    const child = spawn(process.execPath, [SIGNER, directory, ...words], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    let text = "";
    let isPaused = false;
    for await (const chunk of child.stdout) {
      text += String(chunk);
      if (isPaused || !text.includes("writing")) continue;
      isPaused = true;
      child.kill("SIGSTOP");
      await sleep(PAUSE_MS);
      child.kill("SIGCONT");
    }
    return text.trim().split("\n");
  } finally {
    rmSync(directory, { recursive: true });
  }
}

const [product, mutant] = [await pausedSigner(), await pausedSigner("mutant")];
process.stdout.write(`stopped for ${PAUSE_MS} ms before the write: ${product.join(", ")}\n`);
process.stdout.write(`the same without the second look at the lock: ${mutant.join(", ")}\n`);
const isRefused = product[1] === "refused lock_stale" && product.at(-1) === "admitted";
const isDangerous = mutant[1] === "admitted";
process.exitCode = isRefused && isDangerous ? 0 : 1;
