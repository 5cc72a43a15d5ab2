import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { KubeClient } from '../../../src/kube/client.ts';
import { Informer, type InformerOptions } from '../../../src/kube/informer.ts';
import { loadConnection } from '../../../src/kube/kubeconfig.ts';
import { noMetrics } from '../../../src/kube/observe.ts';
import { isNewer } from '../../../src/kube/resource-version.ts';
import { objectKey } from '../../../src/kube/types.ts';
import { testCluster } from '../../support/cluster.ts';
import { CONFIG_MAPS, type ConfigMap } from '../../support/kube-objects.ts';
import { CuttableProxy } from '../../support/cuttable-proxy.ts';
import { until } from '../../support/until.ts';

const cluster = testCluster();
let proxy: CuttableProxy;
/** Straight to the API server: for what others do. */
let client: KubeClient;
/** Through the proxy: what the informer uses. */
let ours: KubeClient;
/** Verbs of the informer's requests. */
let asked: string[];
let namespace: string;
let stop: AbortController;
let running: Promise<void> | undefined;

beforeEach(async () => {
  const connection = await loadConnection({ kubeconfig: cluster.kubeconfigPath });
  proxy = await CuttableProxy.start(connection.server);
  client = new KubeClient(connection);
  asked = [];
  ours = new KubeClient({ ...connection, server: proxy.url }, { metrics: { ...noMetrics, request: (verb) => void asked.push(verb) } });
  namespace = await cluster.freshNamespace('kube-informer');
  stop = new AbortController();
});
afterEach(async () => {
  stop.abort(new Error('the test is over'));
  await running;
  await Promise.all([client.close(), ours.close()]);
  await proxy.close();
});

/** Started, with waits for tests. A label keeps out what the cluster itself puts into each namespace. */
async function started(options: InformerOptions<ConfigMap> = {}, prepare: (informer: Informer<ConfigMap>) => void = () => undefined): Promise<Informer<ConfigMap>> {
  const informer = new Informer(ours, CONFIG_MAPS, { namespaces: [namespace], labelSelector: 'test=yes', backoff: { baseMs: 20, maxMs: 200 }, shortWatchMs: 100, auditMs: 0, ...options });
  prepare(informer);
  running = informer.start(stop.signal);
  await informer.waitForSync(AbortSignal.timeout(20_000));
  return informer;
}

const create = (name: string, data: Record<string, string> = {}): Promise<ConfigMap> => client.create(CONFIG_MAPS, { metadata: { name, namespace, labels: { test: 'yes' } }, data });
const change = (name: string, data: Record<string, string>): Promise<ConfigMap> => client.mergePatch(CONFIG_MAPS, name, namespace, { data });
const has = (informer: Informer<ConfigMap>, object: ConfigMap): boolean => informer.get(objectKey(object))?.metadata.resourceVersion === object.metadata.resourceVersion;

test('the state comes as a stream, and changes follow on the same connection', async () => {
  await create('before');
  const informer = await started();
  expect(informer.list().map((object) => object.metadata.name)).toEqual(['before']);
  const after = await create('after');
  await until('the new object is in the cache', () => has(informer, after), 20_000);
  expect(asked).toEqual(['watch']);
  expect(informer.get(`${namespace}/after`)?.metadata).not.toHaveProperty('managedFields');
});

test('the state comes in pages where it is not to be streamed', async () => {
  await Promise.all(Array.from({ length: 12 }, (_, index) => create(`page-${index}`)));
  const informer = await started({ streaming: false, pageSize: 5 });
  expect(informer.list()).toHaveLength(12);
  const after = await change('page-3', { a: '1' });
  await until('the change is in the cache', () => has(informer, after), 20_000);
});

test('a dropped watch resumes from the last resourceVersion, and nothing that happened meanwhile is missed', async () => {
  await create('kept');
  await create('removed');
  const informer = await started();
  proxy.cut();
  const changed = await change('kept', { a: '1' });
  await client.delete(CONFIG_MAPS, 'removed', namespace);
  const added = await create('added');
  expect(informer.get(`${namespace}/added`)).toBeUndefined();
  proxy.restore();
  await until('the changes are in the cache', () => has(informer, changed) && has(informer, added) && informer.get(`${namespace}/removed`) === undefined, 20_000);
  expect(informer.stats).toMatchObject({ relists: 1 });
});

test('a watch whose connection died without a word is found by its silence', async () => {
  await create('kept');
  const ends: string[] = [];
  const informer = await started({ idleMs: 1000, metrics: { ...noMetrics, watchEnded: (_resource, reason) => void ends.push(reason) } });
  proxy.freeze();
  const changed = await change('kept', { a: '1' });
  await until('the silence is noticed', () => ends.length > 0, 20_000);
  expect(ends).toEqual(['idle']);
  proxy.restore();
  await until('the change is in the cache', () => has(informer, changed), 20_000);
  expect(informer.stats.relists).toBe(1);
});

