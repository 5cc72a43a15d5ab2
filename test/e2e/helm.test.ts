/** A year of a platform team in a minute: install, upgrade, roll back, uninstall and install again, while candidates sit their exams. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { follow } from '../../hack/cluster/follow.ts';
import { isSettled, problems } from '../../hack/demo/expect.ts';
import type { Expected } from '../../hack/demo/candidates.ts';
import { LABLET_SESSIONS, LABS, SCORE_REPORTS } from '../../src/api/kinds.ts';
import type { LabletSession } from '../../src/api/labletsession.ts';
import type { Lab } from '../../src/api/lab.ts';
import type { ScoreReport } from '../../src/api/scorereport.ts';
import type { Informer } from '../../src/kube/informer.ts';
import { DEFINITION, NAMESPACE, worldManifests } from '../soak/manifests.ts';
import { eventually } from '../support/eventually.ts';
import { startHelmWorld, SYSTEM_NAMESPACE, type HelmWorld, type Values } from '../support/helm.ts';
import { describeWithNodes } from '../support/nodes.ts';
import { newSession } from '../support/objects.ts';

const SCALE = 20;
const HOSTS = 7;
const LIMIT_MS = 240_000;
/** Longest wait for anything, so that a test fails with what it saw. */
const WAIT_MS = 60_000;
/** The first run on a machine builds Helm, the scheduler and the node. */
const BUILD_MS = 1_200_000;

const numbered = (prefix: string, count: number): string[] => Array.from({ length: count }, (_, index) => `${prefix}-${index + 1}`);
/** Their candidates work until they are told to stop. */
const SITTING = numbered('sits', 20);
/** Their candidates come and finish while the Deployment rolls, the first four in the upgrade, the others in the rollback. */
const PASSING = numbered('passes', 8);
const EXPECTED = [...SITTING, ...PASSING].map((session): Expected => ({ session, ending: 'Passed', score: 87 }));

/** From "everything on", what would need a system that is not there, or would make live sessions belong to somebody else. */
const WITHOUT_SYSTEMS: Values = {
  clusterId: '', listenHost: '', service: { type: 'ClusterIP' }, replicas: 2, test: { host: '' },
  cloudEvents: { source: '/ccm/lablet-controller', deadLetterUrl: '' },
  ingest: { auth: 'none', audience: '', allowedSubjects: [], allowedSources: [], tls: { secret: '' } },
  evidence: { url: '' }, archive: { url: '' }, persistence: { enabled: false }, proxy: { http: '', https: '' }, knative: { subscriberCaCerts: '' },
  timeouts: { archiveTtl: '24h' },
  tracing: { endpoint: 'http://127.0.0.1:9', tracesEndpoint: '' },
};

let cluster: HelmWorld;
let sessions: Informer<LabletSession>;
let everythingOn: Values[];
const endings: (() => Promise<void>)[] = [];

/** Waits until each of the sessions was there. */
async function reached(names: readonly string[], phase: string): Promise<void> {
  await eventually(async () => {
    const missing = names.map((name) => sessions.get(`${NAMESPACE}/${name}`)).filter((session) => !session?.status?.history?.some(({ to }) => to === phase));
    if (missing.length > 0) throw new Error(`${missing.length} sessions were never ${phase}, among them ${JSON.stringify(missing[0]?.status)}\n${(await cluster.logs()).slice(-3000)}`);
  }, WAIT_MS);
}

const book = (names: readonly string[]): Promise<unknown> => Promise.all(names.map((name) => cluster.client.create(LABLET_SESSIONS, newSession(NAMESPACE, name, DEFINITION, { spec: { candidate: { id: name } } }))));

/** All that a candidate could notice of a roll, for each who sits. */
async function seenByCandidates(): Promise<unknown> {
  const hosts = (await cluster.world.labsOnHosts()).flat();
  const online = await cluster.world.ldsSessions();
  return SITTING.map((name) => {
    const { metadata, status } = sessions.get(`${NAMESPACE}/${name}`) as LabletSession;
    const lab = hosts.find(({ title }) => title === status?.labName);
    const page = online.find(({ candidateId }) => candidateId === name);
    expect({ phase: status?.phase, lab: lab?.state, page: page?.state }).toEqual({ phase: 'Running', lab: 'STARTED', page: 'RUNNING' });
    return { uid: metadata.uid, history: status?.history, userSession: status?.userSession, lab, page };
  });
}

/** Rolls while four more candidates come, work and leave. */
async function rollUnderLoad(passing: readonly string[], roll: () => Promise<unknown>): Promise<void> {
  const before = await seenByCandidates();
  await book(passing);
  await roll();
  await reached(passing, 'Archived');
  await cluster.drained();
  expect(await seenByCandidates()).toEqual(before);
}

/** Events that came twice; a process that is told to end has the time to note what has arrived. */
function repeated(): string[] {
  return [...Map.groupBy(cluster.sink.deliveries, ({ id }) => id)].filter(([, same]) => same.length > 1).map(([, [first]]) => `${first?.type ?? ''} of ${first?.source ?? ''}`);
}

