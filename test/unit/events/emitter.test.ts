import { describe, expect, test } from '@jest/globals';
import { EMITTED, EMITTED_TYPES } from '../../../src/api/events.ts';
import { recordEvent } from '../../../src/core/outbox.ts';
import { HttpSink } from '../../../src/events/sink-http.ts';
import { afterTest } from '../../support/after-test.ts';
import { OutboxWorld, startEmitter, uidOf } from '../../support/events/outbox-world.ts';
import { sinkThat } from '../../support/events/sink-that.ts';
import { answer, chatty, hangUp, silence } from '../../support/events/sink.ts';
import { until } from '../../support/events/until.ts';
import type { RunningEmitter } from '../../support/events/outbox-world.ts';
import type { Reaction, TestSink } from '../../support/events/sink.ts';

const a = uidOf(1);
const b = uidOf(2);

function emitting(world: OutboxWorld, sink: TestSink, options: Parameters<typeof startEmitter>[2] = {}): RunningEmitter {
  const running = startEmitter(world, sink.url, options);
  afterTest(() => running.kill());
  return running;
}

/** The first answers in turn, then 202. */
const first = (...reactions: Reaction[]): TestSink['react'] => (nth) => reactions[nth] ?? answer(202);

const drained = (world: OutboxWorld, ...uids: string[]) =>
  until('the outboxes are empty', () => uids.every((uid) => (world.get(uid).status?.outbox ?? []).length === 0));

async function count({ metrics }: RunningEmitter, result: string): Promise<number> {
  const { values } = await metrics.eventsOut.get();
  return values.filter(({ labels }) => 'result' in labels && labels.result === result).reduce((sum, { value }) => sum + value, 0);
}

const condition = (world: OutboxWorld, uid: string) => world.get(uid).status?.conditions?.find(({ type }) => type === 'EventsDelivered');

describe('an event that is recorded', () => {
  test('arrives with the envelope that tells whose it is, where it belongs, and what caused it', async () => {
    const world = new OutboxWorld();
    const sink = await sinkThat();
    world.add('cand-0042', a);
    world.transition(a, undefined, (status) =>
      void recordEvent(status, 'ccm.lablet.session.running', { session_id: a, user_session_id: b }, { uid: a, now: new Date('2026-11-23T10:01:12.345Z'), causationId: 'evt-lds-start-1', traceParent: `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01` }));
    emitting(world, sink);
    await drained(world, a);
    const [arrival] = sink.arrivals;
    expect(arrival?.event).toMatchObject({
      type: 'ccm.lablet.session.running', source: `/ccm/lablet-controller/labletsessions/${a}`, subject: 'exams/cand-0042', time: '2026-11-23T10:01:12.345Z',
      datacontenttype: 'application/json', dataschema: 'https://lablet.dev/schemas/ccm.lablet.session.running/v1.json', data: { kind: 'json', value: { session_id: a, user_session_id: b } },
    });
    expect(Object.fromEntries(arrival?.event.extensions ?? [])).toEqual({ sequence: '0000000001', partitionkey: a, correlationid: a, causationid: 'evt-lds-start-1', traceparent: `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01` });
    expect(arrival?.event.id).toMatch(/^[0-9a-f-]{14}5/);
  });

  test('is one of the 19, whose mandatory keys all have a place in the schema', () => {
    expect(EMITTED_TYPES).toHaveLength(19);
    for (const type of EMITTED_TYPES) expect(EMITTED[type].data.safeParse({}).success).toBe(false);
  });

  test('has its launch URL filled in from the Secret, or null where the Secret is gone', async () => {
    const world = new OutboxWorld();
    const sink = await sinkThat();
    for (const uid of [a, b]) {
      world.add(uid, uid);
      world.transition(uid, undefined, (status) =>
        void recordEvent(status, 'ccm.lablet.session.ready', { session_id: uid, login_url: null }, { uid, now: new Date() }, { name: `${uid}-launch`, key: 'login_url', field: 'login_url' }));
    }
    const running = emitting(world, sink, { readSecret: async (namespace, name) => (name.startsWith(a) ? `https://lds.example/${namespace}` : null) });
    await drained(world, a, b);
    const urls = Object.fromEntries(sink.arrivals.map(({ event }) => [(event.data as { value: { session_id: string } }).value.session_id, (event.data as { value: { login_url: string | null } }).value.login_url]));
    expect(urls).toEqual({ [a]: 'https://lds.example/exams', [b]: null });
    expect(await count(running, 'secret_gone')).toBe(1);
  });
});

