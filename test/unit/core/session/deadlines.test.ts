/** Every limit of contract §2.6 that belongs to a session: held by stored times, so a restart at any moment re-arms it. */
import { describe, expect, test } from '@jest/globals';
import { getCondition } from '../../../../src/core/conditions.ts';
import { ASAP, event, HOUR, MINUTE, SECOND, sessionAt, Story } from '../../../support/builders.ts';
import type { RowId } from '../../../../src/core/session/table.ts';

const onFailure = (policy: string): Record<string, unknown> => ({ grading: { rulesUri: 's3://rules/grade.xml', onFailure: policy } });

/** The session as another process finds it: nothing but what was stored. */
function restarted(story: Story): Story {
  story.session = JSON.parse(JSON.stringify(story.session)) as Story['session'];
  return story;
}

describe('a deadline is told ahead, changes nothing a millisecond before, and takes its row when it is over', () => {
  test.each<[string, () => Story, number, RowId[]]>([
    ['missed slot: 5 min after the start', () => sessionAt('Pending'), 19 * HOUR + 5 * MINUTE, ['T2']],
    ['pending without a slot: 45 min', () => sessionAt('Pending', { spec: ASAP }), 45 * MINUTE, ['T2']],
    ['a definition that never comes: 45 min', () => new Story({ spec: ASAP, world: { definition: { state: 'missing' } } }), 45 * MINUTE, ['T2']],
    ['instantiate lead: 15 min before the start', () => sessionAt('Scheduled'), 15 * MINUTE, ['T3']],
    ['instantiate lead of the definition: 20 min before the start', () => sessionAt('Scheduled', { definition: { bootLeadTime: '20m' } }), 10 * MINUTE, ['T3']],
    ['slot end while the worker boots', () => sessionAt('Scheduled').worker('notReady').at('2026-11-23T09:46:00Z'), 104 * MINUTE, ['T5']],
    ['worker not ready without a slot: 45 min', () => sessionAt('Scheduled', { spec: ASAP }).worker('notReady'), 45 * MINUTE, ['T5']],
    ['no-show: 30 min after the start', () => sessionAt('Ready'), 43 * MINUTE, ['T10']],
    ['no-show of the definition: 10 min', () => sessionAt('Ready', { definition: { noShowTimeout: '10m' } }), 23 * MINUTE, ['T10']],
    ['slot end while Ready, where no-show is off', () => sessionAt('Ready', { definition: { noShowTimeout: '0s' } }), 103 * MINUTE, ['T10']],
    ['slot end while Running', () => sessionAt('Running'), 89 * MINUTE, ['T11']],
    ['hard end of a session without a slot: maxDuration after it was ready', () => sessionAt('Running', { spec: ASAP }), 106 * MINUTE, ['T11']],
    ['collection: 10 min', () => sessionAt('Collecting'), 10 * MINUTE, ['T14']],
    ['grading: 30 min', () => sessionAt('Grading').requestGrade(), 30 * MINUTE, ['T16']],
    ['grading that was never asked for: 30 min', () => sessionAt('Grading'), 30 * MINUTE, ['T16']],
    ['hold: 4 h', () => held(), 4 * HOUR, ['T16']],
    ['teardown in Stopping: 10 min', () => sessionAt('Stopping'), 10 * MINUTE, ['T17']],
    ['teardown in Stopped: 10 min', () => sessionAt('Stopped'), 10 * MINUTE, ['T18']],
    ['archive: 1 h', () => sessionAt('Archived'), HOUR, ['T20']],
  ])('%s', (_, make, afterMs, rows) => {
    const story = restarted(make());
    const at = new Date(story.now.getTime() + afterMs);
    expect(story.look()).toMatchObject({ rows: [], wakeAt: at });
    expect(restarted(story).advance(afterMs - 1).look()).toMatchObject({ rows: [], wakeAt: at });
    expect(restarted(story).advance(1).judge().rows).toEqual(rows);
  });

  test('a leader that was away for long takes every row that is due, in one decision', () => {
    const story = sessionAt('Ready').at('2026-11-25T00:00:00Z');
    expect(story.judge().rows).toEqual(['T10']);
    expect(story.advance(10 * MINUTE).judge().rows).toEqual(['T17']);
    expect(story.advance(10 * MINUTE).judge().rows).toEqual(['T19']);
    expect(story.look().wakeAt).toBeUndefined();
  });

  test('an archive time of zero ends an archived session at once', () => {
    const story = sessionAt('Stopped').finishPipeline();
    story.world = { ...story.world, timeouts: { ...story.world.timeouts, archiveTtl: 0 } };
    expect(story.judge().rows).toEqual(['T18', 'T20']);
  });
});

