import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { Informer, type InformerOptions } from '../../../src/kube/informer.ts';
import { noMetrics, silentLogger } from '../../../src/kube/observe.ts';
import { until } from '../../support/until.ts';
import { CONFIG_MAPS, type ConfigMap } from '../../support/kube-objects.ts';
import { ScriptedApi, added, bookmark, configMap, deleted, errorEvent, json, list, modified, noAnswer, refusal, watch, type Answer } from '../../support/scripted-api.ts';

let api: ScriptedApi;
let stop: AbortController;
let running: Promise<void> | undefined;
beforeEach(async () => {
  api = await ScriptedApi.start();
  stop = new AbortController();
  running = undefined;
});
afterEach(async () => {
  stop.abort(new Error('the test is over'));
  await running;
  await api.stop();
});

/** An informer with durations for tests; started. */
function informer(options: InformerOptions<ConfigMap> = {}, prepare: (informer: Informer<ConfigMap>) => void = () => undefined): Informer<ConfigMap> {
  const made = new Informer(api.client(), CONFIG_MAPS, {
    streaming: false,
    backoff: { baseMs: 5, maxMs: 40 },
    shortWatchMs: 30,
    idleMs: 10_000,
    auditMs: 0,
    ...options,
  });
  prepare(made);
  running = made.start(stop.signal);
  return made;
}

const version = (one: Informer<ConfigMap>, name: string): string | undefined => one.get(`default/${name}`)?.metadata.resourceVersion;
const quiet = watch([], 'silent');

describe('a watch that ends is resumed from the last version seen', () => {
  test('after the server closed it', async () => {
    api.on('list', list(10, configMap('a', 5))).on('watch', watch([modified(configMap('a', 11))], 'close'), watch([modified(configMap('a', 12))], 'silent'));
    const cache = informer();
    await until('a is at 12', () => version(cache, 'a') === '12');
    expect(api.seen('watch').map((request) => request.query.get('resourceVersion'))).toEqual(['10', '11']);
    expect(api.seen('list')).toHaveLength(1);
  });

  test('after a bookmark moved it on', async () => {
    api.on('list', list(10)).on('watch', watch([bookmark(90)], 'close'), quiet);
    informer();
    await until('two watches', () => api.seen('watch').length === 2);
    expect(api.seen('watch').map((request) => request.query.get('resourceVersion'))).toEqual(['10', '90']);
    expect(api.seen('watch')[0]?.query.get('allowWatchBookmarks')).toBe('true');
  });

  test('after a reset in the middle of a line, without the half event', async () => {
    const half = JSON.stringify(modified(configMap('a', 12))).slice(0, 60);
    api.on('list', list(10, configMap('a', 5))).on('watch', watch([modified(configMap('a', 11)), half], 'reset'), watch([modified(configMap('a', 12))], 'silent'));
    const cache = informer();
    await until('a is at 12', () => version(cache, 'a') === '12');
    expect(api.seen('watch')[1]?.query.get('resourceVersion')).toBe('11');
    expect(api.seen('list')).toHaveLength(1);
  });

  test('after silence on a connection that looks open, which is no error', async () => {
    const warnings: unknown[] = [];
    api.on('list', list(10, configMap('a', 5))).on('watch', watch([], 'silent'), watch([modified(configMap('a', 12))], 'silent'));
    const cache = informer({ idleMs: 100, logger: { ...silentLogger, warn: (fields) => void warnings.push(fields) } });
    await until('a is at 12', () => version(cache, 'a') === '12');
    expect(api.seen('watch')[1]?.query.get('resourceVersion')).toBe('10');
    expect(warnings).toEqual([]);
    expect(cache.stats).toMatchObject({ relists: 1, lastError: undefined });
  });

  test('each watch asks for an end of its own within the bounds', async () => {
    api.on('list', list(10)).on('watch', watch([bookmark(11)], 'close'));
    informer();
    await until('six watches', () => api.seen('watch').length >= 6);
    const seconds = api.seen('watch').map((request) => Number(request.query.get('timeoutSeconds')));
    expect(Math.min(...seconds)).toBeGreaterThanOrEqual(300);
    expect(Math.max(...seconds)).toBeLessThanOrEqual(600);
    expect(new Set(seconds).size).toBeGreaterThan(1);
  });
});

