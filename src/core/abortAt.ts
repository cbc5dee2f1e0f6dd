/** A signal that aborts at an instant, or as soon as its parent does. Dispose it when done. */
import { Cancelled } from "../domain/errors.ts";
import type { Millis } from "../domain/units.ts";
import type { Clock } from "../ports/clock.ts";

export type TimedSignal = { readonly signal: AbortSignal; dispose(): void };

export function abortAt(clock: Clock, at: Millis, parent: AbortSignal): TimedSignal {
  const controller = new AbortController();
  const onParent = (): void => controller.abort(parent.reason);
  if (parent.aborted) onParent();
  else parent.addEventListener("abort", onParent, { once: true });
  const timer = clock.at(at, () => controller.abort(new Cancelled("time is up")));
  return {
    signal: controller.signal,
    dispose(): void {
      timer.cancel();
      parent.removeEventListener("abort", onParent);
    },
  };
}
