export type Labels = Readonly<Record<string, string>>;

export interface Counter {
  add(amount: number, labels?: Labels): void;
}
export interface Gauge {
  set(value: number, labels?: Labels): void;
}
export interface Histogram {
  observe(value: number, labels?: Labels): void;
}

export type MetricOptions = {
  /** Full name with unit and without prefix, e.g. `duty_latency_seconds`. */
  readonly name: string;
  readonly help: string;
  readonly labels?: readonly string[];
};

/** Metrics of this node; the same name always yields the same instrument. */
export interface Metrics {
  counter(options: MetricOptions): Counter;
  gauge(options: MetricOptions): Gauge;
  histogram(options: MetricOptions & { readonly buckets: readonly number[] }): Histogram;
}