describe('a version that is too old leads to a new list', () => {
  test.each([
    ['as an HTTP answer', refusal(410, 'Expired')],
    ['as an event', watch([errorEvent(410, 'Expired')], 'close')],
  ])('410 %s', async (_name, gone) => {
    api.on('list', list(10, configMap('a', 5)), list(20, configMap('a', 15))).on('watch', gone, quiet);
    const cache = informer();
    await until('a is at 15', () => version(cache, 'a') === '15');
    await until('the second watch', () => api.seen('watch').length === 2);
    expect(api.seen('watch')[1]?.query.get('resourceVersion')).toBe('20');
    // At least as new as what was seen: a lagging replica of the API server must not take the cache back in time.
    expect(api.seen('list')[1]?.query.get('resourceVersion')).toBe('10');
    expect(api.seen('list')[1]?.query.get('resourceVersionMatch')).toBe('NotOlderThan');
  });

  test('410 for ever makes no storm of lists, and all but one ask for the present', async () => {
    api.on('list', list(10)).on('watch', refusal(410, 'Expired'));
    informer({ backoff: { baseMs: 20, maxMs: 10_000 } });
    await new Promise((resolve) => setTimeout(resolve, 1000));
    // 20 + 40 + 80 + 160 + 320 ms and jitter: six lists fit in a second at most, where a loop without backoff makes hundreds.
    expect(api.seen('list').length).toBeGreaterThanOrEqual(3);
    expect(api.seen('list').length).toBeLessThanOrEqual(7);
    expect(api.seen('list').map((request) => request.query.get('resourceVersion')).filter((asked) => asked !== '')).toEqual(['10']);
  });

  test('a list from an old version that the server no longer has is followed by one of the present', async () => {
    api.on('list', list(10), refusal(410, 'Expired'), list(30, configMap('a', 25))).on('watch', refusal(410, 'Expired'), quiet);
    const cache = informer();
    await until('a is at 25', () => version(cache, 'a') === '25');
    expect(api.seen('list')[2]?.query.get('resourceVersion')).toBe('');
  });

  test('a server that went back in time (restored from a backup) is listed as it is now', async () => {
    const restored = json({ kind: 'Status', code: 504, reason: 'Timeout', message: 'Too large resource version: 900, current: 20', details: { causes: [{ reason: 'ResourceVersionTooLarge' }] } }, 504);
    api.on('list', list(900, configMap('a', 899)), list(20, configMap('a', 15))).on('watch', restored, quiet);
    const cache = informer();
    await until('a is at 15', () => version(cache, 'a') === '15');
    expect(api.seen('list')[1]?.query.get('resourceVersion')).toBe('');
  });
});

