/** The matrix of consumed event and situation, contract §10.3, cell by cell; redelivery, other ids, any order, and the bounds of the inbox. */
import { describe, expect, test } from '@jest/globals';
import { SESSION_PHASES, INBOX_MAX, INBOX_MAX_DEFERRED_BYTES } from '../../../../src/api/labletsession.ts';
import { CONSUMED_TYPES } from '../../../../src/api/events.ts';
import { getCondition } from '../../../../src/core/conditions.ts';
import { MATRIX } from '../../../../src/core/session/matrix.ts';
import { event, HOUR, MINUTE, sessionAt, SLOT, Story } from '../../../support/builders.ts';
import { withoutInbox } from '../../../support/statuses.ts';
import type { ConsumedType } from '../../../../src/api/events.ts';
import type { SessionPhase } from '../../../../src/api/labletsession.ts';
import type { ConsumeResult } from '../../../../src/core/session/consume.ts';
import type { RowId } from '../../../../src/core/session/table.ts';

const STARTED = 'lds.session.started';
const ENDED = 'lds.session.ended';
const COMPLETED = 'grading.session.completed';
const FAILED = 'grading.session.failed';

/** Where a session came by the normal way: a report exists from Stopping on, the candidate has ended from Collecting on. */
const at = (phase: SessionPhase | undefined): Story => {
  if (phase === undefined) return new Story({ world: { definition: { state: 'missing' } } });
  const story = sessionAt(phase);
  return phase === 'Grading' ? story.requestGrade() : story;
};
/** Stopping to Archived without a result: nobody started. */
const unscored = (phase: 'Stopping' | 'Stopped' | 'Terminated'): Story => {
  const story = sessionAt('Ready').at('2026-11-23T10:30:00Z');
  story.judge();
  if (phase !== 'Stopping') story.advance(10 * MINUTE).judge();
  if (phase === 'Terminated') story.advance(10 * MINUTE).judge();
  return story;
};
/** Graded by force of time: the result never came. */
const timedOut = (): Story => {
  const story = at('Grading').advance(30 * MINUTE);
  story.judge();
  return story;
};
const cancelledAtWork = (): Story => {
  const story = sessionAt('Running').edit({ desiredState: 'Terminated' });
  const status = structuredClone(story.judge().status);
  if (status.userSession) status.userSession.state = 'Active';
  story.session = { ...story.session, status };
  return story;
};

interface CellCase {
  type: ConsumedType;
  where: string;
  story: () => Story;
  result: ConsumeResult;
  rows?: RowId[];
  phase?: SessionPhase;
  notice?: string;
  events?: string[];
}

