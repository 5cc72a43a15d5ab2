import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { KubeClient } from '../../../src/kube/client.ts';
import { ConflictError } from '../../../src/kube/errors.ts';
import { addFinalizer, removeFinalizer } from '../../../src/runtime/finalizers.ts';
import { testCluster } from '../../support/cluster.ts';
import { clientFor, CONFIG_MAPS } from '../../support/kube-objects.ts';
import type { ConfigMap } from '../../support/kube-objects.ts';

const OURS = 'lablet.dev/test';
const THEIRS = 'example.org/theirs';

describe('a finalizer', () => {
  let client: KubeClient;
  let namespace: string;
  let made = 0;

  beforeAll(async () => {
    const cluster = testCluster();
    client = await clientFor(cluster.kubeconfigPath);
    namespace = await cluster.freshNamespace('finalizers');
  });
  afterAll(() => client.close());

  const create = (finalizers: string[] = [], name = `object-${made++}`): Promise<ConfigMap> =>
    client.create(CONFIG_MAPS, { metadata: { name, namespace, ...(finalizers.length > 0 ? { finalizers } : {}) } });
  const live = (object: ConfigMap): Promise<ConfigMap> => client.get(CONFIG_MAPS, object.metadata.name, namespace);
  const of = (object: ConfigMap) => ({ client, resource: CONFIG_MAPS, object, finalizer: OURS });
  /** Somebody else sets the whole list behind our back. */
  const meddle = (object: ConfigMap, finalizers: string[]): Promise<ConfigMap> =>
    client.mergePatch(CONFIG_MAPS, object.metadata.name, namespace, { metadata: { finalizers } });

  test('is added to an object that has none, and the stored object comes back', async () => {
    const held = await addFinalizer(of(await create()));
    expect(held.metadata.finalizers).toEqual([OURS]);
    expect(await live(held)).toEqual(held);
  });

  test('that is there already costs no write', async () => {
    const object = await create([OURS]);
    expect((await addFinalizer(of(object))).metadata.resourceVersion).toBe(object.metadata.resourceVersion);
  });

  test('is added on a stale read without dropping what another controller has added since', async () => {
    const stale = await create();
    await meddle(stale, [THEIRS]);
    expect((await addFinalizer(of(stale))).metadata.finalizers).toEqual([THEIRS, OURS]);
  });

  test('comes with annotations in the same write, which leaves those of others', async () => {
    const bare = await create();
    const held = await addFinalizer({ ...of(bare), annotations: { 'lablet.dev/mark': 'ours' } });
    expect(held.metadata).toMatchObject({ finalizers: [OURS], annotations: { 'lablet.dev/mark': 'ours' } });

    const stale = await create();
    await client.mergePatch(CONFIG_MAPS, stale.metadata.name, namespace, { metadata: { annotations: { 'example.org/note': 'theirs', 'lablet.dev/mark': 'older' } } });
    const again = await addFinalizer({ ...of(stale), annotations: { 'lablet.dev/mark': 'ours', 'lablet.dev/more': '1' } });
    expect(again.metadata).toMatchObject({ finalizers: [OURS], annotations: { 'example.org/note': 'theirs', 'lablet.dev/mark': 'older', 'lablet.dev/more': '1' } });
  });

  test('is removed on a stale read without dropping or touching those of others', async () => {
    const stale = await create([OURS]);
    await meddle(stale, [THEIRS, OURS, 'example.org/third']);
    expect((await removeFinalizer(of(stale)))?.metadata.finalizers).toEqual([THEIRS, 'example.org/third']);
  });

  test('added and removed by many at once ends as all of them asked', async () => {
    const object = await create();
    const names = Array.from({ length: 4 }, (_, n) => `example.org/f${n}`);
    await Promise.all(names.map((finalizer) => addFinalizer({ ...of(object), finalizer })));
    const held = await live(object);
    expect(held.metadata.finalizers?.toSorted()).toEqual(names);
    await Promise.all(names.slice(1).map((finalizer) => removeFinalizer({ ...of(held), finalizer })));
    expect((await live(object)).metadata.finalizers).toEqual(['example.org/f0']);
  });

  test('is not added to an object that is being deleted', async () => {
    const object = await create([THEIRS]);
    await client.delete(CONFIG_MAPS, object.metadata.name, namespace);
    await expect(addFinalizer(of(object))).rejects.toThrow(ConflictError);
    expect((await live(object)).metadata.finalizers).toEqual([THEIRS]);
  });

  test('whose removal is the last lets a deleted object go; removing it again is no error', async () => {
    const object = await create([OURS]);
    await client.delete(CONFIG_MAPS, object.metadata.name, namespace);
    await removeFinalizer(of(object));
    await expect(live(object)).rejects.toMatchObject({ status: 404 });
    expect(await removeFinalizer(of(object))).toBeUndefined();
  });

  test('is not taken from an object that was made anew under the same name', async () => {
    const old = await create([OURS], 'phoenix');
    await client.delete(CONFIG_MAPS, 'phoenix', namespace);
    await meddle(old, []);
    const young = await create([OURS], 'phoenix');
    expect(await removeFinalizer(of(old))).toBeUndefined();
    await expect(addFinalizer({ ...of(old), finalizer: THEIRS })).rejects.toThrow('is gone');
    expect(await live(young)).toEqual(young);
  });
});