describe('failures are waited out, never given up on', () => {
  test.each([
    ['list answers 500', 'list', refusal(500, 'InternalError')],
    ['list answers 403 until somebody adds the role', 'list', refusal(403, 'Forbidden')],
    ['list answers 404 until somebody installs the CRD', 'list', refusal(404, 'NotFound')],
    ['list gets no answer', 'list', noAnswer],
    ['watch answers 500', 'watch', refusal(500, 'InternalError')],
    ['watch answers 429', 'watch', refusal(429, 'TooManyRequests')],
    ['watch gets no answer', 'watch', noAnswer],
  ] as const)('%s', async (_name, kind, failure) => {
    const good = { list: list(10, configMap('a', 5)), watch: watch([modified(configMap('a', 11))], 'silent') };
    api.on('list', good.list).on('watch', good.watch);
    api.on(kind, failure, failure, failure, good[kind]);
    const cache = informer();
    await until('a is at 11', () => version(cache, 'a') === '11');
    // A watch that was refused for a passing reason costs no list.
    expect(api.seen('list')).toHaveLength(kind === 'list' ? 4 : 1);
  });

  test('Retry-After of a refused watch is waited for', async () => {
    const times: number[] = [];
    const timed = (answer: Answer): Answer => (response, request) => {
      times.push(performance.now());
      return answer(response, request);
    };
    api.on('list', list(10)).on('watch', timed(refusal(429, 'TooManyRequests', { 'retry-after': '1' })), timed(quiet));
    informer();
    await until('two watches', () => times.length === 2);
    expect((times[1] ?? 0) - (times[0] ?? 0)).toBeGreaterThanOrEqual(990);
  });

  test('a line that is not JSON leads to a new list', async () => {
    api.on('list', list(10), list(20, configMap('a', 15))).on('watch', watch(['{"type":"ADDED","obj\n'], 'silent'), quiet);
    const cache = informer();
    await until('a is at 15', () => version(cache, 'a') === '15');
    expect(cache.stats.lastError).toContain('not JSON');
  });

  test('a line without end is cut off before it fills the memory', async () => {
    const chunk = 'x'.repeat(64 * 1024);
    let sent = 0;
    const endless: Answer = async (response) => {
      response.writeHead(200);
      while (!response.destroyed) {
        sent += 1;
        response.write(chunk);
        await new Promise(setImmediate);
      }
    };
    api.on('list', list(10), list(20, configMap('a', 15))).on('watch', endless, quiet);
    const cache = informer({ maxLineBytes: 1024 * 1024 });
    await until('a is at 15', () => version(cache, 'a') === '15');
    expect(cache.stats.lastError).toContain('longer than 1048576 bytes');
    expect(sent).toBeLessThan(1000);
  });

  test('a server that closes every watch at once is not stormed', async () => {
    api.on('list', list(10)).on('watch', watch([], 'close'));
    informer({ backoff: { baseMs: 20, maxMs: 10_000 } });
    await new Promise((resolve) => setTimeout(resolve, 1000));
    expect(api.seen('watch').length).toBeLessThanOrEqual(7);
  });

  test('three very short watches from one version, and it is no longer trusted', async () => {
    api.on('list', list(10, configMap('a', 5)), list(20, configMap('a', 15))).on('watch', watch([], 'close'), watch([], 'close'), watch([], 'close'), quiet);
    const cache = informer();
    await until('a is at 15', () => version(cache, 'a') === '15');
    expect(api.seen('watch').map((request) => request.query.get('resourceVersion')).slice(0, 3)).toEqual(['10', '10', '10']);
    expect(api.seen('list').map((request) => request.query.get('resourceVersion'))).toEqual(['', '']);
  });

  test('a server that closes every 100 ms delivers everything all the same', async () => {
    const rounds = Array.from({ length: 8 }, (_, round) => watch([modified(configMap('a', 11 + round))], { closeAfterMs: 100 }));
    api.on('list', list(10, configMap('a', 5))).on('watch', ...rounds, quiet);
    const cache = informer();
    await until('a is at 18', () => version(cache, 'a') === '18');
    expect(api.seen('watch').slice(0, 8).map((request) => request.query.get('resourceVersion'))).toEqual(['10', '11', '12', '13', '14', '15', '16', '17']);
    expect(api.seen('list')).toHaveLength(1);
  });
});

describe('what changed during a gap', () => {
  test('an object that was deleted meanwhile is told as deleted, with its last known state', async () => {
    const told: string[] = [];
    api.on('list', list(10, configMap('a', 5), configMap('b', 6)), list(20, configMap('b', 6))).on('watch', refusal(410, 'Expired'), quiet);
    const cache = informer({}, (one) => one.onChange((old, next) => told.push(`${old?.metadata.name ?? '-'} → ${next?.metadata.name ?? '-'}`)));
    await until('a is gone', () => cache.hasSynced() && cache.get('default/a') === undefined);
    expect(told).toEqual(['- → a', '- → b', 'a → -']);
  });

  test('an object that was deleted and made again is told as deleted and added', async () => {
    const told: string[] = [];
    api.on('list', list(10, configMap('a', 5, {}, 'first')), list(20, configMap('a', 15, {}, 'second'))).on('watch', refusal(410, 'Expired'), quiet);
    informer({}, (one) => one.onChange((old, next) => told.push(`${old?.metadata.uid ?? '-'} → ${next?.metadata.uid ?? '-'}`)));
    await until('three changes', () => told.length === 3);
    expect(told).toEqual(['- → first', 'first → -', '- → second']);
  });

  test('handlers see the whole new list in the cache, never a part of it', async () => {
    const sizes: number[] = [];
    api.on('list', list(10, configMap('a', 1), configMap('b', 2), configMap('c', 3))).on('watch', quiet);
    const cache = informer({}, (one) => one.onChange(() => sizes.push(one.list().length)));
    await cache.waitForSync();
    expect(sizes).toEqual([3, 3, 3]);
  });
});