const early: (SessionPhase | undefined)[] = [undefined, 'Pending', 'Scheduled', 'Instantiating'];
const CELLS: CellCase[] = [
  ...CONSUMED_TYPES.flatMap((type) => early.map((phase): CellCase => ({ type, where: phase ?? 'a session without phase', story: () => at(phase), result: 'Deferred' }))),

  { type: STARTED, where: 'Ready', story: () => at('Ready'), result: 'Applied', rows: ['T9'], phase: 'Running', events: ['session.running'] },
  { type: ENDED, where: 'Ready', story: () => at('Ready'), result: 'Applied', rows: ['T9', 'T11'], phase: 'Collecting', events: ['session.running', 'grading_session.created', 'session.collecting'] },
  { type: COMPLETED, where: 'Ready', story: () => at('Ready'), result: 'Ignored', notice: 'UnexpectedResult' },
  { type: FAILED, where: 'Ready', story: () => at('Ready'), result: 'Ignored', notice: 'UnexpectedResult' },

  { type: STARTED, where: 'Running', story: () => at('Running'), result: 'Moot' },
  { type: ENDED, where: 'Running', story: () => at('Running'), result: 'Applied', rows: ['T11'], phase: 'Collecting', events: ['grading_session.created', 'session.collecting'] },
  { type: ENDED, where: 'Running without grading', story: () => sessionAt('Running', { definition: { grading: undefined } }), result: 'Applied', rows: ['T12'], phase: 'Stopping', events: ['session.stopping'] },
  { type: COMPLETED, where: 'Running', story: () => at('Running'), result: 'Deferred' },
  { type: FAILED, where: 'Running', story: () => at('Running'), result: 'Deferred' },

  { type: STARTED, where: 'Collecting', story: () => at('Collecting'), result: 'Moot' },
  { type: ENDED, where: 'Collecting', story: () => at('Collecting'), result: 'Moot' },
  { type: COMPLETED, where: 'Collecting', story: () => at('Collecting'), result: 'Deferred' },
  { type: FAILED, where: 'Collecting', story: () => at('Collecting'), result: 'Applied', phase: 'Collecting' },

  { type: STARTED, where: 'Grading', story: () => at('Grading'), result: 'Moot' },
  { type: ENDED, where: 'Grading', story: () => at('Grading'), result: 'Moot' },
  { type: COMPLETED, where: 'Grading', story: () => at('Grading'), result: 'Applied', rows: ['T15'], phase: 'Stopping', events: ['score_report.created', 'session.graded', 'session.stopping'] },
  { type: FAILED, where: 'Grading', story: () => at('Grading'), result: 'Applied', rows: ['T16'], phase: 'Stopping', events: ['session.stopping'] },

  ...(['Stopping', 'Stopped', 'Archived'] as const).flatMap((phase): CellCase[] => [
    { type: STARTED, where: `${phase}, graded`, story: () => at(phase), result: 'Moot' },
    { type: ENDED, where: `${phase}, ended already`, story: () => at(phase), result: 'Moot' },
    { type: COMPLETED, where: `${phase} with a report`, story: () => at(phase), result: 'Ignored' },
    { type: FAILED, where: `${phase} with a report`, story: () => at(phase), result: 'Ignored' },
  ]),
  { type: ENDED, where: 'Stopping while the candidate is still in', story: cancelledAtWork, result: 'Applied' },
  { type: COMPLETED, where: 'Stopping without a report', story: () => unscored('Stopping'), result: 'Applied', events: ['score_report.created', 'session.graded'] },
  { type: COMPLETED, where: 'Stopped without a report', story: () => unscored('Stopped'), result: 'Applied', events: ['score_report.created', 'session.graded'] },
  { type: COMPLETED, where: 'Stopping after the grading was given up', story: timedOut, result: 'Applied', events: ['score_report.created', 'session.graded'] },
  { type: FAILED, where: 'Stopping after the grading was given up', story: timedOut, result: 'Ignored' },
  { type: FAILED, where: 'Stopping without a grading', story: () => unscored('Stopping'), result: 'Ignored' },

  { type: STARTED, where: 'Terminated', story: () => at('Terminated'), result: 'Moot' },
  { type: ENDED, where: 'Terminated', story: () => at('Terminated'), result: 'Moot' },
  { type: COMPLETED, where: 'Terminated with a report', story: () => at('Terminated'), result: 'Ignored' },
  { type: COMPLETED, where: 'Terminated without a report', story: () => unscored('Terminated'), result: 'Applied', events: ['score_report.created', 'session.graded'] },
  { type: FAILED, where: 'Terminated', story: () => unscored('Terminated'), result: 'Ignored' },
];

