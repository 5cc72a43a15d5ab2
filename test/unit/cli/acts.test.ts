/** What people may ask: each patch is given to the lifecycle itself, and what comes of it is what the command said. */
import { describe, expect, test } from '@jest/globals';
import { CliError } from '../../../src/cli/errors.ts';
import { cancel, end, extend, losesWork, pause, regrade, release, resume, start } from '../../../src/cli/views/acts.ts';
import { cancelDrain, drain, occupants } from '../../../src/cli/views/drain.ts';
import { ASAP, MINUTE, Story, event, sessionAt } from '../../support/builders.ts';
import { newWorker, stored } from '../../support/objects.ts';
import type { Worker } from '../../../src/api/worker.ts';
import type { Act } from '../../../src/cli/views/acts.ts';
import type { SessionPhase } from '../../../src/api/labletsession.ts';

/** Stores the patch as the API server would, and lets the lifecycle decide. */
function apply(story: Story, { patch }: Act): Story {
  story.edit(patch?.spec ?? {});
  const annotations = Object.entries(patch?.metadata?.annotations ?? {});
  story.annotate(Object.fromEntries(annotations.filter((entry): entry is [string, string] => entry[1] !== null)));
  story.judge();
  return story;
}
const refusal = (decide: () => unknown): string => {
  try {
    decide();
  } catch (error) {
    if (error instanceof CliError) return `${error.exitCode} ${error.message}`;
    throw error;
  }
  throw new Error('it was not refused');
};
const held = (): Story => {
  const story = sessionAt('Grading', { definition: { grading: { rulesUri: 's3://r', onFailure: 'Hold' } } });
  story.consume(event('grading.session.failed', { error: 'no rubric' }));
  story.judge();
  return story;
};

describe('end', () => {
  test('collects and grades what is running', () => {
    const story = sessionAt('Running');
    expect(apply(story, end(story.session)).phase).toBe('Collecting');
  });
  test.each(['Pending', 'Scheduled', 'Instantiating', 'Ready'] as const)('is refused for one that is %s: there is nothing to collect', (phase) => {
    expect(refusal(() => end(sessionAt(phase).session))).toBe(`6 cand-0042 has not started (it is ${phase}), so there is nothing to collect. To give it up: kubectl lablet cancel cand-0042`);
  });
  test.each(['Collecting', 'Grading', 'Stopping', 'Archived', 'Terminated'] as const)('has nothing to do for one that is %s', (phase) => {
    expect(end(sessionAt(phase).session)).toEqual({ done: `cand-0042 has ended already; it is ${phase}.` });
  });
});

describe('cancel', () => {
  test.each<[SessionPhase, SessionPhase]>([['Pending', 'Terminated'], ['Scheduled', 'Terminated'], ['Instantiating', 'Stopping'], ['Ready', 'Stopping'], ['Running', 'Stopping'], ['Collecting', 'Stopping'], ['Grading', 'Stopping']])('brings %s to %s', (from, to) => {
    const story = sessionAt(from);
    expect(apply(story, cancel(story.session, { force: false })).phase).toBe(to);
    expect(story.status.scoreReport).toBeUndefined();
  });
  test('with force ends it at once', () => {
    const story = sessionAt('Running');
    expect(apply(story, cancel(story.session, { force: true })).phase).toBe('Terminated');
    expect(cancel(story.session, { force: true })).toEqual({ done: 'cand-0042 is Terminated already.' });
  });
  test('loses work from Running to Grading, and before and after not', () => {
    expect((['Ready', 'Running', 'Collecting', 'Grading', 'Stopping'] as const).filter((phase) => losesWork(sessionAt(phase).session))).toEqual(['Running', 'Collecting', 'Grading']);
  });
  test('asked twice changes nothing', () => {
    expect(cancel(sessionAt('Ready').edit({ desiredState: 'Terminated' }).session, { force: false })).toEqual({ done: 'cand-0042 is being cancelled already.' });
  });
});

describe('regrade', () => {
  test('grades a held lab again, and again', () => {
    const story = held();
    apply(story, regrade(story.session));
    expect(story.status.conditions).toContainEqual(expect.objectContaining({ type: 'Graded', reason: 'Regrading' }));
    expect(regrade(story.session).patch).toEqual({ metadata: { annotations: { 'lablet.dev/regrade': '2' } } });
  });
  test('counts on from what was asked by hand', () => {
    expect(regrade(held().annotate({ 'lablet.dev/regrade': '7' }).session).patch).toEqual({ metadata: { annotations: { 'lablet.dev/regrade': '8' } } });
    expect(regrade(held().annotate({ 'lablet.dev/regrade': 'please' }).session).patch).toEqual({ metadata: { annotations: { 'lablet.dev/regrade': '1' } } });
  });
  test('is refused once the lab is gone', () => {
    expect(refusal(() => regrade(sessionAt('Archived').session))).toMatch(/^6 cand-0042 is Archived: only a session that is Grading/);
  });
});

test('release lets a held lab go, and no other', () => {
  const story = held();
  expect(apply(story, release(story.session)).phase).toBe('Stopping');
  expect(refusal(() => release(sessionAt('Grading').session))).toMatch(/^6 cand-0042 is not held/);
});