describe('instantiate has 3 runs of 15 min, 30 s apart', () => {
  test('a run that takes too long fails where it is, and the next one begins after the pause', () => {
    const story = sessionAt('Instantiating').advance(15 * MINUTE);
    expect(story.judge().rows).toEqual([]);
    expect(story.status).toMatchObject({ phase: 'Instantiating', attempts: 2 });
    expect(story.status.pipeline).toMatchObject({ attempt: 2, notBefore: '2026-11-23T10:00:30.000Z', startedAt: '2026-11-23T10:00:30.000Z', firstStartedAt: '2026-11-23T09:45:00.000Z', error: 'content_sync: not ready within 15m' });
    expect(story.status.pipeline?.steps.every(({ state }) => state === 'Pending')).toBe(true);
    expect(getCondition(story.status, 'LabReady')).toMatchObject({ status: 'False', reason: 'InstantiationFailed', message: 'Run 1 of 3 failed: content_sync: not ready within 15m' });
  });

  test('the limit of a run is told ahead', () => {
    expect(sessionAt('Instantiating').look().wakeAt).toEqual(new Date('2026-11-23T10:00:00Z'));
  });

  test('after the third run the session is torn down as failed', () => {
    const story = sessionAt('Instantiating', { spec: ASAP });
    for (let run = 1; run < 3; run++) expect(story.advance(15 * MINUTE + 30 * SECOND).judge().rows).toEqual([]);
    expect(story.advance(15 * MINUTE + 30 * SECOND).judge().rows).toEqual(['T8']);
    expect(story.status).toMatchObject({ reason: 'InstantiationFailed', ending: 'Failed', message: expect.stringContaining('in 3 run(s)') });
  });

  test('a failed step ends the run at once, a permanent error all runs', () => {
    const story = sessionAt('Instantiating').failStep('lab_start', 'not enough licence nodes');
    expect(story.judge().rows).toEqual([]);
    expect(story.status.pipeline).toMatchObject({ attempt: 2, error: 'lab_start: not enough licence nodes' });
    expect(sessionAt('Instantiating').failStep('ports_verify', 'port 2002 is used by another lab', true).judge().status).toMatchObject({ phase: 'Stopping', reason: 'InstantiationFailed' });
  });

  test('runs of another worker do not count', () => {
    const story = sessionAt('Instantiating', { spec: ASAP }).failStep('lab_start');
    story.judge();
    story.worker('lost').judge();
    story.place().judge();
    expect(story.status).toMatchObject({ phase: 'Instantiating', attempts: 1, pipeline: { attempt: 1 } });
  });
});

test('a failed collection is tried again twice, within 10 min in all', () => {
  const story = sessionAt('Collecting').failStep('ge_session_pod', 'GradingEngine is away');
  expect(story.judge().rows).toEqual([]);
  expect(story.status.pipeline).toMatchObject({ attempt: 2, error: 'ge_session_pod: GradingEngine is away' });
  expect(story.advance(9 * MINUTE).finishPipeline().judge().rows).toEqual(['T13']);
});

