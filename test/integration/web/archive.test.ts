/** GET /archive: who may read is judged by a real API server, by its RBAC. */
import { createServer } from 'node:http';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { MANAGER } from '../../../src/api/group.ts';
import { SYSTEM_NAMESPACE } from '../../../src/api/rbac.ts';
import { fileArchive } from '../../../src/events/archive/store-file.ts';
import { mayDo, whoIs } from '../../../src/kube/access-review.ts';
import { silentLog } from '../../../src/telemetry/log.ts';
import { archiveRouter } from '../../../src/web/archive.ts';
import { webApp } from '../../../src/web/server.ts';
import { testCluster } from '../../support/cluster.ts';
import { eventually } from '../../support/eventually.ts';
import { chainOf, segmentOf } from '../../support/events/archive-contract.ts';
import { clientFor } from '../../support/kube-objects.ts';
import type { AddressInfo } from 'node:net';
import type { ArchiveRecord } from '../../../src/api/archive.ts';

const cluster = testCluster();
const { kubectl } = cluster;
const closers: (() => unknown)[] = [];
const tokens: Record<string, string> = {};
let namespace = '';
let base = '';

interface Answer {
  status: number;
  challenge: string | null;
  error?: string;
  items?: ArchiveRecord[];
  after?: string;
}

async function get(query: string, who?: string, method = 'GET'): Promise<Answer> {
  const response = await fetch(`${base}${query}`, { method, headers: who === undefined ? {} : { authorization: `Bearer ${tokens[who] ?? who}` } });
  return { status: response.status, challenge: response.headers.get('www-authenticate'), ...(await response.json() as object) };
}

beforeAll(async () => {
  namespace = await cluster.freshNamespace('archive');
  for (const folder of ['', 'optional']) await kubectl(['apply', '-f', resolve(import.meta.dirname, '../../../config/rbac', folder)]);
  for (const name of ['auditor', 'viewer', 'stranger', 'chief']) {
    await kubectl(['create', 'serviceaccount', name, '-n', namespace]);
    tokens[name] = (await kubectl(['create', 'token', name, '-n', namespace])).trim();
  }
  for (const [name, role] of [['auditor', 'admin'], ['viewer', 'view']] as const) await kubectl(['create', 'rolebinding', name, '-n', namespace, `--clusterrole=${role}`, `--serviceaccount=${namespace}:${name}`]);
  await kubectl(['create', 'clusterrolebinding', `${namespace}-chief`, '--clusterrole=admin', `--serviceaccount=${namespace}:chief`]);
  closers.push(() => kubectl(['delete', 'clusterrolebinding', `${namespace}-chief`]));

  const directory = await mkdtemp(join(tmpdir(), 'lablet-archive-'));
  closers.push(() => rm(directory, { recursive: true, force: true }));
  const store = fileArchive(pathToFileURL(directory).href);
  // The objects of the records are in the namespace exams; here it is one of our own.
  const records = [...chainOf(3), ...chainOf(2, '7d1f0c2a-3e9b-4f5d-8a6c-0b1c2d3e4f51', 'cand-0043')].map((record) => ({ ...record, object: { ...record.object, namespace: record.object.name === 'cand-0043' ? 'elsewhere' : namespace } }));
  await store.append('records', segmentOf(records, '2026-11-23T10:00:00Z'), new AbortController().signal);

  // The rights of the controller, as config/rbac and what the archive needs beside it give them.
  const controller = await clientFor(await cluster.createServiceAccountKubeconfig(SYSTEM_NAMESPACE, MANAGER));
  closers.push(() => controller.close());
  const router = archiveRouter({ store, whoIs: (token, signal) => whoIs(controller, token, signal), mayDo: (user, access, signal) => mayDo(controller, user, access, signal) });
  const server = createServer(webApp({ log: silentLog, routers: { '/archive': router } }) as Parameters<typeof createServer>[1]);
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  closers.push(() => server.close());
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}/archive`;
  // The controller manager adds our rules to the built-in role admin a moment after they were applied.
  await eventually(async () => expect((await get(`?namespace=${namespace}`, 'auditor')).status).toBe(200), 30_000);
}, 60_000);

afterAll(async () => {
  for (const close of closers.reverse()) await close();
});

describe('who reads the archive', () => {
  test('has to say who they are', async () => {
    expect(await get(`?namespace=${namespace}`)).toMatchObject({ status: 401, challenge: 'Bearer', error: expect.stringContaining('kubectl create token') });
    expect(await get(`?namespace=${namespace}`, 'made-up')).toMatchObject({ status: 401, challenge: 'Bearer', error: 'the token is not valid' });
  });

  test.each(['stranger', 'viewer'])('and has no right to (%s) is told which one is missing', async (name) => {
    expect(await get(`?subject=${namespace}/cand-0042`, name)).toMatchObject({ status: 403, error: `system:serviceaccount:${namespace}:${name} may not list archives.lablet.dev in namespace ${namespace}` });
  });

  test('as administrator of a namespace gets its records and no others', async () => {
    expect((await get(`?namespace=${namespace}`, 'auditor')).items).toHaveLength(3);
    expect((await get(`?subject=${namespace}/cand-0042`, 'auditor')).items?.map(({ chain, object }) => [chain.n, object.name])).toEqual([[1, 'cand-0042'], [2, 'cand-0042'], [3, 'cand-0042']]);
    expect(await get('?subject=elsewhere/cand-0043', 'auditor')).toMatchObject({ status: 403 });
    expect(await get('', 'auditor')).toMatchObject({ status: 403, error: expect.stringContaining('in all namespaces') });
    // The namespace of the subject is what counts.
    expect(await get(`?subject=elsewhere/cand-0043&namespace=${namespace}`, 'auditor')).toMatchObject({ status: 403 });
  });

  test('as administrator of the cluster gets all', async () => {
    expect((await get('', 'chief')).items).toHaveLength(5);
  });
});

describe('what is asked for', () => {
  test('comes in pages by type and time', async () => {
    const first = await get('?type=ccm.lablet.session.*&since=2026-11-23T09:00:00Z&limit=2', 'chief');
    expect(first.items).toHaveLength(2);
    const second = await get(`?type=ccm.lablet.session.*&since=2026-11-23T09:00:00Z&limit=10&after=${encodeURIComponent(first.after ?? '')}`, 'chief');
    expect([second.items?.length, second.after]).toEqual([3, undefined]);
    expect((await get('?type=ccm.worker.draining', 'chief')).items).toEqual([]);
    expect((await get('?since=2026-11-24T00:00:00Z', 'chief')).items).toEqual([]);
  });

  test.each([['since=yesterday', /since: give a time/], ['limit=5000', /limit/], ['after=../../etc/passwd:1', /after: give the 'after'/], ['colour=red', /colour/]])('and makes no sense (%s) is refused with what to write', async (query, message) => {
    expect(await get(`?${query}`, 'chief')).toMatchObject({ status: 400, error: expect.stringMatching(message) });
  });

  test('cannot be changed', async () => {
    expect(await get('', 'chief', 'DELETE')).toMatchObject({ status: 405 });
  });
});
