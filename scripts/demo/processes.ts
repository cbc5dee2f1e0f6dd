/** Child processes of the demo: each one's lines are read, and none outlives the demo. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";

/** Time that a process gets between SIGTERM and SIGKILL, in milliseconds. */
const STOP_PATIENCE_MS = 5_000;
const KEPT_LINES = 30;

export type ChildOptions = {
  readonly name: string;
  /** This Node where absent. */
  readonly program?: string;
  /** Signals go to all that the program starts, too: what a shell does. */
  readonly isShell?: boolean;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly onLine?: (line: string) => void;
};

/** Processes that still run; whatever ends this one ends them. */
const running = new Set<Child>();
process.once("exit", () => {
  for (const child of running) child.signal("SIGKILL");
});
for (const signal of ["SIGTERM", "SIGHUP"] as const) {
  // Without a handler a signal ends the process past its exit event.
  process.once(signal, () => process.exit(1));
}

export class Child {
  readonly name: string;
  readonly #process: ChildProcess;
  readonly #isShell: boolean;
  readonly #lastLines: string[] = [];
  readonly #exited: Promise<void>;

  constructor(options: ChildOptions) {
    const { name, program = process.execPath, args, env, isShell = false, onLine } = options;
    this.name = name;
    this.#isShell = isShell;
    this.#process = spawn(program, args, {
      env: { ...process.env, ...env },
      detached: isShell,
      stdio: ["ignore", "pipe", "pipe"],
    });
    for (const stream of [this.#process.stdout, this.#process.stderr]) {
      if (stream === null) continue;
      createInterface({ input: stream }).on("line", (line) => {
        this.#lastLines.push(line);
        if (this.#lastLines.length > KEPT_LINES) this.#lastLines.shift();
        onLine?.(line);
      });
    }
    running.add(this);
    // Its pipes' end comes last: what it said is then complete.
    this.#exited = once(this.#process, "close").then(() => {
      running.delete(this);
    });
  }

  signal(signal: NodeJS.Signals): void {
    const { pid } = this.#process;
    if (!this.#isShell || pid === undefined) {
      this.#process.kill(signal);
      return;
    }
    try {
      process.kill(-pid, signal);
    } catch (error) {
      // The group ended meanwhile.
      if (!(error instanceof Error && "code" in error && error.code === "ESRCH")) throw error;
    }
  }

  get isRunning(): boolean {
    return this.#process.exitCode === null && this.#process.signalCode === null;
  }

  get pid(): number | undefined {
    return this.#process.pid;
  }

  /** What it said last: the first thing to read when it ended on its own. */
  get lastLines(): string {
    return this.#lastLines.join("\n");
  }

  /** No warning, no clean-up: what a power cut does to a node. */
  async kill(): Promise<void> {
    this.signal("SIGKILL");
    await this.#exited;
  }

  async stop(): Promise<void> {
    if (!this.isRunning) return;
    const timer = setTimeout(() => this.signal("SIGKILL"), STOP_PATIENCE_MS);
    this.signal("SIGTERM");
    await this.#exited;
    clearTimeout(timer);
  }

  /** Resolves with the exit code. */
  async finish(): Promise<number> {
    await this.#exited;
    return this.#process.exitCode ?? 1;
  }
}