describe.each(CELLS.map((cell): [string, CellCase] => [`${cell.type} in ${cell.where}`, cell]))('%s', (_, { type, story: make, ...expected }) => {
  test(`is ${expected.result}${expected.rows ? `: ${expected.rows.join(', ')}` : ''}`, () => {
    const story = make();
    const { phase: before, status } = story;
    const sequence = status.sequence ?? 0;
    const decision = story.consume(event(type, { error: 'it broke' }, { id: 'e1' }));
    expect(decision).toMatchObject({ result: expected.result, rows: expected.rows ?? [] });
    expect(decision.status.phase).toBe(expected.phase ?? before);
    expect(decision.notices.map(({ reason }) => reason)).toEqual(expected.notice ? [expected.notice] : []);
    const fresh = (decision.status.outbox ?? []).filter((entry) => (entry.sequence ?? 0) > sequence);
    expect(fresh.map((entry) => entry.type.replace('ccm.lablet.', ''))).toEqual(expected.events ?? []);
    expect(fresh.every(({ causationId }) => causationId === 'e1')).toBe(true);
    if (expected.result === 'Moot') expect(decision.status).toEqual(status);
    else expect(decision.status.inbox?.find(({ id }) => id === 'e1')).toMatchObject({ type, result: expected.result });
    expect(decision.reports.length).toBe(expected.events?.includes('score_report.created') ? 1 : 0);
  });

  test('the same event three times acts once', () => {
    const story = make();
    const same = event(type, {}, { id: 'e1' });
    story.consume(same);
    const { status } = story;
    for (let again = 0; again < 2; again++) expect(story.consume(same)).toMatchObject({ result: expected.result === 'Moot' ? 'Moot' : 'Duplicate', rows: [], reports: [], notices: [], status });
  });

  test('the same news under another id changes nothing but the inbox', () => {
    const story = make();
    story.consume(event(type, {}, { id: 'e1' }));
    const first = withoutInbox(story.status);
    const again = story.consume(event(type, {}, { id: 'e2' }));
    expect(again).toMatchObject({ rows: [], reports: [] });
    // A second `ended` in Ready comes to a session that is Collecting by then, and so on: every state swallows it.
    expect(withoutInbox(again.status)).toEqual(first);
  });
});

test('every type has a cell for every phase', () => {
  for (const type of CONSUMED_TYPES) for (const phase of SESSION_PHASES) expect(CELLS.some((cell) => cell.type === type && cell.where.startsWith(phase))).toBe(true);
});

test.each([STARTED, ENDED] as const)('%s that is moot once is so in all later phases: it may be forgotten', (type) => {
  const cells = Object.values(MATRIX[type]);
  expect(cells.slice(cells.indexOf('ignore')).filter((cell) => cell !== 'ignore' && cell !== 'late')).toEqual([]);
});

function* permutations<T>(items: readonly T[]): Generator<T[]> {
  if (items.length === 0) yield [];
  for (const [index, item] of items.entries()) for (const rest of permutations(items.filter((_other, other) => other !== index))) yield [item, ...rest];
}

describe.each([undefined, ...SESSION_PHASES])('all orders of started, ended, completed and failed from %s', (phase) => {
  test.each([...permutations([STARTED, ENDED, COMPLETED, FAILED] as const)].map((order): [string, ConsumedType[]] => [order.map((type) => type.split('.').at(-1)).join(', '), order]))('%s', (_, order) => {
    const story = at(phase);
    const hadReport = story.status.scoreReport;
    let expectsReport = hadReport !== undefined;
    for (const type of order) {
      // A result that comes while nobody has started is out of place; any other is kept.
      if (type === COMPLETED && story.phase !== 'Ready') expectsReport = true;
      story.consume(event(type, { error: 'it broke' }, { id: type }));
    }
    if (phase === undefined) story.world = { ...story.world, definition: new Story().world.definition };
    live(story);
    expect(story.phase).toBe('Terminated');
    expect(story.status.scoreReport !== undefined).toBe(expectsReport);
    if (hadReport) expect(story.status.scoreReport).toEqual(hadReport);
    const graded = story.status.outbox?.filter(({ type }) => type === 'ccm.lablet.session.graded') ?? [];
    expect(graded.length).toBe(expectsReport ? 1 : 0);
    expect(story.rows.filter((row) => row === 'T9').length).toBe(1);
  });
});

/** Goes on until the end: every pipeline but the grading succeeds, every deadline comes. */
function live(story: Story): void {
  for (let step = 0; step < 40 && story.phase !== 'Terminated'; step++) {
    if (story.judge().rows.length > 0) continue;
    if (story.phase === 'Pending') story.at('2026-11-23T09:30:00Z').place();
    else if (story.phase === 'Scheduled') story.at('2026-11-23T09:45:00Z');
    else if (story.status.pipeline && story.phase !== 'Stopping' && story.phase !== 'Grading') story.finishPipeline().advance(MINUTE);
    else story.advance(HOUR);
  }
}

