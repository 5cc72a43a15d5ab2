import { describe, expect, test } from '@jest/globals';
import { silentLogger } from '../../../src/kube/observe.ts';
import { bookmark, configMap, errorEvent, json, list, modified, noAnswer, refusal, watch, type Answer } from '../../support/scripted-api.ts';
import { scriptedInformer, version } from '../../support/scripted-informer.ts';
import { until } from '../../support/until.ts';

const kit = scriptedInformer();
const quiet = watch([], 'silent');

describe('a watch that ends is resumed from the last version seen', () => {
  test('after the server closed it', async () => {
    kit.api.on('list', list(10, configMap('a', 5))).on('watch', watch([modified(configMap('a', 11))], 'close'), watch([modified(configMap('a', 12))], 'silent'));
    const cache = kit.informer();
    await until('a is at 12', () => version(cache, 'a') === '12');
    expect(kit.api.seen('watch').map((request) => request.query.get('resourceVersion'))).toEqual(['10', '11']);
    expect(kit.api.seen('list')).toHaveLength(1);
  });

  test('after a bookmark moved it on', async () => {
    kit.api.on('list', list(10)).on('watch', watch([bookmark(90)], 'close'), quiet);
    kit.informer();
    await until('two watches', () => kit.api.seen('watch').length === 2);
    expect(kit.api.seen('watch').map((request) => request.query.get('resourceVersion'))).toEqual(['10', '90']);
    expect(kit.api.seen('watch')[0]?.query.get('allowWatchBookmarks')).toBe('true');
  });

  test('after a reset in the middle of a line, without the half event', async () => {
    const half = JSON.stringify(modified(configMap('a', 12))).slice(0, 60);
    kit.api.on('list', list(10, configMap('a', 5))).on('watch', watch([modified(configMap('a', 11)), half], 'reset'), watch([modified(configMap('a', 12))], 'silent'));
    const cache = kit.informer();
    await until('a is at 12', () => version(cache, 'a') === '12');
    expect(kit.api.seen('watch')[1]?.query.get('resourceVersion')).toBe('11');
    expect(kit.api.seen('list')).toHaveLength(1);
  });

  test('after silence on a connection that looks open, which is no error', async () => {
    const warnings: unknown[] = [];
    kit.api.on('list', list(10, configMap('a', 5))).on('watch', watch([], 'silent'), watch([modified(configMap('a', 12))], 'silent'));
    const cache = kit.informer({ idleMs: 100, logger: { ...silentLogger, warn: (fields) => void warnings.push(fields) } });
    await until('a is at 12', () => version(cache, 'a') === '12');
    expect(kit.api.seen('watch')[1]?.query.get('resourceVersion')).toBe('10');
    expect(warnings).toEqual([]);
    expect(cache.stats).toMatchObject({ relists: 1, lastError: undefined });
  });

  test('each watch asks for an end of its own within the bounds', async () => {
    kit.api.on('list', list(10)).on('watch', watch([bookmark(11)], 'close'));
    kit.informer();
    await until('six watches', () => kit.api.seen('watch').length >= 6);
    const seconds = kit.api.seen('watch').map((request) => Number(request.query.get('timeoutSeconds')));
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
    kit.api.on('list', list(10, configMap('a', 5)), list(20, configMap('a', 15))).on('watch', gone, quiet);
    const cache = kit.informer();
    await until('a is at 15', () => version(cache, 'a') === '15');
    await until('the second watch', () => kit.api.seen('watch').length === 2);
    expect(kit.api.seen('watch')[1]?.query.get('resourceVersion')).toBe('20');
    // At least as new as what was seen: a lagging replica of the API server must not take the cache back in time.
    expect(kit.api.seen('list')[1]?.query.get('resourceVersion')).toBe('10');
    expect(kit.api.seen('list')[1]?.query.get('resourceVersionMatch')).toBe('NotOlderThan');
  });

  test('410 for ever makes no storm of lists, and all but one ask for the present', async () => {
    kit.api.on('list', list(10)).on('watch', refusal(410, 'Expired'));
    kit.informer({ backoff: { baseMs: 20, maxMs: 10_000 } });
    await new Promise((resolve) => setTimeout(resolve, 1000));
    // 20 + 40 + 80 + 160 + 320 ms and jitter: six lists fit in a second at most, where a loop without backoff makes hundreds.
    expect(kit.api.seen('list').length).toBeGreaterThanOrEqual(3);
    expect(kit.api.seen('list').length).toBeLessThanOrEqual(7);
    expect(kit.api.seen('list').map((request) => request.query.get('resourceVersion')).filter((asked) => asked !== '')).toEqual(['10']);
  });

  test('a list from an old version that the server no longer has is followed by one of the present', async () => {
    kit.api.on('list', list(10), refusal(410, 'Expired'), list(30, configMap('a', 25))).on('watch', refusal(410, 'Expired'), quiet);
    const cache = kit.informer();
    await until('a is at 25', () => version(cache, 'a') === '25');
    expect(kit.api.seen('list')[2]?.query.get('resourceVersion')).toBe('');
  });

  test('a server that went back in time (restored from a backup) is listed as it is now', async () => {
    const restored = json({ kind: 'Status', code: 504, reason: 'Timeout', message: 'Too large resource version: 900, current: 20', details: { causes: [{ reason: 'ResourceVersionTooLarge' }] } }, 504);
    kit.api.on('list', list(900, configMap('a', 899)), list(20, configMap('a', 15))).on('watch', restored, quiet);
    const cache = kit.informer();
    await until('a is at 15', () => version(cache, 'a') === '15');
    expect(kit.api.seen('list')[1]?.query.get('resourceVersion')).toBe('');
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
    kit.api.on('list', good.list).on('watch', good.watch);
    kit.api.on(kind, failure, failure, failure, good[kind]);
    const cache = kit.informer();
    await until('a is at 11', () => version(cache, 'a') === '11');
    // A watch that was refused for a passing reason costs no list.
    expect(kit.api.seen('list')).toHaveLength(kind === 'list' ? 4 : 1);
  });

  test('Retry-After of a refused watch is waited for', async () => {
    const times: number[] = [];
    const timed = (answer: Answer): Answer => (response, request) => {
      times.push(performance.now());
      return answer(response, request);
    };
    kit.api.on('list', list(10)).on('watch', timed(refusal(429, 'TooManyRequests', { 'retry-after': '1' })), timed(quiet));
    kit.informer();
    await until('two watches', () => times.length === 2);
    expect((times[1] ?? 0) - (times[0] ?? 0)).toBeGreaterThanOrEqual(990);
  });

  test('a line that is not JSON leads to a new list', async () => {
    kit.api.on('list', list(10), list(20, configMap('a', 15))).on('watch', watch(['{"type":"ADDED","obj\n'], 'silent'), quiet);
    const cache = kit.informer();
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
    kit.api.on('list', list(10), list(20, configMap('a', 15))).on('watch', endless, quiet);
    const cache = kit.informer({ maxLineBytes: 1024 * 1024 });
    await until('a is at 15', () => version(cache, 'a') === '15');
    expect(cache.stats.lastError).toContain('longer than 1048576 bytes');
    expect(sent).toBeLessThan(1000);
  });

  test('a server that closes every watch at once is not stormed', async () => {
    kit.api.on('list', list(10)).on('watch', watch([], 'close'));
    kit.informer({ backoff: { baseMs: 20, maxMs: 10_000 } });
    await new Promise((resolve) => setTimeout(resolve, 1000));
    expect(kit.api.seen('watch').length).toBeLessThanOrEqual(7);
  });

  test('three very short watches from one version, and it is no longer trusted', async () => {
    kit.api.on('list', list(10, configMap('a', 5)), list(20, configMap('a', 15))).on('watch', watch([], 'close'), watch([], 'close'), watch([], 'close'), quiet);
    const cache = kit.informer();
    await until('a is at 15', () => version(cache, 'a') === '15');
    expect(kit.api.seen('watch').map((request) => request.query.get('resourceVersion')).slice(0, 3)).toEqual(['10', '10', '10']);
    expect(kit.api.seen('list').map((request) => request.query.get('resourceVersion'))).toEqual(['', '']);
  });

  test('a server that closes every 100 ms delivers everything all the same', async () => {
    const rounds = Array.from({ length: 8 }, (_, round) => watch([modified(configMap('a', 11 + round))], { closeAfterMs: 100 }));
    kit.api.on('list', list(10, configMap('a', 5))).on('watch', ...rounds, quiet);
    const cache = kit.informer();
    await until('a is at 18', () => version(cache, 'a') === '18');
    expect(kit.api.seen('watch').slice(0, 8).map((request) => request.query.get('resourceVersion'))).toEqual(['10', '11', '12', '13', '14', '15', '16', '17']);
    expect(kit.api.seen('list')).toHaveLength(1);
  });
});
