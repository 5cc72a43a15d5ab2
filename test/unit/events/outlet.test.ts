import { describe, expect, test } from '@jest/globals';
import { recordEvent } from '../../../src/core/outbox.ts';
import { Outlet, OUTLET_TUNING } from '../../../src/events/outlet.ts';
import { TermControl } from '../../../src/runtime/runnable.ts';
import { silentLog } from '../../../src/telemetry/log.ts';
import { createMetrics } from '../../../src/telemetry/metrics.ts';
import { afterTest } from '../../support/after-test.ts';
import { counted } from '../../support/events/counted.ts';
import { uidOf } from '../../support/events/outbox-world.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import type { OutboxEntry } from '../../../src/api/outbox.ts';
import type { CloudEvent } from '../../../src/events/cloudevent.ts';
import type { OutletTuning } from '../../../src/events/outlet.ts';
import type { Delivery, Sink } from '../../../src/events/sink.ts';

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const accepted: Delivery = { outcome: 'accepted' };
const away: Delivery = { outcome: 'retry', reason: 'the sink answered 404', blamesSink: false };
const refused: Delivery = { outcome: 'refused', reason: 'the sink answered 400', code: 400 };

interface Try { readonly at: number; readonly uid: string; readonly sequence: number }

/** An outlet on a clock that stands still, and a sink whose answers are `answer`. */
function world(answer: (nth: number, event: CloudEvent) => Delivery | Promise<Delivery>, { tuning = {}, deadLetter }: { tuning?: Partial<OutletTuning>; deadLetter?: (nth: number) => Delivery } = {}) {
  const clock = new FakeClock();
  const metrics = createMetrics();
  const tries: Try[] = [];
  const letters: Try[] = [];
  const sinkOf = (name: string, log: Try[], respond: (nth: number, event: CloudEvent) => Delivery | Promise<Delivery>): Sink => ({
    name,
    send: async (event) => {
      log.push({ at: clock.monotonic(), uid: event.source, sequence: Number(event.extensions.get('sequence')) });
      return respond(log.length - 1, event);
    },
    close: async () => undefined,
  });
  const outlet = new Outlet({
    sink: sinkOf('https://sink.example', tries, answer),
    deadLetter: deadLetter && sinkOf('https://letters.example', letters, deadLetter),
    build: async (uid, { id, type, sequence }) => ({ id, source: uid, type, extensions: new Map([['sequence', String(sequence)]]) }),
    mayBegin: () => true, changed: () => undefined, clock, log: silentLog, metrics,
    // The circuit breaker is on the system's clock; its tests are those of the emitter.
    tuning: { ...OUTLET_TUNING, breakerFailures: 1_000_000, ...tuning },
  });
  const term = new TermControl();
  const done = outlet.run(term);
  afterTest(async () => {
    term.end(new Error('the test is over'));
    await clock.settle();
    await done;
  });
  const count = (result: string): Promise<number> => counted(metrics, result, 'https://sink.example');
  return { clock, outlet, tries, letters, count };
}

/** The outbox of an object after events from `first` to `last`, as its bounds leave it. */
function outboxOf(uid: string, last: number): OutboxEntry[] {
  const draft: { outbox?: OutboxEntry[]; sequence?: number } = {};
  for (let n = 1; n <= last; n++) recordEvent(draft, 'ccm.lablet.session.stopping', { session_id: uid }, { uid, now: new Date('2026-11-23T10:00:00Z') });
  return draft.outbox ?? [];
}

const pauses = (tries: readonly Try[]): number[] => tries.slice(1).map(({ at }, index) => at - (tries[index]?.at ?? 0));

describe('the pauses between tries of an event', () => {
  test('double from 1 s to 60 s, less up to half of each by chance', async () => {
    const { clock, outlet, tries } = world(() => away);
    outlet.offer(uidOf(1), outboxOf(uidOf(1), 1));
    await clock.advance(15 * MINUTE);
    expect(tries.length).toBeGreaterThan(15);
    for (const [n, pause] of pauses(tries).entries()) {
      const full = Math.min(60 * SECOND, SECOND * 2 ** n);
      expect(pause).toBeGreaterThanOrEqual(full / 2);
      expect(pause).toBeLessThanOrEqual(full);
    }
  });

  test('are not the same for objects that failed together', async () => {
    const { clock, outlet, tries } = world((nth) => (nth < 20 ? away : accepted));
    for (let n = 0; n < 20; n++) outlet.offer(uidOf(n), outboxOf(uidOf(n), 1));
    await clock.advance(2 * SECOND);
    expect(tries).toHaveLength(40);
    expect(new Set(tries.slice(20).map(({ at }) => at)).size).toBeGreaterThan(10);
  });

  test('begin anew with each event', async () => {
    const { clock, outlet, tries } = world((nth) => (nth < 6 || nth === 7 ? away : accepted));
    outlet.offer(uidOf(1), outboxOf(uidOf(1), 2));
    await clock.advance(5 * MINUTE);
    expect(tries.map(({ sequence }) => sequence)).toEqual([1, 1, 1, 1, 1, 1, 1, 2, 2]);
    expect(pauses(tries)[7]).toBeLessThanOrEqual(SECOND);
  });
});

