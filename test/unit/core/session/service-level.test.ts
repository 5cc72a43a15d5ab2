/** What the service levels count: how booked slots began, what candidates lost, and when something is stuck. */
import { describe, expect, test } from '@jest/globals';
import { SESSION_PHASES } from '../../../../src/api/labletsession.ts';
import { overdueAt } from '../../../../src/core/session/overdue.ts';
import { serviceFacts } from '../../../../src/core/session/service-level.ts';
import { TIMEOUTS } from '../../../../src/core/timeouts.ts';
import { ASAP, event, MINUTE, sessionAt, SLOT } from '../../../support/builders.ts';
import type { ServiceFacts } from '../../../../src/core/session/service-level.ts';
import type { Story } from '../../../support/builders.ts';

/** Of all transitions so far, as they were told one by one; what later ones say wins. */
function factsOf({ session }: Story): ServiceFacts {
  const history = session.status?.history ?? [];
  return Object.assign({}, ...history.map((entry) => serviceFacts(session, entry, TIMEOUTS.schedulingGate))) as ServiceFacts;
}

const ready = (at: string, options = {}): Story => {
  const story = sessionAt('Instantiating', options).at(at).finishPipeline();
  story.judge();
  return story;
};
const booked10MinutesAhead = { metadata: { creationTimestamp: '2026-11-23T09:50:00.000Z' } };
/** Seconds of the whole slot. */
const SLOT_SECONDS = 90 * 60;

describe('a booked slot', () => {
  test.each<[string, () => Story, ServiceFacts]>([
    ['whose lab is there when it begins is on time', () => ready(SLOT.start), { start: 'on_time' }],
    ['whose lab comes 7 min later is late, and those 7 min are lost', () => ready('2026-11-23T10:07:00Z'), { start: 'late', lost: { cause: 'late_start', seconds: 420 } }],
    ['that was booked 10 min ahead is no broken promise', () => ready('2026-11-23T10:07:00Z', booked10MinutesAhead), { start: 'short_notice' }],
    ['for which there was no worker is missed, and lost as a whole', () => { const story = sessionAt('Pending').at('2026-11-23T10:05:00Z'); story.judge(); return story; }, { start: 'missed', lost: { cause: 'no_start', seconds: SLOT_SECONDS }, ending: 'Failed' }],
    ['that its owner cancels is nobody’s failure', () => { const story = sessionAt('Scheduled').edit({ desiredState: 'Terminated' }); story.judge(); return story; }, { ending: 'Cancelled' }],
    ['whose worker dies at work has lost what was left of it', () => { const story = sessionAt('Running').at('2026-11-23T11:00:00Z').worker('lost'); story.judge(); return story; }, { start: 'on_time', lost: { cause: 'broken_off', seconds: 30 * 60 }, ending: 'Failed' }],
    ['whose worker dies before it has begun has lost all of it', () => { const story = sessionAt('Ready').worker('lost'); story.judge(); return story; }, { start: 'on_time', lost: { cause: 'broken_off', seconds: SLOT_SECONDS }, ending: 'Failed' }],
    ['in which nobody starts is lost by nobody but the candidate', () => { const story = sessionAt('Ready').at('2026-11-23T10:30:00Z'); story.judge(); return story; }, { start: 'on_time' }],
  ])('%s', (_, make, facts) => {
    expect(factsOf(make())).toEqual(facts);
  });

  test('is not what a session has that starts as soon as possible', () => {
    expect(factsOf(sessionAt('Ready', { spec: ASAP }))).toEqual({});
  });
});

test('the result is waited for from the end of the work on', () => {
  const story = sessionAt('Grading').requestGrade();
  story.advance(3 * MINUTE).consume(event('grading.session.completed'));
  expect(factsOf(story)).toMatchObject({ gradedAfter: 4 * 60 });
});

describe('a session is overdue', () => {
  test.each(SESSION_PHASES.filter((phase) => phase !== 'Terminated'))('in %s only where the rules would have ended the phase by then', (phase) => {
    const story = sessionAt(phase);
    if (phase === 'Scheduled') story.worker('notReady');
    const at = overdueAt(story.session, TIMEOUTS);
    expect(at?.getTime()).toBeGreaterThan(story.now.getTime());
    // What a decision writes wakes the session for the next one.
    const decide = (): Date | undefined => { story.judge(); return story.judge().wakeAt; };
    for (let next: Date | undefined = story.now; story.phase === phase && next && at && next <= at; next = decide()) story.at(next);
    expect(story.phase).not.toBe(phase);
  });

  test('once Terminated, when its history time and that of its last events are over', () => {
    const story = sessionAt('Terminated');
    expect(overdueAt(story.session, TIMEOUTS)?.getTime()).toBe(story.now.getTime() + TIMEOUTS.historyTtl + TIMEOUTS.deletion);
  });
});
