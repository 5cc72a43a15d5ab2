import { describe, expect, test } from '@jest/globals';
import { Priority, WorkQueue } from '../../../src/runtime/queue.ts';
import { FakeClock } from '../../support/fake-clock.ts';

function setUp(fairness?: number) {
  const clock = new FakeClock();
  const queue = new WorkQueue({ clock, ...(fairness === undefined ? {} : { fairness }) });
  /** The keys that can be taken now, in order; each is given back at once. */
  const drain = async (): Promise<string[]> => {
    const keys: string[] = [];
    while (queue.stats().ready > 0) {
      const item = await queue.take();
      if (!item) break;
      keys.push(item.key);
      queue.done(item.key);
    }
    return keys;
  };
  return { clock, queue, drain };
}

describe('a work queue', () => {
  test('hands out a key once, however often it was added', async () => {
    const { queue, drain } = setUp();
    for (let n = 0; n < 1000; n++) queue.add('a');
    expect(await drain()).toEqual(['a']);
  });

  test('keys of one priority come in the order in which they were added', async () => {
    const { queue, drain } = setUp();
    for (const key of ['c', 'a', 'b']) queue.add(key);
    expect(await drain()).toEqual(['c', 'a', 'b']);
  });

  test('a key that is added 1,000 times while it is worked on comes back exactly once', async () => {
    const { queue, drain } = setUp();
    queue.add('a');
    await queue.take();
    for (let n = 0; n < 1000; n++) queue.add('a');
    expect(queue.stats()).toMatchObject({ ready: 0, delayed: 0, running: 1 });
    queue.done('a');
    expect(await drain()).toEqual(['a']);
  });

  test('a delayed key comes when its time has come, not before', async () => {
    const { clock, queue, drain } = setUp();
    queue.add('a', { delayMs: 100 });
    await clock.advance(99);
    expect(await drain()).toEqual([]);
    await clock.advance(1);
    expect(await drain()).toEqual(['a']);
  });

  test('of two times for one key the earlier counts', async () => {
    const { clock, queue, drain } = setUp();
    queue.add('a', { delayMs: 100 });
    queue.add('a', { delayMs: 3_600_000 });
    queue.add('b', { delayMs: 3_600_000 });
    queue.add('b', { delayMs: 50 });
    await clock.advance(100);
    expect(await drain()).toEqual(['b', 'a']);
    expect(clock.pending).toBe(0);
  });

  test('of two priorities for one key the higher counts, and it keeps its place in the row', async () => {
    const { queue, drain } = setUp();
    queue.add('first', { priority: Priority.low });
    queue.add('high', { priority: Priority.high });
    queue.add('first', { priority: Priority.high });
    queue.add('high', { priority: Priority.low });
    expect(await drain()).toEqual(['first', 'high']);
  });

  test('what an event wakes overtakes a restart storm', async () => {
    const { queue, drain } = setUp();
    for (let n = 0; n < 3; n++) queue.add(`listed-${n}`, { priority: Priority.low });
    queue.add('retried');
    queue.add('woken', { priority: Priority.high });
    expect(await drain()).toEqual(['woken', 'retried', 'listed-0', 'listed-1', 'listed-2']);
  });

  test('a flood of urgent keys does not starve the others', async () => {
    const { queue } = setUp(8);
    queue.add('listed', { priority: Priority.low });
    let picks = 0;
    for (let n = 0; n < 100; n++) queue.add(`urgent-${n}`, { priority: Priority.high });
    for (let item = await queue.take(); item && item.key !== 'listed'; item = await queue.take()) {
      picks++;
      queue.done(item.key);
      queue.add(item.key, { priority: Priority.high });
    }
    expect(picks).toBeLessThan(8);
  });

  test('each failure of a key doubles its delay, up to the longest, until it is forgotten', () => {
    const clock = new FakeClock();
    const queue = new WorkQueue({ clock, backoff: { baseMs: 5, factor: 2, maxMs: 60_000 } });
    const delays = Array.from({ length: 16 }, () => queue.retry('a'));
    expect(delays.slice(0, 5)).toEqual([5, 10, 20, 40, 80]);
    expect(delays.slice(-2)).toEqual([60_000, 60_000]);
    expect(queue.retry('b')).toBe(5);
    queue.forget('a');
    expect(queue.retry('a')).toBe(5);
  });

  test('a retry waits at least as long as the other side asked for', async () => {
    const { clock, queue, drain } = setUp();
    expect(queue.retry('a', Priority.normal, 2_000)).toBe(2_000);
    await clock.advance(1_999);
    expect(await drain()).toEqual([]);
    await clock.advance(1);
    expect(await drain()).toEqual(['a']);
  });

  test('a change overrides a backoff: the key comes at once', async () => {
    const { queue, drain } = setUp();
    for (let n = 0; n < 10; n++) queue.retry('a');
    queue.add('a', { priority: Priority.high });
    expect(await drain()).toEqual(['a']);
  });

  test('a key that is delayed and woken over and over leaves nothing behind', async () => {
    const { queue, drain } = setUp();
    for (let n = 0; n < 1000; n++) {
      queue.add('a', { delayMs: 3_600_000 });
      queue.add('a');
      await drain();
    }
    expect(queue.stats()).toMatchObject({ ready: 0, delayed: 0, running: 0 });
  });

  test('says how long its oldest ready key has been waiting', async () => {
    const { clock, queue } = setUp();
    queue.add('a');
    queue.add('b', { delayMs: 10_000 });
    await clock.advance(300);
    expect(queue.stats()).toEqual({ ready: 1, delayed: 1, running: 0, oldestMs: 300 });
    expect(await queue.take()).toMatchObject({ key: 'a', waitedMs: 300 });
  });

  test('after shutdown it hands out nothing, forgets what waits and lets running keys end', async () => {
    const { clock, queue } = setUp();
    queue.add('a');
    await queue.take();
    queue.add('b', { delayMs: 10 });
    const waiting = queue.take();
    queue.shutdown();
    queue.add('c');
    expect(await waiting).toBeUndefined();
    expect(await queue.take()).toBeUndefined();
    let idle = false;
    const drained = queue.idle().then(() => (idle = true));
    await clock.settle();
    expect(idle).toBe(false);
    queue.done('a');
    await drained;
    expect(queue.stats()).toEqual({ ready: 0, delayed: 0, running: 0, oldestMs: 0 });
    expect(clock.pending).toBe(0);
  });
});
