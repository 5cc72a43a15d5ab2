import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { LABLET_SESSIONS, WORKERS } from '../../../src/api/kinds.ts';
import { getCondition } from '../../../src/core/conditions.ts';
import { eventually } from '../../support/eventually.ts';
import { startLifecycle, type Lifecycle } from '../../support/lifecycle.ts';
import type { LabletSession } from '../../../src/api/labletsession.ts';

const RULES = { grading: { rulesUri: 'minio://rules/edge', onFailure: 'Stop' as const } };

describe('a lab that changes behind our back', () => {
  let world: Lifecycle;

  beforeEach(async () => {
    world = await startLifecycle({ world: { cml: 2, bootDelay: '40s', scale: 60, script: { lds: [{ candidate: '*-working', neverEnd: true }, { candidate: '*', noShow: true }], grading: [{ candidate: '*', never: true }] } } });
    world.runAll();
    await world.define('edge', { formQualifiedName: 'Exam EDGE v1', noShowTimeout: '0s', maxDuration: '2h', ...RULES });
    await world.serve('cml-1');
  });
  afterEach(() => world.close());

  const idOf = ({ status }: LabletSession): string => status?.cmlLabId ?? '';
  const degraded = (name: string, status: 'True' | 'False', reason: string) =>
    eventually(async () => {
      const session = await world.session(name);
      expect(getCondition(session.status, 'Degraded')).toMatchObject({ status, reason });
      return session;
    });
  const stateOnHost = async () => (await world.onHost()).map(({ state }) => state);

  test('is reported when it was stopped, started again once, and only reported from then on', async () => {
    await world.book('exam', 'edge');
    const ready = await world.reaches('exam', 'Ready');
    await world.behindOurBack('PUT', `labs/${idOf(ready)}/stop`);
    const told = await degraded('exam', 'True', 'LabStopped');
    expect(getCondition(told.status, 'Degraded')?.message).toMatch(/not by us.*started again/);
    const healed = await degraded('exam', 'False', 'Recovered');
    expect(healed.status?.phase).toBe('Ready');
    expect(await stateOnHost()).toEqual(['STARTED']);
    expect((await world.lab(ready.status?.labName)).status).toMatchObject({ state: 'Booted', runs: [{ reason: 'LabStopped' }, { sessionUid: ready.metadata.uid }] });

    const starts = async () => (await world.sims.cmlCounters())[0]?.['PUT /labs/:lab/start'];
    const before = await starts();
    await world.behindOurBack('PUT', `labs/${idOf(ready)}/stop`);
    const again = await degraded('exam', 'True', 'LabStopped');
    expect(getCondition(again.status, 'Degraded')?.message).toMatch(/again once\. Start it there, or end the session/);
    // A person does as the message says.
    await world.behindOurBack('PUT', `labs/${idOf(ready)}/start`);
    const end = await degraded('exam', 'False', 'Recovered');
    expect(await starts()).toBe(before);
    expect(end.status?.history?.map(({ row }) => row)).toEqual(['T0', 'T1', 'T3', 'T6']);
    await eventually(async () => expect((await world.eventsOf(end)).map(({ reason }) => reason).filter((reason) => reason === 'LabStopped')).toHaveLength(2));
  });

  test.each([
    ['Ready', { owner: 'anna' }],
    ['Running', { owner: 'anna-working' }],
  ] as const)('ends a %s session with LabLost when it is gone from its host', async (phase, spec) => {
    await world.book('exam', 'edge', spec);
    const session = await world.reaches('exam', phase);
    await world.behindOurBack('DELETE', `labs/${idOf(session)}`);
    const over = await world.reaches('exam', 'Terminated');
    expect(over.status).toMatchObject({ reason: 'LabLost', userSession: { state: 'Ended' } });
    expect(over.status?.history?.at(-1)).toMatchObject({ row: 'T21', from: phase });
    await eventually(async () => expect(await world.labs()).toEqual([]));
  });

  test('ends a graded session too: in Grading a lab that is gone is LabLost', async () => {
    await world.book('exam', 'edge', { owner: 'anna-working' });
    await world.reaches('exam', 'Running');
    await world.client.mergePatch(LABLET_SESSIONS, 'exam', world.namespace, { spec: { desiredState: 'Ended' } });
    const session = await world.reaches('exam', 'Grading');
    await world.behindOurBack('DELETE', `labs/${idOf(session)}`);
    const over = await world.reaches('exam', 'Terminated');
    expect(over.status).toMatchObject({ reason: 'LabLost', gradingSession: { state: 'Faulted' } });
  });

  test('on a worker that does not answer: Degraded at once, recovered when it is back, WorkerLost when it stays away', async () => {
    await world.book('exam', 'edge', { owner: 'anna-working' });
    await world.reaches('exam', 'Running');
    await world.down('cml', true);
    await degraded('exam', 'True', 'WorkerUnreachable');
    await world.down('cml', false);
    expect((await degraded('exam', 'False', 'Recovered')).status?.phase).toBe('Running');
    await world.down('cml', true);
    const over = await world.reaches('exam', 'Terminated');
    expect(over.status).toMatchObject({ reason: 'WorkerLost', ending: 'Failed' });
    const unreachable = new Date((await world.client.get(WORKERS, 'cml-1')).status?.unreachableSince ?? 0).getTime();
    const ended = new Date(over.status?.terminatedAt ?? 0).getTime();
    expect(ended - unreachable).toBeGreaterThanOrEqual(world.deps.settings.timeouts.workerUnreachable - 1000);
    // What it left on the host goes when the host is back.
    await world.down('cml', false);
    await eventually(async () => expect(await stateOnHost()).toEqual([]));
    expect(await world.labs()).toEqual([]);
  });
});
