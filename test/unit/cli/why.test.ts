/** Why a session waits or has failed: statuses as the lifecycle itself writes them, and what a person is told of each. */
import { readFileSync, readdirSync } from 'node:fs';
import { resolve } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { ANNOTATIONS } from '../../../src/api/group.ts';
import { ADMISSION, noRoomMessage } from '../../../src/core/booking.ts';
import { setCondition } from '../../../src/core/conditions.ts';
import { explain } from '../../../src/cli/views/why.ts';
import { IN_ORDER, meaningOf } from '../../../src/cli/views/reasons.ts';
import { whyLines } from '../../../src/cli/views/why-lines.ts';
import { noColours } from '../../../src/cli/style.ts';
import { ASAP, MINUTE, SECOND, Story, event, sessionAt } from '../../support/builders.ts';
import { newWorker, stored } from '../../support/objects.ts';
import type { Told } from '../../../src/cli/kube-events.ts';
import type { Explanation, Known } from '../../../src/cli/views/why.ts';
import type { Worker, WorkerStatus } from '../../../src/api/worker.ts';
import type { Demand } from '../../../src/core/scheduling.ts';
import type { StoryOptions } from '../../support/builders.ts';

const SRC = resolve(import.meta.dirname, '../../../src');
const definitionOf = (story: Story): Known['definition'] => (story.world.definition.state === 'ready' ? story.world.definition.definition : undefined);
const why = (story: Story, known: Known = {}): Explanation => explain(story.session, { definition: definitionOf(story), ...known }, story.now);
const told = (story: Story, known?: Known) => {
  const { verdict, findings } = why(story, known);
  return [verdict, ...findings.map(({ reason }) => reason)];
};
/** What the scheduler or the calendar says to a session that waits. */
function withCondition(story: Story, type: string, reason: string, message = 'so it is', status: 'True' | 'False' = 'False'): Story {
  const draft = structuredClone(story.status);
  setCondition(draft, { type, status, reason, message }, story.now, 1);
  story.session = { ...story.session, status: draft };
  return story;
}
const worker = (status: WorkerStatus): Worker => stored<Worker>('Worker', newWorker('w-metal-01', 'metal', 'https://cml.example.org'), status);
const pending = (options: StoryOptions = {}): Story => sessionAt('Pending', options);
const held = (): Story => sessionAt('Grading', { definition: { grading: { rulesUri: 's3://r', onFailure: 'Hold' } } });

describe('a session that goes its way needs nobody:', () => {
  test.each(['Pending', 'Scheduled', 'Instantiating', 'Ready', 'Running', 'Collecting', 'Grading'] as const)('%s', (phase) => {
    expect(told(sessionAt(phase))).toEqual(['Fine']);
  });
  test.each(['Archived', 'Terminated'] as const)('%s, after a normal end', (phase) => {
    expect(told(sessionAt(phase))).toEqual(['Over']);
  });
});

describe('a session without a worker', () => {
  test('waits for a definition that is not there', () => {
    const story = new Story({ world: { definition: { state: 'missing' } } });
    story.judge();
    expect(told(story)).toEqual(['Waits', 'DefinitionNotFound']);
    expect(why(story).findings[0]?.help).toEqual(['Create it, or correct definitionRef: kubectl get ldef campus-edge -n exams']);
  });
  test('waits for a definition that is not ready, and says why it is not', () => {
    const story = new Story({ world: { definition: { state: 'notReady', message: 'its topology could not be fetched' } } });
    story.judge();
    expect(why(story).findings).toMatchObject([{ reason: 'DefinitionNotReady', message: expect.stringContaining('could not be fetched') }]);
  });
  test('that no controller has looked at for a while asks for the controller', () => {
    expect(told(new Story().advance(31 * SECOND))).toEqual(['Waits', 'NotSeen']);
    expect(told(new Story().advance(5 * SECOND))).toEqual(['Fine']);
  });
  test.each(['WorkerNotReady', 'WorkerDraining', 'LicenseMismatch', 'NodeLimit', 'InsufficientResources', 'IncompatibleImage', 'NoPorts', 'NoNestedVirtualization', 'CapacityBooked', 'Unschedulable'])('hears of %s, with what would help', (reason) => {
    const { verdict, findings } = why(withCondition(pending(ASAP_OPTIONS), 'Scheduled', reason, `0/3 workers: 3 ${reason}`));
    expect(verdict).toBe('Waits');
    expect(findings).toEqual([{ about: 'Scheduled', reason, since: expect.any(String), message: `0/3 workers: 3 ${reason}`, means: expect.any(String), help: expect.arrayContaining([expect.any(String)]) }]);
  });
  test.each([ADMISSION.noRoom, ADMISSION.lost])('hears of %s from the calendar', (reason) => {
    expect(told(withCondition(pending(), 'Admitted', reason))).toEqual(['Waits', reason]);
  });
  test('keeps its slot where a later end was refused', () => {
    expect(told(withCondition(pending(), 'Admitted', 'ExtensionRefused'))).toEqual(['Fine', 'ExtensionRefused']);
  });
  test('that nothing could ever serve is told to compare, and not to book another time', () => {
    const message = noRoomMessage({ key: '', demand: {} as Demand, hold: { from: 0, to: 0 }, lead: 0, kind: 'soon' }, {}, { scale: 1 }, false);
    expect(why(withCondition(pending(), 'Admitted', ADMISSION.noRoom, message)).findings[0]?.help).toEqual([expect.stringMatching(/^Compare what it needs/)]);
  });
  test('that has lost its worker says so, and that it waits for another', () => {
    const story = sessionAt('Scheduled').worker('lost', 'EC2 does not know it');
    story.judge();
    expect(story.phase).toBe('Pending');
    expect(why(story)).toMatchObject({ verdict: 'Waits', summary: 'It has lost its worker and waits for another.', findings: [{ reason: 'WorkerLost', message: expect.stringContaining('EC2 does not know it') }] });
  });
});

