/** Makes the metrics of the catalogue in a Registry that is passed on by hand: there is no global one. */
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from '@prometheus-io/client';
import { catalogue } from './catalogue.ts';
import type { MetricSpec } from './catalogue.ts';

type Catalogue = typeof catalogue;

type Instrument<Spec> =
  Spec extends MetricSpec<'counter', infer Label> ? Counter<Label>
  : Spec extends MetricSpec<'gauge', infer Label> ? Gauge<Label>
  : Spec extends MetricSpec<'histogram', infer Label> ? Histogram<Label>
  : never;

/** One instrument for each line of the catalogue, under the same key. */
export type Metrics = { readonly [Key in keyof Catalogue]: Instrument<Catalogue[Key]> } & {
  readonly registry: Registry;
  /**
   * Calls `collect` before each scrape, for gauges that mirror a state (queue depths, sessions by
   * phase). Returns what ends that.
   */
  onScrape(collect: () => void): () => void;
  /** Everything in the Prometheus text format, of the content type `registry.contentType`. */
  scrape(): Promise<string>;
};

export interface MetricsOptions {
  /** @default a new one */
  readonly registry?: Registry;
  /** Also memory, CPU, event-loop delay and the like of this process. @default false */
  readonly processMetrics?: boolean;
}

/** All metrics of one program (in tests: of one case). */
export function createMetrics({ registry = new Registry(), processMetrics = false }: MetricsOptions = {}): Metrics {
  if (processMetrics) collectDefaultMetrics({ register: registry });
  const instruments = Object.entries(catalogue).map(([key, spec]) => [key, instrument(spec, registry)] as const);
  const collectors = new Set<() => void>();
  return {
    ...Object.fromEntries(instruments),
    registry,
    onScrape(collect: () => void): () => void {
      collectors.add(collect);
      return () => void collectors.delete(collect);
    },
    scrape(): Promise<string> {
      for (const collect of collectors) collect();
      return registry.metrics();
    },
  } as unknown as Metrics;
}

function instrument(spec: MetricSpec, registry: Registry): Counter<string> | Gauge<string> | Histogram<string> {
  const common = { name: spec.name, help: spec.help, labelNames: spec.labels, registers: [registry] };
  switch (spec.kind) {
    case 'counter':
      return new Counter(common);
    case 'gauge':
      return new Gauge(common);
    case 'histogram':
      return new Histogram({ ...common, ...(spec.buckets ? { buckets: [...spec.buckets] } : {}) });
  }
}

/**
 * Sets a counter to 0 for every combination of the given label values, so that a rate over it sees
 * the first increment: a series that appears as 1 has no rate.
 */
export function preset<Label extends string>(metric: Counter<Label>, values: Readonly<Record<Label, readonly string[]>>): void {
  let combinations: Record<string, string>[] = [{}];
  for (const [label, options] of Object.entries<readonly string[]>(values)) {
    combinations = combinations.flatMap((labels) => options.map((option) => ({ ...labels, [label]: option })));
  }
  for (const labels of combinations) metric.inc(labels as Parameters<typeof metric.labels>[0] & object, 0);
}

/** What the Kubernetes client reports, as counters; it fits that room's port for metrics. */
export function kubeMetrics(metrics: Metrics) {
  return {
    request(verb: string, resource: string, code: string, seconds: number): void {
      metrics.kubeRequests.inc({ verb, resource, code });
      metrics.kubeRequestDuration.observe({ verb }, seconds);
    },
    retry(verb: string, resource: string): void {
      metrics.kubeRetries.inc({ verb, resource });
    },
    watchEnded(resource: string, reason: string): void {
      metrics.watchEnds.inc({ resource, reason });
    },
    relist(resource: string): void {
      metrics.relists.inc({ resource });
      metrics.missed.inc({ resource }, 0);
    },
    missed(resource: string, count: number): void {
      metrics.missed.inc({ resource }, count);
    },
    handlerError(resource: string): void {
      metrics.handlerErrors.inc({ resource });
    },
  };
}
