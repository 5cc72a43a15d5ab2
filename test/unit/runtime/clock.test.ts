import { describe, expect, test } from '@jest/globals';
import { systemClock } from '../../../src/runtime/clock.ts';
import { FakeClock } from '../../support/fake-clock.ts';

describe('the system clock', () => {
  test('a wait of a month does not end at once', async () => {
    let fired = false;
    const cancel = systemClock.setTimeout(() => (fired = true), 31 * 24 * 3_600_000);
    await systemClock.sleep(20);
    cancel();
    expect(fired).toBe(false);
  });

  test('a sleep ends with the reason of its signal, before or while it sleeps', async () => {
    const abort = new AbortController();
    const asleep = systemClock.sleep(60_000, abort.signal);
    abort.abort(new Error('enough'));
    await expect(asleep).rejects.toThrow('enough');
    await expect(systemClock.sleep(60_000, abort.signal)).rejects.toThrow('enough');
  });

  test('monotonic time moves on by what was slept, not less than a timer may err', async () => {
    const start = systemClock.monotonic();
    await systemClock.sleep(20);
    expect(systemClock.monotonic() - start).toBeGreaterThan(18);
  });
});

describe('the fake clock', () => {
  test('runs timers in the order of their times, each seeing the time it was set for', async () => {
    const clock = new FakeClock();
    const seen: string[] = [];
    clock.setTimeout(() => seen.push(`b ${clock.monotonic()}`), 20);
    clock.setTimeout(() => seen.push(`a ${clock.monotonic()}`), 10);
    clock.setTimeout(() => seen.push('cancelled'), 15)();
    await clock.advance(30);
    expect(seen).toEqual(['a 10', 'b 20']);
    expect(clock.now().toISOString()).toBe('2026-11-23T10:00:00.030Z');
  });

  test('a loop of sleeps makes as many rounds as fit', async () => {
    const clock = new FakeClock();
    let rounds = 0;
    const stop = new AbortController();
    const loop = (async () => {
      for (;;) {
        await clock.sleep(1000, stop.signal);
        rounds++;
      }
    })().catch(() => undefined);
    await clock.advance(5500);
    expect(rounds).toBe(5);
    stop.abort(new Error('over'));
    await loop;
    expect(clock.pending).toBe(0);
  });
});
