import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { eventually } from '../../support/eventually.ts';
import { startLifecycle, type Lifecycle } from '../../support/lifecycle.ts';
import type { LabletSession } from '../../../src/api/labletsession.ts';

describe('a worker that is lost', () => {
  let world: Lifecycle;

  beforeEach(async () => {
    world = await startLifecycle({
      timeouts: { workerUnreachable: 2_000 },
      world: { cml: 2, bootDelay: '10s', scale: 60, script: { lds: [{ candidate: '*', noShow: true }] } },
    });
    world.runAll();
    await world.define('edge', { formQualifiedName: 'Exam EDGE v1', noShowTimeout: '0s', bootLeadTime: '1m', maxDuration: '2h' });
    await world.serve('cml-1');
  });
  afterEach(() => world.close());

  const rows = ({ status }: LabletSession) => status?.history?.map(({ row }) => row);
  const lose = () => world.sims.setFault(world.sims.cml[0] ?? world.sims.lds, { name: 'http500', rate: 1 });

  test('sends a Scheduled session (T4) and an Instantiating one (T7) to another worker, and ends a Ready one (T21)', async () => {
    await world.book('ready', 'edge');
    await world.reaches('ready', 'Ready');
    await world.book('scheduled', 'edge', { timeslot: { start: new Date(Date.now() + 30_000).toISOString() } });
    await world.reaches('scheduled', 'Scheduled');
    await world.sims.setFault(world.sims.cml[0] ?? world.sims.lds, { name: 'never-converge', times: 1 });
    await world.book('instantiating', 'edge');
    await world.reaches('instantiating', 'Instantiating');
    await eventually(async () => expect((await world.session('instantiating')).status?.pipeline?.steps.find(({ name }) => name === 'lab_start')?.state).toBe('Running'));
    await lose();
    await world.serve('cml-2', 1);

    const moved = await world.reaches('instantiating', 'Ready');
    expect(rows(moved)).toEqual(['T0', 'T1', 'T3', 'T7', 'T1', 'T3', 'T6']);
    expect(moved.status).toMatchObject({ workerName: 'cml-2', reschedules: 1 });
    const placedAgain = await eventually(async () => {
      const session = await world.session('scheduled');
      expect(session.status?.workerName).toBe('cml-2');
      return session;
    });
    expect(rows(placedAgain)?.slice(0, 4)).toEqual(['T0', 'T1', 'T4', 'T1']);
    const over = await world.reaches('ready', 'Terminated');
    expect(over.status).toMatchObject({ reason: 'WorkerLost' });
    expect(rows(over)?.at(-1)).toBe('T21');

    // What stands on the lost host is removed when it is back; the labs of the sessions that moved stay.
    await world.sims.setFault(world.sims.cml[0] ?? world.sims.lds, { name: 'http500', rate: 0 });
    await eventually(async () => expect(await world.onHost(0)).toEqual([]), 60_000);
    expect((await world.onHost(1)).map(({ title }) => title)).toContain(moved.status?.labName);
  });
});
