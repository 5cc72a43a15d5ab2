import { describe, expect, test } from '@jest/globals';
import { noMetrics } from '../../../src/kube/observe.ts';
import type { ConfigMap } from '../../support/kube-objects.ts';
import { added, bookmark, configMap, deleted, json, list, modified, refusal, watch, type Answer } from '../../support/scripted-api.ts';
import { scriptedInformer, version } from '../../support/scripted-informer.ts';
import { until } from '../../support/until.ts';

const kit = scriptedInformer();
const quiet = watch([], 'silent');

describe('what changed during a gap', () => {
  test('an object that was deleted meanwhile is told as deleted, with its last known state', async () => {
    const told: string[] = [];
    kit.api.on('list', list(10, configMap('a', 5), configMap('b', 6)), list(20, configMap('b', 6))).on('watch', refusal(410, 'Expired'), quiet);
    const cache = kit.informer({}, (one) => one.onChange((old, next) => told.push(`${old?.metadata.name ?? '-'} → ${next?.metadata.name ?? '-'}`)));
    await until('a is gone', () => cache.hasSynced() && cache.get('default/a') === undefined);
    expect(told).toEqual(['- → a', '- → b', 'a → -']);
  });

  test('an object that was deleted and made again is told as deleted and added', async () => {
    const told: string[] = [];
    kit.api.on('list', list(10, configMap('a', 5, {}, 'first')), list(20, configMap('a', 15, {}, 'second'))).on('watch', refusal(410, 'Expired'), quiet);
    kit.informer({}, (one) => one.onChange((old, next) => told.push(`${old?.metadata.uid ?? '-'} → ${next?.metadata.uid ?? '-'}`)));
    await until('three changes', () => told.length === 3);
    expect(told).toEqual(['- → first', 'first → -', '- → second']);
  });

  test('handlers see the whole new list in the cache, never a part of it', async () => {
    const sizes: number[] = [];
    kit.api.on('list', list(10, configMap('a', 1), configMap('b', 2), configMap('c', 3))).on('watch', quiet);
    const cache = kit.informer({}, (one) => one.onChange(() => sizes.push(one.list().length)));
    await cache.waitForSync();
    expect(sizes).toEqual([3, 3, 3]);
  });
});

describe('lists', () => {
  test('come in pages of one version, and appear at once', async () => {
    const page = (items: ConfigMap[], token?: string): Answer => json({ kind: 'ConfigMapList', metadata: { resourceVersion: '10', continue: token }, items });
    let sizeAtSecondPage = -1;
    const cache = kit.informer({ pageSize: 2 }, (one) => {
      kit.api
        .on('list', page([configMap('a', 1), configMap('b', 2)], 'p2'), (response, request) => {
          sizeAtSecondPage = one.list().length;
          return page([configMap('c', 3)])(response, request);
        })
        .on('watch', quiet);
    });
    await cache.waitForSync();
    expect(sizeAtSecondPage).toBe(0);
    expect(cache.list().map((object) => object.metadata.name)).toEqual(['a', 'b', 'c']);
    expect(kit.api.seen('list').map((request) => [request.query.get('limit'), request.query.get('continue')])).toEqual([['2', null], ['2', 'p2']]);
    await until('the watch', () => kit.api.seen('watch').length === 1);
    expect(kit.api.seen('watch')[0]?.query.get('resourceVersion')).toBe('10');
  });

  test('a page whose token has expired is followed by a whole list of the present', async () => {
    const first = json({ kind: 'ConfigMapList', metadata: { resourceVersion: '10', continue: 'p2' }, items: [configMap('a', 1)] });
    kit.api.on('list', first, refusal(410, 'Expired'), list(20, configMap('b', 2))).on('watch', quiet);
    const cache = kit.informer();
    await cache.waitForSync();
    expect(cache.list().map((object) => object.metadata.name)).toEqual(['b']);
  });

  const end = { 'k8s.io/initial-events-end': 'true' };

  test('come as a stream where the server can, and go over into the watch on the same connection', async () => {
    kit.api.on('watch', watch([added(configMap('a', 7)), added(configMap('b', 3)), bookmark(10, end), modified(configMap('a', 11))], 'silent'));
    const cache = kit.informer({ streaming: true });
    await until('a is at 11', () => version(cache, 'a') === '11');
    expect(version(cache, 'b')).toBe('3');
    expect(kit.api.seen('list')).toEqual([]);
    expect(kit.api.seen('watch')).toHaveLength(1);
    expect(Object.fromEntries(kit.api.seen('watch')[0]?.query ?? [])).toMatchObject({ sendInitialEvents: 'true', resourceVersionMatch: 'NotOlderThan', resourceVersion: '', allowWatchBookmarks: 'true' });
  });

  test('a stream that breaks before its end leaves nothing behind, and its versions are not used', async () => {
    kit.api.on('watch', watch([added(configMap('half', 99))], 'reset'), quiet).on('list', list(10, configMap('a', 5)));
    const cache = kit.informer({ streaming: true });
    await cache.waitForSync();
    expect(cache.list().map((object) => object.metadata.name)).toEqual(['a']);
    await until('the second watch', () => kit.api.seen('watch').length === 2);
    expect(kit.api.seen('watch')[1]?.query.get('resourceVersion')).toBe('10');
  });

  test('an older server is not asked for streams again', async () => {
    kit.api.on('watch', refusal(422, 'Invalid'), refusal(410, 'Expired'), quiet).on('list', list(10), list(20, configMap('a', 15)));
    const cache = kit.informer({ streaming: true });
    await until('a is at 15', () => version(cache, 'a') === '15');
    await until('three watches', () => kit.api.seen('watch').length === 3);
    expect(kit.api.seen('watch').map((request) => request.query.has('sendInitialEvents'))).toEqual([true, false, false]);
  });
});