describe('a sink in trouble', () => {
  test.each<[string, Reaction, number | undefined]>([
    ['answers 500', answer(500), undefined],
    ['answers 404, as a pod that is not ready yet', answer(404), undefined],
    ['answers 409', answer(409), undefined],
    ['hangs up after it has read the event', hangUp, undefined],
    ['does not answer in time', silence, 100],
  ])('that %s gets the same id and the same bytes again, and the next event only after that', async (_, reaction, timeoutMs) => {
    const world = new OutboxWorld();
    const sink = await sinkThat(first(reaction, reaction));
    world.add('one', a);
    world.transition(a);
    world.transition(a);
    emitting(world, sink, timeoutMs === undefined ? {} : { timeoutMs });
    await drained(world, a);
    expect(sink.sequences(a)).toEqual([1, 1, 1, 2]);
    expect(new Set(sink.arrivals.slice(0, 3).map(({ bytes }) => bytes)).size).toBe(1);
  });

  test('is not asked again before the time that its Retry-After names', async () => {
    const world = new OutboxWorld();
    const at: number[] = [];
    const sink = await sinkThat((nth) => {
      at.push(performance.now());
      return nth === 0 ? answer(429, { 'retry-after': '1' }) : answer(202);
    });
    world.add('one', a);
    world.transition(a);
    emitting(world, sink);
    await drained(world, a);
    expect(at).toHaveLength(2);
    expect((at[1] ?? 0) - (at[0] ?? 0)).toBeGreaterThanOrEqual(1000);
  });

  test('is left alone once it failed often enough, however many objects have something to send', async () => {
    const world = new OutboxWorld();
    const sink = await sinkThat(() => answer(503));
    for (let n = 0; n < 50; n++) {
      world.add(`n${n}`, uidOf(n));
      world.transition(uidOf(n));
    }
    const running = emitting(world, sink, { tuning: { concurrency: 4, breakerFailures: 5, breakerPauseMs: 600_000, backoffBaseMs: 5, backoffMaxMs: 20 } });
    await until('500 tries', async () => (await count(running, 'retry')) > 500);
    expect(sink.arrivals.length).toBeLessThanOrEqual(5 + 4);
  });

  test('that comes back gets everything, each object in its order', async () => {
    const world = new OutboxWorld();
    let isUp = false;
    const sink = await sinkThat(() => (isUp ? answer(202) : hangUp));
    const uids = Array.from({ length: 20 }, (_, n) => uidOf(n));
    for (const uid of uids) world.add(uid, uid);
    emitting(world, sink);
    for (let i = 0; i < 5; i++) for (const uid of uids) world.transition(uid);
    await until('the sink was tried', () => sink.arrivals.length > 5);
    isUp = true;
    await drained(world, ...uids);
    for (const uid of uids) expect([...new Set(sink.sequences(uid))]).toEqual([1, 2, 3, 4, 5]);
  });

  test('of any kind, with the emitter killed in between, loses nothing, reorders nothing, and changes no byte', async () => {
    const world = new OutboxWorld();
    const moods: Reaction[] = [answer(202), answer(202), answer(500), answer(429), hangUp, silence, chatty];
    let seed = 42;
    const sink = await sinkThat(() => moods[(seed = (seed * 16807) % 2147483647) % moods.length] ?? answer(202));
    const uids = Array.from({ length: 12 }, (_, n) => uidOf(n));
    for (const uid of uids) world.add(uid, uid);
    for (let life = 0; life < 4; life++) {
      const running = startEmitter(world, sink.url, { timeoutMs: 60 });
      for (let i = 0; i < 3; i++) for (const uid of uids) world.transition(uid, running.emitter);
      await until('some arrived', () => sink.arrivals.length > 30 * (life + 1));
      await running.kill();
    }
    sink.react = () => answer(202);
    emitting(world, sink);
    await drained(world, ...uids);
    const bytes = new Map<string, Set<string>>();
    for (const arrival of sink.arrivals) bytes.set(arrival.event.id, (bytes.get(arrival.event.id) ?? new Set()).add(arrival.bytes));
    expect([...bytes.values()].every((versions) => versions.size === 1)).toBe(true);
    expect(bytes.size).toBe(12 * 12);
    // A later one never arrives for the first time before an earlier one.
    for (const uid of uids) expect([...new Set(sink.sequences(uid))]).toEqual(Array.from({ length: 12 }, (_, n) => n + 1));
  });
});

