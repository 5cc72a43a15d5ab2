import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { startSink, type Sink } from '../../../hack/demo/sink.ts';
import { seededRandom } from '../../../hack/sim/common/random.ts';
import { LABLET_SESSIONS, SCORE_REPORTS } from '../../../src/api/kinds.ts';
import { TIMEOUTS } from '../../../src/core/timeouts.ts';
import { startProgram, type CrashingProgram } from '../../support/crashing-program.ts';
import { eventually } from '../../support/eventually.ts';
import { startLifecycle, type Lifecycle } from '../../support/lifecycle.ts';
import type { ScoreReport } from '../../../src/api/scorereport.ts';

/** All events of a session that is graded, in their order. */
const STORY = [
  'session.pending', 'session.scheduled', 'session.instantiating', 'user_session.created', 'session.ready', 'session.running', 'grading_session.created',
  'session.collecting', 'session.grading', 'score_report.created', 'session.graded', 'session.stopping', 'session.stopped', 'session.terminated',
].map((type) => `ccm.lablet.${type}`);

/** `SOAK=1` crashes after each write in turn; else a few are drawn, or the one that is named ("cml importLab #1"). */
const DRAWN = 12;
const { SOAK, CRASH_POINT, CRASH_SEED = 'crash-points' } = process.env;

let world: Lifecycle;
let sink: Sink;
let program: CrashingProgram | undefined;
let runs = 0;

beforeAll(async () => {
  world = await startLifecycle({ world: { bootDelay: '0s', script: { lds: [{ candidate: '*', startAfter: '100ms', endAfter: '100ms' }], grading: [{ candidate: '*', after: '100ms' }] } } });
  Object.assign(world.deps.settings, { scale: 1, emit: true, timeouts: { ...TIMEOUTS, pollLds: 400, pollGrading: 400, pollLab: 50, archiveTtl: 0 } });
  sink = await startSink();
  await begin();
  await world.define('edge', { formQualifiedName: 'Exam EDGE v1', labReuse: false, grading: { rulesUri: 'minio://rules/edge', cutScore: 60, onFailure: 'Stop' } });
  await world.serve('cml-crash');
});
afterAll(async () => {
  await program?.end();
  await world.close();
  await sink.close();
});

/** The next program, after the end of the last one. */
async function begin(crashAfter?: string): Promise<CrashingProgram> {
  await program?.end();
  program = await startProgram(world, sink.url, crashAfter);
  await world.sims.sendEventsTo(program.ingestUrl);
  return program;
}

/** One session through its whole life, its program dead after `crashAfter` and replaced by another one. */
async function live(crashAfter?: string): Promise<{ crashed: boolean; writes: readonly string[] }> {
  const name = `crash-${++runs}`;
  const importsBefore = (await world.sims.cmlCounters())[0]?.['POST /import'] ?? 0;
  const first = await begin(crashAfter);
  const { uid } = (await world.book(name, 'edge', { owner: name })).metadata;
  let second: Promise<CrashingProgram> | undefined;
  void first.crashed.then(() => { second = begin(); });
  const session = await world.reaches(name, 'Terminated');

  const delivered = await eventually(() => {
    const own = sink.deliveries.filter(({ source }) => source.endsWith(uid));
    const bySequence = new Map(own.map((delivery) => [delivery.sequence, delivery]));
    expect([...bySequence.keys()].sort((a, b) => a - b)).toEqual(STORY.map((_, index) => index + 1));
    return { own, bySequence };
  });
  expect([...delivered.bySequence].sort(([a], [b]) => a - b).map(([, { type }]) => type)).toEqual(STORY);
  // However often one was sent, it was the same, down to its bytes.
  for (const { sequence, id, bytes } of delivered.own) expect([id, bytes]).toEqual([delivered.bySequence.get(sequence)?.id, delivered.bySequence.get(sequence)?.bytes]);

  expect(session.status).toMatchObject({ reason: 'ArchiveExpired', ending: 'Normal', scoreReport: { passed: true } });
  const { items } = await world.client.list<ScoreReport>(SCORE_REPORTS, { namespace: world.namespace });
  expect(items.filter(({ spec }) => spec.sessionRef.uid === uid)).toHaveLength(1);
  expect((await world.sims.gradeCalls()).filter(({ candidateId }) => candidateId === name)).toHaveLength(1);
  // The one exception: LDS has no key by which a session could be found again, and that is said.
  const orphans = [...first.notes, ...((await second)?.notes ?? [])].filter((reason) => reason === 'PossibleOrphanLdsSession').length;
  expect(orphans).toBeLessThanOrEqual(1);
  const pages = (await world.sims.ldsSessions()).filter(({ candidateId }) => candidateId === name);
  expect(pages.length).toBeGreaterThanOrEqual(1);
  expect(pages.length).toBeLessThanOrEqual(1 + orphans);
  expect(pages.filter(({ releasedAt }) => releasedAt === undefined).length).toBeLessThanOrEqual(orphans);

  expect(((await world.sims.cmlCounters())[0]?.['POST /import'] ?? 0) - importsBefore).toBe(1);
  expect(await world.onHost()).toEqual([]);
  expect(await world.labs()).toEqual([]);
  expect(await world.sims.portClashes()).toEqual([]);
  await world.remove(LABLET_SESSIONS, name);
  await world.gone(LABLET_SESSIONS, name);
  // Whoever lives now is the one that the next run ends.
  await second;
  return { crashed: second !== undefined, writes: first.writes };
}

/** All of them, or some. */
function crashPoints(writes: readonly string[]): readonly string[] {
  if (CRASH_POINT !== undefined) return [CRASH_POINT];
  if (SOAK === '1') return writes;
  const random = seededRandom(CRASH_SEED);
  const drawn = new Set(writes.map((write) => ({ write, rank: random() })).sort((a, b) => a.rank - b.rank).slice(0, DRAWN).map(({ write }) => write));
  return writes.filter((write) => drawn.has(write));
}

test('a session goes on from its checkpoint after a crash between any two writes: one import, one report, the same events', async () => {
  const { writes } = await live();
  expect(writes).toEqual(expect.arrayContaining(['cml importLab #1', 'lds createSession #1', 'grading grade #1', 'kubernetes create ScoreReport #1', 'sink send #14']));
  let crashes = 0;
  for (const write of crashPoints(writes)) {
    try {
      const { crashed } = await live(write);
      crashes += crashed ? 1 : 0;
      if (SOAK === '1') process.stderr.write(`${crashed ? 'crashed after' : 'did not come to'} ${write}\n`);
    } catch (error) {
      throw new Error(`after a crash behind "${write}": ${error instanceof Error ? error.message : String(error)}`, { cause: error });
    }
  }
  expect(crashes).toBeGreaterThan(0);
}, 900_000);
