import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { LABLET_SESSIONS, WORKERS, WORKER_TEMPLATES } from '../../../src/api/kinds.ts';
import { getCondition } from '../../../src/core/conditions.ts';
import { eventually } from '../../support/eventually.ts';
import { startLifecycle, type Lifecycle } from '../../support/lifecycle.ts';
import type { LabletSession } from '../../../src/api/labletsession.ts';
import type { Worker } from '../../../src/api/worker.ts';

/** A minute of the domain is a second here. */
describe('a drain', () => {
  let world: Lifecycle;

  beforeEach(async () => {
    world = await startLifecycle({
      timeouts: { drainForce: 3_000, archiveTtl: 0, pollLds: 500, pollGrading: 500, pollLab: 50 },
      world: {
        cml: 1, bootDelay: '0s', scale: 60,
        script: { lds: [{ candidate: 'absent', noShow: true }, { candidate: '*', startAfter: '0s', neverEnd: true }], grading: [{ candidate: 'stuck', never: true }, { candidate: '*', after: '0s' }] },
      },
    });
    world.runAll();
    await world.define('edge', { formQualifiedName: 'Exam EDGE v1', noShowTimeout: '0s', maxDuration: '4h', grading: { rulesUri: 'minio://rules/edge', cutScore: 60, onFailure: 'Stop' } });
    await world.serve('cml-1');
  });
  afterEach(() => world.close());

  const worker = (): Promise<Worker> => world.client.get(WORKERS, 'cml-1');
  const rows = ({ status }: LabletSession) => status?.history?.map(({ row }) => row);
  /** As the autoscaler does it: the spec stays the user's. */
  const drain = async (wanted: boolean): Promise<void> => {
    const { metadata } = await worker();
    const status = { drain: wanted ? { by: 'Autoscaler', reason: 'Idle', since: new Date().toISOString() } : null };
    await world.client.mergePatch(WORKERS, 'cml-1', undefined, { metadata: { resourceVersion: metadata.resourceVersion }, status }, { subresource: 'status' });
  };
  const phase = (wanted: string) => eventually(async () => {
    const found = await worker();
    expect(found.status?.phase).toBe(wanted);
    return found;
  });
  const begins = async (name: string): Promise<void> => {
    await world.book(name, 'edge', { owner: name });
    await world.reaches(name, name === 'absent' ? 'Ready' : 'Running');
  };

  test('lets the session run to its end, takes no other, is cancelled, and stops right after the last one', async () => {
    await begins('first');
    await drain(true);
    const draining = await phase('Draining');
    const end = (await world.session('first')).status?.timeslot?.end ?? '';
    expect(new Date(draining.status?.drainDoneBy ?? 0).getTime()).toBeGreaterThanOrEqual(Math.min(new Date(end).getTime(), Date.now()));
    expect(getCondition(draining.status, 'Schedulable')).toMatchObject({ status: 'False', reason: 'Draining', message: expect.stringContaining('1 session(s) are left; the last will have ended by') });

    await world.book('second', 'edge');
    await eventually(async () => expect(getCondition((await world.session('second')).status, 'Scheduled')).toMatchObject({ status: 'False', message: expect.stringContaining('0/1 workers: 1 WorkerDraining') }));
    await drain(false);
    await world.reaches('second', 'Running');

    await drain(true);
    await phase('Draining');
    for (const name of ['first', 'second']) await world.client.mergePatch(LABLET_SESSIONS, name, world.namespace, { spec: { desiredState: 'Ended' } });
    await phase('Stopped');
    for (const name of ['first', 'second']) expect((await world.session(name)).status).toMatchObject({ ending: 'Normal', scoreReport: { passed: true } });
    // It was stopped by the drain, and stays so.
    await drain(false);
    await phase('Running');
  });

  test('that takes too long ends what can be ended, with its work graded, and later what cannot', async () => {
    await world.client.mergePatch(WORKER_TEMPLATES, 'onprem', undefined, { spec: { drainTimeout: '2m' } });
    for (const name of ['absent', 'graded', 'stuck']) await begins(name);
    await drain(true);
    await phase('Draining');
    const [absent, graded, stuck] = await Promise.all(['absent', 'graded', 'stuck'].map((name) => world.reaches(name, 'Terminated')));
    expect([absent?.status?.reason, absent?.status?.history?.find(({ row }) => row === 'T10')?.reason]).toEqual(['DrainTimeout', 'DrainTimeout']);
    expect(graded?.status?.history?.find(({ row }) => row === 'T11')?.reason).toBe('DrainTimeout');
    expect(graded?.status?.scoreReport?.passed).toBe(true);
    expect(stuck && rows(stuck)?.slice(-3)).toEqual(['T11', 'T13', 'T21']);
    expect(stuck?.status).toMatchObject({ reason: 'DrainTimeout' });
    const stopped = await phase('Stopped');
    expect((await world.eventsOf(stopped)).map(({ reason }) => reason)).toContain('DrainTimeout');
  });
});
