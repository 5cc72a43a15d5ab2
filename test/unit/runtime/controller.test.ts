import { describe, expect, test } from '@jest/globals';
import { ConflictError, TransportError } from '../../../src/kube/errors.ts';
import { Controller } from '../../../src/runtime/controller.ts';
import { NotLeaderError } from '../../../src/runtime/leadership.ts';
import type { Reconcile } from '../../../src/runtime/pass.ts';
import { Priority } from '../../../src/runtime/queue.ts';
import { after, done, RetryableError, TerminalError } from '../../../src/runtime/result.ts';
import { TermControl } from '../../../src/runtime/runnable.ts';
import type { Source } from '../../../src/runtime/source.ts';
import { silentLog } from '../../../src/telemetry/log.ts';
import { createMetrics } from '../../../src/telemetry/metrics.ts';
import { FakeClock } from '../../support/fake-clock.ts';

/** A controller in its first term on a fake clock, with what the passes saw. */
function start(reconcile: Reconcile, { keys = [] as string[], concurrency = 4, passTimeoutMs = 60_000 } = {}) {
  const clock = new FakeClock();
  const metrics = createMetrics();
  const passes: { key: string; at: number }[] = [];
  const source: Source = {
    start(wake) {
      for (const key of keys) wake(key, { priority: Priority.low });
      return () => undefined;
    },
  };
  const controller = new Controller({
    name: 'test', clock, metrics, log: silentLog, sources: [source], concurrency, passTimeoutMs,
    reconcile: (key, context) => {
      passes.push({ key, at: clock.monotonic() });
      return reconcile(key, context);
    },
  });
  const term = new TermControl();
  const running = controller.run(term);
  const results = async (): Promise<Record<string, number>> => {
    const { values } = await metrics.reconciles.get();
    return Object.fromEntries(values.filter(({ value }) => value > 0).map(({ labels, value }) => [String({ ...labels }['result' as keyof typeof labels]), value]));
  };
  const stop = async (): Promise<void> => {
    term.end(new Error('over'));
    await running;
  };
  return { clock, controller, passes, term, running, results, stop, metrics };
}

/** Throws `failures[n]` in the n-th pass, then succeeds. */
function failing(...failures: unknown[]): Reconcile {
  return async () => {
    const failure = failures.shift();
    if (failure !== undefined) throw failure as Error;
    return done();
  };
}

const conflict = new ConflictError({ message: 'somebody wrote first', status: 409, reason: 'Conflict' });

describe('how a pass ends decides when its key comes again', () => {
  test('done: not before something wakes it', async () => {
    const { clock, passes, controller, results, stop } = start(async () => done(), { keys: ['a'] });
    await clock.advance(3_600_000);
    expect(passes).toEqual([{ key: 'a', at: 0 }]);
    controller.wake('a');
    await clock.advance(0);
    expect(passes).toHaveLength(2);
    expect(await results()).toEqual({ done: 2 });
    await stop();
  });

  test('after: in just that time', async () => {
    const { clock, passes, results, stop } = start(async () => after(500, 'the lab boots'), { keys: ['a'] });
    await clock.advance(1000);
    expect(passes.map(({ at }) => at)).toEqual([0, 500, 1000]);
    expect(await results()).toEqual({ after: 3 });
    await stop();
  });

  test.each([
    ['a RetryableError', new RetryableError('the lab server is away'), 'retry'],
    ['no answer from the API server', new TransportError('ECONNRESET', 'unknown', undefined), 'retry'],
    ['a conflict', conflict, 'conflict'],
    ['a defect', new TypeError('x is undefined'), 'error'],
    ['anything that is not an Error', 'oops', 'error'],
  ])('%s: after a delay that doubles until a pass goes well', async (_, failure, result) => {
    const { clock, passes, results, stop } = start(failing(failure, failure, failure), { keys: ['a'] });
    await clock.advance(60_000);
    expect(passes.map(({ at }) => at)).toEqual([0, 5, 15, 35]);
    expect(await results()).toEqual({ [result]: 3, done: 1 });
    await stop();
  });

  test('a RetryableError that names a time: not before it', async () => {
    const { clock, passes, stop } = start(failing(new RetryableError('slow down', { retryAfterMs: 3000 })), { keys: ['a'] });
    await clock.advance(60_000);
    expect(passes.map(({ at }) => at)).toEqual([0, 3000]);
    await stop();
  });

  test('a lease that is too short for an effect: in a second, when it may be renewed', async () => {
    const { clock, passes, results, stop } = start(failing(new NotLeaderError('4000 ms left')), { keys: ['a'] });
    await clock.advance(60_000);
    expect(passes.map(({ at }) => at)).toEqual([0, 1000]);
    expect(await results()).toEqual({ retry: 1, done: 1 });
    await stop();
  });

  test('a TerminalError: not before something wakes it', async () => {
    const { clock, passes, controller, results, stop } = start(failing(new TerminalError('the topology is invalid')), { keys: ['a'] });
    await clock.advance(3_600_000);
    expect(passes).toHaveLength(1);
    controller.wake('a');
    await clock.advance(0);
    expect(await results()).toEqual({ terminal: 1, done: 1 });
    await stop();
  });

  test('a pass that hangs is asked to stop, counted and tried again', async () => {
    let passes = 0;
    const { clock, results, stop } = start(async (_, { signal }) => {
      if (++passes === 1) await clock.sleep(3_600_000, signal);
      return done();
    }, { keys: ['a'], passTimeoutMs: 1000 });
    await clock.advance(1010);
    expect(passes).toBe(2);
    expect(await results()).toEqual({ timeout: 1, done: 1 });
    await stop();
  });
});