describe('a result', () => {
  const flat = { score: 71, max_score: 100, cut_score: 60, passed: true, sections: [{ name: 'routing', score: 40, max_score: 50 }] };
  const nested = { score: { total: 71, max: 100, breakdown: [{ criterion: 'routing', points: 40, max_points: 50 }] }, cut_score: 60, passed: true };

  test.each([['flat', flat], ['nested', nested]])('in the %s shape makes one ScoreReport of one content', (_, data) => {
    const [report] = at('Grading').consume(event(COMPLETED, data, { id: 'g1', source: 'grading-engine' })).reports;
    expect(report).toEqual({
      name: 'cand-0042-7d1f0c2a-1',
      spec: {
        sessionRef: { namespace: 'exams', name: 'cand-0042', uid: '7d1f0c2a-3e9b-4f5d-8a6c-0b1c2d3e4f50' }, definition: { name: 'campus-edge', version: '1.2.0', sha256: 'ab'.repeat(32) }, candidate: 'proctor-7',
        score: 71, maxScore: 100, cutScore: 60, passed: true, sections: [{ name: 'routing', score: 40, maxScore: 50 }], submittedAt: at('Grading').now.toISOString(),
        gradingSessionId: at('Grading').status.gradingSession?.id, attempt: 1, sourceEvent: { source: 'grading-engine', id: 'g1' },
      },
    });
  });

  test.each<[string, Record<string, unknown>, number | undefined, boolean]>([
    ['says passed itself', { score: 1, passed: true }, undefined, true],
    ['reaches the cut score of the definition', { score: 60 }, 60, true],
    ['misses the cut score of the definition', { score: 59.9 }, 60, false],
    ['reaches its own cut score', { score: 30, cut_score: 30 }, 60, true],
    ['without any cut score and without a word is not passed', { score: 100 }, undefined, false],
  ])('that %s', (_, data, cutScore, passed) => {
    const story = sessionAt('Grading', { definition: { grading: { rulesUri: 's3://r', ...(cutScore === undefined ? {} : { cutScore }) } } }).requestGrade();
    expect(story.consume(event(COMPLETED, data)).status.scoreReport?.passed).toBe(passed);
  });

  test('whose word and score disagree keeps its word, with a warning', () => {
    const decision = at('Grading').consume(event(COMPLETED, { score: 10, cut_score: 60, passed: true }));
    expect(decision.status.scoreReport?.passed).toBe(true);
    expect(decision.notices).toMatchObject([{ type: 'Warning', reason: 'ScoreDisagrees' }]);
  });

  test('that was stored before a crash is the result, whatever the repeated event says', () => {
    const story = at('Grading');
    const [first] = story.hear(event(COMPLETED, { score: 71 })).reports;
    story.world = { ...story.world, existingReport: first?.spec };
    const decision = story.consume(event(COMPLETED, { score: 12 }));
    expect(decision.status).toMatchObject({ message: 'Graded with 71.', scoreReport: { score: 71 } });
    expect(decision.reports).toEqual([first]);
  });

  test('that comes early is applied with the evidence: T13 and T15 in one write, in the order of the contract', () => {
    const story = at('Running');
    story.consume(event(COMPLETED, {}, { id: 'g1' }));
    story.consume(event(ENDED));
    const sequence = story.status.sequence ?? 0;
    expect(story.finishPipeline().judge()).toMatchObject({ rows: ['T13', 'T15'] });
    expect(story.status.outbox?.filter((entry) => (entry.sequence ?? 0) > sequence).map(({ type, causationId }) => [type, causationId])).toEqual([
      ['ccm.lablet.session.grading', undefined], ['ccm.lablet.score_report.created', 'g1'], ['ccm.lablet.session.graded', 'g1'], ['ccm.lablet.session.stopping', 'g1'],
    ]);
    expect(story.status.inbox?.find(({ id }) => id === 'g1')).toMatchObject({ result: 'Applied' });
  });

  test('that waited is not lost where the session ends without a grading', () => {
    const story = at('Running');
    story.consume(event(COMPLETED, { score: 71 }));
    expect(story.edit({ desiredState: 'Terminated' }).judge()).toMatchObject({ rows: ['T12'], reports: [{ spec: { score: 71 } }] });
    expect(story.status.scoreReport).toMatchObject({ score: 71 });
  });

  test('that differs from the one there is leaves it, with a warning', () => {
    const story = at('Stopped');
    const decision = story.consume(event(COMPLETED, { score: 99 }));
    expect(decision.notices).toMatchObject([{ type: 'Warning', reason: 'ScoreIsFinal' }]);
    expect(decision.status.scoreReport).toMatchObject({ score: 71 });
  });

  test('of a regrade under a new grading session makes a further report that supersedes the first, once', () => {
    const story = at('Stopped');
    const data = { score: 99, regrade: true, grading_session_id: '0a4c53f2-9f5e-4f6e-8a67-111111111111' };
    const decision = story.consume(event(COMPLETED, data));
    expect(decision.reports).toMatchObject([{ name: 'cand-0042-7d1f0c2a-2', spec: { score: 99, attempt: 2, supersedes: 'cand-0042-7d1f0c2a-1' } }]);
    expect(decision.status).toMatchObject({ phase: 'Stopped', scoreReport: { score: 99 }, gradingSession: { state: 'Submitted', attempt: 2 } });
    expect(story.consume(event(COMPLETED, data))).toMatchObject({ result: 'Ignored', reports: [] });
  });

  test('with the mark of a regrade but no new grading session is ignored', () => {
    expect(at('Stopped').consume(event(COMPLETED, { score: 99, regrade: true }))).toMatchObject({ result: 'Ignored', reports: [] });
  });
});