describe('a sink that names a time (Retry-After)', () => {
  test('is left alone by all objects until then, and gets everything afterwards', async () => {
    const { clock, outlet, tries } = world((nth) => (nth === 0 ? { ...away, retryAfterMs: 90 * SECOND } : accepted));
    outlet.offer(uidOf(1), outboxOf(uidOf(1), 2));
    await clock.settle();
    for (let n = 2; n < 10; n++) outlet.offer(uidOf(n), outboxOf(uidOf(n), 2));
    await clock.advance(89 * SECOND);
    expect(tries).toHaveLength(1);
    await clock.advance(2 * SECOND);
    expect(tries).toHaveLength(1 + 9 * 2);
  });
});

describe('an outbox that runs over while the sink is away', () => {
  test('loses the oldest, and the sink that did not get them counts each once', async () => {
    let isUp = false;
    const { clock, outlet, tries, count } = world(() => (isUp ? accepted : away));
    const uid = uidOf(1);
    for (let last = 1; last <= 40; last++) {
      outlet.offer(uid, outboxOf(uid, last));
      await clock.advance(10 * SECOND);
    }
    expect(await count('dropped')).toBe(8);
    isUp = true;
    await clock.advance(2 * MINUTE);
    const delivered = tries.slice(-32).map(({ sequence }) => sequence);
    expect(delivered).toEqual(Array.from({ length: 32 }, (_, n) => 9 + n));
    expect(await count('dropped')).toBe(8);
  });

  test('counts nothing that was delivered before, though it left the outbox in the same write', async () => {
    const { clock, outlet, count } = world(() => accepted);
    const uid = uidOf(1);
    outlet.offer(uid, outboxOf(uid, 32));
    await clock.settle();
    outlet.offer(uid, outboxOf(uid, 40));
    await clock.settle();
    expect([await count('accepted'), await count('dropped')]).toEqual([40, 0]);
  });

  test('frees an object whose refused event was pushed out', async () => {
    const { clock, outlet, tries, count } = world((_, event) => (event.extensions.get('sequence') === '1' ? refused : accepted));
    const uid = uidOf(1);
    outlet.offer(uid, outboxOf(uid, 32));
    await clock.settle();
    expect(tries).toHaveLength(1);
    outlet.offer(uid, outboxOf(uid, 33));
    await clock.settle();
    expect(tries.map(({ sequence }) => sequence)).toEqual([1, ...Array.from({ length: 32 }, (_, n) => 2 + n)]);
    expect(await count('dropped')).toBe(1);
  });
});

describe('an event that a full outbox lets go of during its request', () => {
  const uid = uidOf(1);
  /** The first request is answered as the test says, when the event has left the outbox. */
  async function pushedOut(first: Delivery) {
    const answered = Promise.withResolvers<Delivery>();
    const { clock, outlet, tries, count } = world((nth) => (nth === 0 ? answered.promise : accepted));
    outlet.offer(uid, outboxOf(uid, 32));
    await clock.settle();
    outlet.offer(uid, outboxOf(uid, 33));
    answered.resolve(first);
    await clock.advance(2 * SECOND);
    expect(tries.slice(1).map(({ sequence }) => sequence)).toEqual(Array.from({ length: 32 }, (_, n) => 2 + n));
    expect(outlet.parked(uid)).toBeUndefined();
    return { accepted: await count('accepted'), dropped: await count('dropped'), parked: await count('parked') };
  }

  test('is not lost if the sink takes it', async () => {
    expect(await pushedOut(accepted)).toEqual({ accepted: 33, dropped: 0, parked: 0 });
  });

  test.each([['away', away], ['refused', refused]])('is lost once, and holds up nothing, if it is %s', async (_, first) => {
    expect(await pushedOut(first)).toEqual({ accepted: 32, dropped: 1, parked: 0 });
  });
});

describe('an event that is refused for good', () => {
  test('waits for a dead-letter sink that is away, and is not lost', async () => {
    let isUp = false;
    const { clock, outlet, tries, letters, count } = world((_, event) => (event.extensions.get('sequence') === '1' ? refused : accepted), { deadLetter: () => (isUp ? accepted : away) });
    outlet.offer(uidOf(1), outboxOf(uidOf(1), 2));
    await clock.advance(20 * MINUTE);
    expect(letters.length).toBeGreaterThan(3);
    expect(tries.every(({ sequence }) => sequence === 1)).toBe(true);
    isUp = true;
    await clock.advance(2 * MINUTE);
    expect(tries.at(-1)?.sequence).toBe(2);
    expect([await count('dead_letter'), await count('dropped')]).toEqual([1, 0]);
  });

  test('is lost, and counted, if the dead-letter sink refuses it too', async () => {
    const { clock, outlet, tries, letters, count } = world((_, event) => (event.extensions.get('sequence') === '1' ? refused : accepted), { deadLetter: () => refused });
    outlet.offer(uidOf(1), outboxOf(uidOf(1), 2));
    await clock.advance(10 * MINUTE);
    expect(letters).toHaveLength(1);
    expect(tries.map(({ sequence }) => sequence)).toEqual([1, 1, 2]);
    expect([await count('dead_letter'), await count('dropped')]).toEqual([0, 1]);
  });
});
