import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { LABLET_SESSIONS, SCORE_REPORTS } from '../../../src/api/kinds.ts';
import { derivedId } from '../../../src/core/outbox.ts';
import { SESSION_INDEXES } from '../../../src/events/correlate.ts';
import { Ingest } from '../../../src/events/ingest.ts';
import { startIngestServer } from '../../../src/events/ingest-server.ts';
import { KubeClient } from '../../../src/kube/client.ts';
import { Informer } from '../../../src/kube/informer.ts';
import { systemClock } from '../../../src/runtime/clock.ts';
import { silentLog } from '../../../src/telemetry/log.ts';
import { createMetrics } from '../../../src/telemetry/metrics.ts';
import { testCluster } from '../../support/cluster.ts';
import { gradedWorld } from '../../support/events/session-world.ts';
import { until } from '../../support/events/until.ts';
import { clientFor } from '../../support/kube-objects.ts';
import type { LabletSession, LabletSessionStatus } from '../../../src/api/labletsession.ts';
import type { SessionLookup } from '../../../src/events/correlate.ts';
import type { IngestServer } from '../../../src/events/ingest-server.ts';

let client: KubeClient;
let namespace: string;
let sessions: Informer<LabletSession>;
let servers: IngestServer[];
const stop = new AbortController();
let made = 0;

const replica = (kube: KubeClient, cache: SessionLookup = sessions): Promise<IngestServer> =>
  startIngestServer({
    ingest: new Ingest({ client: kube, sessions: cache, world: async () => gradedWorld(), clock: systemClock, log: silentLog, metrics: createMetrics(), ownSource: '/ccm/lablet-controller', allowedSources: [] }),
    log: silentLog, isReady: () => true, port: 0, host: '127.0.0.1',
  });

beforeAll(async () => {
  const cluster = testCluster();
  client = await clientFor(cluster.kubeconfigPath);
  namespace = await cluster.freshNamespace('ingest');
  sessions = new Informer(client, LABLET_SESSIONS, { namespaces: [namespace] });
  for (const [name, valuesOf] of Object.entries(SESSION_INDEXES)) sessions.addIndex(name, valuesOf);
  void sessions.start(stop.signal);
  await sessions.waitForSync();
  servers = [await replica(client), await replica(client)];
});

afterAll(async () => {
  for (const server of servers) await server.close();
  stop.abort();
  await client.close();
});

/** A session whose status is `status`, known to the cache. */
async function sessionWith(status: LabletSessionStatus): Promise<LabletSession> {
  const name = `cand-${made++}`;
  await client.create(LABLET_SESSIONS, { metadata: { name, namespace }, spec: { definitionRef: { name: 'campus-edge' }, owner: 'proctor-7', admission: 'Queue', desiredState: 'Active' } });
  const session = await client.mergePatch(LABLET_SESSIONS, name, namespace, { status: { definitionVersion: '1.2.0', ...status } }, { subresource: 'status' });
  await until('the cache has it', () => sessions.get(`${namespace}/${name}`)?.metadata.resourceVersion === session.metadata.resourceVersion);
  return session;
}

const lds = (n: number): string => `5b0e9c1e-0000-4c3b-8a11-${String(n).padStart(12, '0')}`;

const ready = (n: number): LabletSessionStatus => ({ phase: 'Ready', readyAt: new Date().toISOString(), userSession: { id: lds(n), ldsSessionId: lds(n), partNum: 1, state: 'Provisioned' } });

const grading = (uid: string): LabletSessionStatus => ({
  phase: 'Grading', startedAt: new Date().toISOString(), endedAt: new Date().toISOString(), gradingSession: { id: derivedId(uid, 'GradingSession'), gradingSessionId: derivedId(uid, 'GradingSession'), state: 'Grading', attempt: 1, startedAt: new Date().toISOString() },
});

/** A session in Grading; the id of its grading is derived from a uid that exists only then. */
async function gradingSession(): Promise<LabletSession> {
  const session = await sessionWith({});
  const written = await client.mergePatch<LabletSession>(LABLET_SESSIONS, session.metadata.name, namespace, { status: grading(session.metadata.uid) }, { subresource: 'status' });
  await until('the cache has it', () => sessions.get(`${namespace}/${session.metadata.name}`)?.status?.phase === 'Grading');
  return written;
}

const live = (session: LabletSession): Promise<LabletSession> => client.get(LABLET_SESSIONS, session.metadata.name, namespace);

function post(type: string, id: string, data: object, server = servers[0]): Promise<Response> {
  return fetch(`http://127.0.0.1:${server?.port ?? 0}/events`, {
    method: 'POST', headers: { 'ce-specversion': '1.0', 'ce-id': id, 'ce-source': type.startsWith('lds') ? '/lds' : '/grading', 'ce-type': type, 'content-type': 'application/json' }, body: JSON.stringify(data),
  });
}