test('our own write is in the cache before the watch brings it, and the watch does not tell it twice', async () => {
  const told: string[] = [];
  const informer = await started({}, (one) => {
    one.onChange((old, next) => told.push(`${old === undefined ? '-' : 'old'} → ${next?.data?.['n'] ?? '-'}`));
  });
  proxy.freeze();
  informer.observe(await create('mine', { n: '1' }));
  expect(informer.get(`${namespace}/mine`)?.data).toEqual({ n: '1' });
  informer.observe(await change('mine', { n: '2' }));
  proxy.cut();
  proxy.restore();
  const last = await change('mine', { n: '3' });
  await until('the last change is in the cache', () => has(informer, last), 20_000);
  expect(told).toEqual(['- → 1', 'old → 2', 'old → 3']);
});

test('indexes and a field selector', async () => {
  await create('a', { owner: 'x' });
  const informer = await started({ fieldSelector: 'metadata.name!=ignored' }, (one) => {
    one.addIndex('owner', (object) => (object.data?.['owner'] === undefined ? [] : [object.data['owner']]));
  });
  await create('ignored', { owner: 'x' });
  const b = await create('b', { owner: 'x' });
  await until('b is in the cache', () => has(informer, b), 20_000);
  expect(informer.byIndex('owner', 'x').map((object) => object.metadata.name)).toEqual(['a', 'b']);
  const moved = await change('a', { owner: 'y' });
  await until('a has moved', () => has(informer, moved), 20_000);
  expect(informer.byIndex('owner', 'x').map((object) => object.metadata.name)).toEqual(['b']);
  expect(informer.byIndex('owner', 'y').map((object) => object.metadata.name)).toEqual(['a']);
});

describe('2,000 ConfigMaps churned while the watch is cut again and again', () => {
  test('end as a cache that equals a list, with every object told in its last version and nothing missed', async () => {
    /** What a reader of the handlers knows: the last version told of each object. */
    const told = new Map<string, string>();
    const backwards: string[] = [];
    let changes = 0;
    let cuts = 0;
    const informer = await started({ auditMs: 1000, auditGraceMs: 20_000, watchSeconds: [2, 4] }, (one) => {
      one.addIndex('shard', (object) => [object.data?.['shard'] ?? '']);
      one.onChange((old, next) => {
        changes += 1;
        if (changes % 150 === 0) {
          cuts += 1;
          proxy.cut();
          proxy.restore();
        }
        if (next === undefined) {
          if (old !== undefined) told.delete(objectKey(old));
          return;
        }
        const before = told.get(objectKey(next));
        if (before !== undefined && isNewer(next.metadata.resourceVersion, before) !== true) backwards.push(objectKey(next));
        told.set(objectKey(next), next.metadata.resourceVersion);
      });
    });
    // A fixed course of events, drawn from a linear congruential generator, by 24 writers at a time.
    let seed = 42;
    const draw = (below: number): number => (seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648) % below;
    const jobs = Array.from({ length: 2000 }, (_, index) => ({ name: `churn-${index}`, changes: draw(3), remove: draw(4) === 0 }));
    const worker = async (): Promise<void> => {
      for (let job = jobs.pop(); job !== undefined; job = jobs.pop()) {
        await create(job.name, { shard: String(job.changes) });
        for (let round = 0; round < job.changes; round += 1) await change(job.name, { round: String(round), shard: String(round) });
        if (job.remove) await client.delete(CONFIG_MAPS, job.name, namespace);
      }
    };
    await Promise.all(Array.from({ length: 24 }, worker));

    const { items } = await client.list(CONFIG_MAPS, { namespace, labelSelector: 'test=yes' });
    const truth = new Map(items.map((item) => [objectKey(item), item.metadata.resourceVersion]));
    const versions = (): Map<string, string> => new Map(informer.list().map((item) => [objectKey(item), item.metadata.resourceVersion]));
    const same = (a: Map<string, string>, b: Map<string, string>): boolean => a.size === b.size && [...a].every(([key, value]) => b.get(key) === value);
    await until('the cache equals the list', () => same(versions(), truth), 60_000);
    expect(cuts).toBeGreaterThan(10);
    expect(same(told, truth)).toBe(true);
    expect(backwards).toEqual([]);
    for (const shard of ['0', '1', '2']) {
      const scanned = items.filter((item) => item.data?.['shard'] === shard).map(objectKey);
      expect(informer.byIndex('shard', shard).map(objectKey).sort()).toEqual(scanned.sort());
    }
    // One audit at least judges the end.
    await new Promise((resolve) => setTimeout(resolve, 2500));
    expect(informer.stats.missed).toBe(0);
    expect(informer.stats.reconnects).toBeGreaterThan(10);
  }, 180_000);
});
