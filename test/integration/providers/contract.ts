/** What every provider of workers must do (contract §8): one suite, which each of them passes. */
import { describe, expect, test } from '@jest/globals';
import { TAG, clusterTags, ourTags } from '../../../src/clients/provider/port.ts';
import { eventually } from '../../support/eventually.ts';
import type { Instance, InstanceState, LaunchRequest, WorkerProvider } from '../../../src/clients/provider/port.ts';

export interface Subject {
  readonly provider: WorkerProvider;
  /** A glob over the names of images, of which one exists where machines are made. */
  readonly imagePattern: string;
}

const call = { signal: new AbortController().signal };

export const requestFor = (workerUid: string, imageId = 'none', more: Partial<LaunchRequest> = {}): LaunchRequest => ({
  token: `${workerUid}-0`, workerUid, imageId, instanceType: 'm5zn.metal', subnetIds: [], securityGroupIds: [], tags: ourTags({ uid: workerUid, name: `w-${workerUid}`, template: 'metal' }, 'abcd'), ...more,
});

/** @param uids of two workers; a static provider knows their hosts */
export function providerContract(name: string, uids: readonly [string, string], subject: () => Subject): void {
  describe(`the provider ${name}`, () => {
    const machineOf = async (uid: string): Promise<Instance> => {
      const { provider, imagePattern } = subject();
      const image = await provider.resolveImage(imagePattern, call);
      return provider.ensureInstance(requestFor(uid, image?.id), call);
    };
    const reaches = (id: string, ...states: InstanceState[]): Promise<Instance> =>
      eventually(async () => {
        const [found] = await subject().provider.describe({ ids: [id] }, call);
        expect(states).toContain(found?.state);
        return found as Instance;
      });

    test('gives a worker one machine, however often it is asked', async () => {
      const [first, again] = [await machineOf(uids[0]), await machineOf(uids[0])];
      const [one, two] = await Promise.all([machineOf(uids[0]), machineOf(uids[0])]);
      expect(new Set([first.id, again.id, one.id, two.id]).size).toBe(1);
      expect(await subject().provider.describe({ tags: { [TAG.workerUid]: uids[0] } }, call)).toHaveLength(1);
    });

    test('gives two workers two machines, each with the tag of its worker, and an address once it runs', async () => {
      const machines = [await machineOf(uids[0]), await machineOf(uids[1])];
      expect(new Set(machines.map(({ id }) => id)).size).toBe(2);
      for (const [index, { id }] of machines.entries()) {
        const running = await reaches(id, 'running');
        expect([running.tags[TAG.workerUid], typeof running.privateIp]).toEqual([uids[index], 'string']);
      }
    });

    test('finds by id what exists, and leaves out what does not', async () => {
      const { id } = await machineOf(uids[0]);
      expect((await subject().provider.describe({ ids: [id, 'i-00000000000000000'] }, call)).map((found) => found.id)).toEqual([id]);
      expect(await subject().provider.describe({ ids: [] }, call)).toEqual([]);
      expect(await subject().provider.describe({ tags: clusterTags('ffff') }, call)).toEqual([]);
    });

    test('knows no image that nobody made', async () => {
      expect(await subject().provider.resolveImage('no-such-image-*', call)).toBeUndefined();
    });

    test('stops, starts and terminates its machines, twice as well as once, and leaves alone those that are not its own', async () => {
      const { provider } = subject();
      const { id } = await machineOf(uids[1]);
      await reaches(id, 'running');
      await provider.stop(id, call);
      await provider.stop(id, call);
      await reaches(id, provider.ownsMachines ? 'stopped' : 'running');
      await provider.start(id, call);
      await reaches(id, 'running');
      await provider.start(id, call);
      await reaches(id, 'running');
      await provider.terminate(id, call);
      if (!provider.ownsMachines) {
        await reaches(id, 'running');
        return;
      }
      await reaches(id, 'terminated');
      expect(await provider.terminate(id, call)).toBe('terminated');
    });

    test('says that a machine which does not exist is terminated', async () => {
      expect(await subject().provider.terminate('i-00000000000000000', call)).toBe('terminated');
    });
  });
}
