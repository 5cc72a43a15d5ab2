/** One chain written by many: a leader that changes, and ingest on two replicas, on a real API server. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { LABLET_SESSIONS } from '../../../src/api/kinds.ts';
import { recordEvent } from '../../../src/core/outbox.ts';
import { verifyChain } from '../../../src/core/verify-chain.ts';
import { readRecords } from '../../../src/events/archive/read.ts';
import { Rejections } from '../../../src/events/archive/rejections.ts';
import { fileArchive } from '../../../src/events/archive/store-file.ts';
import { eventOf } from '../../../src/events/cloudevent.ts';
import { SESSION_INDEXES } from '../../../src/events/correlate.ts';
import { Emitter } from '../../../src/events/emitter.ts';
import { Ingest } from '../../../src/events/ingest.ts';
import { kubeStatusUpdate } from '../../../src/events/status-update.ts';
import { Informer } from '../../../src/kube/informer.ts';
import { systemClock } from '../../../src/runtime/clock.ts';
import { TermControl } from '../../../src/runtime/runnable.ts';
import { decideAndWrite, writeStatus } from '../../../src/runtime/status-writer.ts';
import { silentLog } from '../../../src/telemetry/log.ts';
import { createMetrics } from '../../../src/telemetry/metrics.ts';
import { testCluster } from '../../support/cluster.ts';
import { collected } from '../../support/events/archive-contract.ts';
import { gradedWorld } from '../../support/events/session-world.ts';
import { until } from '../../support/events/until.ts';
import { clientFor } from '../../support/kube-objects.ts';
import type { LabletSession, LabletSessionStatus } from '../../../src/api/labletsession.ts';
import type { ArchiveStore } from '../../../src/events/archive/store.ts';
import type { KubeClient } from '../../../src/kube/client.ts';

const SOURCE = '/ccm/lablet-controller';
const stop = new AbortController();
let client: KubeClient;
let namespace: string;
let sessions: Informer<LabletSession>;
let directory: string;
let store: ArchiveStore;

beforeAll(async () => {
  const cluster = testCluster();
  client = await clientFor(cluster.kubeconfigPath);
  namespace = await cluster.freshNamespace('archive');
  sessions = new Informer(client, LABLET_SESSIONS, { namespaces: [namespace] });
  for (const [name, valuesOf] of Object.entries(SESSION_INDEXES)) sessions.addIndex(name, valuesOf);
  void sessions.start(stop.signal);
  await sessions.waitForSync();
  directory = await mkdtemp(join(tmpdir(), 'lablet-archive-'));
  store = fileArchive(pathToFileURL(directory).href);
});

afterAll(async () => {
  stop.abort();
  await client.close();
  await rm(directory, { recursive: true, force: true });
});

/** An emitter without sinks that leads until it is killed. */
function lead(quietMs: number): { emitter: Emitter; kill: () => Promise<void> } {
  const metrics = createMetrics();
  const emitter = new Emitter({
    feeds: [sessions], sinks: [], archive: store, updateStatus: kubeStatusUpdate(client, metrics), source: SOURCE, readSecret: async () => null,
    leadership: { effectSignal: () => new AbortController().signal }, clock: systemClock, log: silentLog, metrics, tuning: { quietMs },
  });
  const term = new TermControl();
  const done = emitter.run(term);
  return { emitter, kill: async () => { term.end(new Error('killed')); await done; } };
}

function replica(): Ingest {
  const rejections = new Rejections({ store, clock: systemClock, log: silentLog, metrics: createMetrics() });
  return new Ingest({ client, sessions, world: async () => ({ ...gradedWorld(), archive: SOURCE }), clock: systemClock, log: silentLog, metrics: createMetrics(), ownSource: SOURCE, allowedSources: [], rejections });
}

const received = (type: string, id: string, uid: string) => eventOf(new Map(Object.entries({ specversion: '1.0', id, source: '/lds', type })), { kind: 'json', value: { session_id: uid } });
const live = (name: string): Promise<LabletSession> => client.get(LABLET_SESSIONS, name, namespace);

function transition(name: string, { amend }: Emitter): Promise<LabletSession> {
  return decideAndWrite<LabletSession, LabletSessionStatus>({
    read: () => live(name),
    decide: ({ status, metadata }) => {
      const next = structuredClone(status ?? {});
      recordEvent(next, 'ccm.lablet.session.stopping', { session_id: metadata.uid, reason: 'Testing' }, { uid: metadata.uid, now: new Date(), archive: { base: SOURCE, resource: LABLET_SESSIONS, metadata } });
      return next;
    },
    write: (object, next) => writeStatus({ client, resource: LABLET_SESSIONS, object, next, amend }),
  });
}

