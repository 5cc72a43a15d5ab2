import { describe, expect, test } from '@jest/globals';
import type { Informer } from '../../../src/kube/informer.ts';
import { noMetrics } from '../../../src/kube/observe.ts';
import type { ConfigMap } from '../../support/kube-objects.ts';
import { added, bookmark, configMap, deleted, list, modified, refusal, watch, type Answer } from '../../support/scripted-api.ts';
import { scriptedInformer, version } from '../../support/scripted-informer.ts';
import { until } from '../../support/until.ts';

const kit = scriptedInformer();
const quiet = watch([], 'silent');

describe('the answers to our own writes', () => {
  /** An informer that has a and whose watch says what the test sends. */
  async function live(): Promise<{ cache: Informer<ConfigMap>; say: (...lines: object[]) => void; told: string[] }> {
    let say: (...lines: object[]) => void = () => undefined;
    kit.api.on('list', list(10, configMap('a', 5))).on('watch', (response) => {
      response.writeHead(200).flushHeaders();
      say = (...lines) => lines.forEach((line) => response.write(`${JSON.stringify(line)}\n`));
    });
    const told: string[] = [];
    const cache = kit.informer({}, (one) => one.onChange((old, next) => told.push(`${old?.metadata.resourceVersion ?? '-'} → ${next?.metadata.resourceVersion ?? '-'}`)));
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
    kit.api.on('list', list(10, configMap('a', 5)), late).on('watch', watch([], { closeAfterMs: 60 }), refusal(410, 'Expired'), quiet);
    const cache = kit.informer();
    await until('the second list', () => cache.stats.relists === 2);
    expect([version(cache, 'a'), version(cache, 'b')]).toEqual(['21', '22']);
  });
});

describe('the audit', () => {
  test('finds and counts what the watch has missed, and repairs it', async () => {
    const missed: number[] = [];
    // The watch moves on to 30 without a word of b (never told), a (an update lost) and c (its end lost).
    kit.api.on('list', list(10, configMap('a', 5), configMap('c', 6)), list(30, configMap('a', 25), configMap('b', 26)));
    kit.api.on('watch', watch([bookmark(30)], 'silent'), quiet);
    const cache = kit.informer({ auditMs: 50, auditGraceMs: 1000, metrics: { ...noMetrics, missed: (_resource, count) => void missed.push(count) } });
    await until('the repair', () => version(cache, 'a') === '25' && version(cache, 'b') === '26' && cache.get('default/c') === undefined);
    expect(missed).toEqual([3]);
    expect(cache.stats.missed).toBe(3);
    expect(kit.api.seen('list')[1]?.headers.accept).toContain('as=PartialObjectMetadataList');
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
    kit.api.on('list', list(10, configMap('a', 5), configMap('c', 6)), ahead).on('watch', (response) => {
      response.writeHead(200).flushHeaders();
      say = (...lines) => lines.forEach((line) => response.write(`${JSON.stringify(line)}\n`));
    });
    const cache = kit.informer({ auditMs: 30, auditGraceMs: 2000 });
    await until('the change', () => version(cache, 'a') === '25' && audits >= 1);
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(cache.stats).toMatchObject({ relists: 1 });
  });
});
