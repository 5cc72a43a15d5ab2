import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { LABLET_DEFINITIONS, LABLET_SESSIONS, LABS } from '../../../src/api/kinds.ts';
import { eventually } from '../../support/eventually.ts';
import { startLifecycle, type Lifecycle } from '../../support/lifecycle.ts';
import { newSession, TOPOLOGY } from '../../support/objects.ts';

const PAUSED = 'lablet.dev/paused';

describe('an object that is held', () => {
  let world: Lifecycle;

  beforeEach(async () => {
    world = await startLifecycle({ timeouts: { archiveTtl: 600_000, teardown: 3_000 } });
    world.runAll();
    await world.define('edge', { labReuse: false });
    await world.serve('cml-1');
  });
  afterEach(() => world.close());

  /** Another session goes from booking to Ready meanwhile: whatever would have happened has had its time. */
  async function aWhile(name: string): Promise<void> {
    await world.book(name, 'edge');
    await world.reaches(name, 'Ready');
  }

  test('a session is marked with its uid as it gets its finalizer', async () => {
    const booked = await world.book('exam', 'edge');
    const { metadata } = await world.reaches('exam', 'Ready');
    expect(metadata.finalizers).toEqual(['lablet.dev/controller']);
    expect(metadata.annotations).toMatchObject({ 'lablet.dev/seen-uid': booked.metadata.uid });
  });

  test('a session restored from a backup is not run, says so, and runs once the mark is taken away', async () => {
    const annotations = { 'lablet.dev/seen-uid': '11111111-1111-4111-8111-111111111111' };
    await world.client.create(LABLET_SESSIONS, newSession(world.namespace, 'restored', 'edge', { annotations }));
    await eventually(async () => expect((await world.session('restored')).status).toMatchObject({ reason: 'Restored', message: expect.stringContaining('Remove the annotation lablet.dev/seen-uid') }));
    await aWhile('other');
    expect((await world.session('restored')).status?.phase).toBeUndefined();
    await world.annotate(LABLET_SESSIONS, 'restored', { 'lablet.dev/seen-uid': null });
    const { metadata } = await world.reaches('restored', 'Ready');
    expect(metadata.annotations).toMatchObject({ 'lablet.dev/seen-uid': metadata.uid });
  });

  test('a restored session can be deleted, and nothing that it names is touched', async () => {
    await aWhile('owner');
    const { status } = await world.session('owner');
    const annotations = { 'lablet.dev/seen-uid': '11111111-1111-4111-8111-111111111111' };
    await world.client.create(LABLET_SESSIONS, newSession(world.namespace, 'copy', 'edge', { annotations, finalizers: ['lablet.dev/controller'] }));
    const held = await eventually(async () => {
      const copy = await world.session('copy');
      expect(copy.status?.reason).toBe('Restored');
      return copy;
    });
    // As by a tool that restores the status too.
    const claims = { phase: 'Ready', workerName: 'cml-1', labName: status?.labName, cmlLabId: status?.cmlLabId };
    await world.client.mergePatch(LABLET_SESSIONS, 'copy', world.namespace, { metadata: { resourceVersion: held.metadata.resourceVersion }, status: claims }, { subresource: 'status' });
    await world.remove(LABLET_SESSIONS, 'copy');
    await world.gone(LABLET_SESSIONS, 'copy');
    expect((await world.onHost()).map(({ id, state }) => [id, state])).toEqual([[status?.cmlLabId, 'STARTED']]);
    expect((await world.session('owner')).status?.phase).toBe('Ready');
  });

  test('a paused session is not started and not torn down, and goes on when it is released', async () => {
    await world.book('exam', 'edge');
    const ready = await world.reaches('exam', 'Ready');
    await world.annotate(LABLET_SESSIONS, 'exam', { [PAUSED]: '', 'lablet.dev/start': '' });
    await aWhile('other');
    expect((await world.session('exam')).status).toEqual(ready.status);
    await world.annotate(LABLET_SESSIONS, 'exam', { [PAUSED]: null });
    await world.reaches('exam', 'Running');
  });

  test('a paused Lab stays as it is on its host while its session ends', async () => {
    await world.book('exam', 'edge');
    const { status } = await world.reaches('exam', 'Ready');
    await world.annotate(LABS, status?.labName ?? '', { [PAUSED]: '' });
    await eventually(() => expect(world.deps.caches.labs.get(status?.labName ?? '')?.metadata.annotations).toHaveProperty([PAUSED]));
    await world.remove(LABLET_SESSIONS, 'exam');
    await world.gone(LABLET_SESSIONS, 'exam');
    await aWhile('other');
    expect((await world.onHost()).find(({ id }) => id === status?.cmlLabId)?.state).toBe('STARTED');
    await world.annotate(LABS, status?.labName ?? '', { [PAUSED]: null });
    await world.gone(LABS, status?.labName ?? '');
    expect((await world.onHost()).map(({ id }) => id)).not.toContain(status?.cmlLabId);
  });

  test('a paused LabletDefinition takes no new version until it is released', async () => {
    await world.annotate(LABLET_DEFINITIONS, 'edge', { [PAUSED]: '' });
    await world.client.mergePatch(LABLET_DEFINITIONS, 'edge', world.namespace, { spec: { version: '2.0.0', topology: { inline: TOPOLOGY.replace('two', 'both') } } });
    await aWhile('other');
    const current = async () => (await world.client.get(LABLET_DEFINITIONS, 'edge', world.namespace)).status?.currentVersion;
    expect(await current()).toBe('1.0.0');
    await world.annotate(LABLET_DEFINITIONS, 'edge', { [PAUSED]: null });
    await eventually(async () => expect(await current()).toBe('2.0.0'));
  });

  test('kubectl describe tells why a session waits, and what became of one that ended', async () => {
    await world.define('huge', { resources: { cpu: '500', memory: '1Gi', storage: '1Gi' } });
    await world.book('too-big', 'huge');
    await world.book('early', 'absent');
    const describeSession = (name: string) => world.cluster.kubectl(['describe', 'lses', name, `--namespace=${world.namespace}`]);
    await eventually(async () => expect(await describeSession('too-big')).toMatch(/0\/1 workers.*InsufficientResources/));
    await eventually(async () => expect(await describeSession('early')).toMatch(/absent does not exist in this namespace\. Create it, and the session goes on/));
    await world.book('exam', 'edge');
    const { status } = await world.reaches('exam', 'Ready');
    await world.behindOurBack('DELETE', `labs/${status?.cmlLabId ?? ''}`);
    await world.reaches('exam', 'Terminated');
    await eventually(async () => {
      const text = await describeSession('exam');
      expect(text).toMatch(/Reason:\s+LabLost/);
      expect(text).toMatch(new RegExp(`Lab ${status?.labName ?? ''} is gone from the CML host`));
      for (const reason of ['Scheduled', 'Ready', 'LabLost']) expect(text).toMatch(new RegExp(`(Normal|Warning)\\s+${reason}\\s`));
    });
  });
});
