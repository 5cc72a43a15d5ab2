import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { dirname, join } from 'node:path';
import { Agent } from 'undici';
import { z } from 'zod';
import type { ControlPlane } from '../../../hack/cluster/controlplane.ts';
import { KubeClient } from '../../../src/kube/client.ts';
import { ServerUnavailableError, TransportError } from '../../../src/kube/errors.ts';
import { Informer, type InformerOptions } from '../../../src/kube/informer.ts';
import { loadConnection } from '../../../src/kube/kubeconfig.ts';
import { objectKey } from '../../../src/kube/types.ts';
import { privateControlPlane } from '../../support/cluster.ts';
import { CONFIG_MAPS, type ConfigMap } from '../../support/kube-objects.ts';
import { CuttableProxy } from '../../support/cuttable-proxy.ts';
import { until } from '../../support/until.ts';

let plane: ControlPlane;
let client: KubeClient;
let ours: KubeClient;
let proxy: CuttableProxy;
let stop: AbortController;
let running: Promise<void> | undefined;

beforeAll(async () => {
  plane = await privateControlPlane();
}, 120_000);
afterAll(async () => {
  await plane.stop();
});
beforeEach(async () => {
  const connection = await loadConnection({ kubeconfig: plane.kubeconfigPath });
  proxy = await CuttableProxy.start(connection.server);
  client = new KubeClient(connection);
  ours = new KubeClient({ ...connection, server: proxy.url });
  stop = new AbortController();
});
afterEach(async () => {
  stop.abort(new Error('the test is over'));
  await running;
  await Promise.all([client.close(), ours.close()]);
  await proxy.close();
});

const create = (name: string): Promise<ConfigMap> => client.create(CONFIG_MAPS, { metadata: { name, namespace: 'default', labels: { test: 'yes' } } });
const has = (informer: Informer<ConfigMap>, object: ConfigMap): boolean => informer.get(objectKey(object))?.metadata.resourceVersion === object.metadata.resourceVersion;

async function started(options: InformerOptions<ConfigMap> = {}): Promise<{ informer: Informer<ConfigMap>; told: string[] }> {
  const told: string[] = [];
  const informer = new Informer(ours, CONFIG_MAPS, { namespaces: ['default'], labelSelector: 'test=yes', backoff: { baseMs: 50, maxMs: 500 }, auditMs: 0, ...options });
  informer.onChange((old, next) => told.push(`${old?.metadata.name ?? '-'} → ${next?.metadata.name ?? '-'}`));
  running = informer.start(stop.signal);
  await informer.waitForSync(AbortSignal.timeout(20_000));
  return { informer, told };
}

test('a restart of the API server is survived, and told as nothing but what changed', async () => {
  await create('restart-kept');
  const { informer, told } = await started();
  const before = told.length;
  await plane.stopApiServer();
  const write: unknown = await client.mergePatch(CONFIG_MAPS, 'restart-kept', 'default', { data: { a: '1' } }, { retries: 1 }).catch((error: unknown) => error);
  expect(write instanceof TransportError || write instanceof ServerUnavailableError).toBe(true);
  await plane.startApiServer();
  const changed = await client.mergePatch<ConfigMap>(CONFIG_MAPS, 'restart-kept', 'default', { data: { a: '2' } });
  const added = await create('restart-added');
  await until('the changes are in the cache', () => has(informer, changed) && has(informer, added), 30_000);
  expect(told.slice(before)).toEqual(['restart-kept → restart-kept', '- → restart-added']);
}, 120_000);

test('a cache that starts while the API server is away is there when the server is', async () => {
  await plane.stopApiServer();
  const informer = new Informer(ours, CONFIG_MAPS, { namespaces: ['default'], backoff: { baseMs: 50, maxMs: 500 }, auditMs: 0 });
  running = informer.start(stop.signal);
  await until('it fails', () => informer.stats.lastError !== undefined, 20_000);
  expect(informer.hasSynced()).toBe(false);
  await plane.startApiServer();
  await informer.waitForSync(AbortSignal.timeout(30_000));
}, 120_000);

test('a version that etcd has compacted away leads to a new list, deletions included', async () => {
  await create('compacted-kept');
  await create('compacted-removed');
  const { informer, told } = await started();
  proxy.cut();
  await client.delete(CONFIG_MAPS, 'compacted-removed', 'default');
  const changed = await client.mergePatch<ConfigMap>(CONFIG_MAPS, 'compacted-kept', 'default', { data: { a: '1' } });
  await compact(changed.metadata.resourceVersion);
  // A restart empties the server's memory of past events, so that it must ask etcd, which has forgotten too.
  await plane.stopApiServer();
  await plane.startApiServer();
  const before = told.length;
  proxy.restore();
  await until('the change is in the cache', () => has(informer, changed), 30_000);
  expect(informer.stats.relists).toBe(2);
  expect(informer.stats.lastError).toMatch(/410 (Expired|Gone)/);
  expect(told.slice(before).sort()).toEqual(['compacted-kept → compacted-kept', 'compacted-removed → -']);
}, 120_000);

/** Makes etcd forget all versions before this one, by its HTTP gateway. */
async function compact(revision: string): Promise<void> {
  const etcd = new Agent({ connect: { socketPath: join(dirname(plane.kubeconfigPath), 'etcd.sock') } });
  const response = await etcd.request({ origin: 'http://etcd', path: '/v3/kv/compaction', method: 'POST', body: JSON.stringify({ revision, physical: true }) });
  const body = z.looseObject({ header: z.object({ revision: z.string() }) }).parse(await response.body.json());
  expect(Number(body.header.revision)).toBeGreaterThanOrEqual(Number(revision));
  await etcd.close();
}