describe('an event that is answered with 202', () => {
  test('is stored with its effect and its own event, in one write', async () => {
    const session = await sessionWith(ready(1));
    const response = await post('lds.session.started', 'evt-1', { lds_session_id: lds(1) });
    expect([response.status, response.headers.get('content-type'), await response.text()]).toEqual([202, null, '']);
    const { status, metadata } = await live(session);
    expect(status).toMatchObject({ phase: 'Running', userSession: { state: 'Active' }, inbox: [{ source: '/lds', id: 'evt-1', result: 'Applied' }] });
    expect(status?.outbox?.map(({ type, causationId, sequence }) => [type, causationId, sequence])).toEqual([['ccm.lablet.session.running', 'evt-1', 1]]);
    expect(Number(metadata.generation)).toBe(1);
  });

  test('three times has its effect once', async () => {
    const session = await sessionWith(ready(2));
    const answers = await Promise.all([0, 1, 0].map((which) => post('lds.session.started', 'evt-2', { session_id: session.metadata.uid }, servers[which])));
    expect(answers.map(({ status }) => status)).toEqual([202, 202, 202]);
    const { status } = await live(session);
    expect([status?.sequence, status?.inbox?.length, status?.history?.filter(({ to }) => to === 'Running').length]).toEqual([1, 1, 1]);
  });

  test('beside another one, on another replica, loses nothing: the slower decides again on what the faster wrote', async () => {
    const session = await sessionWith(ready(3));
    const answers = await Promise.all([post('lds.session.ended', 'evt-e', { lds_session_id: lds(3) }, servers[0]), post('lds.session.started', 'evt-s', { lds_session_id: lds(3) }, servers[1])]);
    expect(answers.map(({ status }) => status)).toEqual([202, 202]);
    const { status } = await live(session);
    expect(status?.phase).toBe('Collecting');
    // Whichever came first; of a start that is told after the end nothing is kept.
    expect([['evt-e'], ['evt-s', 'evt-e']]).toContainEqual(status?.inbox?.map(({ id }) => id));
    expect(status?.outbox?.map(({ sequence }) => sequence)).toEqual(status?.outbox?.map((_, i) => i + 1));
  });

  test('about a session that was deleted meanwhile, or made anew, has nothing to be stored in', async () => {
    const session = await sessionWith(ready(4));
    const { name } = session.metadata;
    const late = await replica(client, { get: () => session, byIndex: () => [session] });
    try {
      await client.delete(LABLET_SESSIONS, name, namespace);
      expect((await post('lds.session.started', 'evt-4', { lds_session_id: lds(4) }, late)).status).toBe(202);
      await client.create(LABLET_SESSIONS, { metadata: { name, namespace }, spec: session.spec });
      expect((await post('lds.session.started', 'evt-4', { lds_session_id: lds(4) }, late)).status).toBe(202);
      expect((await live(session)).status).toBeUndefined();
    } finally {
      await late.close();
    }
  });
});

describe('a result', () => {
  test('becomes an immutable ScoreReport, its summary, and three events in order', async () => {
    const session = await gradingSession();
    const gradingId = derivedId(session.metadata.uid, 'GradingSession');
    const response = await post('grading.session.completed', 'evt-5', { grading_session_id: gradingId, score: { total: 71, max: 100, breakdown: [{ criterion: 'OSPF', points: 71, max_points: 100 }] } });
    expect(response.status).toBe(202);
    const { status } = await live(session);
    expect(status).toMatchObject({ phase: 'Stopping', scoreReport: { score: 71, maxScore: 100, cutScore: 60, passed: true }, gradingSession: { state: 'Submitted' } });
    expect(status?.outbox?.map(({ type }) => type)).toEqual(['ccm.lablet.score_report.created', 'ccm.lablet.session.graded', 'ccm.lablet.session.stopping']);
    const report = await client.get(SCORE_REPORTS, status?.scoreReport?.name ?? '', namespace);
    expect(report.spec).toMatchObject({ score: 71, sections: [{ name: 'OSPF', score: 71, maxScore: 100 }], sessionRef: { uid: session.metadata.uid }, sourceEvent: { source: '/grading', id: 'evt-5' } });
  });

  test('whose report was stored before a crash is the stored one, whatever comes later', async () => {
    const session = await gradingSession();
    const { uid } = session.metadata;
    const data = { grading_session_id: derivedId(uid, 'GradingSession'), score: 40, max_score: 100 };
    await post('grading.session.completed', 'evt-6', data);
    const before = await live(session);
    // As if the process had died between the report and the status: the status is what it was, the report is there.
    await client.mergePatch(LABLET_SESSIONS, session.metadata.name, namespace, { status: { phase: 'Grading', scoreReport: null, inbox: null, outbox: null, sequence: null, history: null, gradingSession: session.status?.gradingSession } }, { subresource: 'status' });
    await until('the cache has it', () => sessions.get(`${namespace}/${session.metadata.name}`)?.status?.phase === 'Grading');
    const response = await post('grading.session.completed', 'evt-7', { ...data, score: 99 });
    expect(response.status).toBe(202);
    const { status } = await live(session);
    expect(status?.scoreReport).toEqual(before.status?.scoreReport);
    expect(status?.outbox?.map((entry) => JSON.parse(entry.data) as { score?: number }).filter(({ score }) => score !== undefined).map(({ score }) => score)).toEqual([40, 40]);
    expect((await client.list(SCORE_REPORTS, { namespace })).items.filter(({ spec }) => spec.sessionRef.uid === uid)).toHaveLength(1);
  });
});

test('an event that could not be stored is not acknowledged', async () => {
  const session = await sessionWith(ready(8));
  const nowhere = new KubeClient({ ...client.connection, server: new URL('https://127.0.0.1:9') }, { retry: { retries: 0 } });
  const cutOff = await replica(nowhere);
  try {
    const response = await post('lds.session.started', 'evt-8', { lds_session_id: lds(8) }, cutOff);
    expect([response.status, response.headers.get('retry-after')]).toEqual([503, '2']);
    expect((await live(session)).status?.phase).toBe('Ready');
    expect((await post('lds.session.started', 'evt-8', { lds_session_id: lds(8) })).status).toBe(202);
    expect((await live(session)).status?.phase).toBe('Running');
  } finally {
    await cutOff.close();
    await nowhere.close();
  }
});
