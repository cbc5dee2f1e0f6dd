/** Reads counters from a node's own `/metrics` page (Prometheus text format). */

export type Labels = Readonly<Record<string, string>>;

type Sample = { readonly name: string; readonly labels: Labels; readonly value: number };

export class MetricsPage {
  readonly #samples: readonly Sample[];

  private constructor(samples: readonly Sample[]) {
    this.#samples = samples;
  }

  static async read(monitoringUrl: string): Promise<MetricsPage> {
    const response = await fetch(`${monitoringUrl}/metrics`);
    const lines = (await response.text()).split("\n").filter((line) => /^\w/.test(line));
    return new MetricsPage(lines.map(parseSample));
  }

  /** The sum of all samples of `name` that carry `labels`. */
  total(name: string, labels: Labels): number {
    const wanted = Object.entries(labels);
    return this.#samples
      .filter((sample) => sample.name === name)
      .filter((sample) => wanted.every(([label, value]) => sample.labels[label] === value))
      .reduce((sum, { value }) => sum + value, 0);
  }
}

function parseSample(line: string): Sample {
  const [, name = "", labels = "", value = ""] = /^(\w+)(?:\{(.*)\})? (\S+)/.exec(line) ?? [];
  const pairs = [...labels.matchAll(/(\w+)="([^"]*)"/g)].map(([, label, text]) => [label, text]);
  return { name, labels: Object.fromEntries(pairs), value: Number(value) };
}