describe('a failure during the collection', () => {
  test('faults the grading, lets the evidence be collected, and then the policy decides with its event', () => {
    const story = at('Collecting');
    story.consume(event(FAILED, { error: 'rules not found' }, { id: 'f1' }));
    expect(story.status.gradingSession).toMatchObject({ state: 'Faulted', error: 'rules not found' });
    expect(getCondition(story.status, 'Graded')).toMatchObject({ status: 'False' });
    expect(story.finishPipeline().judge().rows).toEqual(['T13', 'T16']);
    expect(story.status.history?.at(-1)).toMatchObject({ row: 'T16', actor: 'grading-engine', eventId: 'f1', reason: 'GradingFailed' });
  });

  test('then a result: the result wins', () => {
    const story = at('Collecting');
    story.consume(event(FAILED));
    story.consume(event(COMPLETED));
    expect(story.finishPipeline().judge().rows).toEqual(['T13', 'T15']);
    expect(story.status.gradingSession).toMatchObject({ state: 'Submitted' });
  });
});

describe('the inbox', () => {
  test('keeps the first waiting LDS event and the newest waiting result', () => {
    const story = at('Scheduled');
    story.consume(event(STARTED, { user_id: 'first' }, { id: 's1' }));
    expect(story.consume(event(STARTED, { user_id: 'second' }, { id: 's2' })).result).toBe('Ignored');
    story.consume(event(COMPLETED, { score: 1 }, { id: 'c1' }));
    expect(story.consume(event(COMPLETED, { score: 2 }, { id: 'c2' })).result).toBe('Deferred');
    expect(story.status.inbox?.filter(({ result }) => result === 'Deferred').map(({ id }) => id)).toEqual(['s1', 'c2']);
    expect(story.status.inbox?.filter(({ data }) => data !== undefined).map(({ id }) => id)).toEqual(['s1', 'c2']);
  });

  test('an early start, end and result are applied in the order of the table once the lab is ready', () => {
    const story = at('Instantiating');
    story.consume(event(COMPLETED, {}, { id: 'c1' }));
    story.consume(event(ENDED, {}, { id: 'e1' }));
    story.consume(event(STARTED, {}, { id: 's1' }));
    expect(story.finishPipeline().judge().rows).toEqual(['T6', 'T9', 'T11']);
    expect(story.status.history?.slice(-2).map(({ eventId }) => eventId)).toEqual(['s1', 'e1']);
  });

  /** Nearly all the room that there is. */
  const big = { sections: Array.from({ length: 89 }, () => ({ name: 'x'.repeat(250), score: 1 })) };

  test('holds 24 KiB of waiting data: what does not fit is Full, and nothing of it is stored', () => {
    const story = at('Scheduled');
    expect(story.consume(event(COMPLETED, big)).result).toBe('Deferred');
    const { status } = story;
    expect(story.consume(event(FAILED, { error: 'y'.repeat(512) }))).toMatchObject({ result: 'Full', rows: [], status });
    expect(story.consume(event(ENDED)).result).toBe('Deferred');
  });

  test('an event that is applied at once needs no room', () => {
    const story = at('Running');
    story.consume(event(COMPLETED, big));
    const ended = event(ENDED, { reason: 'y'.repeat(256), ended_by: 'z'.repeat(256) });
    expect(JSON.stringify([story.status.inbox?.[1]?.data, ended.data]).length).toBeGreaterThan(INBOX_MAX_DEFERRED_BYTES);
    expect(story.consume(ended)).toMatchObject({ result: 'Applied', rows: ['T11'] });
  });

  test('a newer result takes the room of the older one', () => {
    const story = at('Running');
    for (let round = 0; round < 3; round++) expect(story.consume(event(COMPLETED, big)).result).toBe('Deferred');
  });

  test(`remembers the newest ${INBOX_MAX} events, and never forgets one that waits`, () => {
    const story = at('Running');
    story.consume(event(FAILED, {}, { id: 'waiting' }));
    for (let index = 0; index < 2 * INBOX_MAX; index++) story.consume(event(COMPLETED, {}, { id: `s${index}` }));
    expect(story.status.inbox).toHaveLength(INBOX_MAX);
    expect(story.status.inbox?.[0]).toMatchObject({ id: 'waiting', result: 'Deferred' });
    expect(story.status.inbox?.at(-1)).toMatchObject({ id: `s${2 * INBOX_MAX - 1}` });
    expect(story.consume(event(COMPLETED, {}, { id: `s${2 * INBOX_MAX - 1}` })).result).toBe('Duplicate');
  });

  test('an event that cannot be read back is given up with a warning: it must not stop the session', () => {
    const story = at('Running');
    story.consume(event(COMPLETED, {}, { id: 'c1' }));
    const status = structuredClone(story.status);
    for (const entry of status.inbox ?? []) if (entry.id === 'c1') entry.data = '{"score":"none"}';
    story.session = { ...story.session, status };
    story.consume(event(ENDED));
    expect(story.finishPipeline().judge()).toMatchObject({ rows: ['T13'], notices: [{ reason: 'UnreadableEvent' }] });
    expect(story.status.inbox?.find(({ id }) => id === 'c1')).toMatchObject({ result: 'Ignored' });
  });

  test('another source with the same id is another event', () => {
    const story = at('Scheduled');
    story.consume(event(STARTED, {}, { id: '1', source: 'lds-a' }));
    expect(story.consume(event(ENDED, {}, { id: '1', source: 'lds-b' })).result).toBe('Deferred');
  });

  test('a paused session stores what comes, and goes on with it when it is resumed', () => {
    const story = at('Running').annotate({ 'lablet.dev/paused': '' });
    expect(story.consume(event(ENDED))).toMatchObject({ result: 'Deferred', rows: [] });
    expect(story.judge().rows).toEqual([]);
    story.session = { ...story.session, metadata: { ...story.session.metadata, annotations: {} } };
    expect(story.judge().rows).toEqual(['T11']);
  });

  test('ingest leaves people and deadlines to the leader', () => {
    const story = at('Ready').at(SLOT.end);
    expect(story.consume(event(STARTED)).rows).toEqual(['T9']);
    expect(story.judge().rows).toEqual(['T11']);
    expect(at('Running').edit({ desiredState: 'Ended' }).consume(event(STARTED))).toMatchObject({ result: 'Moot', rows: [] });
  });
});
