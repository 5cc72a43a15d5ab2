import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { LABLET_DEFINITIONS, LABLET_SESSIONS, LABS, NAMESPACES, WORKERS } from '../../../src/api/kinds.ts';
import { EVENTS } from '../../../src/api/resource.ts';
import { eventually } from '../../support/eventually.ts';
import { startLifecycle, type Lifecycle } from '../../support/lifecycle.ts';
import type { Event } from '../../../src/api/resource.ts';

const FQN = 'Exam EDGE v1';
/** Short enough for a test, long enough to be met by a clean-up that has nothing in its way. */
const LIMITS = { teardown: 3_000, deletion: 3_000, workerUnreachable: 3_000, collection: 4_000, grading: 4_000, archiveTtl: 600_000 };

// Limits are waited for, one after the other.
jest.setTimeout(120_000);

describe('clean-up', () => {
  let world: Lifecycle;

  beforeEach(async () => {
    world = await startLifecycle({
      timeouts: LIMITS,
      world: {
        bootDelay: '10s', scale: 60,
        script: { lds: [{ candidate: '*-absent', noShow: true }, { candidate: '*-working', neverEnd: true }, { candidate: '*', startAfter: '1s', endAfter: '1s' }], grading: [{ candidate: '*-ungraded', never: true }, { candidate: '*', after: '1s' }] },
      },
    });
    world.runAll();
    await world.define('edge', { formQualifiedName: FQN, noShowTimeout: '0s', bootLeadTime: '1m', maxDuration: '2h', grading: { rulesUri: 'minio://rules/edge', onFailure: 'Stop' } });
    await world.define('huge', { resources: { cpu: '500', memory: '1Gi', storage: '1Gi' } });
    await world.serve('cml-1');
  });
  afterEach(() => world.close());

  /** A session in each phase that lasts, by the name of the phase in lower case. */
  async function oneInEachPhase(): Promise<string[]> {
    await world.book('unborn', 'missing');
    await world.book('pending', 'huge');
    await world.book('scheduled', 'edge', { timeslot: { start: new Date(Date.now() + 30_000).toISOString() } });
    await world.book('ready', 'edge', { owner: 'anna-absent' });
    await world.book('running', 'edge', { owner: 'anna-working' });
    await world.book('grading', 'edge', { owner: 'anna-ungraded' });
    await world.book('archived', 'edge', { owner: 'anna' });
    await world.book('terminated', 'edge', { owner: 'anna-absent' });
    await world.reaches('terminated', 'Ready');
    await world.client.mergePatch(LABLET_SESSIONS, 'terminated', world.namespace, { spec: { desiredState: 'Terminated' } });
    for (const phase of ['Pending', 'Scheduled', 'Ready', 'Running', 'Archived', 'Terminated'] as const) await world.reaches(phase.toLowerCase(), phase);
    // No lab boots from here on.
    await world.sims.setFault(world.sims.cml[0] ?? world.sims.lds, { name: 'never-converge', times: 1 });
    await world.book('instantiating', 'edge', { owner: 'anna-absent' });
    await world.reaches('instantiating', 'Instantiating');
    await world.reaches('grading', 'Grading');
    return ['unborn', 'pending', 'scheduled', 'instantiating', 'ready', 'running', 'grading', 'archived', 'terminated'];
  }
  const reasons = async (): Promise<(string | undefined)[]> => (await world.client.list<Event>(EVENTS, { namespace: world.namespace })).items.map(({ reason }) => reason);
  const unreleased = async () => (await world.sims.ldsSessions()).filter(({ releasedAt }) => releasedAt === undefined).length;
  const cleanHost = () =>
    eventually(async () => {
      expect((await world.onHost()).filter(({ owner }) => owner === 'admin')).toEqual([]);
      expect(await world.labs()).toEqual([]);
    }, 60_000);

  test('with everything up, sessions deleted in every phase leave nothing behind', async () => {
    const names = await oneInEachPhase();
    await Promise.all(names.map((name) => world.remove(LABLET_SESSIONS, name)));
    for (const name of names) await world.gone(LABLET_SESSIONS, name);
    expect(await unreleased()).toBe(0);
    await world.remove(LABLET_DEFINITIONS, 'edge');
    await cleanHost();
    await world.gone(LABLET_DEFINITIONS, 'edge');
  });

  test('with CML down, sessions go within the limits; their labs are named, and removed when CML is back', async () => {
    const names = await oneInEachPhase();
    await world.behindOurBack('POST', 'foreign-lab?title=exercise&owner=somebody-else&start=true');
    await world.down('cml', true);
    await Promise.all(names.map((name) => world.remove(LABLET_SESSIONS, name)));
    for (const name of names) await world.gone(LABLET_SESSIONS, name);
    expect(await unreleased()).toBe(0);
    expect((await world.onHost()).length).toBeGreaterThan(4);
    await eventually(async () => {
      expect(await reasons()).toContain('LeftBehind');
      expect(await world.metric('lablet_orphaned_labs')).toBeGreaterThan(2);
    });
    expect(await world.metric('lablet_left_behind_total')).toBeGreaterThan(2);
    await world.remove(LABLET_DEFINITIONS, 'edge');
    await world.gone(LABLET_DEFINITIONS, 'edge');
    await world.down('cml', false);
    await cleanHost();
    expect((await world.onHost()).map(({ title, state }) => [title, state])).toEqual([['exercise', 'STARTED']]);
    await eventually(async () => expect(await world.metric('lablet_orphaned_labs')).toBe(0));
  });

  test('with LDS down, sessions go within the limits; their pages are named', async () => {
    const names = await oneInEachPhase();
    await world.down('lds', true);
    const before = await unreleased();
    expect(before).toBeGreaterThan(1);
    await Promise.all(names.map((name) => world.remove(LABLET_SESSIONS, name)));
    for (const name of names) await world.gone(LABLET_SESSIONS, name);
    await eventually(async () => expect(await reasons()).toEqual(expect.arrayContaining(['LdsReleaseDelayed', 'LeftBehind'])));
    expect(await world.metric('lablet_left_behind_total')).toBe(before);
    await world.remove(LABLET_DEFINITIONS, 'edge');
    await cleanHost();
  });

  test('a session that ended while LDS was down is released when LDS is back', async () => {
    await world.book('exam', 'edge', { owner: 'anna-working' });
    await world.reaches('exam', 'Running');
    await world.down('lds', true);
    await world.annotate(LABLET_SESSIONS, 'exam', { 'lablet.dev/force-terminate': '' });
    const over = await world.reaches('exam', 'Terminated');
    expect(over.status).toMatchObject({ reason: 'ForceTerminated', userSession: { state: 'Ended' } });
    expect(await unreleased()).toBe(1);
    await world.down('lds', false);
    await eventually(async () => {
      expect(await unreleased()).toBe(0);
      expect((await world.session('exam')).status?.userSession?.releasedAt).toBeDefined();
    });
    await cleanHost();
  });

  test('with the GradingEngine down, sessions go within the limits', async () => {
    const names = await oneInEachPhase();
    await world.down('grading', true);
    await Promise.all(names.map((name) => world.remove(LABLET_SESSIONS, name)));
    for (const name of names) await world.gone(LABLET_SESSIONS, name);
    expect(await unreleased()).toBe(0);
    await world.remove(LABLET_DEFINITIONS, 'edge');
    await cleanHost();
  });

  test.each([['with everything up', false], ['with CML down', true]])('a namespace with all of them in it goes, %s', async (_what, isDown) => {
    await oneInEachPhase();
    if (isDown) await world.down('cml', true);
    await world.client.delete(NAMESPACES, world.namespace);
    await world.gone(NAMESPACES, world.namespace);
    if (isDown) await world.down('cml', false);
    await cleanHost();
    expect(await unreleased()).toBe(0);
  });

  test('a Lab that was deleted waits for its session and goes with it; a free one goes at once', async () => {
    await world.book('kept', 'edge', { owner: 'anna' });
    const { status } = await world.reaches('kept', 'Archived');
    await world.remove(LABS, status?.labName ?? '');
    await world.gone(LABS, status?.labName ?? '');
    expect(await world.onHost()).toEqual([]);

    await world.book('exam', 'edge', { owner: 'anna-working' });
    const running = await world.reaches('exam', 'Running');
    const claimed = await world.lab(running.status?.labName);
    await world.remove(LABS, claimed.metadata.name);
    await eventually(async () => expect((await world.eventsOf(claimed)).find(({ reason }) => reason === 'DeletionWaits')?.note).toContain('/exam works on it'));
    expect((await world.session('exam')).status?.phase).toBe('Running');
    await world.remove(LABLET_SESSIONS, 'exam');
    await world.gone(LABLET_SESSIONS, 'exam');
    await cleanHost();
  });

  test('a free Lab that is deleted while CML is down goes within the limit, and its lab when CML is back', async () => {
    await world.book('kept', 'edge', { owner: 'anna' });
    const { status } = await world.reaches('kept', 'Archived');
    const lab = await world.lab(status?.labName);
    await world.down('cml', true);
    await world.remove(LABS, lab.metadata.name);
    await world.gone(LABS, lab.metadata.name);
    expect((await world.onHost()).map(({ title }) => title)).toEqual([lab.spec.title]);
    await eventually(async () => expect((await world.eventsOf(lab)).find(({ reason }) => reason === 'LeftBehind')?.note).toContain(lab.spec.title));
    expect(await world.metric('lablet_left_behind_total')).toBe(1);
    await world.down('cml', false);
    await cleanHost();
    expect(await world.metric('lablet_swept_labs_total')).toBe(1);
  });

  test('a Worker that is deleted with sessions on it, while its CML is down, goes within the limits; its labs go when it serves again', async () => {
    await oneInEachPhase();
    await world.down('cml', true);
    await world.remove(WORKERS, 'cml-1');
    await world.gone(WORKERS, 'cml-1');
    expect((await world.session('running')).status).toMatchObject({ phase: 'Terminated', reason: 'WorkerLost' });
    await eventually(async () => expect(await world.labs()).toEqual([]));
    expect((await world.onHost()).length).toBeGreaterThan(2);
    await world.down('cml', false);
    for (const name of ['ready', 'scheduled', 'instantiating']) await world.remove(LABLET_SESSIONS, name);
    await world.serve('cml-1');
    await cleanHost();
  });
});