describeWithNodes('the chart with Helm is')('the chart, with the real Helm', () => {
  beforeAll(async () => {
    cluster = await startHelmWorld({
      scale: SCALE, cml: HOSTS, bootDelay: '10s',
      script: { lds: [{ candidate: 'sits-*', startAfter: '2s', neverEnd: true }, { candidate: '*', startAfter: '20s', endAfter: '60s' }], grading: [{ candidate: '*', score: 87, maxScore: 100, cutScore: 60, after: '2s' }] },
    });
    everythingOn = [parse(readFileSync(join(cluster.tree.chart, 'ci/everything-on-values.yaml'), 'utf8')) as Values, WITHOUT_SYSTEMS, cluster.values];
  }, BUILD_MS);
  afterAll(async () => {
    for (const end of endings) await end();
    await cluster.stop();
  });

  test('is installed with its defaults where Pod Security is restricted, and its own test passes', async () => {
    await cluster.install(cluster.before);
    expect(cluster.tagsInService()).toEqual([cluster.before.tag, cluster.before.tag]);
    expect(await cluster.helm(['test'])).toMatch(/Phase:\s+Succeeded/);
  }, LIMIT_MS);

  test('is connected to the systems around by an upgrade, and twenty sessions run', async () => {
    await cluster.install(cluster.before, cluster.values);
    // Until then a pod leads that knows of no system yet.
    await cluster.drained();
    sessions = await follow(cluster.client, LABLET_SESSIONS, (ending) => endings.push(ending));
    await cluster.controlPlane.kubectl(['apply', '--filename=-'], worldManifests(cluster.world.cml.map(({ url }) => url), '20m').map((object) => JSON.stringify(object)).join('\n---\n'));
    await cluster.controlPlane.kubectl(['wait', 'labletdefinition', DEFINITION, `--namespace=${NAMESPACE}`, '--for=condition=Ready', '--timeout=120s']);
    await book(SITTING);
    await reached(SITTING, 'Running');
  }, LIMIT_MS);

  test('is upgraded to the tree, with everything on, and none of twenty live sessions notices', async () => {
    await cluster.controlPlane.kubectl(['create', 'configmap', 'company-authorities', `--namespace=${SYSTEM_NAMESPACE}`, `--from-file=bundle.pem=${cluster.controlPlane.caFile}`]);
    await cluster.controlPlane.kubectl(['create', 'secret', 'generic', 'event-grid', `--namespace=${SYSTEM_NAMESPACE}`, '--from-literal=key=none']);
    await cluster.controlPlane.kubectl(['create', 'secret', 'generic', 'collector', `--namespace=${SYSTEM_NAMESPACE}`, '--from-literal=headers=x-tenant=exams']);
    await cluster.controlPlane.kubectl(['create', 'secret', 'generic', 'aws', `--namespace=${SYSTEM_NAMESPACE}`, '--from-literal=AWS_ACCESS_KEY_ID=none', '--from-literal=AWS_SECRET_ACCESS_KEY=none']);
    await cluster.defineForeignKinds(cluster.tree, ...everythingOn);
    await rollUnderLoad(PASSING.slice(0, 4), () => cluster.install(cluster.tree, ...everythingOn));
    expect(cluster.tagsInService()).toEqual(['tree', 'tree']);
    expect(await cluster.helm(['test'])).toMatch(/Phase:\s+Succeeded/);
  }, LIMIT_MS);

  test('is rolled back to what was there, and none of twenty live sessions notices', async () => {
    await rollUnderLoad(PASSING.slice(4), () => cluster.helm(['rollback', '--wait']));
    expect(cluster.tagsInService()).toEqual([cluster.before.tag, cluster.before.tag]);
    expect(repeated()).toEqual([]);
  }, LIMIT_MS);

  test('leaves kinds and objects when it is uninstalled, and brings every session to its end when it is installed again', async () => {
    const before = await seenByCandidates();
    await cluster.helm(['uninstall', '--wait']);
    await eventually(async () => {
      expect(await cluster.controlPlane.kubectl(['get', 'all', `--namespace=${SYSTEM_NAMESPACE}`, '--output=name'])).toBe('');
    }, WAIT_MS);
    await cluster.install(cluster.tree, cluster.values);
    expect(await seenByCandidates()).toEqual(before);
    for (const { id, state } of await cluster.world.ldsSessions()) {
      if (state === 'RUNNING') await fetch(`${cluster.world.lds.url}/sim/sessions/${id}/end`, { method: 'POST' });
    }
    await reached(SITTING, 'Archived');
    await eventually(() => {
      expect(sessions.list().filter((session) => !isSettled(session)).map(({ metadata }) => metadata.name)).toEqual([]);
    }, WAIT_MS);
  }, LIMIT_MS);

  test('has brought every event to the sink, in order, without a gap, and has left nothing on a host', async () => {
    const { client, world, sink } = cluster;
    const outcome = {
      sessions: (await client.list(LABLET_SESSIONS)).items, reports: (await client.list<ScoreReport>(SCORE_REPORTS)).items, labs: (await client.list<Lab>(LABS)).items, deliveries: sink.deliveries,
      titlesOnHosts: (await world.labsOnHosts()).flat().map(({ title }) => title),
      imports: (await world.cmlCounters()).reduce((sum, counters) => sum + (counters['POST /import'] ?? 0), 0),
      portClashes: (await world.portClashes()).length,
    };
    expect(problems(outcome, EXPECTED)).toEqual([]);
  });
});