test('start starts a Ready session, and no other', () => {
  const story = sessionAt('Ready');
  expect(apply(story, start(story.session)).phase).toBe('Running');
  expect(refusal(() => start(sessionAt('Scheduled').session))).toBe('6 cand-0042 is Scheduled: only a Ready session can be started.');
});

test('pause holds a session past its deadlines, resume lets them take effect', () => {
  const story = sessionAt('Ready');
  apply(story, pause(story.session)).at('2026-11-23T10:31:00Z').judge();
  expect(story.phase).toBe('Ready');
  expect(resume(story.session).patch).toEqual({ metadata: { annotations: { 'lablet.dev/paused': null } } });
  expect(resume(sessionAt('Ready').session)).toEqual({ done: 'cand-0042 is not paused.' });
});

describe('extend', () => {
  const definition = sessionAt('Running').world.definition;
  const pinned = definition.state === 'ready' ? definition.definition : undefined;
  test('moves the end later, by a while or to a time', () => {
    const story = sessionAt('Running');
    expect(extend(story.session, { by: 15 * MINUTE }, pinned).end).toBe('2026-11-23T11:45:00.000Z');
    apply(story, extend(story.session, { until: new Date('2026-11-23T12:00:00Z') }, pinned));
    expect(story.status.timeslot?.end).toBe('2026-11-23T12:00:00.000Z');
    expect(story.status.conditions).toContainEqual(expect.objectContaining({ type: 'Admitted', reason: 'Extended' }));
  });
  test.each<[string, () => Story, Parameters<typeof extend>[1], string]>([
    ['beyond maxExtension, which could never be taken back', () => sessionAt('Running'), { by: 31 * MINUTE }, 'campus-edge allows 30m beyond the booked end (maxExtension): until 2026-11-23 12:00:00Z at most, that is 30m more.'],
    ['to an earlier end', () => sessionAt('Running'), { until: new Date('2026-11-23T11:00:00Z') }, 'cand-0042 ends at 2026-11-23 11:30:00Z: an end can only be moved later. To finish earlier: kubectl lablet end cand-0042'],
    ['of one without an end', () => sessionAt('Scheduled', { spec: ASAP }), { by: MINUTE }, 'cand-0042 has no end yet: without a booked slot its time begins when it is Ready. Extend it then.'],
    ['of one that is graded', () => sessionAt('Grading'), { by: MINUTE }, 'cand-0042 has ended (it is Grading): create a new session.'],
    ['of one that is not admitted', () => new Story(), { by: MINUTE }, 'cand-0042 is not admitted yet; edit spec.timeslot.end, or wait.'],
    ['below an end that was asked for before', () => sessionAt('Running').edit({ timeslot: { start: '2026-11-23T10:00:00Z', end: '2026-11-23T11:50:00Z' } }), { by: 10 * MINUTE }, 'An end at 2026-11-23 11:50:00Z was asked for before, and an end cannot be moved back. The slot ends at 2026-11-23 11:30:00Z until the calendar has room for that.'],
  ])('is refused %s', (_, make, wanted, message) => {
    expect(refusal(() => extend(make().session, wanted, pinned))).toBe(`6 ${message}`);
  });
  test('to the end that it has is done already', () => {
    expect(extend(sessionAt('Running').session, { until: new Date('2026-11-23T11:30:00Z') }, pinned).patch).toBeUndefined();
  });
});

describe('drain', () => {
  const worker = (spec: Partial<Worker['spec']>, status: Worker['status'] = {}): Worker => stored<Worker>('Worker', newWorker('cml-01', 'onprem', 'https://cml', { spec }), status);
  test('takes a worker out of service and back', () => {
    expect(drain(worker({})).patch).toEqual({ spec: { desiredState: 'Draining' } });
    expect(drain(worker({ desiredState: 'Draining' })).patch).toBeUndefined();
    expect(cancelDrain(worker({ desiredState: 'Draining' })).patch).toEqual({ spec: { desiredState: 'Running' } });
    expect(cancelDrain(worker({})).patch).toBeUndefined();
  });
  test('is no way to start what somebody wants stopped', () => {
    expect(refusal(() => drain(worker({ desiredState: 'Stopped' })))).toMatch(/^6 cml-01 is wanted Stopped/);
    expect(refusal(() => cancelDrain(worker({ desiredState: 'Terminated' })))).toMatch(/^6 cml-01 is wanted Terminated/);
  });
  test('of the auto-scaler is its own to end', () => {
    expect(refusal(() => cancelDrain(worker({}, { phase: 'Draining', drain: { by: 'Autoscaler', reason: 'Idle', since: '2026-11-23T10:00:00Z' } })))).toContain('kubectl annotate worker cml-01 lablet.dev/scale-down-disabled=true');
  });
  test('names those that are left, the last to end first', () => {
    const sessions = (['Archived', 'Running', 'Pending'] as const).map((phase) => sessionAt(phase).session);
    expect(occupants(sessions, 'w-metal-01')).toEqual([{ session: 'exams/cand-0042', phase: 'Running', until: '2026-11-23T12:20:00.000Z' }]);
  });
});