const ASAP_OPTIONS: StoryOptions = { spec: ASAP };

describe('a session in trouble', () => {
  test('waits for a worker that is not ready', () => {
    const story = sessionAt('Scheduled').at('2026-11-23T09:46:00Z').worker('notReady', 'CML boots');
    story.judge();
    expect(told(story)).toEqual(['Waits', 'WorkerNotReady']);
  });
  test('names the step that failed, and the run that is tried again', () => {
    const story = sessionAt('Instantiating').failStep('lab_start', 'CML answers 500');
    story.judge();
    expect(why(story).findings).toMatchObject([{ about: 'LabReady', reason: 'InstantiationFailed', message: expect.stringContaining('CML answers 500') }]);
  });
  test('tells of a host that does not answer, as the session and the worker say it, once', () => {
    const story = sessionAt('Running');
    story.world = { ...story.world, worker: { name: 'w-metal-01', state: 'ready', message: '', lostAt: new Date(story.now.getTime() + 5 * MINUTE) } };
    story.judge();
    expect(told(story)).toEqual(['Trouble', 'WorkerUnreachable']);
  });
  test('tells of its worker where only that knows', () => {
    const story = sessionAt('Running');
    const silent = worker({ phase: 'Running', unreachableSince: new Date(story.now.getTime() - 3 * MINUTE).toISOString() });
    expect(why(story, { worker: silent }).findings).toMatchObject([{ about: 'worker w-metal-01', reason: 'WorkerUnreachable', message: 'Its CML host has not answered for 3m.' }]);
    expect(told(story, { worker: 'missing' })).toEqual(['Trouble', 'WorkerLost']);
    expect(told(story, { worker: worker({ phase: 'Running', conditions: [{ type: 'Schedulable', status: 'False', reason: 'LoginRefused', message: 'wrong password', lastTransitionTime: story.now.toISOString() }] }) })).toEqual(['Trouble', 'LoginRefused']);
    expect(told(story, { worker: worker({ phase: 'Running' }) })).toEqual(['Fine']);
  });
  test('is in none on a worker that is being drained: it goes on to its end', () => {
    expect(told(sessionAt('Running'), { worker: worker({ phase: 'Draining', reason: 'Draining', message: '1 session(s) are left' }) })).toEqual(['Fine', 'Draining']);
  });
  test('tells of a lab that somebody stopped on the host', () => {
    const story = sessionAt('Running');
    story.world = { ...story.world, lab: { state: 'present', stopped: 'again' } };
    story.judge();
    expect(told(story)).toEqual(['Trouble', 'LabStopped']);
  });
  test('without its page is started by hand', () => {
    const story = sessionAt('Instantiating', { definition: { ldsOptional: true } });
    expect(why(withCondition(story, 'Degraded', 'LdsUnavailable', 'no page', 'True')).findings[0]?.help).toEqual(['Start it by hand: kubectl lablet start cand-0042 -n exams']);
  });
  test('is held after a failed grading, until somebody grades again or lets it go', () => {
    const story = held();
    story.consume(event('grading.session.failed', { error: 'no rubric' }));
    story.judge();
    const { verdict, summary, findings, deadline } = why(story);
    expect([verdict, summary]).toEqual(['Trouble', 'The grading has failed; its lab is held until somebody acts.']);
    expect(findings).toMatchObject([{ reason: 'GradingFailed', help: ['Grade again: kubectl lablet regrade cand-0042 -n exams', 'Or let the lab go without a grade: kubectl lablet release cand-0042 -n exams'] }]);
    expect(deadline).toEqual({ at: new Date(story.now.getTime() + 240 * MINUTE).toISOString(), what: 'the lab is let go without a grade' });
  });
  test('is graded again by request', () => {
    const story = held();
    story.consume(event('grading.session.failed', { error: 'no rubric' }));
    story.judge();
    story.annotate({ [ANNOTATIONS.regrade]: '1' }).judge();
    expect(told(story)).toEqual(['Fine', 'Regrading']);
  });
  test.each(['EventsLost', 'SinkRefuses', 'ArchiveGap'])('tells of %s', (reason) => {
    expect(told(withCondition(sessionAt('Running'), 'EventsDelivered', reason))).toEqual(['Trouble', reason]);
  });
  test.each([[ANNOTATIONS.paused, 'Paused'], [ANNOTATIONS.seenUid, 'Restored']])('is held by the annotation %s', (annotation, reason) => {
    const story = sessionAt('Running').annotate({ [annotation]: 'another-uid' });
    story.judge();
    expect(told(story)).toEqual(['Trouble', reason]);
    expect(why(story).deadline).toBeUndefined();
  });
  test('repeats recent warnings that nothing else tells, the newest three', () => {
    const story = sessionAt('Running');
    const warning = (reason: string, minutesAgo: number): Told => ({ type: 'Warning', reason, message: `${reason}!`, at: new Date(story.now.getTime() - minutesAgo * MINUTE).toISOString(), count: 1 });
    const events = [warning('ScoreIsFinal', 1), warning('ScoreDisagrees', 2), warning('UnexpectedResult', 3), warning('UnreadableEvent', 4), warning('RegradeRefused', 61), { ...warning('Started', 1), type: 'Normal' as const }];
    expect(told(story, { events })).toEqual(['Trouble', 'ScoreIsFinal', 'ScoreDisagrees', 'UnexpectedResult']);
  });
});

