import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { setTimeout as sleep } from 'node:timers/promises';
import { eventually } from '../../support/eventually.ts';
import { clock, entryOf, startScenario, type Scenario } from '../../support/scenario.ts';
import type { LabletSession } from '../../../src/api/labletsession.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
/** The first controller brings the sessions to where they wait. */
const SCALE_BEFORE = 60;
/** Under the second one hours pass in seconds, so that the long limits are seen to end: a deadline is a stored time and a limit. */
const SCALE_AFTER = 1_000;
/** And days, under the third, when nothing else is left to wait. */
const SCALE_LAST = 3_000;

/** For so long there is no controller at all. */
const DEAD_MS = 4_000;

const ms = (text: string | undefined): number => Date.parse(text ?? '');

describe('deadlines that lie ahead when the controller is killed (contract, §2.6)', () => {
  let world: Scenario;
  let killedAt: number;
  let restartedAt: number;
  /** The second controller was ready: a timer that it had begun anew would begin here at the earliest. */
  let readyAt: number;

  beforeAll(async () => {
    world = await startScenario({
      scale: SCALE_BEFORE,
      world: {
        script: {
          lds: [{ candidate: 'absent', noShow: true }, { candidate: '*-graded', startAfter: '0s', endAfter: '0s' }, { candidate: '*', startAfter: '0s', neverEnd: true }],
          grading: [{ candidate: 'held-graded', fail: 'the devices could not be read', after: '0s' }, { candidate: 'silent-graded', never: true }, { candidate: '*', after: '0s' }],
        },
      },
    });
    await world.define('exam', { maxDuration: '24h' });
    await world.define('patient', { maxDuration: '24h', noShowTimeout: '150m' });
    await world.define('lenient', { maxDuration: '24h', grading: { rulesUri: 's3://rules/edge.xml', onFailure: 'Hold' } });
    await world.define('huge', { resources: { cpu: '1k', memory: '4Gi', storage: '10Gi' } });
    await world.book('cancelled', 'huge', { desiredState: 'Terminated' });
    await world.book('absent', 'patient');
    await world.book('archived-graded', 'exam');
    await world.book('held-graded', 'lenient');
    await world.book('silent-graded', 'exam');
    await world.book('works', 'exam', { timeslot: { start: new Date().toISOString(), end: new Date(Date.now() + 20_000).toISOString() } });
    await Promise.all([
      world.reaches('cancelled', 'Terminated'), world.reaches('absent', 'Ready'), world.reaches('works', 'Running'), world.reaches('archived-graded', 'Archived'),
      eventually(async () => expect((await world.session('silent-graded')).status?.gradingSession?.state).toBe('Grading')),
      eventually(async () => expect((await world.session('held-graded')).status?.gradingSession?.state).toBe('Faulted')),
    ]);
    await world.stack.controller.kill();
    killedAt = Date.now();
    await sleep(DEAD_MS);
    restartedAt = Date.now();
    await world.stack.crash('removed', clock(SCALE_AFTER));
    readyAt = Date.now();
  }, 120_000);
  afterAll(async () => {
    await world.stop();
  });

  /** The row was taken by the clock, after the restart and not before its time. */
  function firedAfter(session: LabletSession, row: string, from: string | undefined, limitMs: number): void {
    const entry = entryOf(session, row);
    expect(entry.actor).toBe('timer');
    expect(ms(entry.at)).toBeGreaterThanOrEqual(Math.max(ms(from) + limitMs, restartedAt));
  }

  /** The time that went by before the restart was counted: what waits for longer than that would else be late by it. */
  function notBegunAnew(session: LabletSession, row: string, limitMs: number): void {
    expect(ms(entryOf(session, row).at)).toBeLessThan(readyAt + limitMs);
  }

  test('a no-show is found: 150 min after Ready', async () => {
    const session = await world.reaches('absent', 'Stopping');
    expect(entryOf(session, 'T10').reason).toBe('NoShow');
    firedAfter(session, 'T10', session.status?.readyAt, (150 * MINUTE) / SCALE_AFTER);
    notBegunAnew(session, 'T10', (150 * MINUTE) / SCALE_AFTER);
  });

  test('the slot ends: at the very time that was booked', async () => {
    const session = await world.reaches('works', 'Collecting');
    expect(entryOf(session, 'T11').reason).toBe('TimeslotEnded');
    firedAfter(session, 'T11', session.spec.timeslot?.end, 0);
  });

  test('a grading that brings no result is given up: 30 min after it was asked for', async () => {
    const session = await world.reaches('silent-graded', 'Stopping');
    expect(entryOf(session, 'T16').reason).toBe('GradingTimeout');
    firedAfter(session, 'T16', session.status?.gradingSession?.requestedAt, (30 * MINUTE) / SCALE_AFTER);
  });

  test('a hold ends: 4 h after the grading failed', async () => {
    const session = await world.reaches('held-graded', 'Stopping');
    expect(entryOf(session, 'T16').reason).toBe('HoldExpired');
    expect(ms(session.status?.gradingSession?.completedAt)).toBeLessThanOrEqual(killedAt);
    firedAfter(session, 'T16', session.status?.gradingSession?.completedAt, (4 * HOUR) / SCALE_AFTER);
    notBegunAnew(session, 'T16', (4 * HOUR) / SCALE_AFTER);
  });

  test('an archive is closed: 1 h after it was made', async () => {
    const session = await world.reaches('archived-graded', 'Terminated');
    expect(entryOf(session, 'T20').reason).toBe('ArchiveExpired');
    firedAfter(session, 'T20', entryOf(session, 'T18').at, HOUR / SCALE_AFTER);
    expect(await world.reports('archived-graded')).toHaveLength(1);
  });

  test('the object of a session is deleted: 24 h after it was over, and its report stays', async () => {
    const cancelled = await world.session('cancelled');
    const archived = await world.session('archived-graded');
    await world.stack.crash('removed', clock(SCALE_LAST));
    const limit = (24 * HOUR) / SCALE_LAST;
    const goneAt = await world.gone('cancelled');
    expect(goneAt.getTime()).toBeGreaterThanOrEqual(ms(cancelled.status?.terminatedAt) + limit);
    // It ended later, and so it stays longer.
    expect((await world.session('archived-graded')).metadata.uid).toBe(archived.metadata.uid);
    expect(await world.reports('archived-graded')).toHaveLength(1);
  }, 90_000);
});
