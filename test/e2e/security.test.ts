/** An installation with everything switched on: it uses the rights that it has and no others, and tells no secret to anybody. */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { API_VERSION, FINALIZER, MANAGER } from '../../src/api/group.ts';
import { LABLET_DEFINITIONS, LABLET_SESSIONS, NAMESPACES, SCORE_REPORTS, WORKERS, WORKER_TEMPLATES } from '../../src/api/kinds.ts';
import { SYSTEM_NAMESPACE } from '../../src/api/rbac.ts';
import { SECRETS } from '../../src/api/resource.ts';
import { sha256Hex } from '../../src/core/canonical.ts';
import { NotFoundError } from '../../src/kube/errors.ts';
import { requestsBy } from '../support/audit.ts';
import { eventually } from '../support/eventually.ts';
import { newSession, newTemplate, TOPOLOGY } from '../support/objects.ts';
import { compareRights } from '../support/rights.ts';
import { NAMESPACE, PLANTED } from '../support/security-objects.ts';
import { CONTROLLER, startSecurityWorld, type SecurityWorld } from '../support/security-world.ts';
import { MOTO_START_LIMIT_MS } from '../../hack/moto/moto.ts';
import type { Parrot } from '../support/parrot.ts';
import type { KubeObject } from '../../src/api/meta.ts';
import type { ResourceOf } from '../../src/api/resource.ts';
import type { LabletSession } from '../../src/api/labletsession.ts';

const LIMIT_MS = 90_000;
const ADA_LAUNCH = 'ada-launch';
const NOT_OURS = 'somebody else keeps this here';

let world: SecurityWorld;
/** Of ada, while she had it; it is a secret of LDS's own making. */
let launchUrl = '';
/** What each session ended with: the object itself goes. */
const last = new Map<string, LabletSession>();
/** Every state in which somebody saw one of our objects: errors of a step are gone from the status soon. */
const seen = new Set<string>();
/** What the program answered and wrote, by where. */
const output = new Map<string, string>();

const requests = () => requestsBy(CONTROLLER, world.controlPlane.auditLog);
const isGone = (work: Promise<unknown>): Promise<boolean> => work.then(() => false, (error: unknown) => error instanceof NotFoundError);
const ask = async (url: string, token: string): Promise<string> => (await fetch(url, { headers: { authorization: `Bearer ${token}` }, signal: AbortSignal.timeout(10_000) })).text();

/** The first lines of a stream. */
async function beginOf(url: string, token: string): Promise<string> {
  const { body } = await fetch(url, { headers: { authorization: `Bearer ${token}` }, signal: AbortSignal.timeout(10_000) });
  const reader = body?.getReader();
  const first = await reader?.read();
  await reader?.cancel();
  return Buffer.from(first?.value ?? new Uint8Array()).toString();
}

/** Books while nothing may be done yet, so that what an earlier attempt would have left can be put there first. */
async function book(name: string, definition: string, before: (session: LabletSession) => Promise<unknown>): Promise<void> {
  const session = await world.client.create(LABLET_SESSIONS, newSession(NAMESPACE, name, definition, { annotations: { 'lablet.dev/paused': '' }, spec: { candidate: { id: name } } }));
  await before(session);
  await world.client.mergePatch(LABLET_SESSIONS, name, NAMESPACE, { metadata: { annotations: { 'lablet.dev/paused': null } } });
}

/** As a crash leaves them: the launch Secret of a first attempt, and the report whose status write was lost. */
async function leaveBehind({ metadata: { name, uid } }: LabletSession): Promise<void> {
  const ownerReferences = [{ apiVersion: API_VERSION, kind: LABLET_SESSIONS.kind, name, uid, controller: true }];
  await world.client.create(SECRETS, { metadata: { namespace: NAMESPACE, name: ADA_LAUNCH, ownerReferences }, immutable: true, stringData: { login_url: 'http://127.0.0.1/of/the/first/attempt' } });
  await world.client.create(SCORE_REPORTS, {
    metadata: { namespace: NAMESPACE, name: `${name}-${uid.slice(0, 8)}-1` },
    spec: { sessionRef: { namespace: NAMESPACE, name, uid }, definition: { name: 'edge', version: '1.0.0', sha256: sha256Hex(TOPOLOGY) }, candidate: name, attempt: 1, score: 71, maxScore: 100, passed: true, submittedAt: new Date().toISOString(), gradingSessionId: 'g', sourceEvent: { source: '/grading', id: 'e' } },
  });
}

