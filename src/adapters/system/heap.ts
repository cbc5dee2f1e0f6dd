/** How this process's memory is managed; for the process's entry alone. */
import { setFlagsFromString } from "node:v8";

/**
 * A node idles between duties, from which V8 concludes that memory should be given back soon: it
 * grows the heap by a tenth or two and then collects all of it, in the middle of whatever duty
 * allocates next. A block takes some twenty megabytes on its way, and the collection forty
 * milliseconds of the busiest moment of the slot. The heap may double instead.
 *
 * Where objects begin their life stays at the size that it has at the start: loading the program
 * would blow it up to three times 16 MB, which are never given back.
 */
export function tuneHeap(): void {
  setFlagsFromString("--heap-growing-percent=100");
  setFlagsFromString("--semi-space-growth-factor=1");
}