describe('a failed grading', () => {
  test('Stop: the session is torn down in the same write', () => {
    const story = sessionAt('Grading', { definition: onFailure('Stop') }).requestGrade();
    expect(story.consume(event('grading.session.failed', { error: 'no device answers' }))).toMatchObject({ rows: ['T16'], result: 'Applied' });
    expect(story.status.gradingSession).toMatchObject({ state: 'Faulted', error: 'no device answers' });
  });

  test('Retry: two further calls on the same grading session, 60 s apart, then the end', () => {
    const story = sessionAt('Grading', { definition: onFailure('Retry') }).requestGrade();
    const id = story.status.gradingSession?.id;
    for (const call of [2, 3]) {
      expect(story.advance(MINUTE).consume(event('grading.session.failed', { error: `failure ${call - 1}` })).rows).toEqual([]);
      expect(story.status.gradingSession).toMatchObject({ state: 'Faulted', error: `failure ${call - 1}` });
      expect(story.judge().rows).toEqual([]);
      const again = new Date(story.now.getTime() + MINUTE).toISOString();
      expect(story.status.pipeline).toMatchObject({ name: 'compute_grading', attempt: call, notBefore: again });
      expect(story.status.gradingSession).toMatchObject({ id, state: 'Collecting' });
      story.advance(MINUTE).requestGrade();
      expect(story.status.gradingSession).toMatchObject({ id, state: 'Grading', gradeCalls: call });
    }
    expect(story.advance(MINUTE).consume(event('grading.session.failed', { error: 'failure 3' })).rows).toEqual(['T16']);
    expect(story.status).toMatchObject({ reason: 'GradingFailed', message: 'Grading failed: failure 3' });
  });

  test('Retry: the same news under another id does not use a further call up', () => {
    const story = sessionAt('Grading', { definition: onFailure('Retry') }).requestGrade();
    story.consume(event('grading.session.failed', { error: 'first' }));
    expect(story.consume(event('grading.session.failed', { error: 'first' })).result).toBe('Ignored');
    story.judge();
    expect(story.consume(event('grading.session.failed', { error: 'first' })).result).toBe('Ignored');
    expect(story.judge().rows).toEqual([]);
    expect(story.status.pipeline?.attempt).toBe(2);
  });

  test('Retry: a GradingEngine that cannot be reached is asked three times, not for ever', () => {
    const story = sessionAt('Grading', { definition: onFailure('Retry') });
    const rows: RowId[] = [];
    for (let run = 0; run < 5 && story.phase === 'Grading'; run++) rows.push(...story.advance(2 * MINUTE).failStep('request_grade', 'GradingEngine is away').judge().rows);
    expect(rows).toEqual(['T16']);
  });

  test('Retry: each call has 30 min', () => {
    const story = sessionAt('Grading', { definition: onFailure('Retry') }).requestGrade();
    expect(story.advance(30 * MINUTE).judge().rows).toEqual([]);
    expect(story.look().wakeAt).toEqual(new Date(story.now.getTime() + 31 * MINUTE));
    expect(story.advance(31 * MINUTE).judge().rows).toEqual([]);
    expect(story.advance(31 * MINUTE).judge()).toMatchObject({ rows: ['T16'], status: { reason: 'GradingTimeout' } });
  });

  test('Retry: a result during the pause wins', () => {
    const story = sessionAt('Grading', { definition: onFailure('Retry') }).requestGrade();
    story.consume(event('grading.session.failed', { error: 'first' }));
    story.judge();
    expect(story.consume(event('grading.session.completed')).rows).toEqual(['T15']);
  });

  test('Hold: the lab stays, and the condition says who must act and how', () => {
    const story = held();
    expect(story.judge().rows).toEqual([]);
    expect(story.phase).toBe('Grading');
    expect(getCondition(story.status, 'Graded')).toMatchObject({ status: 'False', reason: 'GradingFailed', message: expect.stringMatching(/no device answers.*lablet\.dev\/regrade.*lablet\.dev\/release-hold/) });
  });

  test('Hold: a timeout holds too, and the hold replaces the grading timeout', () => {
    const story = sessionAt('Grading', { definition: onFailure('Hold') }).requestGrade().advance(30 * MINUTE);
    expect(story.judge()).toMatchObject({ rows: [], wakeAt: new Date(story.now.getTime() + 4 * HOUR) });
    expect(story.status.gradingSession).toMatchObject({ state: 'Faulted', error: 'no result within 30m' });
  });

  test('Hold: a result that comes after all is taken', () => {
    const story = held().advance(HOUR);
    expect(story.consume(event('grading.session.completed')).rows).toEqual(['T15']);
    expect(story.status.gradingSession).toMatchObject({ state: 'Submitted' });
    expect(story.status.gradingSession).not.toHaveProperty('error');
    expect(getCondition(story.status, 'Graded')).toMatchObject({ status: 'True' });
  });

  test('an unreadable definition gives nothing up: the session is held', () => {
    const story = sessionAt('Grading').requestGrade();
    story.consume(event('grading.session.completed'));
    const unread = sessionAt('Grading').requestGrade();
    unread.world = { ...unread.world, definition: { state: 'missing' } };
    expect(unread.consume(event('grading.session.completed'))).toMatchObject({ rows: [], result: 'Deferred' });
    expect(unread.advance(MINUTE).judge().rows).toEqual([]);
    unread.world = { ...unread.world, definition: story.world.definition };
    expect(unread.judge().rows).toEqual(['T15']);
  });
});

