import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { LABS, WORKERS } from '../../../src/api/kinds.ts';
import { eventually } from '../../support/eventually.ts';
import { startLifecycle, type Lifecycle } from '../../support/lifecycle.ts';
import { newLab } from '../../support/objects.ts';

describe('the orphan sweep of a CML host', () => {
  let world: Lifecycle;

  beforeEach(async () => {
    world = await startLifecycle();
  });
  afterEach(() => world.close());

  const foreign = (title: string, owner: string, start: boolean) => world.behindOurBack('POST', `foreign-lab?title=${title}&owner=${owner}&start=${start}`);
  const titles = async () => (await world.onHost()).map(({ title }) => title).sort();

  test('removes what bears our mark and our login and no object names, and touches nothing else', async () => {
    const orphan = await foreign('edge-01234567-abcd', 'admin', true);
    await foreign('edge-76543210-abcd', 'somebody-else', true);
    await foreign('edge-01234567-beef', 'admin', true);
    await foreign('my own lab-abcd', 'admin', true);
    await foreign('exercise', 'somebody-else', true);
    await foreign('named-89abcdef-abcd', 'admin', false);
    // Its object is bound to nothing that the controllers know; it is paused, so that only the sweep could touch its lab.
    await world.client.create(LABS, newLab('named-89abcdef-abcd', 'cml-1', {
      annotations: { 'lablet.dev/paused': '' }, spec: { definitionRef: { namespace: world.namespace, name: 'named', version: '1.0.0' }, topologySha256: 'a'.repeat(64) },
    }));
    world.runAll();
    const worker = await world.serve('cml-1');

    await eventually(async () => expect(await titles()).toEqual(['edge-01234567-beef', 'edge-76543210-abcd', 'exercise', 'my own lab-abcd', 'named-89abcdef-abcd']));
    const running = (await world.onHost()).filter(({ state }) => state === 'STARTED').map(({ title }) => title).sort();
    expect(running).toEqual(['edge-01234567-beef', 'edge-76543210-abcd', 'exercise', 'my own lab-abcd']);
    await eventually(async () => {
      expect((await world.eventsOf(worker)).filter(({ reason }) => reason === 'OrphanRemoved')).toMatchObject([{ note: expect.stringContaining(orphan?.title ?? '') }]);
      expect(await world.metric('lablet_swept_labs_total')).toBe(1);
      expect(await world.metric('lablet_orphaned_labs')).toBe(0);
      expect((await world.client.get(WORKERS, 'cml-1')).status?.foreignLabs).toBe(4);
    });
  });

  test('waits for a host that is away and goes on when it is back', async () => {
    world.runAll();
    const worker = await world.serve('cml-1');
    await world.down('cml', true);
    await eventually(async () => expect((await world.client.get(WORKERS, 'cml-1')).status?.unreachableSince).toBeDefined());
    await foreign('edge-01234567-abcd', 'admin', true);
    await world.down('cml', false);
    await eventually(async () => expect(await titles()).toEqual([]));
    await eventually(async () => expect((await world.eventsOf(worker)).map(({ reason }) => reason)).toContain('OrphanRemoved'));
  });

  test('does nothing for a paused Worker', async () => {
    await world.close();
    world = await startLifecycle({ world: { cml: 2 } });
    world.runAll();
    await world.serve('cml-1');
    await world.serve('cml-2', 1);
    await world.annotate(WORKERS, 'cml-1', { 'lablet.dev/paused': '' });
    await eventually(() => expect(world.deps.caches.workers.get('cml-1')?.metadata.annotations).toHaveProperty(['lablet.dev/paused']));
    await foreign('edge-01234567-abcd', 'admin', false);
    const looks = async () => (await world.sims.cmlCounters())[1]?.['GET /labs'] ?? 0;
    const before = await looks();
    // Time enough for its neighbour to be looked at three times.
    await eventually(async () => expect(await looks()).toBeGreaterThan(before + 2));
    expect(await titles()).toEqual(['edge-01234567-abcd']);
    await world.annotate(WORKERS, 'cml-1', { 'lablet.dev/paused': null });
    await eventually(async () => expect(await titles()).toEqual([]));
  });
});