describe('a session that has ended badly says why:', () => {
  const ended = (story: Story): Story => {
    story.judge();
    return story;
  };
  const worn = (story: Story): Story => {
    for (let run = 0; run < 3; run++) {
      story.failStep('lab_start', 'CML answers 500').judge();
      story.advance(MINUTE).judge();
    }
    return story;
  };
  test.each<[reason: string, story: () => Story]>([
    ['TimeslotMissed', () => ended(pending().at('2026-11-23T10:06:00Z'))],
    ['NoCapacity', () => ended(pending(ASAP_OPTIONS).advance(46 * MINUTE))],
    ['DefinitionNotFound', () => ended(new Story({ spec: ASAP, world: { definition: { state: 'missing' } } }).advance(46 * MINUTE))],
    ['DuplicateReservation', () => ended(new Story({ spec: { reservationId: 'r-1' }, world: { duplicateOf: 'cand-0041' } }))],
    ['InvalidTimeslot', () => ended(new Story({ spec: { timeslot: { start: '2026-11-23T10:00:00Z', end: '2026-11-23T20:00:00Z' } } }))],
    ['NoCapacityInSlot', () => ended(new Story({ spec: { admission: 'Strict' }, world: { noRoom: 'The capacity is booked.' } }))],
    ['WorkerNotReady', () => ended(sessionAt('Scheduled', ASAP_OPTIONS).worker('notReady', 'boots').advance(46 * MINUTE))],
    ['InstantiationFailed', () => worn(sessionAt('Instantiating'))],
    ['InvalidTopology', () => ended(sessionAt('Instantiating').failStep('lab_import_or_tags', 'InvalidTopology: node r1 has no image', true))],
    ['NoShow', () => ended(sessionAt('Ready').at('2026-11-23T10:31:00Z'))],
    ['WorkerLost', () => ended(sessionAt('Running').worker('lost', 'terminated'))],
    ['CollectionTimeout', () => ended(sessionAt('Collecting').advance(11 * MINUTE))],
    ['GradingTimeout', () => ended(sessionAt('Grading').requestGrade().advance(31 * MINUTE))],
  ])('%s', (reason, make) => {
    const story = make();
    const { verdict, findings } = why(story);
    expect(verdict).toBe('Failed');
    expect(findings).toEqual([expect.objectContaining({ about: 'end', reason, message: story.status.message })]);
  });

  test('a lab that is gone from its host', () => {
    const story = sessionAt('Running');
    story.world = { ...story.world, lab: { state: 'gone' } };
    expect(told(ended(story))).toEqual(['Failed', 'LabLost']);
  });
  test('one that somebody cancelled is over, and says so', () => {
    expect(told(ended(pending().edit({ desiredState: 'Terminated' })))).toEqual(['Over', 'Cancelled']);
  });
});