describe('the annotation lablet.dev/regrade', () => {
  test('grades a held session again, once for each value, with fresh limits and retries', () => {
    const story = held().advance(3 * HOUR).annotate({ 'lablet.dev/regrade': '1' });
    expect(story.judge()).toMatchObject({ rows: [], notices: [], wakeAt: new Date(story.now.getTime() + 30 * MINUTE) });
    expect(story.status).toMatchObject({ regrade: '1', pipeline: { name: 'compute_grading', attempt: 1 }, gradingSession: { state: 'Collecting', attempt: 1 } });
    expect(getCondition(story.status, 'Graded')).toMatchObject({ status: 'Unknown', reason: 'Regrading' });
    story.requestGrade().consume(event('grading.session.failed', { error: 'again' }));
    expect(story.judge().rows).toEqual([]);
    expect(story.status.gradingSession?.state).toBe('Faulted');
    story.annotate({ 'lablet.dev/regrade': '2' }).judge();
    story.requestGrade();
    expect(story.consume(event('grading.session.completed', { score: 80 })).rows).toEqual(['T15']);
    expect(story.status.scoreReport).toMatchObject({ score: 80 });
  });

  test('is refused once, in words, where no live lab is graded', () => {
    const story = sessionAt('Running').annotate({ 'lablet.dev/regrade': '1' });
    expect(story.judge().notices).toMatchObject([{ type: 'Warning', reason: 'RegradeRefused' }]);
    expect(story.judge().notices).toEqual([]);
    story.consume(event('lds.session.ended'));
    story.finishPipeline().judge();
    expect(story.phase).toBe('Grading');
    expect(story.look().status.pipeline).toMatchObject({ attempt: 1 });
  });
});

describe('an extension', () => {
  const later = (end: string): Partial<Story['session']['spec']> => ({ timeslot: { start: '2026-11-23T10:00:00Z', end } });

  test('moves the end of a running session, and its deadline with it', () => {
    const story = sessionAt('Running').edit(later('2026-11-23T12:00:00Z'));
    expect(story.judge()).toMatchObject({ rows: [], wakeAt: new Date('2026-11-23T12:00:00Z') });
    expect(story.status.timeslot).toEqual({ start: '2026-11-23T10:00:00.000Z', end: '2026-11-23T12:00:00.000Z', bookedEnd: '2026-11-23T11:30:00.000Z' });
    expect(getCondition(story.status, 'Admitted')).toMatchObject({ status: 'True', reason: 'Extended' });
    expect(story.at('2026-11-23T12:00:00Z').judge().rows).toEqual(['T11']);
  });

  test('lengthens the longest working time by as much', () => {
    const story = sessionAt('Running', { spec: { timeslot: { start: '2026-11-23T10:00:00Z', end: '2026-11-23T12:00:00Z' } } }).edit(later('2026-11-23T12:30:00Z'));
    expect(story.judge().wakeAt).toEqual(new Date('2026-11-23T12:30:00Z'));
  });

  test.each<[string, Partial<Story['world']>, string]>([
    ['over maxExtension', {}, '2026-11-23T12:00:00.001Z'],
    ['into a full calendar', { noRoom: 'Another session is booked from 11:45.' }, '2026-11-23T11:50:00Z'],
  ])('%s is refused with a reason, and the slot ends as before', (_, fields, end) => {
    const story = sessionAt('Running').edit(later(end));
    story.world = { ...story.world, ...fields };
    expect(story.judge().wakeAt).toEqual(new Date('2026-11-23T11:30:00Z'));
    expect(getCondition(story.status, 'Admitted')).toMatchObject({ status: 'False', reason: 'ExtensionRefused' });
    expect(story.at('2026-11-23T11:30:00Z').judge().rows).toEqual(['T11']);
  });

  test('of a session without a slot counts from the end that it got when it was ready', () => {
    const early = sessionAt('Instantiating', { spec: ASAP }).edit({ timeslot: { end: '2026-11-23T12:00:00Z' } });
    expect(early.judge().status.timeslot).toEqual({});
    const story = sessionAt('Running', { spec: ASAP });
    expect(story.status.timeslot?.bookedEnd).toBe('2026-11-23T11:47:00.000Z');
    expect(story.edit({ timeslot: { end: '2026-11-23T12:17:00Z' } }).judge().wakeAt).toEqual(new Date('2026-11-23T12:17:00Z'));
  });

  test('comes too late once the session is Stopping', () => {
    const story = sessionAt('Stopping').edit(later('2026-11-23T12:00:00Z'));
    expect(story.judge().status.timeslot?.end).toBe('2026-11-23T11:30:00.000Z');
  });
});

function held(): Story {
  const story = sessionAt('Grading', { definition: onFailure('Hold') }).requestGrade();
  story.consume(event('grading.session.failed', { error: 'no device answers' }));
  return story;
}