const OURS: readonly ResourceOf<KubeObject>[] = [LABLET_DEFINITIONS, LABLET_SESSIONS, WORKERS, WORKER_TEMPLATES];

/** Somebody who writes to all of our objects, all the time: every write of the controller may meet one of his. */
async function meddle(signal: AbortSignal): Promise<void> {
  for (let round = 0; !signal.aborted; round++) {
    const metadata = { annotations: { 'example.org/seen': String(round) } };
    for (const resource of OURS) {
      const { items } = await world.client.list(resource);
      for (const item of items) seen.add(JSON.stringify(item));
      await Promise.all(items.map(({ metadata: { name, namespace } }) => world.client.mergePatch(resource, name, namespace, { metadata }).catch(() => undefined)));
    }
    // A template that loses the finalizer of somebody else while ours is being taken off.
    const name = `passing-${round}`;
    await world.client.create(WORKER_TEMPLATES, newTemplate(name, { finalizers: ['example.org/theirs', FINALIZER] }));
    await world.client.delete(WORKER_TEMPLATES, name);
    await world.client.mergePatch(WORKER_TEMPLATES, name, undefined, { metadata: { finalizers: [FINALIZER] } }).catch(() => undefined);
    await sleep(100, undefined, { signal }).catch(() => undefined);
  }
}

const VERSIONS = 12;

/** A new version, and at the same time other writes to the definition, one of which the controller's own may meet. */
async function contend(version: string): Promise<void> {
  const write = (patch: object) => world.client.mergePatch(LABLET_DEFINITIONS, 'many', NAMESPACE, patch);
  await write({ spec: { version } });
  for (let round = 0; round < 10; round++) await write({ metadata: { annotations: { 'example.org/contends': `${version}-${round}` } } });
}

/** One version after the other; the oldest are forgotten then, since ten are kept. */
async function publish(definition: string, versions: number): Promise<void> {
  for (let patch = 1; patch <= versions; patch++) {
    await world.client.mergePatch(LABLET_DEFINITIONS, definition, NAMESPACE, { spec: { version: `1.0.${patch}` } });
    await eventually(async () => expect((await world.client.get(LABLET_DEFINITIONS, definition, NAMESPACE)).status?.currentVersion).toBe(`1.0.${patch}`));
  }
}

/** Remembers each session as it was last, and the launch URL while it is there. */
async function watchSessions(signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    for (const session of world.stack.sessions.list()) {
      last.set(session.metadata.name, session);
      seen.add(JSON.stringify(session));
    }
    const secret = await world.client.get(SECRETS, ADA_LAUNCH, NAMESPACE).catch(() => undefined);
    const url = Buffer.from(secret?.data?.['login_url'] ?? '', 'base64').toString();
    if (url.includes('/launch/')) launchUrl = url;
    await sleep(50, undefined, { signal }).catch(() => undefined);
  }
}

async function textOfFiles(folder: string): Promise<string> {
  const files = (await readdir(folder, { recursive: true, withFileTypes: true })).filter((entry) => entry.isFile());
  return (await Promise.all(files.map((entry) => readFile(join(entry.parentPath, entry.name), 'utf8')))).join('\n');
}

