import { describe, expect, test } from '@jest/globals';
import { LeadershipLostError, LeaseValidity, NotLeaderError } from '../../../src/runtime/leadership.ts';
import { FakeClock } from '../../support/fake-clock.ts';

function leading(untilMs = 15_000) {
  const clock = new FakeClock();
  const leadership = new LeaseValidity(clock);
  leadership.extend(untilMs);
  return { clock, leadership };
}

describe('the right to begin an outside effect', () => {
  test('is refused to a replica that never led', () => {
    const leadership = new LeaseValidity(new FakeClock());
    expect(leadership.isLeader()).toBe(false);
    expect(() => leadership.effectSignal()).toThrow(NotLeaderError);
  });

  test('needs 5 s of the lease, unless the caller can do with less', async () => {
    const { clock, leadership } = leading();
    await clock.advance(10_000);
    expect(leadership.effectSignal().aborted).toBe(false);
    await clock.advance(1);
    expect(() => leadership.effectSignal()).toThrow('the lease is valid for 4999 ms more, an effect needs 5000 ms');
    expect(leadership.effectSignal(0).aborted).toBe(false);
  });

  test('ends with 2 s of the lease left', async () => {
    const { clock, leadership } = leading();
    const signal = leadership.effectSignal();
    await clock.advance(12_999);
    expect(signal.aborted).toBe(false);
    await clock.advance(1);
    expect(signal.reason).toBeInstanceOf(LeadershipLostError);
    expect(leadership.isLeader()).toBe(false);
  });

  test('ends with the pass that it was given to, which ends nothing else', () => {
    const { leadership } = leading();
    const pass = new AbortController();
    const signal = leadership.effectSignal(undefined, pass.signal);
    pass.abort(new Error('the pass took too long'));
    expect(signal.reason).toMatchObject({ message: 'the pass took too long' });
    expect(leadership.effectSignal().aborted).toBe(false);
  });

  test('goes on with each renewal', async () => {
    const { clock, leadership } = leading();
    const signal = leadership.effectSignal();
    for (let renewal = 1; renewal <= 10; renewal++) {
      await clock.advance(5_000);
      leadership.extend(clock.monotonic() + 15_000);
    }
    expect(signal.aborted).toBe(false);
    expect(leadership.effectSignal()).toBe(signal);
  });

  test('is refused to a process that was stopped past its lease, before any timer has run', () => {
    const { clock, leadership } = leading();
    clock.freeze(15_001);
    expect(leadership.isLeader()).toBe(false);
    expect(() => leadership.effectSignal(0)).toThrow(NotLeaderError);
  });

  test('of one term does not come back with the next', () => {
    const { leadership } = leading();
    const first = leadership.effectSignal();
    leadership.revoke('another replica has taken it');
    leadership.extend(15_000);
    expect(first.reason).toMatchObject({ message: 'leadership lost: another replica has taken it' });
    expect(leadership.effectSignal().aborted).toBe(false);
  });
});
