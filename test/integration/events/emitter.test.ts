import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { LABLET_SESSIONS } from '../../../src/api/kinds.ts';
import { recordEvent } from '../../../src/core/outbox.ts';
import { Emitter } from '../../../src/events/emitter.ts';
import { HttpSink } from '../../../src/events/sink-http.ts';
import { kubeStatusUpdate } from '../../../src/events/status-update.ts';
import { Informer } from '../../../src/kube/informer.ts';
import { systemClock } from '../../../src/runtime/clock.ts';
import { TermControl } from '../../../src/runtime/runnable.ts';
import { decideAndWrite, writeStatus } from '../../../src/runtime/status-writer.ts';
import { silentLog } from '../../../src/telemetry/log.ts';
import { createMetrics } from '../../../src/telemetry/metrics.ts';
import { testCluster } from '../../support/cluster.ts';
import { TestSink } from '../../support/events/sink.ts';
import { until } from '../../support/events/until.ts';
import { clientFor } from '../../support/kube-objects.ts';
import type { LabletSession, LabletSessionStatus } from '../../../src/api/labletsession.ts';
import type { KubeClient } from '../../../src/kube/client.ts';

let client: KubeClient;
let namespace: string;
let sessions: Informer<LabletSession>;
let sink: TestSink;
const stop = new AbortController();

beforeAll(async () => {
  const cluster = testCluster();
  client = await clientFor(cluster.kubeconfigPath);
  namespace = await cluster.freshNamespace('emitter');
  sessions = new Informer(client, LABLET_SESSIONS, { namespaces: [namespace] });
  void sessions.start(stop.signal);
  await sessions.waitForSync();
  sink = await TestSink.start();
});

afterAll(async () => {
  stop.abort();
  await sink.close();
  await client.close();
});

/** An emitter that leads until it is killed. */
function start(quietMs: number) {
  const metrics = createMetrics();
  const out = new HttpSink({ url: sink.url, mode: 'binary' });
  const emitter = new Emitter({
    feeds: [sessions], sinks: [out], updateStatus: kubeStatusUpdate(client, metrics), source: '/ccm/lablet-controller', readSecret: async () => null,
    leadership: { effectSignal: () => new AbortController().signal }, clock: systemClock, log: silentLog, metrics, tuning: { quietMs },
  });
  const term = new TermControl();
  const done = emitter.run(term);
  return {
    emitter,
    kill: async () => {
      term.end(new Error('killed'));
      await done;
      await out.close();
    },
  };
}

const create = (name: string): Promise<LabletSession> =>
  client.create(LABLET_SESSIONS, { metadata: { name, namespace }, spec: { definitionRef: { name: 'campus-edge' }, owner: 'proctor-7', admission: 'Queue', desiredState: 'Active' } });

const live = (name: string): Promise<LabletSession> => client.get(LABLET_SESSIONS, name, namespace);

/** One transition as a controller writes it. */
function transition(name: string, emitter: Emitter): Promise<LabletSession> {
  return decideAndWrite<LabletSession, LabletSessionStatus>({
    read: () => live(name),
    decide: ({ status, metadata: { uid } }) => {
      const next = structuredClone(status ?? {});
      recordEvent(next, 'ccm.lablet.session.stopping', { session_id: uid, reason: 'Testing' }, { uid, now: new Date() });
      return next;
    },
    write: (object, next) => writeStatus({ client, resource: LABLET_SESSIONS, object, next, amend: emitter.amend }),
  });
}

test('what is written is sent in order and leaves the outbox, while others write the same object', async () => {
  const { emitter, kill } = start(50);
  const { metadata: { uid } } = await create('busy');
  for (let n = 0; n < 12; n++) {
    await transition('busy', emitter);
    if (n % 4 === 3) await client.mergePatch(LABLET_SESSIONS, 'busy', namespace, { metadata: { annotations: { touched: String(n) } } });
  }
  await until('the outbox is empty', async () => (await live('busy')).status?.outbox?.length === 0);
  expect(sink.sequences(uid)).toEqual(Array.from({ length: 12 }, (_, n) => n + 1));
  expect((await live('busy')).status?.sequence).toBe(12);
  await kill();
});

test('an emitter that dies before it could acknowledge is followed by one that sends the same bytes again', async () => {
  const first = start(600_000);
  const { metadata: { uid } } = await create('killed');
  await transition('killed', first.emitter);
  await until('it arrived', () => sink.sequences(uid).length === 1);
  await first.kill();
  expect((await live('killed')).status?.outbox).toHaveLength(1);
  const second = start(20);
  await until('the outbox is empty', async () => (await live('killed')).status?.outbox?.length === 0);
  await second.kill();
  const arrivals = sink.arrivals.filter(({ event }) => event.source.endsWith(uid));
  expect(arrivals.map(({ event }) => event.extensions.get('sequence'))).toEqual(['0000000001', '0000000001']);
  expect(arrivals[1]?.bytes).toBe(arrivals[0]?.bytes);
});
