/** What the SDKs of others send, followed to its end: the effect is in the API server when they get their answer. */
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { LABLET_SESSIONS } from '../../../src/api/kinds.ts';
import { SESSION_INDEXES } from '../../../src/events/correlate.ts';
import { startIngestServer } from '../../../src/events/ingest-server.ts';
import { Ingest } from '../../../src/events/ingest.ts';
import { Informer } from '../../../src/kube/informer.ts';
import { systemClock } from '../../../src/runtime/clock.ts';
import { silentLog } from '../../../src/telemetry/log.ts';
import { createMetrics } from '../../../src/telemetry/metrics.ts';
import { goPeer, pythonPeer } from '../../conformance/peer.ts';
import { testCluster } from '../../support/cluster.ts';
import { gradedWorld } from '../../support/events/session-world.ts';
import { until } from '../../support/events/until.ts';
import { clientFor } from '../../support/kube-objects.ts';
import type { LabletSession } from '../../../src/api/labletsession.ts';
import type { IngestServer } from '../../../src/events/ingest-server.ts';
import type { KubeClient } from '../../../src/kube/client.ts';
import type { Peer } from '../../conformance/peer.ts';

let client: KubeClient;
let namespace: string;
let sessions: Informer<LabletSession>;
let server: IngestServer;
let peers: Readonly<Record<'Go' | 'Python', Peer>>;
const stop = new AbortController();

beforeAll(async () => {
  const cluster = testCluster();
  client = await clientFor(cluster.kubeconfigPath);
  namespace = await cluster.freshNamespace('peers');
  sessions = new Informer(client, LABLET_SESSIONS, { namespaces: [namespace] });
  for (const [name, valuesOf] of Object.entries(SESSION_INDEXES)) sessions.addIndex(name, valuesOf);
  void sessions.start(stop.signal);
  await sessions.waitForSync();
  const ingest = new Ingest({ client, sessions, world: async () => gradedWorld(), clock: systemClock, log: silentLog, metrics: createMetrics(), ownSource: '/ccm/lablet-controller', allowedSources: ['/lds/*'] });
  server = await startIngestServer({ ingest, log: silentLog, isReady: () => true, port: 0, host: '127.0.0.1' });
  peers = { Go: await goPeer(), Python: await pythonPeer() };
}, 300_000);

afterAll(async () => {
  await Promise.all(Object.values(peers).map((peer) => peer.close()));
  await server.close(0);
  stop.abort();
  await client.close();
});

async function readySession(name: string, ldsSessionId: string): Promise<void> {
  await client.create(LABLET_SESSIONS, { metadata: { name, namespace }, spec: { definitionRef: { name: 'campus-edge' }, owner: 'proctor-7', admission: 'Queue', desiredState: 'Active' } });
  const status = { definitionVersion: '1.2.0', phase: 'Ready', readyAt: new Date().toISOString(), userSession: { id: ldsSessionId, ldsSessionId, partNum: 1, state: 'Provisioned' } };
  await client.mergePatch(LABLET_SESSIONS, name, namespace, { status }, { subresource: 'status' });
  await until('the cache has it', () => sessions.get(`${namespace}/${name}`)?.status?.phase === 'Ready');
}

test.each([
  ['Go', 'binary', 'Python', 'structured'],
  ['Python', 'binary', 'Go', 'structured'],
  ['Python', 'structured', 'Go', 'batch'],
] as const)('a candidate starts as %s says in %s mode, and ends as %s says in %s mode, twice', async (first, mode, second, otherMode) => {
  const name = `cand-${first}-${mode}`.toLowerCase();
  const lds = `lds-${name}`;
  await readySession(name, lds);
  const url = `http://127.0.0.1:${server.port}/events`;
  const event = (type: string) => ({ id: `${name}-${type}`, source: '/lds/eu', type, datacontenttype: 'application/json', extensions: {}, json: { lds_session_id: lds } });
  const phase = async () => (await client.get(LABLET_SESSIONS, name, namespace)).status?.phase;

  expect(await peers[first].send({ url, mode, events: [event('lds.session.started')] })).toBe(202);
  expect(await phase()).toBe('Running');
  for (let i = 0; i < 2; i++) expect(await peers[second].send({ url, mode: otherMode, events: [event('lds.session.ended')] })).toBe(202);
  expect(await phase()).toBe('Collecting');

  const { status } = await client.get(LABLET_SESSIONS, name, namespace);
  expect(status?.inbox?.map(({ id }) => id)).toEqual([`${name}-lds.session.started`, `${name}-lds.session.ended`]);
  expect(status?.outbox?.filter(({ archiveOnly }) => archiveOnly !== true).map(({ causationId }) => causationId)).toEqual([`${name}-lds.session.started`, `${name}-lds.session.ended`, `${name}-lds.session.ended`]);
});