describe('lists', () => {
  test('come in pages of one version, and appear at once', async () => {
    const page = (items: ConfigMap[], token?: string): Answer => json({ kind: 'ConfigMapList', metadata: { resourceVersion: '10', continue: token }, items });
    let sizeAtSecondPage = -1;
    const cache = informer({ pageSize: 2 }, (one) => {
      api
        .on('list', page([configMap('a', 1), configMap('b', 2)], 'p2'), (response, request) => {
          sizeAtSecondPage = one.list().length;
          return page([configMap('c', 3)])(response, request);
        })
        .on('watch', quiet);
    });
    await cache.waitForSync();
    expect(sizeAtSecondPage).toBe(0);
    expect(cache.list().map((object) => object.metadata.name)).toEqual(['a', 'b', 'c']);
    expect(api.seen('list').map((request) => [request.query.get('limit'), request.query.get('continue')])).toEqual([['2', null], ['2', 'p2']]);
    await until('the watch', () => api.seen('watch').length === 1);
    expect(api.seen('watch')[0]?.query.get('resourceVersion')).toBe('10');
  });

  test('a page whose token has expired is followed by a whole list of the present', async () => {
    const first = json({ kind: 'ConfigMapList', metadata: { resourceVersion: '10', continue: 'p2' }, items: [configMap('a', 1)] });
    api.on('list', first, refusal(410, 'Expired'), list(20, configMap('b', 2))).on('watch', quiet);
    const cache = informer();
    await cache.waitForSync();
    expect(cache.list().map((object) => object.metadata.name)).toEqual(['b']);
  });

  const end = { 'k8s.io/initial-events-end': 'true' };

  test('come as a stream where the server can, and go over into the watch on the same connection', async () => {
    api.on('watch', watch([added(configMap('a', 7)), added(configMap('b', 3)), bookmark(10, end), modified(configMap('a', 11))], 'silent'));
    const cache = informer({ streaming: true });
    await until('a is at 11', () => version(cache, 'a') === '11');
    expect(version(cache, 'b')).toBe('3');
    expect(api.seen('list')).toEqual([]);
    expect(api.seen('watch')).toHaveLength(1);
    expect(Object.fromEntries(api.seen('watch')[0]?.query ?? [])).toMatchObject({ sendInitialEvents: 'true', resourceVersionMatch: 'NotOlderThan', resourceVersion: '', allowWatchBookmarks: 'true' });
  });

  test('a stream that breaks before its end leaves nothing behind, and its versions are not used', async () => {
    api.on('watch', watch([added(configMap('half', 99))], 'reset'), quiet).on('list', list(10, configMap('a', 5)));
    const cache = informer({ streaming: true });
    await cache.waitForSync();
    expect(cache.list().map((object) => object.metadata.name)).toEqual(['a']);
    await until('the second watch', () => api.seen('watch').length === 2);
    expect(api.seen('watch')[1]?.query.get('resourceVersion')).toBe('10');
  });

  test('an older server is not asked for streams again', async () => {
    api.on('watch', refusal(422, 'Invalid'), refusal(410, 'Expired'), quiet).on('list', list(10), list(20, configMap('a', 15)));
    const cache = informer({ streaming: true });
    await until('a is at 15', () => version(cache, 'a') === '15');
    await until('three watches', () => api.seen('watch').length === 3);
    expect(api.seen('watch').map((request) => request.query.has('sendInitialEvents'))).toEqual([true, false, false]);
  });
});

