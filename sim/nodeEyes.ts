/** What the world sees of each node from outside, told to the trace and to the checkers. */

import type { SigningTask } from "../src/domain/data.ts";
import { type Duty, dutyId } from "../src/domain/duty.ts";
import type { PeerIndex } from "../src/domain/keys.ts";
import type { Slot } from "../src/domain/units.ts";
import type { NodeWatch } from "../src/node/node.ts";
import type { Checker } from "./checkers/checker.ts";
import type { Submission } from "./ground.ts";
import type { MachineWatch } from "./machine.ts";
import { shortRoot, type Trace } from "./trace.ts";

/** Steps that were told, per slot: a step is reached once. */
const KEPT_SLOTS = 40;

export class NodeEyes {
  readonly #trace: Trace;
  readonly #tell: (hear: (checker: Checker) => void) => void;
  readonly #steps = new Map<Slot, Set<string>>();

  constructor(trace: Trace, tell: (hear: (checker: Checker) => void) => void) {
    this.#trace = trace;
    this.#tell = tell;
  }

  of(node: PeerIndex): NodeWatch {
    return {
      reached: (duty, step) => {
        if (this.#isFirst(duty, `${node}/${duty.type}/${step}`)) {
          this.#trace.emit({ kind: "step", node, duty: dutyId(duty), step });
        }
      },
      decided: (data) => {
        const duty = dutyId(data.duty);
        this.#trace.emit({ kind: "decided", node, duty, value: shortRoot(data.root) });
        this.#tell((checker) => checker.decided?.(node, data));
      },
    };
  }

  machineWatch(node: PeerIndex): Omit<MachineWatch, "bug"> {
    const trace = this.#trace;
    return {
      signed: (tasks) => this.#signed(node, tasks),
      submitted: (submission) => this.#submitted(node, submission),
      logged: (level, message, fields) => this.#logged(node, { level, message, fields }),
      up: (restarts) => trace.emit({ kind: "up", node, restarts }),
      crashed: (lostWrites) => trace.emit({ kind: "crash", node, lostWrites }),
    };
  }

  #signed(node: PeerIndex, tasks: readonly SigningTask[]): void {
    const validators = tasks.map(({ validator }) => validator);
    const roots = [...new Set(tasks.map(({ messageRoot }) => shortRoot(messageRoot)))];
    this.#trace.emit({ kind: "signed", node, validators, roots });
    this.#tell((checker) => checker.signed?.(node, tasks));
  }

  #submitted(node: PeerIndex, { type, slot, validators, taken }: Submission): void {
    const duty = dutyId({ slot, type });
    this.#trace.emit({ kind: "submitted", node, duty, validators, taken });
  }

  #logged(
    node: PeerIndex,
    { level, message, fields }: { level: string; message: string; fields: object },
  ): void {
    if (level === "warn" || level === "error") {
      this.#trace.emit({ kind: "log", node, level, message });
    }
    const { duty, reason, stoppedAfter } = fields as {
      readonly duty?: Duty;
      readonly reason?: string;
      readonly stoppedAfter?: string;
    };
    if (duty === undefined) return;
    if (stoppedAfter !== undefined) {
      this.#trace.emit({ kind: "miss", node, duty: dutyId(duty), stoppedAfter });
    } else if (reason !== undefined) {
      this.#trace.emit({ kind: "obstacle", node, duty: dutyId(duty), reason });
    }
  }

  #isFirst({ slot }: Duty, key: string): boolean {
    const steps = this.#steps.get(slot) ?? new Set();
    if (steps.has(key)) return false;
    this.#steps.set(slot, steps.add(key));
    for (const old of this.#steps.keys()) if (old < slot - KEPT_SLOTS) this.#steps.delete(old);
    return true;
  }
}
