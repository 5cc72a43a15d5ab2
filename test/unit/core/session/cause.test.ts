/** What an event says of its cause: the id and the trace of the consumed event that brought it about (contract §10.1). */
import { describe, expect, test } from '@jest/globals';
import { event, LDS_ID, sessionAt } from '../../../support/builders.ts';
import type { ConsumedEvent, ConsumedType } from '../../../../src/api/events.ts';
import type { Story } from '../../../support/builders.ts';

const TRACE = `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`;
const traced = (type: ConsumedType, id: string): ConsumedEvent => ({ ...event(type, type.startsWith('lds.') ? { lds_session_id: LDS_ID } : { grading_session_id: 'gs-1' }, { id }), traceParent: TRACE });

/** Of the events that were recorded since. */
const causes = (story: Story, since: number): (string | undefined)[][] => (story.status.outbox ?? []).slice(since).map(({ type, causationId, traceParent }) => [type, causationId, traceParent]);
const recorded = (story: Story): number => story.status.outbox?.length ?? 0;

describe('an event from outside', () => {
  test('that takes a row gives its id and its trace to all that is told of it', () => {
    const story = sessionAt('Ready');
    const since = recorded(story);
    story.consume(traced('lds.session.started', 'evt-1'));
    expect(causes(story, since)).toEqual([['ccm.lablet.session.running', 'evt-1', TRACE]]);
  });

  test('that waits in the inbox keeps both until its time has come', () => {
    const story = sessionAt('Collecting');
    story.consume(traced('grading.session.completed', 'evt-2'));
    const since = recorded(story);
    story.finishPipeline().judge();
    expect(story.rows.slice(-2)).toEqual(['T13', 'T15']);
    expect(causes(story, since)).toEqual([
      ['ccm.lablet.session.grading', undefined, undefined],
      ['ccm.lablet.score_report.created', 'evt-2', TRACE], ['ccm.lablet.session.graded', 'evt-2', TRACE], ['ccm.lablet.session.stopping', 'evt-2', TRACE],
    ]);
  });

  test('that tells of a failed grading is the cause of the end', () => {
    const story = sessionAt('Grading').requestGrade();
    const since = recorded(story);
    story.consume(traced('grading.session.failed', 'evt-3'));
    expect(causes(story, since)).toEqual([['ccm.lablet.session.stopping', 'evt-3', TRACE]]);
  });

  test('without a trace lends none', () => {
    const story = sessionAt('Ready');
    const since = recorded(story);
    story.consume(event('lds.session.started', { lds_session_id: LDS_ID }, { id: 'evt-4' }));
    expect(causes(story, since)).toEqual([['ccm.lablet.session.running', 'evt-4', undefined]]);
  });
});
