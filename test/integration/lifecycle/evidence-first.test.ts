import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { z } from 'zod';
import { LABLET_SESSIONS } from '../../../src/api/kinds.ts';
import { eventually } from '../../support/eventually.ts';
import { startLifecycle, type Lifecycle } from '../../support/lifecycle.ts';

const calls = z.array(z.object({ method: z.string(), path: z.string(), status: z.number().nullable() }));
const RULES = { rulesUri: 'minio://rules/edge', cutScore: 60, onFailure: 'Stop' as const };
const NODES = 2;

describe('what a candidate has configured is read from the lab before it is stopped, wiped or deleted', () => {
  let world: Lifecycle;

  beforeAll(async () => {
    world = await startLifecycle({
      world: {
        bootDelay: '0s', scale: 60,
        script: { lds: [{ candidate: '*-stays', neverEnd: true }, { candidate: '*', startAfter: '10s', endAfter: '10s' }], grading: [{ candidate: '*-ungraded', never: true }, { candidate: '*', after: '10s' }] },
      },
      timeouts: { archiveTtl: 0, grading: 4_000, teardown: 60_000, workerUnreachable: 60_000 },
    });
    world.runAll();
    await world.define('graded', { formQualifiedName: 'Exam EDGE v1', labReuse: false, grading: RULES });
    await world.define('reused', { formQualifiedName: 'Exam EDGE v1', labReuse: true, grading: RULES });
    await world.define('practice', { formQualifiedName: 'Exam EDGE v1', labReuse: false });
    await world.define('careless', { formQualifiedName: 'Exam EDGE v1', labReuse: false, extractOnStop: false });
    await world.serve('cml-evidence');
  });
  afterAll(() => world.close());

  /** What was done to the lab that ends its life or keeps its contents, in order; repeats in a row count once. */
  async function deeds(labId: string): Promise<string[]> {
    const response = await fetch(`${world.sims.cml[0]?.url ?? ''}/sim/calls?match=${labId}`);
    const done = calls.parse(await response.json()).filter(({ status }) => status !== null && status < 300);
    const names = done.flatMap(({ method, path }) => {
      if (path.endsWith('/extract_configuration')) return [`extract ${path.split('/').at(-2) ?? ''}`];
      if (method === 'PUT' && path.endsWith(`${labId}/stop`)) return ['stop'];
      if (method === 'PUT' && path.endsWith(`${labId}/wipe`)) return ['wipe'];
      return method === 'DELETE' && path.endsWith(labId) ? ['delete'] : [];
    });
    return names.filter((name, index) => name !== names[index - 1]);
  }

  /** Every node was read, and only then the lab was ended. */
  async function evidenceFirst(labId: string, ending: string[]): Promise<void> {
    const all = await eventually(async () => {
      const found = await deeds(labId);
      expect(found.filter((deed) => !deed.startsWith('extract'))).toEqual(ending);
      return found;
    });
    const firstEnd = all.findIndex((deed) => !deed.startsWith('extract'));
    expect(new Set(all.slice(0, firstEnd)).size).toBe(NODES);
    expect(all.slice(firstEnd)).toEqual(ending);
  }

  const working = async (name: string, definition: string, owner: string) => {
    await world.book(name, definition, { owner });
    const { status } = await world.reaches(name, 'Running');
    return status?.cmlLabId ?? '';
  };
  const ask = (name: string, spec: object) => world.client.mergePatch(LABLET_SESSIONS, name, world.namespace, { spec });

  test('when it was graded', async () => {
    await world.book('normal', 'graded', { owner: 'anna' });
    const { status } = await world.reaches('normal', 'Terminated');
    expect(status).toMatchObject({ ending: 'Normal', scoreReport: { passed: true } });
    await evidenceFirst(status?.cmlLabId ?? '', ['stop', 'wipe', 'delete']);
  });

  test('when the lab is kept for the next session', async () => {
    await world.book('kept', 'reused', { owner: 'anna' });
    const { status } = await world.reaches('kept', 'Terminated');
    await evidenceFirst(status?.cmlLabId ?? '', ['stop', 'wipe']);
  });

  test('when the grading fails', async () => {
    await world.book('failed', 'graded', { owner: 'anna-ungraded' });
    const { status } = await world.reaches('failed', 'Terminated');
    expect(status).toMatchObject({ ending: 'Failed', reason: 'GradingTimeout' });
    await evidenceFirst(status?.cmlLabId ?? '', ['stop', 'wipe', 'delete']);
  });

  test('when the session is cancelled while the candidate works', async () => {
    const labId = await working('cancelled', 'practice', 'anna-stays');
    await ask('cancelled', { desiredState: 'Terminated' });
    await world.reaches('cancelled', 'Terminated');
    await evidenceFirst(labId, ['stop', 'wipe', 'delete']);
  });

  test('when the session is deleted while the candidate works', async () => {
    const labId = await working('deleted', 'practice', 'anna-stays');
    await world.remove(LABLET_SESSIONS, 'deleted');
    await world.gone(LABLET_SESSIONS, 'deleted');
    await evidenceFirst(labId, ['stop', 'wipe', 'delete']);
  });

  test('when its collection failed, since the host was away', async () => {
    const labId = await working('uncollected', 'graded', 'anna-stays');
    await world.down('cml', true);
    await ask('uncollected', { desiredState: 'Ended' });
    const { status } = await world.reaches('uncollected', 'Stopping');
    expect(status).toMatchObject({ reason: 'CollectionFailed', ending: 'Failed' });
    expect(await deeds(labId)).toEqual([]);
    await world.down('cml', false);
    await world.reaches('uncollected', 'Terminated');
    await evidenceFirst(labId, ['stop', 'wipe', 'delete']);
  });

  test('not where the definition does not ask for it', async () => {
    const labId = await working('careless', 'careless', 'anna-stays');
    await ask('careless', { desiredState: 'Terminated' });
    await world.reaches('careless', 'Terminated');
    expect(await deeds(labId)).toEqual(['stop', 'wipe', 'delete']);
  });

  test('not where somebody forces the end', async () => {
    const labId = await working('forced', 'practice', 'anna-stays');
    await world.annotate(LABLET_SESSIONS, 'forced', { 'lablet.dev/force-terminate': '' });
    await world.reaches('forced', 'Terminated');
    await eventually(async () => expect(await deeds(labId)).toEqual(['stop', 'wipe', 'delete']));
  });
});