/** Everything that the program says, to whomever. */
async function collect(): Promise<void> {
  const { kubectl } = world.controlPlane;
  const { controller } = world.stack;
  const kinds = (await kubectl(['api-resources', '--verbs=list', '--output=name'])).trim().split('\n').filter((kind) => kind !== 'secrets');
  output.set('objects', [...seen, await kubectl(['get', kinds.join(','), '--all-namespaces', '--output=yaml', '--show-managed-fields'])].join('\n'));
  output.set('metrics', await ask(`${controller.opsUrl}/metrics`, ''));
  output.set('probes', `${await ask(`${controller.opsUrl}/readyz`, '')}${await ask(`${controller.opsUrl}/healthz`, '')}`);
  output.set('archive', await ask(`${controller.webUrl}/archive?limit=1000`, world.tokens.reader));
  output.set('refusals', `${await ask(`${controller.webUrl}/archive`, PLANTED.strangerToken)}${await ask(`${controller.webUrl}/page/sessions/${NAMESPACE}/ada`, PLANTED.strangerToken)}`);
  const refused = await fetch(`${controller.ingestUrl}?access_token=${PLANTED.strangerToken}`, { method: 'POST', headers: { 'ce-id': PLANTED.strangerToken } });
  output.set('ingest', await refused.text());
  await controller.stop();
  output.set('log', await controller.log());
  output.set('events sent', world.deliveries.map(({ bytes }) => bytes).join('\n'));
  output.set('traces', world.collected());
  output.set('files', await textOfFiles(world.files));
}

beforeAll(async () => {
  world = await startSecurityWorld();
  const { client, controlPlane: { kubectl }, stack } = world;
  const end = new AbortController();
  const neighbours = Promise.all([meddle(end.signal), watchSessions(end.signal)]);
  await Promise.all([
    kubectl(['wait', 'worker', 'host-1', '--for=jsonpath={.status.phase}=Running', '--timeout=60s']),
    kubectl(['wait', 'labletdefinition', '--all', `--namespace=${NAMESPACE}`, '--for=condition=Ready', '--timeout=60s']),
    publish('many', VERSIONS),
  ]);
  // In use, so it stays, and says so each time that somebody touches it.
  await client.delete(WORKER_TEMPLATES, 'spare');
  await book('ada', 'edge', leaveBehind);
  await book('mallory', 'edge', async () => client.create(SECRETS, { metadata: { namespace: NAMESPACE, name: 'mallory-launch' }, stringData: { note: NOT_OURS } }));
  await book('eve', 'big', async () => undefined);
  await book('wendy', 'web', async () => undefined);
  // A lab of ours that no object names, on a host of ours; its title bears the mark of this cluster.
  const mark = sha256Hex((await client.get(NAMESPACES, 'kube-system')).metadata.uid).slice(0, 4);
  await fetch(`${stack.world.cml[0]?.url ?? ''}/sim/foreign-lab?title=edge-01234567-${mark}&owner=admin&start=false`, { method: 'POST' });
  // The leader goes on if somebody removes its Lease.
  await kubectl(['delete', 'lease', MANAGER, `--namespace=${SYSTEM_NAMESPACE}`]);
  for (const name of ['wendy', 'eve']) {
    await eventually(() => expect(last.get(name)?.status?.phase).toBe('Ready'), LIMIT_MS);
    await client.mergePatch(LABLET_SESSIONS, name, NAMESPACE, { spec: { desiredState: 'Terminated' } });
  }
  // While there is something to tell.
  const { webUrl } = stack.controller;
  const [from, to] = [-1, 1].map((hours) => new Date(Date.now() + hours * 3_600_000).toISOString());
  output.set('page', `${await ask(`${webUrl}/page/sessions/${NAMESPACE}/ada`, world.tokens.reader)}${await beginOf(`${webUrl}/page/live?from=${from ?? ''}&to=${to ?? ''}`, world.tokens.reader)}`);
  let version = VERSIONS;
  await eventually(async () => {
    expect(await isGone(client.get(LABLET_SESSIONS, 'ada', NAMESPACE))).toBe(true);
    const { unused } = compareRights(requests());
    // Whether a write meets another is chance: there are more of both until each kind has been read again after a conflict.
    if (unused.length > 0) await contend(`1.0.${++version}`);
    expect(unused).toEqual([]);
    // The tests say what is missing.
  }, LIMIT_MS).catch(() => undefined);
  end.abort();
  await neighbours;
  await collect();
}, MOTO_START_LIMIT_MS + 4 * LIMIT_MS);

afterAll(async () => {
  await world.stop();
});

