/** Ports that a unit test has no interest in: a log that is kept, metrics that are counted. */
import type { LogFields, Logger } from "../../src/ports/logger.ts";
import type { Labels, Metrics } from "../../src/ports/metrics.ts";

export type LogLine = {
  readonly level: string;
  readonly message: string;
  readonly fields: LogFields;
};

export function recordingLogger(lines: LogLine[] = []): Logger & { readonly lines: LogLine[] } {
  const log =
    (level: string) =>
    (message: string, fields: LogFields = {}): void =>
      void lines.push({ level, message, fields });
  return {
    lines,
    debug: log("debug"),
    info: log("info"),
    warn: log("warn"),
    error: log("error"),
    child: () => recordingLogger(lines),
  };
}

export type CountingMetrics = Metrics & {
  /** Sum of a counter over the label sets that include `labels`. */
  total(name: string, labels?: Labels): number;
};

export function countingMetrics(): CountingMetrics {
  const counts: { name: string; labels: Labels; amount: number }[] = [];
  const ignore = (): void => undefined;
  return {
    counter: ({ name }) => ({
      add: (amount, labels = {}) => void counts.push({ name, labels, amount }),
    }),
    gauge: () => ({ set: ignore }),
    histogram: () => ({ observe: ignore }),
    total: (name, labels = {}) =>
      counts
        .filter((count) => count.name === name)
        .filter((count) =>
          Object.entries(labels).every(([key, value]) => count.labels[key] === value),
        )
        .reduce((sum, { amount }) => sum + amount, 0),
  };
}
