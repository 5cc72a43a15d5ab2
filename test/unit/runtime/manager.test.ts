import { describe, expect, test } from '@jest/globals';
import { CacheSyncError, Manager, StopTimeoutError } from '../../../src/runtime/manager.ts';
import type { Cache, ManagerOptions } from '../../../src/runtime/manager.ts';
import { aborted } from '../../../src/runtime/runnable.ts';
import type { Runnable, Term } from '../../../src/runtime/runnable.ts';
import { silentLog } from '../../../src/telemetry/log.ts';
import { FakeClock } from '../../support/fake-clock.ts';

/** A program whose parts write down when they start and end. */
function program(options: Partial<ManagerOptions> = {}) {
  const clock = new FakeClock();
  const story: string[] = [];
  const filled = Promise.withResolvers<undefined>();
  let synced = false;
  const cache: Cache = {
    resource: { plural: 'labs' },
    start: async (signal) => {
      story.push('cache starts');
      await aborted(signal);
      story.push('cache ends');
    },
    hasSynced: () => synced,
    waitForSync: (signal) => Promise.race([filled.promise, new Promise<never>((_, reject) => {
      signal?.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
    })]),
  };
  const part = (name: string, until = (term: Term): Promise<unknown> => aborted(term.closing)): Runnable => ({
    name,
    run: async (term) => {
      story.push(`${name} starts`);
      await until(term);
      story.push(`${name} ends`);
    },
  });
  const manager = new Manager({
    clock, log: silentLog, caches: [cache], first: [part('ops')], always: [part('ingest')], leaderOnly: [part('controller')], ...options,
  });
  const fill = async (): Promise<void> => {
    synced = true;
    filled.resolve(undefined);
    await clock.settle();
  };
  const stop = new AbortController();
  return { clock, story, manager, part, fill, stop, run: () => manager.run(stop.signal) };
}

