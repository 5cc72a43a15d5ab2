import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { z } from 'zod';
import { KubeClient } from '../../../src/kube/client.ts';
import { systemClock } from '../../../src/runtime/clock.ts';
import type { EventNote } from '../../../src/runtime/event-series.ts';
import { EventRecorder } from '../../../src/runtime/recorder.ts';
import { TermControl } from '../../../src/runtime/runnable.ts';
import { createLogger } from '../../../src/telemetry/log.ts';
import { createMetrics } from '../../../src/telemetry/metrics.ts';
import { testCluster } from '../../support/cluster.ts';
import type { TestCluster } from '../../support/cluster.ts';
import { eventually } from '../../support/eventually.ts';
import { clientFor, CONFIG_MAPS } from '../../support/kube-objects.ts';
import type { ConfigMap } from '../../support/kube-objects.ts';

const eventList = z.object({
  items: z.array(z.looseObject({
    reason: z.string(),
    type: z.string(),
    note: z.string(),
    action: z.string(),
    regarding: z.looseObject({ name: z.string() }),
    series: z.object({ count: z.number() }).optional(),
  })),
});

describe('the Events recorder', () => {
  let cluster: TestCluster;
  let client: KubeClient;
  let namespace: string;
  const stops: (() => Promise<void>)[] = [];

  beforeAll(async () => {
    cluster = testCluster();
    client = await clientFor(cluster.kubeconfigPath);
    namespace = await cluster.freshNamespace('events');
  });
  afterEach(async () => {
    for (const stop of stops.splice(0)) await stop();
  });
  afterAll(() => client.close());

  function start(withClient = client) {
    const metrics = createMetrics();
    const lines: string[] = [];
    const log = createLogger({ level: 'info', destination: { write: (line) => lines.push(line) } });
    const recorder = new EventRecorder({ client: withClient, clock: systemClock, log, metrics, controller: 'lablet.dev/test', instance: 'test-0' });
    const term = new TermControl();
    const running = recorder.run(term);
    const stop = async (): Promise<void> => {
      term.close(new Error('over'));
      await running;
    };
    stops.push(stop);
    return { recorder, stop, metrics, lines, term, running };
  }

  const create = (name: string, inNamespace = namespace): Promise<ConfigMap> => client.create(CONFIG_MAPS, { metadata: { name, namespace: inNamespace } });
  const about = (regarding: ConfigMap, more: Partial<EventNote> = {}): EventNote => ({
    regarding, type: 'Normal', reason: 'Scheduled', action: 'Schedule', note: 'placed on onprem-cml-01', ...more,
  });
  const events = async (name: string) => {
    const answer = await client.raw('GET', `/apis/events.k8s.io/v1/namespaces/${namespace}/events`);
    return eventList.parse(answer).items.filter(({ regarding }) => regarding.name === name);
  };

  test('writes an Event that kubectl describe shows', async () => {
    const { recorder } = start();
    recorder.record(about(await create('described')));
    await eventually(async () => {
      const text = await cluster.kubectl(['describe', 'configmap', 'described', '-n', namespace]);
      expect(text).toMatch(/Normal\s+Scheduled\s+.*lablet.dev\/test.*\s+placed on onprem-cml-01/);
    });
  });

  test('makes one Event of a hundred equal notes, with their count by the time it stops', async () => {
    const { recorder, stop } = start();
    const object = await create('repeated');
    recorder.record(about(object));
    await eventually(async () => expect(await events('repeated')).toHaveLength(1));
    for (let n = 1; n < 100; n++) recorder.record(about(object));
    await stop();
    const all = await events('repeated');
    expect(all).toHaveLength(1);
    expect(all[0]?.series?.count).toBe(100);
  });

  test('takes notes with one key for equal, however they are worded', async () => {
    const { recorder, stop } = start();
    const object = await create('keyed');
    for (let left = 10; left > 0; left--) recorder.record(about(object, { reason: 'Waiting', note: `${left} s left`, key: 'countdown' }));
    recorder.record(about(object, { reason: 'Waiting', note: 'for a port', key: 'port' }));
    await stop();
    expect((await events('keyed')).map(({ note, series }) => [note, series?.count])).toEqual(expect.arrayContaining([['10 s left', 10], ['for a port', undefined]]));
  });

  test('cuts a long note at 1 KiB and shows no credential in it', async () => {
    const { recorder, stop } = start();
    recorder.record(about(await create('long'), { note: `https://admin:Tr0ub4dor@cml/ ${'ü'.repeat(2000)}` }));
    await stop();
    const [event] = await events('long');
    expect(Buffer.byteLength(event?.note ?? '')).toBeLessThanOrEqual(1024);
    expect(event?.note).toMatch(/ü…$/);
    expect(event?.note).not.toContain('Tr0ub4dor');
  });

  test('lets one object say only so much', async () => {
    const { recorder, stop, metrics } = start();
    const object = await create('chatty');
    for (let n = 0; n < 100; n++) recorder.record(about(object, { note: `message ${n}` }));
    await stop();
    expect(await events('chatty')).toHaveLength(25);
    expect(await metrics.scrape()).toContain('lablet_kubernetes_events_total{result="limited"} 75');
  });

  test('is quiet about a namespace that is being deleted, and does not try again', async () => {
    const { recorder, stop, metrics, lines } = start();
    const dying = await cluster.freshNamespace('dying');
    const object = await client.create(CONFIG_MAPS, { metadata: { name: 'held', namespace: dying, finalizers: ['lablet.dev/test'] } });
    await cluster.kubectl(['delete', 'namespace', dying, '--wait=false']);
    recorder.record(about(object));
    await eventually(async () => expect(await metrics.scrape()).toContain('lablet_kubernetes_events_total{result="dropped"} 1'));
    await stop();
    expect(lines).toEqual([]);
    await client.mergePatch(CONFIG_MAPS, 'held', dying, { metadata: { finalizers: null } });
  });

  test('without an API server takes notes as quickly, and stops when it is told to', async () => {
    const away = new KubeClient({ ...client.connection, server: new URL('https://127.0.0.1:1') });
    const { recorder, term, running } = start(away);
    const object = await create('away');
    for (let n = 0; n < 10_000; n++) recorder.record(about(object, { note: `message ${n % 500}` }));
    term.end(new Error('over'));
    await running;
    await away.close();
    expect(await events('away')).toEqual([]);
  });
});