describe('a controller', () => {
  test('runs as many passes at once as it may, never two over one key', async () => {
    let now = 0;
    let most = 0;
    const { clock, passes, controller, stop } = start(async () => {
      most = Math.max(most, ++now);
      await clock.sleep(100);
      now--;
      return done();
    }, { keys: ['a', 'b', 'c', 'd', 'e'], concurrency: 3 });
    await clock.advance(10);
    controller.wake('a');
    await clock.advance(89);
    expect(passes.map(({ key }) => key)).toEqual(['a', 'b', 'c']);
    await clock.advance(1000);
    expect(passes.map(({ key }) => key).sort()).toEqual(['a', 'a', 'b', 'c', 'd', 'e']);
    expect(most).toBe(3);
    await stop();
  });

  test('told to close, it finishes what it has begun and begins nothing', async () => {
    const finished: string[] = [];
    const { clock, term, running } = start(async (key) => {
      await clock.sleep(100);
      finished.push(key);
      return done();
    }, { keys: ['a', 'b', 'c'], concurrency: 1 });
    await clock.advance(50);
    term.close(new Error('stopping'));
    await clock.advance(50);
    await running;
    expect(finished).toEqual(['a']);
    expect(clock.pending).toBe(0);
  });

  test('told to end, it aborts its passes and waits for them', async () => {
    const { clock, term, running, results } = start((_, { signal }) => clock.sleep(100_000, signal).then(done), { keys: ['a', 'b'] });
    await clock.advance(10);
    term.end(new Error('the lease is lost'));
    await running;
    expect(await results()).toEqual({ aborted: 2 });
    expect(clock.pending).toBe(0);
  });

  test('runs again for the next term and then looks at everything anew', async () => {
    const { clock, controller, passes, stop } = start(async () => done(), { keys: ['a', 'b'] });
    await clock.advance(0);
    await stop();
    controller.wake('dropped between terms');
    const next = new TermControl();
    const running = controller.run(next);
    await clock.advance(0);
    next.end(new Error('over'));
    await running;
    expect(passes.map(({ key }) => key)).toEqual(['a', 'b', 'a', 'b']);
  });

  test('shows every result and its queue as metrics, from the first scrape on', async () => {
    const { clock, metrics, stop } = start(() => clock.sleep(100).then(() => after(60_000, 'poll')), { keys: ['a', 'b'], concurrency: 1 });
    await clock.advance(10);
    const busy = await metrics.scrape();
    for (const line of [
      'lablet_reconcile_total{controller="test",result="error"} 0',
      'lablet_workqueue_depth{controller="test",state="running"} 1',
      'lablet_workqueue_depth{controller="test",state="ready"} 1',
      'lablet_workqueue_oldest_seconds{controller="test"} 0.01',
      'lablet_reconcile_active{controller="test"} 1',
    ]) expect(busy).toContain(line);
    await clock.advance(1000);
    expect(await metrics.scrape()).toContain('lablet_workqueue_depth{controller="test",state="delayed"} 2');
    await stop();
  });
});
