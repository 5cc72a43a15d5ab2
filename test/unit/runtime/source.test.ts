import { describe, expect, test } from '@jest/globals';
import type { KubeObject } from '../../../src/kube/types.ts';
import { Priority } from '../../../src/runtime/queue.ts';
import type { Priority as PriorityType } from '../../../src/runtime/queue.ts';
import { changePriority, informerSource, resyncSource } from '../../../src/runtime/source.ts';
import { FakeClock } from '../../support/fake-clock.ts';

const object = (name: string, more: Partial<KubeObject['metadata']> = {}): KubeObject => ({
  apiVersion: 'v1', kind: 'ConfigMap',
  metadata: { name, namespace: 'exams', uid: `uid-${name}`, resourceVersion: '1', generation: 1, creationTimestamp: '2026-11-23T10:00:00Z', ...more },
});

/** A cache in memory with the informer's promise: a new handler is told of what is there. */
function cacheOf(...objects: KubeObject[]) {
  const handlers: ((old: KubeObject | undefined, next: KubeObject | undefined) => void)[] = [];
  return {
    list: () => objects,
    onChange: (handler: (typeof handlers)[number]) => {
      handlers.push(handler);
      for (const each of objects) handler(undefined, each);
    },
    change: (old: KubeObject | undefined, next: KubeObject | undefined) => handlers.forEach((handler) => handler(old, next)),
  };
}

describe('a source of keys', () => {
  test('wakes all that exists with low priority, then what changes with that of the change', () => {
    const cache = cacheOf(object('a'), object('b'));
    const woken: [string, PriorityType | undefined][] = [];
    informerSource(cache).start((key, options) => woken.push([key, options?.priority]));
    expect(woken.splice(0)).toEqual([['exams/a', Priority.low], ['exams/b', Priority.low]]);
    cache.change(undefined, object('c'));
    cache.change(object('a'), object('a', { resourceVersion: '2' }));
    expect(woken).toEqual([['exams/c', Priority.high], ['exams/a', Priority.normal]]);
  });

  test('wakes the keys that a change concerns: those it concerned before, too', () => {
    const cache = cacheOf();
    const woken: string[] = [];
    const workerOf = (each: KubeObject | undefined): string[] => [each?.metadata.labels?.['worker'] ?? []].flat();
    informerSource(cache, (old, next) => [...workerOf(old), ...workerOf(next)]).start((key) => woken.push(key));
    cache.change(object('lab', { labels: { worker: 'w1' } }), object('lab', { labels: { worker: 'w2' } }));
    expect(woken).toEqual(['w1', 'w2']);
  });

  test('is silent between two terms, and in the second wakes each key once again', () => {
    const cache = cacheOf(object('a'));
    const source = informerSource(cache);
    const woken: string[] = [];
    source.start((key) => woken.push(`first ${key}`))();
    cache.change(undefined, object('b'));
    source.start((key) => woken.push(`second ${key}`));
    cache.change(undefined, object('c'));
    expect(woken).toEqual(['first exams/a', 'second exams/a', 'second exams/c']);
  });

  test('of resyncs wakes all that exists, again and again until it is stopped', async () => {
    const clock = new FakeClock();
    const woken: string[] = [];
    const stop = resyncSource(cacheOf(object('a')), clock, 1000).start((key) => woken.push(key));
    await clock.advance(3500);
    stop();
    await clock.advance(3500);
    expect(woken).toHaveLength(3);
    expect(clock.pending).toBe(0);
  });
});

test.each([
  ['a new object', undefined, object('a'), Priority.high],
  ['another spec', object('a'), object('a', { generation: 2 }), Priority.high],
  ['a deletion that a finalizer holds', object('a'), object('a', { deletionTimestamp: '2026-11-23T11:00:00Z' }), Priority.high],
  ['an annotation', object('a'), object('a', { annotations: { 'lablet.dev/start': 'true' } }), Priority.high],
  ['a status', object('a'), object('a', { resourceVersion: '2' }), Priority.normal],
  ['a finalizer', object('a'), object('a', { finalizers: ['lablet.dev/session'] }), Priority.normal],
  ['an object that is gone', object('a'), undefined, Priority.normal],
])('the priority of %s', (_, old, next, priority) => {
  expect(changePriority(old, next)).toBe(priority);
});
