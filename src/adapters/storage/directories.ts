/** Directories as durable as what is in them. */
import { closeSync, fsyncSync, openSync } from "node:fs";

/** A new directory entry survives a power cut only once the directory is synced itself. */
export function syncDirectory(path: string): void {
  const descriptor = openSync(path, "r");
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}