describe('handlers', () => {
  test('one that throws is counted, and neither the watch nor the others suffer', async () => {
    let errors = 0;
    const told: string[] = [];
    kit.api.on('list', list(10, configMap('a', 5))).on('watch', watch([modified(configMap('a', 11)), deleted(configMap('a', 12))], 'silent'));
    kit.informer({ metrics: { ...noMetrics, handlerError: () => void (errors += 1) } }, (one) => {
      one.onChange(() => {
        throw new Error('a bug in a handler');
      });
      one.onChange((old, next) => told.push(`${old?.metadata.resourceVersion ?? '-'} → ${next?.metadata.resourceVersion ?? '-'}`));
    });
    await until('three changes', () => told.length === 3);
    expect(told).toEqual(['- → 5', '5 → 11', '11 → -']);
    expect(errors).toBe(3);
  });

  test('an index function that throws leaves the object in the cache', async () => {
    let errors = 0;
    kit.api.on('list', list(10, configMap('a', 5))).on('watch', quiet);
    const cache = kit.informer({ metrics: { ...noMetrics, handlerError: () => void (errors += 1) } }, (one) =>
      one.addIndex('broken', () => {
        throw new Error('a bug in an index');
      }),
    );
    await cache.waitForSync();
    expect(version(cache, 'a')).toBe('5');
    expect(cache.byIndex('broken', 'x')).toEqual([]);
    expect(errors).toBe(1);
  });

  test('one that comes late is told of what is there', async () => {
    kit.api.on('list', list(10, configMap('a', 5))).on('watch', quiet);
    const cache = kit.informer();
    await cache.waitForSync();
    const told: string[] = [];
    cache.onChange((old, next) => told.push(`${old?.metadata.name ?? '-'} → ${next?.metadata.name ?? '-'}`));
    expect(told).toEqual(['- → a']);
  });
});

describe('starting and stopping', () => {
  test('started twice, it has one watch', async () => {
    kit.api.on('list', list(10)).on('watch', quiet);
    const cache = kit.informer();
    expect(cache.start(kit.stop.signal)).toBe(kit.running);
    await until('a watch', () => kit.api.openWatches === 1);
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(kit.api.openWatches).toBe(1);
    expect(kit.api.seen('list')).toHaveLength(1);
  });

  test('stopped, it closes its watch and asks for nothing more', async () => {
    kit.api.on('list', list(10)).on('watch', quiet);
    kit.informer();
    await until('a watch', () => kit.api.openWatches === 1);
    kit.stop.abort(new Error('enough'));
    await kit.running;
    await until('no watch', () => kit.api.openWatches === 0);
    const asked = kit.api.requests.length;
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(kit.api.requests).toHaveLength(asked);
  });

  test('stopped during a backoff, it stops at once', async () => {
    kit.api.on('list', refusal(503, 'ServiceUnavailable')).on('watch', quiet);
    const cache = kit.informer({ backoff: { baseMs: 3_600_000, maxMs: 3_600_000 } });
    await until('the backoff', () => cache.stats.phases[0] === 'waiting');
    kit.stop.abort(new Error('enough'));
    await kit.running;
    expect(cache.stats.phases).toEqual(['stopped']);
  });

  test('waiting for the first list ends with the signal', async () => {
    kit.api.on('list', refusal(503, 'ServiceUnavailable'));
    const cache = kit.informer();
    await expect(cache.waitForSync(AbortSignal.timeout(50))).rejects.toMatchObject({ name: 'TimeoutError' });
    expect(cache.hasSynced()).toBe(false);
  });
});

describe('scopes', () => {
  test('two namespaces have a watch each and share one cache', async () => {
    const other: ConfigMap = { ...configMap('a', 6), metadata: { ...configMap('a', 6, {}, 'other').metadata, namespace: 'other' } };
    const byNamespace: Answer = (response, request) => list(10, request.path.includes('/other/') ? other : configMap('a', 5))(response, request);
    kit.api.on('list', byNamespace).on('watch', quiet);
    const cache = kit.informer({ namespaces: ['default', 'other'] });
    await cache.waitForSync();
    expect(cache.list().map((object) => object.metadata.uid).sort()).toEqual(['a', 'other']);
    expect(kit.api.seen('list').map((request) => request.path).sort()).toEqual(['/api/v1/namespaces/default/configmaps', '/api/v1/namespaces/other/configmaps']);
  });

  test('managedFields are dropped, and what prune drops', async () => {
    const fat = { ...configMap('a', 5, { secret: 'x' }), metadata: { ...configMap('a', 5).metadata, managedFields: [{ manager: 'kubectl' }] } };
    kit.api.on('list', list(10, fat)).on('watch', quiet);
    const cache = kit.informer({ prune: ({ apiVersion, kind, metadata }) => ({ apiVersion, kind, metadata }) });
    await cache.waitForSync();
    expect(cache.get('default/a')).toEqual({ apiVersion: 'v1', kind: 'ConfigMap', metadata: configMap('a', 5).metadata });
  });
});
