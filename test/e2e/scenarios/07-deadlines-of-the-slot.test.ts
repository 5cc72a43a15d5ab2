import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { WORKERS } from '../../../src/api/kinds.ts';
import { eventually } from '../../support/eventually.ts';
import { entryOf, rowsOf, startScenario, WORKER, type Scenario } from '../../support/scenario.ts';
import type { LabletSession } from '../../../src/api/labletsession.ts';

/** A minute of the domain is a second here. */
const SCALE = 60;
const MISSED_MS = 300_000 / SCALE;
const inMs = (ms: number): Date => new Date(Date.now() + ms);
const time = (text: string | undefined): number => Date.parse(text ?? '');

describe('what the clock does to sessions (acceptance scenario 7)', () => {
  let world: Scenario;
  let missed: LabletSession;
  /** The one that waits without a slot, as it was when the other had missed its own. */
  let waiting: LabletSession;

  beforeAll(async () => {
    world = await startScenario({
      scale: SCALE,
      world: {
        bootDelay: '30s',
        script: { lds: [{ candidate: '*-absent', noShow: true }, { candidate: '*', startAfter: '1s', neverEnd: true }], grading: [{ candidate: '*', score: 87, cutScore: 60, after: '10s' }] },
      },
    });
    await world.define('short', { maxDuration: '8m', noShowTimeout: '5m' });
    await world.define('long', { maxDuration: '30m', noShowTimeout: '0s' });
    await world.define('huge', { resources: { cpu: '1k', memory: '4Gi', storage: '10Gi' } });
    await world.book('waits', 'huge');
    const start = inMs(3_000);
    await world.book('misses', 'huge', { timeslot: { start: start.toISOString(), end: inMs(30_000).toISOString() } });
    await world.book('stays', 'short');
    await world.book('booked', 'long', { timeslot: { start: inMs(5_000).toISOString(), end: inMs(9_000).toISOString() } });
    await world.book('linus-absent', 'short');
    missed = await world.reaches('misses', 'Terminated');
    waiting = await world.session('waits');
  }, 120_000);
  afterAll(async () => {
    await world.stop();
  });

  test.each(['stays', 'booked'])('the end of the slot takes the work of %s, who is still Running, and has it graded', async (name) => {
    const session = await world.reaches(name, 'Archived');
    expect(rowsOf(session)).toBe('T0 T1 T3 T6 T9 T11 T13 T15 T17 T18');
    expect(entryOf(session, 'T11')).toMatchObject({ reason: 'TimeslotEnded', actor: 'timer' });
    expect(time(entryOf(session, 'T11').at)).toBeGreaterThanOrEqual(time(session.status?.timeslot?.end));
    expect(session.status).toMatchObject({ userSession: { state: 'Expired' }, scoreReport: { score: 87, passed: true } });
    const collecting = world.stack.sink.deliveries.find(({ type, data }) => type === 'ccm.lablet.session.collecting' && data['session_id'] === session.metadata.uid);
    expect(collecting?.data['collection_reason']).toBe('timeslot_end');
  });

  test('a booked lab is made ready before its start, not from it', async () => {
    const session = await world.reaches('booked', 'Ready');
    expect(time(entryOf(session, 'T3').at)).toBeLessThan(time(session.status?.timeslot?.start));
  });

  test('a candidate who does not come frees the worker: nothing is left of the session', async () => {
    const session = await world.reaches('linus-absent', 'Terminated');
    expect(rowsOf(session)).toBe('T0 T1 T3 T6 T10 T17 T19');
    expect(session.status).toMatchObject({ ending: 'NoShow', userSession: { state: 'Expired' } });
    expect(time(entryOf(session, 'T10').at) - time(session.status?.readyAt)).toBeGreaterThanOrEqual(300_000 / SCALE);
    await Promise.all(['stays', 'booked'].map((name) => world.reaches(name, 'Archived')));
    await eventually(async () => {
      const { status } = await world.client.get(WORKERS, WORKER);
      expect(status).toMatchObject({ sessions: 0, capacity: { available: { cpu: '48' } } });
      expect(await world.labs()).toEqual([]);
      expect((await world.stack.world.labsOnHosts()).flat()).toEqual([]);
    });
  });

  test('a slot that begins without a worker is given up five minutes after its start', () => {
    expect(rowsOf(missed)).toBe('T0 T2');
    expect(entryOf(missed, 'T2')).toMatchObject({ reason: 'TimeslotMissed', actor: 'timer' });
    expect(time(entryOf(missed, 'T2').at) - time(missed.spec.timeslot?.start)).toBeGreaterThanOrEqual(MISSED_MS);
  });

  test('a session without a slot goes on waiting meanwhile, and says for what', () => {
    // It had waited longer by then than the other one.
    expect(time(waiting.metadata.creationTimestamp)).toBeLessThanOrEqual(time(missed.metadata.creationTimestamp));
    expect(waiting.status?.phase).toBe('Pending');
    expect(waiting.status?.conditions?.find(({ type }) => type === 'Scheduled')).toMatchObject({ status: 'False', reason: 'InsufficientResources' });
  });
});
