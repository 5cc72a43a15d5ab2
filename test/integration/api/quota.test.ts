/** Quotas the Kubernetes way: a ResourceQuota on object counts bounds the sessions of a namespace (docs/scheduling.md). */
import { beforeAll, expect, test } from '@jest/globals';
import { testCluster } from '../../support/cluster.ts';
import { eventually } from '../../support/eventually.ts';
import { session } from './manifests.ts';

const cluster = testCluster();
const { kubectl } = cluster;
let namespace = '';

interface Quota { status?: { hard?: Record<string, string>; used?: Record<string, string> } }

const COUNT = 'count/labletsessions.lablet.dev';
const create = (name: string) => kubectl(['create', '-n', namespace, '-f', '-'], JSON.stringify(session({}, name)));
const used = () => eventually(async () => {
  const { status } = JSON.parse(await kubectl(['get', 'resourcequota', 'seats', '-n', namespace, '-o', 'json'])) as Quota;
  expect(status?.used?.[COUNT]).toBeDefined();
  return status?.used?.[COUNT];
});

beforeAll(async () => {
  namespace = await cluster.freshNamespace('quota');
  await kubectl(['create', 'quota', 'seats', '-n', namespace, `--hard=${COUNT}=2`]);
  // Without its first count the quota refuses every creation.
  await used();
});

test('a namespace has as many sessions as its quota allows, and one more is refused at once', async () => {
  await create('ada');
  await create('bob');
  await expect(create('cyd')).rejects.toThrow(`exceeded quota: seats, requested: ${COUNT}=1, used: ${COUNT}=2, limited: ${COUNT}=2`);
});

test('a deleted session gives its seat back', async () => {
  await kubectl(['delete', 'lses', 'bob', '-n', namespace]);
  await eventually(async () => {
    await create('dan');
  });
  expect(await used()).toBe('2');
});
