/** One `coterie run` in a process of its own: what it says, and what its ports answer. */
import assert from "node:assert/strict";
import { Child } from "../../scripts/demo/processes.ts";
import { MAIN } from "./command.ts";
import { eventually } from "./eventually.ts";

export type LiveNodeOptions = {
  readonly index: number;
  readonly dataDir: string;
  readonly endpoints: readonly string[];
  readonly p2pPort: number;
  readonly monitoringPort: number;
  /** As `--p2p-peers` takes them. */
  readonly peers: string;
  /** As `--p2p-relays` takes them: this node then listens nowhere and knows no peer's address. */
  readonly relays?: string | undefined;
};

export type LogRecord = {
  readonly level: string;
  readonly msg: string;
  readonly [field: string]: unknown;
};
export type Readiness = { readonly ready: boolean; readonly reasons: readonly string[] };
/** Sum of a metric's samples over the label sets that include `labels`; 0 when there is none. */
export type MetricsPage = (name: string, labels?: Readonly<Record<string, string>>) => number;

export class LiveNode {
  readonly #options: LiveNodeOptions;
  /** Everything that any life of this node wrote, in order. */
  readonly lines: string[] = [];
  /** The log records among the lines; an error text is none. */
  readonly log: LogRecord[] = [];
  #child: Child | null = null;

  constructor(options: LiveNodeOptions) {
    this.#options = options;
  }

  get index(): number {
    return this.#options.index;
  }

  get dataDir(): string {
    return this.#options.dataDir;
  }

  get pid(): number {
    return this.#running().pid ?? assert.fail("a running process has an id");
  }

  get isRunning(): boolean {
    return this.#child?.isRunning ?? false;
  }

  /** The same operator's node on another data directory, with ports of its own. */
  twin(changed: Pick<LiveNodeOptions, "dataDir" | "p2pPort" | "monitoringPort">): LiveNode {
    return new LiveNode({ ...this.#options, ...changed });
  }

  /** Arguments of this node's command, for a process that is to come in its way. */
  get argv(): readonly string[] {
    const { dataDir, endpoints, p2pPort, monitoringPort, peers, relays } = this.#options;
    const p2p =
      relays === undefined
        ? ["--p2p-tcp-address", `127.0.0.1:${p2pPort}`, "--p2p-peers", peers]
        : ["--p2p-tcp-address", "off", "--p2p-relays", relays];
    return [
      ...["run", "--data-dir", dataDir, "--beacon-node-endpoints", endpoints.join(",")],
      ...p2p,
      ...["--monitoring-address", `127.0.0.1:${monitoringPort}`],
      ...["--signer", "builtin", "--validator-api-address", "127.0.0.1:0"],
      ...["--log-format", "json", "--log-level", "debug"],
    ];
  }

  start(env: Readonly<Record<string, string>> = {}): void {
    this.#start(this.argv, env);
  }

  /** The node runs, and its operator misbehaves: as `--behaviour` takes it. */
  startChaos(behaviour: string): void {
    const [, ...options] = this.argv;
    this.#start(["sim", "chaos-peer", ...options, "--behaviour", behaviour], {});
  }

  #start(argv: readonly string[], env: Readonly<Record<string, string>>): void {
    assert(!this.isRunning, `node ${this.index} runs already`);
    this.#child = new Child({
      name: `node ${this.index}`,
      args: [MAIN, ...argv],
      env,
      onLine: (line) => this.#hear(line),
    });
  }

  /** What a power cut does. */
  async kill(): Promise<void> {
    await this.#running().kill();
  }

  /** SIGTERM; resolves with the exit code. */
  async stop(): Promise<number> {
    const child = this.#running();
    await child.stop();
    return child.finish();
  }

  /** Resolves when the process has ended, however that came about. */
  async finish(): Promise<number> {
    return this.#running().finish();
  }

  hasLogged(msg: string | RegExp): boolean {
    return this.log.some((record) =>
      typeof msg === "string" ? record.msg === msg : msg.test(record.msg),
    );
  }

  /** Null while nothing answers. */
  async readiness(): Promise<Readiness | null> {
    const response = await this.#get("/readyz");
    if (response === null) return null;
    const readiness = (await response.json()) as Readiness;
    assert.equal(response.status, readiness.ready ? 200 : 503);
    return readiness;
  }

  async isAlive(): Promise<boolean> {
    return (await this.#get("/livez"))?.status === 200;
  }

  async metrics(): Promise<MetricsPage> {
    return readMetrics(await this.metricsText());
  }

  async metricsText(): Promise<string> {
    const response = await this.#get("/metrics");
    assert(response?.status === 200, `node ${this.index} serves its metrics`);
    return response.text();
  }

  /** Resolves once the node says that it is ready. */
  async untilReady(boundMs = 60_000): Promise<void> {
    let last: Readiness | null = null;
    try {
      await eventually(
        `node ${this.index} is ready`,
        async () => {
          assert(this.isRunning, `node ${this.index} ended:\n${this.tail()}`);
          last = await this.readiness();
          return last?.ready === true ? true : null;
        },
        boundMs,
      );
    } catch (error) {
      throw new Error(`last /readyz: ${JSON.stringify(last)}\n${this.tail()}`, { cause: error });
    }
  }

  /** Resolves once `/readyz` gives a reason that matches. */
  async untilReason(pattern: RegExp, boundMs = 60_000): Promise<void> {
    let last: Readiness | null = null;
    try {
      await eventually(
        `node ${this.index} says ${pattern}`,
        async () => {
          last = await this.readiness();
          return last?.reasons.some((reason) => pattern.test(reason)) === true ? true : null;
        },
        boundMs,
      );
    } catch (error) {
      throw new Error(`last /readyz: ${JSON.stringify(last)}\n${this.tail()}`, { cause: error });
    }
  }

  /** Resolves once a record of the log matches, among those after the first `from` lines. */
  async untilLogged(msg: RegExp, { from = 0, boundMs = 60_000 } = {}): Promise<LogRecord> {
    return eventually(
      `node ${this.index} logs ${msg}`,
      () => this.log.slice(from).find((record) => msg.test(record.msg)) ?? null,
      boundMs,
    );
  }

  /** The last lines, for the message of a failed test. */
  tail(): string {
    return this.lines.slice(-25).join("\n");
  }

  #hear(line: string): void {
    this.lines.push(line);
    if (line.startsWith("{")) this.log.push(JSON.parse(line));
  }

  #running(): Child {
    return this.#child ?? assert.fail(`node ${this.index} was started`);
  }

  async #get(path: string): Promise<Response | null> {
    try {
      return await fetch(`http://127.0.0.1:${this.#options.monitoringPort}${path}`, {
        signal: AbortSignal.timeout(5_000),
      });
    } catch (error) {
      if (error instanceof Error) return null;
      throw error;
    }
  }
}

/** Reads the Prometheus text format. */
export function readMetrics(text: string): MetricsPage {
  const samples = text.split("\n").flatMap((line) => {
    const [, name, labelText = "", value] = /^(\w+)(?:\{(.*)\})? (\S+)$/.exec(line) ?? [];
    if (name === undefined || value === undefined) return [];
    const labels = [...labelText.matchAll(/(\w+)="([^"]*)"/g)].map(([, key, text]) => [key, text]);
    return { name, labels: Object.fromEntries(labels), value: Number(value) };
  });
  return (name, labels = {}) =>
    samples
      .filter((sample) => sample.name === name)
      .filter((sample) => Object.entries(labels).every(([key, v]) => sample.labels[key] === v))
      .reduce((sum, { value }) => sum + value, 0);
}
