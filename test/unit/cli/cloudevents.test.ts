/** The CloudEvents of a session as its status tells them, against the outbox that the lifecycle itself filled. */
import { describe, expect, test } from '@jest/globals';
import { SESSION_PHASES } from '../../../src/api/labletsession.ts';
import { acknowledge } from '../../../src/core/outbox.ts';
import { eventsOf } from '../../../src/cli/views/cloudevents.ts';
import { eventLines, followLines } from '../../../src/cli/views/event-lines.ts';
import { noColours } from '../../../src/cli/style.ts';
import { MINUTE, event, sessionAt } from '../../support/builders.ts';
import type { Story } from '../../support/builders.ts';

const emitted = (story: Story) => eventsOf(story.session).filter(({ direction }) => direction === 'Emitted');
const told = (story: Story) => emitted(story).map(({ type, sequence, id, at }) => ({ type, sequence, id, at }));
const recorded = (story: Story) => (story.status.outbox ?? []).map(({ type, sequence, id, time }) => ({ type, sequence, id, at: time }));
/** The sink has taken the first so many. */
function delivered(story: Story, count: number): Story {
  const draft = structuredClone(story.status);
  acknowledge(draft, new Set((draft.outbox ?? []).slice(0, count).map(({ id }) => id)));
  story.session = { ...story.session, status: draft };
  return story;
}

describe('what was emitted follows from the history, with the very ids and numbers of the outbox', () => {
  test.each(SESSION_PHASES)('of a session that came to %s', (phase) => {
    const story = sessionAt(phase);
    expect(recorded(story)).not.toEqual([]);
    expect(told(story)).toEqual(recorded(story));
  });
  test('of one that was rescheduled', () => {
    const story = sessionAt('Scheduled').worker('lost', 'gone');
    story.judge();
    story.place();
    expect(story.rows).toContain('T4');
    expect(told(story)).toEqual(recorded(story));
  });
  test('of one whose result came after its teardown had begun', () => {
    const story = sessionAt('Grading').requestGrade().advance(31 * MINUTE);
    story.judge();
    story.advance(MINUTE).consume(event('grading.session.completed', { score: 80, max_score: 100 }));
    expect(story.status.scoreReport).toMatchObject({ score: 80 });
    expect(told(story)).toEqual(recorded(story));
  });
  test('of one that was ended by force', () => {
    const story = sessionAt('Running').annotate({ 'lablet.dev/force-terminate': 'yes' });
    story.judge();
    expect(told(story)).toEqual(recorded(story));
  });
});

test('what left the outbox was sent, what is in it waits', () => {
  const story = delivered(sessionAt('Instantiating'), 2);
  expect(emitted(story).map(({ type, state }) => [type, state])).toEqual([
    ['ccm.lablet.session.pending', 'Sent'], ['ccm.lablet.session.scheduled', 'Sent'], ['ccm.lablet.session.instantiating', 'Waiting'],
  ]);
});

test('without a sink nothing was recorded, and nothing is said to be sent', () => {
  const story = sessionAt('Scheduled', { world: { emit: false } });
  expect(emitted(story).map(({ state, id }) => [state, id])).toEqual([['NotRecorded', undefined], ['NotRecorded', undefined]]);
});

test('of a session that began without a sink only the later events have numbers', () => {
  const story = sessionAt('Scheduled', { world: { emit: false } });
  story.world = { ...story.world, emit: true };
  story.at('2026-11-23T09:45:00Z').judge();
  expect(emitted(story).map(({ sequence, state }) => [sequence, state])).toEqual([[undefined, 'NotRecorded'], [undefined, 'NotRecorded'], [1, 'Waiting']]);
  expect(told(story).slice(2)).toEqual(recorded(story));
});

test('where an entry of the outbox contradicts the history no id is guessed', () => {
  const story = sessionAt('Scheduled');
  const status = structuredClone(story.status);
  for (const entry of status.outbox ?? []) entry.type = 'ccm.lablet.session.ready';
  story.session = { ...story.session, status };
  expect(emitted(story).map(({ id }) => id)).toEqual([undefined, undefined]);
});

test('what was received is told with what became of it, and as the cause of what followed', () => {
  const story = sessionAt('Ready').at('2026-11-23T10:01:00Z');
  story.consume(event('lds.session.started', {}, { id: 'evt-lds-1' }));
  expect(eventsOf(story.session).slice(-2)).toMatchObject([
    { direction: 'Received', type: 'lds.session.started', id: 'evt-lds-1', source: 'lds', state: 'Applied' },
    { direction: 'Emitted', type: 'ccm.lablet.session.running', causedBy: 'evt-lds-1' },
  ]);
});

describe('people read', () => {
  const style = { paint: noColours, timeZone: 'UTC' };
  test('a table', () => {
    const story = sessionAt('Pending');
    expect(eventLines(eventsOf(story.session), style, story.now)).toEqual([
      'TIME                   AGE   SESSION               TYPE                         SEQ   STATE     ID',
      `2026-11-22 15:00:00Z   now   exams/cand-0042   →   ccm.lablet.session.pending   1     Waiting   ${story.status.outbox?.[0]?.id ?? ''}`,
    ]);
    expect(eventLines([], style, story.now)).toEqual(['No events yet.']);
  });
  test('a line for each event that comes', () => {
    const [first] = eventsOf(sessionAt('Pending').session);
    expect(first && followLines(first, style)).toEqual(['2026-11-22 15:00:00Z  exams/cand-0042  →  ccm.lablet.session.pending  #1  Waiting']);
  });
});
