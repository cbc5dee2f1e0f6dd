/** The {@link Metrics} port on a registry of its own: nodes in one process stay apart (OPS-3). */
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";
import type { MetricOptions, Metrics } from "../../ports/metrics.ts";
import { assert } from "../../util/assert.ts";

/** Prefix of our own metrics; those of the Node runtime keep their well-known names. */
const PREFIX = "coterie_";
/** How often the event loop's lag is sampled; the library's 10 ms would keep an idle core awake. */
const EVENT_LOOP_SAMPLE_MS = 200;

export type MetricsPage = { readonly contentType: string; readonly body: string };

export type SystemMetrics = Metrics & {
  /** Everything in the Prometheus text format. */
  page(): Promise<MetricsPage>;
};

/** `labels` are put on every metric, e.g. `cluster_name`, `cluster_hash` and `cluster_peer`. */
export function createMetrics(labels: Readonly<Record<string, string>>): SystemMetrics {
  const registry = new Registry();
  registry.setDefaultLabels(labels);
  collectDefaultMetrics({
    register: registry,
    eventLoopMonitoringPrecision: EVENT_LOOP_SAMPLE_MS,
  });
  const settings = ({ name, help, labels = [] }: MetricOptions) => ({
    name: `${PREFIX}${name}`,
    help,
    labelNames: [...labels],
    registers: [registry],
  });
  return {
    counter(options) {
      const known = registry.getSingleMetric(`${PREFIX}${options.name}`);
      const counter = known ?? new Counter(settings(options));
      assert(counter instanceof Counter, `${options.name} is registered as another kind of metric`);
      return { add: (amount, values = {}) => counter.inc(values, amount) };
    },
    gauge(options) {
      const known = registry.getSingleMetric(`${PREFIX}${options.name}`);
      const gauge = known ?? new Gauge(settings(options));
      assert(gauge instanceof Gauge, `${options.name} is registered as another kind of metric`);
      return { set: (value, values = {}) => gauge.set(values, value) };
    },
    histogram(options) {
      const known = registry.getSingleMetric(`${PREFIX}${options.name}`);
      const histogram =
        known ?? new Histogram({ ...settings(options), buckets: [...options.buckets] });
      assert(histogram instanceof Histogram, `${options.name} is another kind of metric`);
      return { observe: (value, values = {}) => histogram.observe(values, value) };
    },
    page: async () => ({ contentType: registry.contentType, body: await registry.metrics() }),
  };
}