describe('an event that the sink refuses', () => {
  test('holds up its own object alone, which says so, until it is given up and counted', async () => {
    const world = new OutboxWorld();
    const sink = await sinkThat((_, { event }) => answer(event.source.endsWith(a) && event.extensions.get('sequence') === '0000000001' ? 400 : 202));
    for (const uid of [a, b]) {
      world.add(uid, uid);
      world.transition(uid);
      world.transition(uid);
    }
    const told: string[] = [];
    const running = emitting(world, sink, { tuning: { parkTimeoutMs: 600, quietMs: 20 }, parked: (_, message) => told.push(message) });
    await drained(world, b);
    await until('the condition', () => condition(world, a)?.reason === 'SinkRefuses');
    expect(condition(world, a)).toMatchObject({ status: 'False', message: expect.stringContaining('sequence 1: the sink answered 400') });
    expect(sink.sequences(a)).toEqual([1]);
    await drained(world, a);
    expect(sink.sequences(a)).toEqual([1, 1, 2]);
    expect(condition(world, a)).toMatchObject({ status: 'False', reason: 'EventsLost' });
    expect([await count(running, 'parked'), await count(running, 'dropped')]).toEqual([1, 1]);
    expect(told).toHaveLength(1);
  });

  test('is delivered after all if the sink takes it in the end', async () => {
    const world = new OutboxWorld();
    const sink = await sinkThat(first(answer(403)));
    world.add('one', a);
    world.transition(a);
    world.transition(a);
    emitting(world, sink, { tuning: { parkTimeoutMs: 400, quietMs: 20 } });
    await until('the condition', () => condition(world, a)?.status === 'False');
    await drained(world, a);
    expect(sink.sequences(a)).toEqual([1, 1, 2]);
    expect(condition(world, a)).toMatchObject({ status: 'True', reason: 'Delivered' });
  });

  test('goes to the dead-letter sink, which learns why', async () => {
    const world = new OutboxWorld();
    const sink = await sinkThat(() => answer(401));
    const letters = await sinkThat();
    const deadLetter = new HttpSink({ url: letters.url, mode: 'binary' });
    afterTest(() => deadLetter.close());
    world.add('one', a);
    world.transition(a);
    const running = emitting(world, sink, { deadLetter, tuning: { parkTimeoutMs: 20 } });
    await drained(world, a);
    expect(letters.arrivals[0]?.event.id).toBe(sink.arrivals[0]?.event.id);
    expect(Object.fromEntries(letters.arrivals[0]?.event.extensions ?? [])).toMatchObject({ knativeerrorcode: '401', knativeerrordest: sink.url.href, sequence: '0000000001' });
    expect(await count(running, 'dead_letter')).toBe(1);
  });
});

