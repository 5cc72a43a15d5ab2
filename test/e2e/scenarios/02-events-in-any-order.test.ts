import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import { WORKERS, WORKER_TEMPLATES } from '../../../src/api/kinds.ts';
import { eventually } from '../../support/eventually.ts';
import { newTemplate, newWorker } from '../../support/objects.ts';
import { eventsOf, NAMESPACE, rowsOf, startScenario, type Outgoing, type Scenario } from '../../support/scenario.ts';
import { SESSION_PHASES, type LabletSession, type SessionPhase } from '../../../src/api/labletsession.ts';
import type { ConsumedType } from '../../../src/api/consumed.ts';

// Every cell of the matrix is proved on the core (test/unit/core/session/matrix.test.ts). Here a choice of them goes the
// whole way: over HTTP to the ingest of the running controller, into the API server, out to the sink. Nobody else speaks:
// the simulated candidates never come, the simulated grader never answers.
const SCALE = 20;
const READY = 'T0 T1 T3 T6';
const GRADING = `${READY} T9 T11 T13`;
const ARCHIVED = `${GRADING} T15 T17 T18`;
const GIVEN_UP = `${GRADING} T16 T17 T19`;

/** What happens in turn: a phase is waited for; `type#id` is an event, `type:score#id` one with another score than 71. */
interface Story {
  readonly story: string;
  readonly play: readonly string[];
  readonly rows: string;
  /** The inbox in the end. */
  readonly inbox: readonly string[];
  /** Scores of the ScoreReports, in their order. */
  readonly scores?: readonly number[];
  /** Reason of a Warning Event that says what was odd. */
  readonly warning?: string;
  /** large: there is a worker for it once the story is told. huge: there never is. */
  readonly definition?: 'large' | 'huge';
}

const STORIES: readonly Story[] = [
  { story: 'a start that is sent three times starts once', play: ['Ready', 'started#1', 'started#1', 'started#1'], rows: `${READY} T9`, inbox: ['started Applied'] },
  { story: 'a start that was told already, under another id, changes nothing', play: ['Ready', 'started#1', 'Running', 'started#2'], rows: `${READY} T9`, inbox: ['started Applied'] },
  { story: 'a start for a session without a worker is kept', play: ['Pending', 'started#1'], rows: 'T0', inbox: ['started Deferred'], definition: 'huge' },
  { story: 'an end implies a start, which comes too late then', play: ['Ready', 'ended#1', 'Grading', 'started#2'], rows: GRADING, inbox: ['ended Applied'] },
  { story: 'an end and a start that come before the lab is ready are applied when it is, in their own order', play: ['Pending', 'ended#1', 'started#2'], rows: GRADING, inbox: ['ended Applied', 'started Applied'], definition: 'large' },
  { story: 'a result while the candidate still works is kept until the work is graded', play: ['Ready', 'started#1', 'Running', 'completed#2', 'ended#3'], rows: ARCHIVED, inbox: ['started Applied', 'completed Applied', 'ended Applied'], scores: [71] },
  { story: 'a result although nobody has started is ignored, with a warning', play: ['Ready', 'completed#1'], rows: READY, inbox: ['completed Ignored'], warning: 'UnexpectedResult' },
  { story: 'a result that is sent three times makes one report', play: ['Ready', 'ended#1', 'Grading', 'completed#2', 'completed#2', 'completed#2'], rows: ARCHIVED, inbox: ['ended Applied', 'completed Applied'], scores: [71] },
  { story: 'a result after a failure wins, even after the end', play: ['Ready', 'ended#1', 'Grading', 'failed#2', 'Terminated', 'completed#3'], rows: GIVEN_UP, inbox: ['ended Applied', 'failed Applied', 'completed Applied'], scores: [71] },
  { story: 'a failure after a result changes nothing', play: ['Ready', 'ended#1', 'Grading', 'completed#2', 'Archived', 'failed#3'], rows: ARCHIVED, inbox: ['ended Applied', 'completed Applied', 'failed Ignored'], scores: [71] },
  { story: 'another score after the result is ignored, with a warning', play: ['Ready', 'ended#1', 'Grading', 'completed#2', 'Archived', 'completed:40#3'], rows: ARCHIVED, inbox: ['ended Applied', 'completed Applied', 'completed Ignored'], scores: [71], warning: 'ScoreIsFinal' },
  { story: 'a further grading that says so makes a further report', play: ['Ready', 'ended#1', 'Grading', 'completed#2', 'Archived', 'regraded:90#3'], rows: ARCHIVED, inbox: ['ended Applied', 'completed Applied', 'completed Applied'], scores: [71, 90] },
  { story: 'a start and an end after it is over change nothing', play: ['Ready', 'ended#1', 'Grading', 'failed#2', 'Terminated', 'started#3', 'ended#4'], rows: GIVEN_UP, inbox: ['ended Applied', 'failed Applied'] },
  ...permutations(['started', 'ended', 'completed']).map((order): Story => ({
    story: `${order.join(', ')}, all before the lab is ready, end with the grade`,
    play: ['Pending', ...order.map((type, index) => `${type}#${index}`)], rows: ARCHIVED, inbox: order.map((type) => `${type} Applied`), scores: [71], definition: 'large',
  })),
];