describe('what the clock will do is told by the rules of the phase', () => {
  test.each<[string, () => Story, string, RegExp]>([
    ['a booking far ahead', () => pending(), '2026-11-23T09:25:00.000Z', /worker is looked for/],
    ['one that is late', () => pending().at('2026-11-23T09:30:00Z'), '2026-11-23T10:05:00.000Z', /given up without a worker \(TimeslotMissed\)/],
    ['one without a slot', () => pending(ASAP_OPTIONS), '2026-11-22T15:45:00.000Z', /NoCapacity/],
    ['one that has its place', () => sessionAt('Scheduled'), '2026-11-23T09:45:00.000Z', /lab is started/],
    ['a Ready one', () => sessionAt('Ready'), '2026-11-23T10:30:00.000Z', /no-show/],
    ['a Running one', () => sessionAt('Running'), '2026-11-23T11:30:00.000Z', /work ends/],
    ['one whose work is collected', () => sessionAt('Collecting'), '2026-11-23T11:10:00.000Z', /given up/],
    ['one that is graded', () => sessionAt('Grading').requestGrade(), '2026-11-23T11:31:00.000Z', /counts as failed/],
    ['an archived one', () => sessionAt('Archived'), '2026-11-23T12:04:00.000Z', /the result stays/],
  ])('%s', (_, make, at, what) => {
    expect(why(make()).deadline).toEqual({ at, what: expect.stringMatching(what) });
  });
  test('nothing more happens to one that is over', () => {
    expect(why(sessionAt('Terminated')).deadline).toBeUndefined();
  });
});

test('every reason that lifecycle, scheduler, calendar and emitter can write has a meaning, or is in order', () => {
  const files = [...readdirSync(resolve(SRC, 'core/session')).map((name) => `core/session/${name}`), 'core/booking.ts', 'core/outbox.ts', 'controllers/scheduler/explain.ts', 'controllers/scheduler/commit.ts', 'events/emitter.ts'];
  const text = files.map((file) => readFileSync(resolve(SRC, file), 'utf8')).join('\n');
  const reasons = new Set([...text.matchAll(/(?:(?:timer|controller|user|refusal)\((?:[^'()\n]*)|reason: (?:[^'\n,]*\? )?)'([A-Z][A-Za-z]+)'(?: : '([A-Z][A-Za-z]+)')?/g)].flatMap(([, first, second]) => [first, second]).filter((reason) => reason !== undefined));
  expect(reasons.size).toBeGreaterThan(45);
  expect([...reasons].filter((reason) => !IN_ORDER.has(reason) && meaningOf(reason) === undefined)).toEqual([]);
});

test('the name of an inherited property is no reason that we know', () => {
  expect(meaningOf('constructor')).toBeUndefined();
});

test('people read it in this form', () => {
  const story = withCondition(pending(ASAP_OPTIONS), 'Scheduled', 'InsufficientResources', '0/3 workers: 3 InsufficientResources');
  story.advance(10 * MINUTE);
  expect(whyLines(why(story), { paint: noColours, timeZone: 'UTC' }, story.now)).toEqual([
    'exams/cand-0042  Pending  Waits',
    'It waits for a worker.',
    '',
    'InsufficientResources (Scheduled, since 2026-11-22 15:00:00Z, 10m ago)',
    '  0/3 workers: 3 InsufficientResources',
    '  No worker has enough CPU, memory or storage left.',
    '  → Add a Worker, raise maxWorkers of a WorkerTemplate, or wait for a session to end.',
    '  → See when there is room: kubectl lablet calendar',
    '',
    '2026-11-22 15:45:00Z (in 35m): it is given up without a worker (NoCapacity).',
  ]);
});

