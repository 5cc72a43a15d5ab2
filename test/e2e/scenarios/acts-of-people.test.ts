import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { getCondition } from '../../../src/core/conditions.ts';
import { eventually } from '../../support/eventually.ts';
import { entryOf, eventsOf, rowsOf, startScenario, type Scenario } from '../../support/scenario.ts';
import type { LabletSession } from '../../../src/api/labletsession.ts';

const SCALE = 60;
const GRADED = 'T0 T1 T3 T6 T9 T11 T13 T15 T17 T18';
const GIVEN_UP = 'T0 T1 T3 T6 T9 T11 T13 T16 T17 T19';
const rules = { rulesUri: 's3://rules/edge.xml', cutScore: 60 };
const ms = (text: string | undefined): number => Date.parse(text ?? '');

describe('what people do to a session, and what becomes of a grading that fails', () => {
  let world: Scenario;
  /** As they were before somebody asked for more time. */
  let longer: LabletSession;
  let tooLong: LabletSession;

  beforeAll(async () => {
    world = await startScenario({
      scale: SCALE,
      world: {
        script: {
          lds: [{ candidate: 'works-*', startAfter: '0s', neverEnd: true }, { candidate: '*', startAfter: '0s', endAfter: '0s' }],
          grading: [{ candidate: '*-twice', fail: 'the devices could not be read', failTimes: 2, score: 87, after: '0s' }, { candidate: '*-always', fail: 'the devices could not be read', after: '0s' }, { candidate: '*', score: 87, after: '0s' }],
        },
      },
    });
    await world.define('exam');
    await world.define('short', { maxDuration: '12m', maxExtension: '4m' });
    await world.define('without-lds', { formQualifiedName: undefined });
    await world.define('retries', { grading: { ...rules, onFailure: 'Retry' } });
    await world.define('holds', { grading: { ...rules, onFailure: 'Hold' } });
    // All at once: they do not know of each other.
    await Promise.all([
      world.book('works-longer', 'short'), world.book('works-too-long', 'short'), world.book('works-ended', 'exam'), world.book('works-stopped', 'exam'), world.book('by-hand', 'without-lds'),
      world.book('retry-twice', 'retries'), world.book('retry-always', 'retries'), world.book('hold-twice', 'holds'), world.book('hold-always', 'holds'),
      world.book('works-forced', 'exam'), world.book('works-paused', 'exam', {}, { 'lablet.dev/paused': 'true' }),
    ]);
    // A slot that began by itself gets its first end in the spec here.
    [longer, tooLong] = await Promise.all([extended('works-longer', 4_000), extended('works-too-long', 60_000)]);
  }, 120_000);
  afterAll(async () => {
    await world.stop();
  });

  async function extended(name: string, byMs: number): Promise<LabletSession> {
    const before = await world.reaches(name, 'Ready');
    await world.patch(name, { spec: { timeslot: { end: new Date(ms(before.status?.timeslot?.end) + byMs).toISOString() } } });
    return before;
  }
  const held = (name: string) => eventually(async () => {
    const session = await world.session(name);
    expect(session.status).toMatchObject({ phase: 'Grading', gradingSession: { state: 'Faulted' } });
    expect(getCondition(session.status, 'Graded')).toMatchObject({ status: 'False', reason: 'GradingFailed' });
    return session;
  });
  const gradeRuns = async (candidate: string): Promise<number[]> => (await world.stack.world.gradeCalls()).filter(({ candidateId }) => candidateId === candidate).map(({ runs }) => runs);

  test('a later end in the spec extends the slot by up to maxExtension, and the work is ended then', async () => {
    const after = await eventually(async () => {
      const session = await world.session('works-longer');
      expect(getCondition(session.status, 'Admitted')).toMatchObject({ status: 'True', reason: 'Extended' });
      return session;
    });
    expect(after.status?.timeslot?.bookedEnd).toBe(longer.status?.timeslot?.bookedEnd);
    const over = await world.reaches('works-longer', 'Archived');
    expect(rowsOf(over)).toBe(GRADED);
    expect(ms(entryOf(over, 'T11').at)).toBeGreaterThanOrEqual(ms(longer.status?.timeslot?.end) + 4_000);
  });

  test('an extension beyond maxExtension is refused in words, and the slot ends as booked', async () => {
    const over = await world.reaches('works-too-long', 'Archived');
    expect(getCondition(over.status, 'Admitted')).toMatchObject({ status: 'False', reason: 'ExtensionRefused', message: expect.stringMatching(/4s at most/) });
    expect(over.status?.timeslot?.end).toBe(tooLong.status?.timeslot?.end);
    expect(entryOf(over, 'T11').actor).toBe('timer');
  });

  test('desiredState Ended in Running collects and grades', async () => {
    await world.reaches('works-ended', 'Running');
    await world.patch('works-ended', { spec: { desiredState: 'Ended' } });
    const session = await world.reaches('works-ended', 'Archived');
    expect(rowsOf(session)).toBe(GRADED);
    expect(entryOf(session, 'T11')).toMatchObject({ reason: 'Ended', actor: 'user' });
    expect(session.status).toMatchObject({ scoreReport: { score: 87, passed: true } });
  });

  test('desiredState Terminated in Running stops without a grade', async () => {
    await world.reaches('works-stopped', 'Running');
    await world.patch('works-stopped', { spec: { desiredState: 'Terminated' } });
    const session = await world.reaches('works-stopped', 'Terminated');
    expect(rowsOf(session)).toBe('T0 T1 T3 T6 T9 T12 T17 T19');
    expect(await world.reports('works-stopped')).toEqual([]);
  });

  test('a session without LDS has no launch URL, and is started by an annotation and ended by a person', async () => {
    const ready = await world.reaches('by-hand', 'Ready');
    expect(ready.status?.userSession).toMatchObject({ state: 'Provisioned' });
    expect(ready.status?.userSession).not.toHaveProperty('ldsSessionId');
    await world.annotate('by-hand', { 'lablet.dev/start': 'true' });
    const running = await world.reaches('by-hand', 'Running');
    expect(entryOf(running, 'T9')).toMatchObject({ reason: 'StartedByHand', actor: 'user' });
    await world.patch('by-hand', { spec: { desiredState: 'Ended' } });
    expect(rowsOf(await world.reaches('by-hand', 'Archived'))).toBe(GRADED);
    const event = world.stack.sink.deliveries.find(({ type, data }) => type === 'ccm.lablet.session.ready' && data['session_id'] === ready.metadata.uid);
    expect(event?.data).toHaveProperty('login_url', null);
  });

  test('onFailure Retry grades again on the same grading session until there is a result', async () => {
    const session = await world.reaches('retry-twice', 'Archived');
    expect(rowsOf(session)).toBe(GRADED);
    expect(session.status).toMatchObject({ scoreReport: { score: 87 }, gradingSession: { state: 'Submitted' } });
    expect(await gradeRuns('retry-twice')).toEqual([3]);
    expect(eventsOf(world.stack.sink.deliveries, session.metadata.uid).filter(({ type }) => type === 'grading_session.created')).toHaveLength(1);
  });

  test('onFailure Retry gives up after two more calls', async () => {
    const session = await world.reaches('retry-always', 'Terminated');
    expect(rowsOf(session)).toBe(GIVEN_UP);
    expect(entryOf(session, 'T16').reason).toBe('GradingFailed');
    expect(await gradeRuns('retry-always')).toEqual([3]);
    expect(await world.reports('retry-always')).toEqual([]);
  });

  test('onFailure Hold keeps the lab until a person asks for another grading, as often as it takes', async () => {
    const first = await held('hold-twice');
    expect(getCondition(first.status, 'Graded')?.message).toMatch(/lablet\.dev\/regrade/);
    expect((await world.stack.world.labsOnHosts()).flat().find(({ title }) => title === first.status?.labName)?.state).toBe('STARTED');
    await world.annotate('hold-twice', { 'lablet.dev/regrade': '1' });
    await eventually(async () => expect(await gradeRuns('hold-twice')).toEqual([2]));
    await held('hold-twice');
    await world.annotate('hold-twice', { 'lablet.dev/regrade': '2' });
    const session = await world.reaches('hold-twice', 'Archived');
    expect(rowsOf(session)).toBe(GRADED);
    expect(session.status?.scoreReport).toMatchObject({ score: 87 });
    expect(await gradeRuns('hold-twice')).toEqual([3]);
  });

  test('a hold is released by a person, and the session ends without a grade', async () => {
    await held('hold-always');
    await world.annotate('hold-always', { 'lablet.dev/release-hold': 'true' });
    const session = await world.reaches('hold-always', 'Terminated');
    expect(rowsOf(session)).toBe(GIVEN_UP);
    expect(entryOf(session, 'T16')).toMatchObject({ reason: 'HoldReleased', actor: 'user' });
    expect(getCondition(session.status, 'Graded')?.status).toBe('False');
  });

  test('a session that is forced to end ends at once, and its lab is removed after it', async () => {
    const running = await world.reaches('works-forced', 'Running');
    await world.annotate('works-forced', { 'lablet.dev/force-terminate': 'true' });
    const session = await world.reaches('works-forced', 'Terminated');
    expect(rowsOf(session)).toBe('T0 T1 T3 T6 T9 T21');
    expect(session.status).toMatchObject({ reason: 'ForceTerminated', userSession: { state: 'Ended' } });
    await eventually(async () => expect((await world.stack.world.labsOnHosts()).flat().map(({ title }) => title)).not.toContain(running.status?.labName));
  });

  test('a paused session does nothing while others come to their end, and goes on when it is resumed', async () => {
    await world.reaches('works-ended', 'Archived');
    const paused = await world.session('works-paused');
    expect([paused.status, paused.metadata.finalizers]).toEqual([undefined, undefined]);
    await world.annotate('works-paused', { 'lablet.dev/paused': null });
    await world.reaches('works-paused', 'Running');
  });

  test('a request to grade again is refused in words once the lab is gone', async () => {
    await world.reaches('retry-always', 'Terminated');
    await world.annotate('works-stopped', { 'lablet.dev/regrade': '1' });
    await eventually(async () => expect(await world.told('works-stopped')).toContain('RegradeRefused'));
  });
});