/** The ids by which a sender may name a Ready session. */
const NAMES: readonly { by: string; event: (session: LabletSession) => Pick<Outgoing, 'data' | 'subject'> }[] = [
  { by: 'lds_session_id', event: (session) => ({ data: { lds_session_id: ldsId(session) } }) },
  { by: 'session_id that is the id in LDS', event: (session) => ({ data: { session_id: ldsId(session) } }) },
  { by: 'session_id that is the uid', event: ({ metadata }) => ({ data: { session_id: metadata.uid } }) },
  { by: 'lablet_session_id that is the name', event: ({ metadata }) => ({ data: { lablet_session_id: metadata.name } }) },
  { by: 'the subject', event: ({ metadata }) => ({ subject: `${NAMESPACE}/${metadata.name}`, data: {} }) },
];

const ldsId = ({ status }: LabletSession): string | undefined => status?.userSession?.ldsSessionId;
const isPhase = (text: string): text is SessionPhase => SESSION_PHASES.some((phase) => phase === text);

describe('events that come late, early, twice or in the wrong order (acceptance scenario 2)', () => {
  let world: Scenario;

  beforeAll(async () => {
    world = await startScenario({
      scale: SCALE,
      environment: { INGEST_ALLOWED_SOURCES: '/test/*' },
      world: { cml: 2, script: { lds: [{ candidate: '*', noShow: true }], grading: [{ candidate: '*', never: true }] } },
    });
    await world.define('exam');
    await world.define('large', { resources: { cpu: '50', memory: '4Gi', storage: '10Gi' } });
    await world.define('huge', { resources: { cpu: '1k', memory: '4Gi', storage: '10Gi' } });
    const told = STORIES.map(({ play, definition = 'exam' }, index) => ({ definition, done: tell(`story-${index}`, definition, play) }));
    // All at once: they do not know of each other.
    await Promise.all([
      ...told.map(({ done }) => done),
      Promise.all(told.filter(({ definition }) => definition === 'large').map(({ done }) => done)).then(serveLarge),
      ...NAMES.map(async ({ event }, index) => {
        await world.book(`named-${index}`, 'exam');
        await deliver({ type: 'lds.session.started', ...event(await world.reaches(`named-${index}`, 'Ready')) });
      }),
    ]);
  }, 150_000);
  afterAll(async () => {
    await world.stop();
  });

  async function tell(name: string, definition: string, play: readonly string[]): Promise<void> {
    let session = await world.book(name, definition);
    for (const act of play) {
      if (isPhase(act)) session = await world.reaches(name, act);
      else await deliver(eventOf(act, session));
    }
  }

  /** A second host, with room for what the first cannot take. */
  async function serveLarge(): Promise<void> {
    await world.client.create(WORKER_TEMPLATES, newTemplate('large', { spec: { capacity: { cpu: '480', memory: '192Gi', storage: '900Gi' } } }));
    await world.client.create(WORKERS, newWorker('cml-2', 'large', world.stack.world.cml[1]?.url ?? ''));
  }

  /** As a broker delivers: again, until it is accepted. */
  async function deliver(event: Outgoing): Promise<void> {
    await eventually(async () => expect((await world.post(event)).status).toBe(202));
  }

  test.each(STORIES.map((story, index) => ({ ...story, name: `story-${index}` })))('$story', async ({ name, rows, inbox, scores = [], warning }) => {
    const session = await eventually(async () => {
      const found = await world.session(name);
      expect([rowsOf(found), (found.status?.inbox ?? []).map(({ type, result }) => `${type.split('.').at(-1) ?? ''} ${result}`)]).toEqual([rows, inbox]);
      return found;
    });
    const reports = (await world.reports(name)).sort((a, b) => a.spec.attempt - b.spec.attempt);
    expect(reports.map(({ spec }) => spec.score)).toEqual(scores);
    expect(reports.map(({ spec }) => spec.supersedes)).toEqual(reports.map((_, index) => reports[index - 1]?.metadata.name));
    expect(session.status?.scoreReport?.score).toBe(scores.at(-1));
    if (warning !== undefined) await eventually(async () => expect(await world.told(name)).toContain(warning));
    await eventually(() => {
      const events = eventsOf(world.stack.sink.deliveries, session.metadata.uid);
      expect(events.map(({ sequence }) => sequence)).toEqual(Array.from({ length: session.status?.sequence ?? 0 }, (_, index) => index + 1));
      expect(events.filter(({ type }) => type === 'score_report.created')).toHaveLength(scores.length);
      expect(events.filter(({ type }) => type === 'session.running')).toHaveLength(rows.includes('T9') ? 1 : 0);
    });
  });

  test.each(NAMES.map(({ by }, index) => ({ by, name: `named-${index}` })))('a session is found by $by', async ({ name }) => {
    expect(rowsOf(await world.reaches(name, 'Running'))).toBe(`${READY} T9`);
  });

  const about = { session_id: 'nobody-knows' };
  test.each<[string, Outgoing, number]>([
    ['of a session that nobody knows yet is asked for again', { type: 'lds.session.started', data: about }, 503],
    ['of a session that nobody ever knew is dropped after its time', { type: 'lds.session.started', data: about, time: new Date(Date.now() - 60_000).toISOString() }, 202],
    ['with a result without a score is refused', { type: 'grading.session.completed', data: about }, 400],
    ['about nobody is refused', { type: 'lds.session.ended', data: {} }, 400],
    ['of a source that is not on the list is refused', { type: 'lds.session.started', data: about, source: '/somebody/else' }, 403],
    ['of ours is passed over: a loop', { type: 'lds.session.started', data: about, source: '/ccm/lablet-controller/labletsessions/x' }, 202],
    ['with more data than a session can keep is refused', { type: 'lds.session.ended', data: { ...about, padding: 'x'.repeat(25 * 1024) } }, 413],
  ])('an event %s', async (_, event, status) => {
    const response = await world.post(event);
    expect(response.status).toBe(status);
    expect(response.headers.get('retry-after') !== null).toBe(status === 503);
  });
});

