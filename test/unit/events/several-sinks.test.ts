import { expect, test } from '@jest/globals';
import { recordEvent } from '../../../src/core/outbox.ts';
import { createSinks } from '../../../src/events/sinks.ts';
import { afterTest } from '../../support/after-test.ts';
import { counted } from '../../support/events/counted.ts';
import { OutboxWorld, startEmitter, uidOf } from '../../support/events/outbox-world.ts';
import { sinkThat } from '../../support/events/sink-that.ts';
import { answer, silence } from '../../support/events/sink.ts';
import { until } from '../../support/events/until.ts';
import type { RunningEmitter } from '../../support/events/outbox-world.ts';
import type { TestSink } from '../../support/events/sink.ts';

const a = uidOf(1);

/** An emitter to several sinks, as the configuration would name them. */
function emitting(world: OutboxWorld, receivers: readonly TestSink[]): RunningEmitter {
  const sinks = createSinks({ urls: receivers.map(({ url }) => url.href).join(', ') });
  for (const sink of sinks) afterTest(() => sink.close());
  const running = startEmitter(world, new URL('http://unused.invalid'), { sinks });
  afterTest(() => running.kill());
  return running;
}

const emptied = (world: OutboxWorld) => until('the outbox is empty', () => (world.get(a).status?.outbox ?? []).length === 0);

const dropped = ({ metrics }: RunningEmitter, { url }: TestSink): Promise<number> => counted(metrics, 'dropped', url.href);

test('each sink has its own progress: one that is away does not hold up the other, and gets its events in order when it is back', async () => {
  const world = new OutboxWorld();
  let isUp = false;
  const [healthy, flaky] = [await sinkThat(), await sinkThat(() => (isUp ? answer(202) : answer(503)))];
  world.add('one', a);
  const { emitter } = emitting(world, [healthy, flaky]);
  for (let n = 0; n < 5; n++) world.transition(a, emitter);
  await until('the healthy one has all', () => healthy.sequences(a).length === 5);
  expect(emitter.isDrained(world.get(a))).toBe(false);
  expect(world.get(a).status?.outbox).toHaveLength(5);
  isUp = true;
  await emptied(world);
  expect(healthy.sequences(a)).toEqual([1, 2, 3, 4, 5]);
  expect([...new Set(flaky.sequences(a))]).toEqual([1, 2, 3, 4, 5]);
});

test('a sink that holds its requests open costs the other nothing', async () => {
  const world = new OutboxWorld();
  const [healthy, stuck] = [await sinkThat(), await sinkThat(() => silence)];
  const uids = Array.from({ length: 40 }, (_, n) => uidOf(n + 10));
  for (const uid of uids) world.add(uid, uid);
  emitting(world, [healthy, stuck]);
  for (const uid of uids) world.transition(uid);
  await until('the healthy one has all', () => healthy.arrivals.length === uids.length);
  expect(stuck.peak).toBeLessThanOrEqual(32);
});

test('a sink that is away for too long loses the oldest events, says so, and keeps the last one of the object; the other sink loses nothing', async () => {
  const world = new OutboxWorld();
  let isUp = false;
  const [healthy, away] = [await sinkThat(), await sinkThat(() => (isUp ? answer(202) : answer(503)))];
  world.add('one', a);
  const running = emitting(world, [healthy, away]);
  for (let n = 1; n <= 40; n++) {
    world.transition(a, running.emitter, n === 3 ? (status) => void recordEvent(status, 'ccm.lablet.session.terminated', { session_id: a, final_state: 'terminated' }, { uid: a, now: new Date('2026-11-23T10:00:00Z') }) : undefined);
    await until('the healthy one has it', () => healthy.sequences(a).length === n);
  }
  expect(world.get(a).status?.conditions).toEqual([expect.objectContaining({ type: 'EventsDelivered', status: 'False', reason: 'EventsLost', message: expect.stringContaining('sequence 9') })]);
  isUp = true;
  await emptied(world);
  expect(healthy.sequences(a)).toEqual(Array.from({ length: 40 }, (_, n) => n + 1));
  // What it was asked to take while it answered 503 did not arrive; what it took is what was left.
  const taken = away.arrivals.slice(-32).map(({ event }) => Number(event.extensions.get('sequence')));
  expect(taken).toEqual([3, ...Array.from({ length: 31 }, (_, n) => n + 10)]);
  expect([await dropped(running, healthy), await dropped(running, away)]).toEqual([0, 8]);
});
