import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { setTimeout as sleep } from 'node:timers/promises';
import { getCondition } from '../../../src/core/conditions.ts';
import { answer, hangUp, TestSink, type Arrival } from '../../support/events/sink.ts';
import { eventually } from '../../support/eventually.ts';
import { startScenario, type Scenario } from '../../support/scenario.ts';
import type { LabletSession } from '../../../src/api/labletsession.ts';

const SCALE = 100;
/** Ten minutes of the domain; the pauses between two tries are real ones. */
const OUTAGE_MS = 600_000 / SCALE;
const PARK_MS = 600_000 / SCALE;

const STORY = [
  'session.pending', 'session.scheduled', 'session.instantiating', 'user_session.created', 'session.ready', 'session.running', 'grading_session.created', 'session.collecting',
  'session.grading', 'score_report.created', 'session.graded', 'session.stopping', 'session.stopped',
];
const typeOf = ({ event }: Arrival): string => event.type.replace('ccm.lablet.', '');
const of = (arrivals: readonly Arrival[], { metadata }: LabletSession): Arrival[] => arrivals.filter(({ event }) => event.source.endsWith(`/${metadata.uid}`));
const sequences = (arrivals: readonly Arrival[]): number[] => arrivals.map(({ event }) => Number(event.extensions.get('sequence')));

describe('a sink that is down for ten minutes, and one that refuses an event (acceptance scenario 12)', () => {
  let world: Scenario;
  let sink: TestSink;
  let deadLetters: TestSink;
  let isDown = false;
  /** What the sink took, in order; tries that it did not take are in `sink.arrivals` too. */
  const taken: Arrival[] = [];
  let refused: LabletSession | undefined;
  const refusedAt: number[] = [];

  beforeAll(async () => {
    sink = await TestSink.start((_nth, arrival) => {
      if (isDown) return hangUp;
      if (refused && arrival.event.source.endsWith(`/${refused.metadata.uid}`) && typeOf(arrival) === 'session.ready') {
        refusedAt.push(Date.now());
        return answer(400);
      }
      taken.push(arrival);
      return answer(202);
    });
    deadLetters = await TestSink.start();
    world = await startScenario({
      scale: SCALE,
      environment: { CLOUDEVENTS_SINK_URL: sink.url.href, CLOUDEVENTS_DEAD_LETTER_URL: deadLetters.url.href },
      world: { script: { lds: [{ candidate: '*', startAfter: '0s', endAfter: '0s' }], grading: [{ candidate: '*', score: 87, after: '0s' }] } },
    });
    await world.define('exam');
  }, 120_000);
  afterAll(async () => {
    await world.stop();
    await sink.close();
    await deadLetters.close();
  });

  test('while it is down sessions go their whole way, and then everything arrives in order, under the ids of the first try, though the controller was killed meanwhile', async () => {
    await eventually(() => expect(taken.map(typeOf)).toEqual(['definition.created']));
    isDown = true;
    const downSince = Date.now();
    const names = ['ada', 'grace', 'linus'];
    await Promise.all(names.map((name) => world.book(name, 'exam')));
    const sessions = await Promise.all(names.map((name) => world.reaches(name, 'Archived')));
    expect(taken).toHaveLength(1);
    for (const session of sessions) {
      expect(session.status?.scoreReport).toMatchObject({ score: 87 });
      expect(session.status?.outbox?.map(({ sequence }) => sequence)).toEqual(STORY.map((_, index) => index + 1));
    }
    const tries = [...sink.arrivals];
    await world.stack.crash('removed');
    await sleep(Math.max(0, downSince + OUTAGE_MS - Date.now()));
    expect(taken).toHaveLength(1);
    isDown = false;
    await eventually(async () => {
      for (const name of names) expect((await world.session(name)).status?.outbox ?? []).toEqual([]);
    }, 60_000);
    for (const session of sessions) {
      const arrived = of(taken, session);
      expect(arrived.map(typeOf)).toEqual(STORY);
      expect(sequences(arrived)).toEqual(STORY.map((_, index) => index + 1));
      // What the first controller tried in vain came again from the second, byte for byte.
      const first = of(tries, session);
      expect(first.length).toBeGreaterThan(0);
      for (const { event, bytes } of first) expect(arrived.find((other) => other.event.id === event.id)?.bytes).toBe(bytes);
      expect(new Map(session.status?.outbox?.map(({ id, sequence }) => [sequence, id]))).toEqual(new Map(arrived.map(({ event }) => [Number(event.extensions.get('sequence')), event.id])));
    }
  }, 90_000);

  test('an event that the sink refuses holds up the later ones of its session, is given to the dead-letter sink after the park time, and is told to people', async () => {
    refused = await world.book('parked', 'exam');
    await world.reaches('parked', 'Archived');
    const waiting = await eventually(async () => {
      const session = await world.session('parked');
      expect(getCondition(session.status, 'EventsDelivered')).toMatchObject({ status: 'False', reason: 'SinkRefuses', message: expect.stringMatching(/session\.ready with sequence 5/) });
      return session;
    });
    expect(of(taken, waiting).map(typeOf)).toEqual(STORY.slice(0, 4));
    await eventually(() => expect(of(taken, waiting).map(typeOf)).toEqual(STORY.filter((type) => type !== 'session.ready')), 60_000);
    expect(Date.now() - (refusedAt[0] ?? 0)).toBeGreaterThanOrEqual(PARK_MS);
    // The refused one is the only gap, and it is where the dead letters go: with the id that the outbox had.
    expect(sequences(of(taken, waiting))).toEqual(STORY.map((_, index) => index + 1).filter((sequence) => sequence !== 5));
    expect(deadLetters.arrivals.map(({ event }) => event.id)).toEqual(waiting.status?.outbox?.filter(({ sequence }) => sequence === 5).map(({ id }) => id));
    expect(deadLetters.arrivals.map(typeOf)).toEqual(['session.ready']);
    await eventually(async () => expect(await world.told('parked')).toContain('EventRefused'));
  }, 90_000);
});