describe('the rights of the controller', () => {
  test('are those that it uses: no more, and no less', () => {
    expect(compareRights(requests())).toEqual({ unused: [], beyond: [] });
  });

  test('were enough: no request was forbidden', () => {
    expect(requests().filter(({ code }) => code === 401 || code === 403)).toEqual([]);
  });
});

describe('what was planted', () => {
  test('is what the services around were told, and repeated: else nothing here was tried', () => {
    const { cml, host, lds, grading, sink } = world.parrots;
    const told: readonly (readonly [Parrot, string])[] = [
      [cml, PLANTED.licence], [host, JSON.stringify(PLANTED.login).slice(1, -1)], [lds, `admin:${PLANTED.login}`], [lds, JSON.stringify(PLANTED.device).slice(1, -1)], [grading, new URLSearchParams([['', PLANTED.login]]).toString().slice(1)],
      [sink, `user:${PLANTED.sinkPassword}`], [sink, `token=${PLANTED.sinkQuery}`], [sink, `"aeg-sas-key":"${PLANTED.eventGridKey}"`], [sink, launchUrl],
    ];
    // In a status, in the words of a partner, and without what they repeat.
    expect(output.get('objects')).toMatch(/LDS 127\.0\.0\.1:\d+: POST \/reservations\/v3\/lab_session: 400 no \[redacted\]|PUT \/reservations\/v3\/lab_session\/\{id\}\/part\/\{part\}\/devices: 400 no Basic \[redacted\]/);
    expect(told.filter(([{ repeated }, secret]) => !repeated.some((words) => words.includes(secret))).map(([, secret]) => secret)).toEqual([]);
    expect(launchUrl).toContain('signature=');
  });

  test.each(['objects', 'metrics', 'probes', 'archive', 'page', 'refusals', 'ingest', 'log', 'events sent', 'traces', 'files'])('is not in what the program says: %s', (where) => {
    const said = output.get(where) ?? '';
    expect(said.length).toBeGreaterThan(0);
    // The signature of the launch URL, and of each token what makes it one.
    const signature = new URL(launchUrl).searchParams.get('signature') ?? '';
    const own = [world.tokens.sender, world.tokens.reader].map((token) => token.split('.')[2] ?? '');
    const secrets = [...Object.values(PLANTED), 'p@ssword', PLANTED.login.split('&')[0] ?? '', ...own, ...(where === 'events sent' ? [] : [signature])];
    const forms = secrets.flatMap((secret) => [secret, JSON.stringify(secret).slice(1, -1), encodeURIComponent(secret), Buffer.from(secret).toString('base64').replace(/=+$/, '')]);
    expect(forms.filter((form) => said.includes(form))).toEqual([]);
  });

  test('a launch URL is told in the one event that is for it, and nowhere else', () => {
    const telling = world.deliveries.filter(({ bytes }) => bytes.includes(launchUrl));
    expect(telling.map(({ type }) => type)).toEqual(expect.arrayContaining(['ccm.lablet.session.ready']));
    expect(new Set(telling.map(({ type }) => type)).size).toBe(1);
    expect(telling[0]?.data['login_url']).toBe(launchUrl);
  });

  test('is not on the page, which told of ada and of the hosts', () => {
    expect(output.get('page')).toContain('"ada"');
    expect(output.get('page')).toContain('host-1');
  });

  test('was of use: the sessions went their way in spite of it all', () => {
    expect(last.get('ada')?.status?.scoreReport).toMatchObject({ score: 71, passed: true });
    expect(last.get('eve')?.status?.workerName).toBe('metal-1');
    expect(output.get('log')).toContain('"level":"debug"');
  });
});

test('a Secret that a session would have to take away, and that is not its own, stays what it is', async () => {
  const { data } = await world.client.get(SECRETS, 'mallory-launch', NAMESPACE);
  expect(Buffer.from(data?.['note'] ?? '', 'base64').toString()).toBe(NOT_OURS);
  const mallory = last.get('mallory');
  expect(mallory?.status?.reason).toBe('InstantiationFailed');
  expect(JSON.stringify(mallory?.status)).toContain(`Secret ${NAMESPACE}/mallory-launch exists and is not of this session`);
});