describe('acknowledging', () => {
  test('costs no write of its own while somebody writes the object anyway', async () => {
    const world = new OutboxWorld();
    const sink = await sinkThat();
    const { emitter } = emitting(world, sink, { tuning: { quietMs: 60_000 } });
    world.add('one', a);
    for (let n = 1; n <= 10; n++) {
      world.transition(a, emitter);
      await until('it is delivered', () => emitter.isDrained(world.get(a)));
    }
    expect(world.writes).toBe(0);
    expect(world.get(a).status?.outbox?.map(({ sequence }) => sequence)).toEqual([10]);
  });

  test('is one write for an object that stays quiet', async () => {
    const world = new OutboxWorld();
    const sink = await sinkThat();
    world.add('one', a);
    for (let n = 0; n < 5; n++) world.transition(a);
    emitting(world, sink);
    await drained(world, a);
    expect(world.writes).toBe(1);
  });

  test('is done when the emitter ends in order, so that the next one sends nothing twice', async () => {
    const world = new OutboxWorld();
    const sink = await sinkThat();
    for (const uid of [a, b]) {
      world.add(uid, uid);
      for (let n = 0; n < 3; n++) world.transition(uid);
    }
    const running = emitting(world, sink, { tuning: { quietMs: 600_000 } });
    await until('all have arrived', () => sink.arrivals.length === 6);
    await running.stop();
    expect([a, b].map((uid) => world.get(uid).status?.outbox ?? [])).toEqual([[], []]);
    expect(world.writes).toBe(2);
  });

  test('does not wait for quiet when the object is on its way out', async () => {
    const world = new OutboxWorld();
    const sink = await sinkThat();
    world.add('one', a);
    world.transition(a);
    world.markDeleted(a);
    const { emitter } = emitting(world, sink, { tuning: { quietMs: 600_000 } });
    await drained(world, a);
    expect(emitter.isDrained(world.get(a))).toBe(true);
  });

  test('never speaks of an event that did not arrive', async () => {
    const world = new OutboxWorld();
    const sink = await sinkThat(() => silence);
    world.add('one', a);
    const object = world.transition(a);
    const { emitter } = emitting(world, sink);
    await until('it was tried', () => sink.arrivals.length === 1);
    expect(emitter.isDrained(object)).toBe(false);
    expect(emitter.amend(object.status ?? {}, object)).toBe(object.status);
  });
});

describe('sending', () => {
  test('is parallel across objects up to the cap, and one at a time for each', async () => {
    const world = new OutboxWorld();
    const open = new Map<string, number>();
    let overlaps = 0;
    const sink = await sinkThat((_, { event }) => (response) => {
      const now = (open.get(event.source) ?? 0) + 1;
      open.set(event.source, now);
      if (now > 1) overlaps += 1;
      setTimeout(() => {
        open.set(event.source, now - 1);
        response.writeHead(202).end();
      }, 10);
    });
    const uids = Array.from({ length: 30 }, (_, n) => uidOf(n));
    for (const uid of uids) {
      world.add(uid, uid);
      world.transition(uid);
      world.transition(uid);
    }
    emitting(world, sink, { tuning: { concurrency: 8 } });
    await drained(world, ...uids);
    expect(overlaps).toBe(0);
    expect(sink.peak).toBe(8);
  });

  test('begins nothing while the lease runs out', async () => {
    const world = new OutboxWorld();
    const sink = await sinkThat();
    let isHeld = false;
    let asked = 0;
    world.add('one', a);
    world.transition(a);
    const effectSignal = (): AbortSignal => {
      asked += 1;
      if (!isHeld) throw new Error('the lease is valid for 1 ms more');
      return new AbortController().signal;
    };
    emitting(world, sink, { leadership: { effectSignal } });
    await until('it would send', () => asked > 0);
    expect(sink.arrivals).toEqual([]);
    isHeld = true;
    await drained(world, a);
  });

  test('what a deleted object could not send within its time is dropped, and its finalizer may go', async () => {
    const world = new OutboxWorld();
    const sink = await sinkThat(() => answer(503));
    world.add('one', a);
    world.transition(a);
    const object = world.transition(a);
    const running = emitting(world, sink);
    await until('it was tried', () => sink.arrivals.length > 0);
    expect(running.emitter.isDrained(object)).toBe(false);
    await running.emitter.abandon(object, new AbortController().signal);
    expect(running.emitter.isDrained(object)).toBe(true);
    expect(await count(running, 'dropped')).toBe(2);
  });

  test('the depth of all outboxes is measured, and goes back to nothing', async () => {
    const world = new OutboxWorld();
    const sink = await sinkThat(() => answer(503));
    world.add('one', a);
    world.add('two', b);
    for (const uid of [a, a, b]) world.transition(uid);
    const { metrics } = emitting(world, sink);
    const depth = async () => (await metrics.outboxDepth.get()).values[0]?.value;
    expect(await depth()).toBe(3);
    world.remove(b);
    expect(await depth()).toBe(2);
    sink.react = () => answer(202);
    await drained(world, a);
    expect(await depth()).toBe(0);
  });
});