test('the chains of two sessions go on over a change of the leader while two replicas take events in', async () => {
  const names = ['ada', 'bob'];
  for (const name of names) {
    await client.create(LABLET_SESSIONS, { metadata: { name, namespace }, spec: { definitionRef: { name: 'campus-edge' }, owner: 'proctor-7', admission: 'Queue', desiredState: 'Active' } });
    await client.mergePatch(LABLET_SESSIONS, name, namespace, { status: { phase: 'Pending', definitionVersion: '1.2.0' } }, { subresource: 'status' });
    await until('the cache has it', () => sessions.get(`${namespace}/${name}`)?.status?.phase === 'Pending');
  }
  const uids = new Map(names.map((name) => [name, sessions.get(`${namespace}/${name}`)?.metadata.uid ?? '']));
  const [even, odd] = [replica(), replica()];
  const round = (emitter: Emitter, n: number): Promise<unknown> => Promise.all(names.flatMap((name): Promise<unknown>[] => [
    transition(name, emitter),
    (n % 2 === 0 ? even : odd).accept(received(n % 2 === 0 ? 'lds.session.started' : 'lds.session.ended', `evt-${n}`, uids.get(name) ?? '')),
  ]));

  // The first one never acknowledges: the second finds all of its records still waiting.
  const first = lead(600_000);
  await round(first.emitter, 0);
  await until('something is archived', async () => (await collected(readRecords(store, '', stop.signal))).length > 0);
  await first.kill();
  const second = lead(20);
  await round(second.emitter, 1);
  await round(second.emitter, 2);
  await until('the outboxes are empty', async () => (await Promise.all(names.map(live))).every(({ status }) => status?.outbox?.length === 0));
  await second.kill();

  const all = (await collected(readRecords(store, '', stop.signal))).flatMap(({ record }) => record ?? []);
  for (const name of names) {
    const { status, metadata: { uid } } = await live(name);
    const records = all.filter(({ object }) => object.uid === uid);
    // 3 events of ours and 3 that were received, those of the first leader twice.
    expect([...new Set(records.map(({ chain }) => chain.n))]).toEqual([1, 2, 3, 4, 5, 6]);
    expect(records.length).toBeGreaterThan(6);
    expect(verifyChain(records, status?.chain)).toEqual([]);
    expect(status?.chain?.n).toBe(6);
    expect(records.filter(({ direction }) => direction === 'in').map(({ event }) => event.id)).toEqual(expect.arrayContaining(['evt-0', 'evt-1', 'evt-2']));
  }
}, 60_000);

test('an event that is refused is in the stream of its own, with no object', async () => {
  const rejections = new Rejections({ store, clock: systemClock, log: silentLog, metrics: createMetrics() });
  const term = new TermControl();
  const done = rejections.run(term);
  const ingest = new Ingest({ client, sessions, world: async () => gradedWorld(), clock: systemClock, log: silentLog, metrics: createMetrics(), ownSource: SOURCE, allowedSources: ['/grading'], rejections });
  expect(await ingest.accept(received('lds.session.started', 'evt-x', 'nobody'))).toMatchObject({ status: 403 });
  const open = new Ingest({ client, sessions, world: async () => gradedWorld(), clock: systemClock, log: silentLog, metrics: createMetrics(), ownSource: SOURCE, allowedSources: [], rejections });
  const old = eventOf(new Map(Object.entries({ specversion: '1.0', id: 'evt-y', source: '/lds', type: 'lds.session.ended', time: '2026-01-01T00:00:00Z' })), { kind: 'json', value: { session_id: 'nobody' } });
  expect(await open.accept(old)).toMatchObject({ status: 202, result: 'unknown_session' });
  expect(await open.accept(received('com.example.other', 'evt-z', 'nobody'))).toMatchObject({ status: 202, result: 'other_type' });
  term.close(new Error('end'));
  await done;
  const lines: unknown[] = [];
  for await (const name of store.list('rejected', '', stop.signal)) for (const line of await collected(store.lines('rejected', name, stop.signal))) lines.push(JSON.parse(line));
  expect(lines).toMatchObject([
    { status: 403, result: 'forbidden', event: { id: 'evt-x', source: '/lds', sha256: expect.stringMatching(/^[0-9a-f]{64}$/), data: { session_id: 'nobody' } } },
    { status: 202, result: 'unknown_session', event: { id: 'evt-y' } },
  ]);
});
