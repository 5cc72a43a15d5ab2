import type { Metrics } from '../../../src/telemetry/metrics.ts';

/** What `lablet_events_out_total` says of a result, for all types of events. */
export async function counted({ eventsOut }: Pick<Metrics, 'eventsOut'>, result: string, sink: string): Promise<number> {
  const { values } = await eventsOut.get();
  const matching = values.filter(({ labels }: { labels: Partial<Record<string, string | number>> }) => labels['result'] === result && labels['sink'] === sink);
  return matching.reduce((sum, { value }) => sum + value, 0);
}