describe('the manager', () => {
  test('starts what others rely on first, and stops it last', async () => {
    const { story, fill, stop, run, clock } = program();
    const running = run();
    await clock.settle();
    expect(story).toEqual(['cache starts', 'ops starts']);
    await fill();
    expect(story.splice(0)).toEqual(['cache starts', 'ops starts', 'ingest starts', 'controller starts']);
    stop.abort(new Error('SIGTERM'));
    await running;
    expect(story).toEqual(['controller ends', 'ingest ends', 'ops ends', 'cache ends']);
    expect(clock.pending).toBe(0);
  });

  test('is ready when its caches are filled, and no longer as soon as it is told to stop', async () => {
    const release = Promise.withResolvers<undefined>();
    const { manager, fill, stop, run, clock, part } = program();
    const slow = program({ leaderOnly: [part('controller', () => release.promise)] });
    const running = [run(), slow.run()];
    await clock.settle();
    expect(manager.ready()).toEqual({ ok: false, reasons: ['the cache of labs is not filled', 'the controller is starting'] });
    await fill();
    await slow.fill();
    expect(slow.manager.ready()).toEqual({ ok: true, reasons: [] });
    slow.stop.abort(new Error('SIGTERM'));
    await clock.settle();
    expect(slow.manager.ready()).toEqual({ ok: false, reasons: ['the controller is stopping'] });
    expect(slow.story).not.toContain('ingest ends');
    release.resolve(undefined);
    stop.abort(new Error('SIGTERM'));
    await Promise.all(running);
    expect(slow.manager.ready().ok).toBe(false);
  });

  test('told to stop, it is not ready any more and goes on with its work until others have heard of that', async () => {
    const { manager, story, fill, stop, run, clock } = program({ drainMs: 5_000 });
    const running = run();
    expect(manager.serves()).toBe(false);
    await fill();
    stop.abort(new Error('SIGTERM'));
    await clock.advance(4_999);
    expect(manager.ready()).toEqual({ ok: false, reasons: ['the controller is draining'] });
    expect([manager.serves(), story.filter((line) => line.endsWith('ends'))]).toEqual([true, []]);
    await clock.advance(1);
    await running;
    expect(manager.serves()).toBe(false);
    expect(story.slice(-4)).toEqual(['controller ends', 'ingest ends', 'ops ends', 'cache ends']);
    expect(clock.pending).toBe(0);
  });

  test('a part that fails ends the wait, and there is none when a part has failed', async () => {
    const { part } = program();
    const breaks = Promise.withResolvers<never>();
    const late = program({ drainMs: 5_000, leaderOnly: [part('fragile', (term) => Promise.race([aborted(term.closing), breaks.promise]))] });
    const failed = expect(late.run()).rejects.toThrow('out of order');
    await late.fill();
    late.stop.abort(new Error('SIGTERM'));
    await late.clock.settle();
    expect(late.manager.serves()).toBe(true);
    breaks.reject(new Error('out of order'));
    await failed;

    const early = program({ drainMs: 5_000, leaderOnly: [{ name: 'broken', run: async () => Promise.reject(new Error('broken')) }] });
    const ended = expect(early.run()).rejects.toThrow('broken');
    await early.fill();
    await ended;
  });

  test('what speaks against it ends the program before it acts', async () => {
    const refused = program({ admit: async () => Promise.reject(new Error('another one is here')) });
    const failed = expect(refused.run()).rejects.toThrow('another one is here');
    await refused.fill();
    await failed;
    expect(refused.story).toEqual(['cache starts', 'ops starts', 'ops ends', 'cache ends']);
  });

  test('asks again when a term of leadership begins, and does none of its work before the answer', async () => {
    const answers = [Promise.resolve(), Promise.reject(new Error('another one has come'))];
    const late = program({ admit: async () => answers.shift() });
    const failed = expect(late.run()).rejects.toThrow('another one has come');
    await late.fill();
    await failed;
    expect(late.story).toContain('ingest ends');
    expect(late.story).not.toContain('controller starts');
  });

  test('told to stop while it asks, it stops without a fault', async () => {
    const waiting = program({ admit: async (signal) => {
      await aborted(signal);
      throw signal.reason;
    } });
    const running = waiting.run();
    await waiting.fill();
    waiting.stop.abort(new Error('SIGTERM'));
    await running;
    expect(waiting.story).not.toContain('ingest starts');
  });

  test('says what is missing when its caches do not fill within two minutes', async () => {
    const { run, clock, story, manager } = program();
    const failed = expect(run()).rejects.toThrow(CacheSyncError);
    await clock.advance(120_000);
    await failed;
    expect(story).toEqual(['cache starts', 'ops starts', 'ops ends', 'cache ends']);
    expect(manager.healthy().reasons[0]).toMatch(/^no complete list of labs within 120 s: check that the CRDs are installed/);
  });

  test('told to stop while its caches fill, it stops without a fault', async () => {
    const { run, clock, stop, story } = program();
    const running = run();
    await clock.settle();
    stop.abort(new Error('SIGTERM'));
    await running;
    expect(story).toEqual(['cache starts', 'ops starts', 'ops ends', 'cache ends']);
  });

  test('stops everything when one part fails, and fails with its error', async () => {
    const { story, part } = program();
    const broken = program({ leaderOnly: [part('healthy'), { name: 'broken', run: async () => Promise.reject(new Error('out of order')) }] });
    const failed = expect(broken.run()).rejects.toThrow('out of order');
    await broken.fill();
    await failed;
    expect(broken.manager.healthy()).toEqual({ ok: false, reasons: ['out of order'] });
    expect(story).toEqual(['healthy starts', 'healthy ends']);
    expect(broken.story.slice(-3)).toEqual(['ingest ends', 'ops ends', 'cache ends']);
  });

  test('aborts what has not ended after two thirds of the time to stop', async () => {
    const { part } = program();
    const slow = program({ leaderOnly: [part('slow', (term) => aborted(term.ended))], stopTimeoutMs: 30_000 });
    const running = slow.run();
    await slow.fill();
    slow.stop.abort(new Error('SIGTERM'));
    await slow.clock.advance(19_999);
    expect(slow.story).not.toContain('ops ends');
    await slow.clock.advance(1);
    await running;
    expect(slow.story).toContain('ops ends');
  });

  test('gives up on what listens to nothing, and names it', async () => {
    const { part } = program();
    const deaf = program({ leaderOnly: [part('deaf', () => new Promise(() => undefined))], stopTimeoutMs: 30_000 });
    const failed = expect(deaf.run()).rejects.toThrow(new StopTimeoutError(['deaf', 'leader'], 30_000));
    await deaf.fill();
    deaf.stop.abort(new Error('SIGTERM'));
    await deaf.clock.advance(30_000);
    await failed;
  });
});