const TYPES: Readonly<Record<string, ConsumedType>> = {
  started: 'lds.session.started', ended: 'lds.session.ended', completed: 'grading.session.completed', regraded: 'grading.session.completed', failed: 'grading.session.failed',
};

/** The event that an act such as `completed:40#3` stands for. LDS names its own session, the grader its own, as far as there is one. */
function eventOf(act: string, session: LabletSession): Outgoing {
  const [, word = '', score = '71', id = ''] = /^([a-z]+)(?::(\d+))?#(\d+)$/.exec(act) ?? [];
  const type = TYPES[word];
  if (type === undefined) throw new Error(`${act} is no act`);
  const { uid } = session.metadata;
  const { gradingSession } = session.status ?? {};
  const data = {
    started: { session_id: ldsId(session) ?? uid },
    ended: { session_id: ldsId(session) ?? uid, reason: 'user_finished' },
    completed: { session_id: uid, grading_session_id: gradingSession?.gradingSessionId ?? gradingSession?.id, score: Number(score), max_score: 100 },
    regraded: { session_id: uid, grading_session_id: randomUUID(), score: Number(score), max_score: 100, regrade: true },
    failed: { session_id: uid, error: 'the devices could not be read' },
  }[word];
  return { type, id: `${uid}-${id}`, data: data ?? {} };
}

function permutations<T>(items: readonly T[]): T[][] {
  return items.length === 0 ? [[]] : items.flatMap((item, index) => permutations(items.toSpliced(index, 1)).map((rest) => [item, ...rest]));
}
