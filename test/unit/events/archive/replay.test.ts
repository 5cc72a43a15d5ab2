import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { LABLET_SESSIONS } from '../../../../src/api/kinds.ts';
import { recordOf } from '../../../../src/core/chain.ts';
import { recordEvent } from '../../../../src/core/outbox.ts';
import { replay } from '../../../../src/events/archive/replay.ts';
import { HttpSink } from '../../../../src/events/sink-http.ts';
import { systemClock } from '../../../../src/runtime/clock.ts';
import { chainedContext } from '../../../support/events/chained.ts';
import { OutboxWorld, startEmitter, uidOf } from '../../../support/events/outbox-world.ts';
import { answer, TestSink } from '../../../support/events/sink.ts';
import { until } from '../../../support/events/until.ts';
import type { EmittedRecordOf } from '../../../../src/events/archive/replay.ts';

const uid = uidOf(1);
const never = new AbortController().signal;
let original: TestSink;

beforeAll(async () => { original = await TestSink.start(); });
afterAll(() => original.close());

/** Three events as they were sent to `original`, and their records as they are read back. */
async function sent(): Promise<EmittedRecordOf[]> {
  const world = new OutboxWorld();
  const object = world.add('cand-1', uid);
  const records: EmittedRecordOf[] = [];
  const context = { ...chainedContext(uid, 'cand-1'), causationId: 'evt-1' };
  const record = (status: Parameters<typeof recordEvent>[0], work: () => void): void => {
    work();
    const entry = status.outbox?.at(-1);
    const made = entry && recordOf(entry, { resource: LABLET_SESSIONS, metadata: object.metadata });
    if (made) records.push(JSON.parse(JSON.stringify(made)) as EmittedRecordOf);
  };
  world.transition(uid, undefined, (status) => record(status, () => recordEvent(status, 'ccm.lablet.session.ready', { session_id: uid, login_url: null, allocated_ports: { serial_1: 5041 } }, context, { name: 'x', key: 'login_url', field: 'login_url', sha256: 'ab'.repeat(32) })));
  world.transition(uid, undefined, (status) => record(status, () => recordEvent(status, 'ccm.lablet.session.graded', { session_id: uid, score_report_id: uid, score: 71.5, passed: true }, chainedContext(uid, 'cand-1'))));
  world.transition(uid, undefined, (status) => record(status, () => recordEvent(status, 'ccm.lablet.session.stopping', { session_id: uid }, { ...context, traceParent: `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01` })));
  const running = startEmitter(world, original.url, { readSecret: async () => 'https://lds.example/secret' });
  await until('all were sent', () => original.sequences(uid).length === 3);
  await running.kill();
  return records;
}

async function* each<T>(items: readonly T[]): AsyncGenerator<T> {
  yield* items;
}

describe('a replay', () => {
  test('sends what was sent with the same ids and the same bytes, in order; only a launch URL is null', async () => {
    const records = await sent();
    const sink = await TestSink.start((nth) => answer(nth === 1 ? 503 : 202));
    const out = new HttpSink({ url: sink.url, mode: 'binary' });
    const seen: number[] = [];
    expect(await replay(each(records), { sink: out, rate: 1000, clock: systemClock, signal: never, sent: (_, count) => seen.push(count) })).toBe(3);
    expect(seen).toEqual([1, 2, 3]);
    // The second was refused for now and came again.
    expect(sink.sequences(uid)).toEqual([1, 2, 2, 3]);
    const [first, ...rest] = sink.arrivals.filter((_, index) => index !== 1);
    const [was, ...others] = original.arrivals;
    expect(rest.map(({ bytes }) => bytes)).toEqual(others.map(({ bytes }) => bytes));
    expect({ ...first?.event, data: null }).toEqual({ ...was?.event, data: null });
    expect(was?.event.data).toMatchObject({ value: { login_url: 'https://lds.example/secret' } });
    expect(first?.event.data).toEqual({ kind: 'json', value: { session_id: uid, login_url: null, allocated_ports: { serial_1: 5041 } } });
    await out.close();
    await sink.close();
  });

  test('stops at an event that the sink refuses, and names it', async () => {
    const records = await sent();
    const sink = await TestSink.start(() => answer(400));
    const out = new HttpSink({ url: sink.url, mode: 'binary' });
    await expect(replay(each(records), { sink: out, rate: 1000, clock: systemClock, signal: never })).rejects.toThrow(`ccm.lablet.session.ready ${records[0]?.event.id ?? ''} of exams/cand-1`);
    await out.close();
    await sink.close();
  });

  test('keeps to its rate', async () => {
    const records = await sent();
    const sink = await TestSink.start();
    const out = new HttpSink({ url: sink.url, mode: 'binary' });
    const pauses: number[] = [];
    const clock = { ...systemClock, sleep: async (ms: number) => { pauses.push(Math.round(ms)); } };
    await replay(each(records), { sink: out, rate: 2, clock: { ...clock, monotonic: () => 0 }, signal: never });
    expect(pauses).toEqual([0, 500, 1000]);
    await out.close();
    await sink.close();
  });
});