describe('handlers', () => {
  test('one that throws is counted, and neither the watch nor the others suffer', async () => {
    let errors = 0;
    const told: string[] = [];
    api.on('list', list(10, configMap('a', 5))).on('watch', watch([modified(configMap('a', 11)), deleted(configMap('a', 12))], 'silent'));
    informer({ metrics: { ...noMetrics, handlerError: () => void (errors += 1) } }, (one) => {
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
    api.on('list', list(10, configMap('a', 5))).on('watch', quiet);
    const cache = informer({ metrics: { ...noMetrics, handlerError: () => void (errors += 1) } }, (one) =>
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
    api.on('list', list(10, configMap('a', 5))).on('watch', quiet);
    const cache = informer();
    await cache.waitForSync();
    const told: string[] = [];
    cache.onChange((old, next) => told.push(`${old?.metadata.name ?? '-'} → ${next?.metadata.name ?? '-'}`));
    expect(told).toEqual(['- → a']);
  });
});

describe('starting and stopping', () => {
  test('started twice, it has one watch', async () => {
    api.on('list', list(10)).on('watch', quiet);
    const cache = informer();
    expect(cache.start(stop.signal)).toBe(running);
    await until('a watch', () => api.openWatches === 1);
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(api.openWatches).toBe(1);
    expect(api.seen('list')).toHaveLength(1);
  });

  test('stopped, it closes its watch and asks for nothing more', async () => {
    api.on('list', list(10)).on('watch', quiet);
    informer();
    await until('a watch', () => api.openWatches === 1);
    stop.abort(new Error('enough'));
    await running;
    await until('no watch', () => api.openWatches === 0);
    const asked = api.requests.length;
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(api.requests).toHaveLength(asked);
  });

  test('stopped during a backoff, it stops at once', async () => {
    api.on('list', refusal(503, 'ServiceUnavailable')).on('watch', quiet);
    const cache = informer({ backoff: { baseMs: 3_600_000, maxMs: 3_600_000 } });
    await until('the backoff', () => cache.stats.phases[0] === 'waiting');
    stop.abort(new Error('enough'));
    await running;
    expect(cache.stats.phases).toEqual(['stopped']);
  });

  test('waiting for the first list ends with the signal', async () => {
    api.on('list', refusal(503, 'ServiceUnavailable'));
    const cache = informer();
    await expect(cache.waitForSync(AbortSignal.timeout(50))).rejects.toMatchObject({ name: 'TimeoutError' });
    expect(cache.hasSynced()).toBe(false);
  });
});

describe('the answers to our own writes', () => {
  /** An informer that has a and whose watch says what the test sends. */
  async function live(): Promise<{ cache: Informer<ConfigMap>; say: (...lines: object[]) => void; told: string[] }> {
    let say: (...lines: object[]) => void = () => undefined;
    api.on('list', list(10, configMap('a', 5))).on('watch', (response) => {
      response.writeHead(200).flushHeaders();
      say = (...lines) => lines.forEach((line) => response.write(`${JSON.stringify(line)}\n`));
    });
    const told: string[] = [];
    const cache = informer({}, (one) => one.onChange((old, next) => told.push(`${old?.metadata.resourceVersion ?? '-'} → ${next?.metadata.resourceVersion ?? '-'}`)));
    await until('the watch', () => cache.stats.phases[0] === 'watching');
    return { cache, say: (...lines) => say(...lines), told };
  }

  test('are in the cache at once, and the watch tells them to nobody a second time', async () => {
    const { cache, say, told } = await live();
    cache.observe(configMap('a', 12));
    expect(version(cache, 'a')).toBe('12');
    say(modified(configMap('a', 11)), modified(configMap('a', 12)), modified(configMap('a', 13)));
    await until('a is at 13', () => version(cache, 'a') === '13');
    expect(told).toEqual(['- → 5', '5 → 12', '12 → 13']);
  });

  test('never take the cache back', async () => {
    const { cache, say } = await live();
    say(modified(configMap('a', 20)));
    await until('a is at 20', () => version(cache, 'a') === '20');
    cache.observe(configMap('a', 15));
    expect(version(cache, 'a')).toBe('20');
  });

  test('never bring back what the watch has seen deleted', async () => {
    const { cache, say } = await live();
    say(deleted(configMap('a', 21)));
    await until('a is gone', () => cache.get('default/a') === undefined);
    cache.observe(configMap('a', 20));
    expect(cache.get('default/a')).toBeUndefined();
  });

  test('a new object is there at once, and goes when the watch says so', async () => {
    const { cache, say } = await live();
    cache.observe(configMap('b', 30));
    expect(version(cache, 'b')).toBe('30');
    say(added(configMap('b', 30)), deleted(configMap('b', 31)));
    await until('b is gone', () => cache.get('default/b') === undefined);
  });

  test('made again under the same name, the new object outlives the news of the end of the old one', async () => {
    const { cache, say, told } = await live();
    cache.observe(configMap('a', 40, {}, 'second'));
    say(deleted(configMap('a', 39)), bookmark(39));
    await until('the bookmark', () => (cache.stats.lastEventAt ?? 0) > 0);
    say(added(configMap('a', 40, {}, 'second')), modified(configMap('a', 41, {}, 'second')));
    await until('a is at 41', () => version(cache, 'a') === '41');
    expect(told).toEqual(['- → 5', '5 → -', '- → 40', '40 → 41']);
  });

  test('survive a list that was taken before them', async () => {
    const late: Answer = (response, request) => {
      cache.observe(configMap('a', 21));
      cache.observe(configMap('b', 22));
      return list(20, configMap('a', 5))(response, request);
    };
    api.on('list', list(10, configMap('a', 5)), late).on('watch', watch([], { closeAfterMs: 60 }), refusal(410, 'Expired'), quiet);
    const cache = informer();
    await until('the second list', () => cache.stats.relists === 2);
    expect([version(cache, 'a'), version(cache, 'b')]).toEqual(['21', '22']);
  });
});

describe('the audit', () => {
  test('finds and counts what the watch has missed, and repairs it', async () => {
    const missed: number[] = [];
    // The watch moves on to 30 without a word of b (never told), a (an update lost) and c (its end lost).
    api.on('list', list(10, configMap('a', 5), configMap('c', 6)), list(30, configMap('a', 25), configMap('b', 26)));
    api.on('watch', watch([bookmark(30)], 'silent'), quiet);
    const cache = informer({ auditMs: 50, auditGraceMs: 1000, metrics: { ...noMetrics, missed: (_resource, count) => void missed.push(count) } });
    await until('the repair', () => version(cache, 'a') === '25' && version(cache, 'b') === '26' && cache.get('default/c') === undefined);
    expect(missed).toEqual([3]);
    expect(cache.stats.missed).toBe(3);
    expect(api.seen('list')[1]?.headers.accept).toContain('as=PartialObjectMetadataList');
  });

  test('takes a change on its way for what it is', async () => {
    let say: (...lines: object[]) => void = () => undefined;
    let audits = 0;
    const ahead: Answer = (response, request) => {
      audits += 1;
      // The list knows of 25 before the watch has brought it.
      if (audits === 1) setTimeout(() => say(modified(configMap('a', 25)), deleted(configMap('c', 26)), bookmark(30)), 50);
      return list(24, configMap('a', 25), configMap('c', 6))(response, request);
    };
    api.on('list', list(10, configMap('a', 5), configMap('c', 6)), ahead).on('watch', (response) => {
      response.writeHead(200).flushHeaders();
      say = (...lines) => lines.forEach((line) => response.write(`${JSON.stringify(line)}\n`));
    });
    const cache = informer({ auditMs: 30, auditGraceMs: 2000 });
    await until('the change', () => version(cache, 'a') === '25' && audits >= 1);
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(cache.stats).toMatchObject({ relists: 1 });
  });
});

describe('scopes', () => {
  test('two namespaces have a watch each and share one cache', async () => {
    const other: ConfigMap = { ...configMap('a', 6), metadata: { ...configMap('a', 6, {}, 'other').metadata, namespace: 'other' } };
    const byNamespace: Answer = (response, request) => list(10, request.path.includes('/other/') ? other : configMap('a', 5))(response, request);
    api.on('list', byNamespace).on('watch', quiet);
    const cache = informer({ namespaces: ['default', 'other'] });
    await cache.waitForSync();
    expect(cache.list().map((object) => object.metadata.uid).sort()).toEqual(['a', 'other']);
    expect(api.seen('list').map((request) => request.path).sort()).toEqual(['/api/v1/namespaces/default/configmaps', '/api/v1/namespaces/other/configmaps']);
  });

  test('managedFields are dropped, and what prune drops', async () => {
    const fat = { ...configMap('a', 5, { secret: 'x' }), metadata: { ...configMap('a', 5).metadata, managedFields: [{ manager: 'kubectl' }] } };
    api.on('list', list(10, fat)).on('watch', quiet);
    const cache = informer({ prune: ({ apiVersion, kind, metadata }) => ({ apiVersion, kind, metadata }) });
    await cache.waitForSync();
    expect(cache.get('default/a')).toEqual({ apiVersion: 'v1', kind: 'ConfigMap', metadata: configMap('a', 5).metadata });
  });
});
