import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { KubeClient } from '../../../src/kube/client.ts';
import { ConflictError } from '../../../src/kube/errors.ts';
import { decideAndWrite, writeStatus } from '../../../src/runtime/status-writer.ts';
import { createMetrics } from '../../../src/telemetry/metrics.ts';
import { testCluster } from '../../support/cluster.ts';
import { clientFor, idlePod, PODS } from '../../support/kube-objects.ts';
import type { Pod, PodStatus } from '../../support/kube-objects.ts';

describe('a status write', () => {
  let client: KubeClient;
  let namespace: string;
  let made = 0;

  beforeAll(async () => {
    const cluster = testCluster();
    client = await clientFor(cluster.kubeconfigPath);
    namespace = await cluster.freshNamespace('status');
    await cluster.kubectl(['create', 'serviceaccount', 'default', '-n', namespace]).catch(() => 'the controller manager was quicker');
  });
  afterAll(() => client.close());

  const create = (): Promise<Pod> => client.create(PODS, idlePod(`object-${made++}`, namespace));
  const live = (object: Pod): Promise<Pod> => client.get(PODS, object.metadata.name, namespace);
  const write = (object: Pod, next: PodStatus): Promise<Pod> => writeStatus({ client, resource: PODS, object, next });

  test('makes the stored status what was decided, and removes what is not in it', async () => {
    const object = await create();
    const first = await write(object, { ...object.status, message: 'one', reason: 'First' });
    const second = await write(first, { ...object.status, message: 'two' });
    expect((await live(object)).status).toEqual({ ...object.status, message: 'two' });
    expect(second.metadata.resourceVersion).toBe((await live(object)).metadata.resourceVersion);
  });

  test('that would change nothing is not made, even if an amendment would', async () => {
    const object = await create();
    const written = await writeStatus<PodStatus, Pod>({
      client, resource: PODS, object, next: { ...object.status }, amend: (next) => ({ ...next, message: 'amended' }),
    });
    expect(written).toBe(object);
    expect((await live(object)).metadata.resourceVersion).toBe(object.metadata.resourceVersion);
  });

  test('carries the amendment along', async () => {
    const object = await create();
    await writeStatus<PodStatus, Pod>({
      client, resource: PODS, object, next: { ...object.status, message: 'decided' }, amend: (next) => ({ ...next, reason: 'Amended' }),
    });
    expect((await live(object)).status).toMatchObject({ message: 'decided', reason: 'Amended' });
  });

  test('decided on a stale read is refused, whatever it would change', async () => {
    const stale = await create();
    await write(stale, { ...stale.status, message: 'somebody else' });
    await expect(write(stale, { ...stale.status, reason: 'Ours' })).rejects.toThrow(ConflictError);
    expect((await live(stale)).status?.reason).toBeUndefined();
  });

  test('by twenty writers at once adds up: each decides again on what the others wrote', async () => {
    const object = await create();
    const increment = (): Promise<Pod> => decideAndWrite<Pod, PodStatus>({
      first: object,
      read: () => live(object),
      decide: ({ status }) => ({ ...status, message: String(Number(status?.message ?? 0) + 1) }),
      write,
      tries: 50,
    });
    await Promise.all(Array.from({ length: 20 }, increment));
    expect((await live(object)).status?.message).toBe('20');
  });

  test('gives up with the conflict after five tries, having decided five times', async () => {
    const object = await create();
    let decisions = 0;
    const contended = decideAndWrite<Pod, PodStatus>({
      read: () => live(object),
      decide: ({ status }) => {
        decisions++;
        return { ...status, reason: 'Ours' };
      },
      write: async (read, next) => {
        await write(read, { ...read.status, message: `overtaken ${decisions} times` });
        return write(read, next);
      },
    });
    await expect(contended).rejects.toThrow(ConflictError);
    expect(decisions).toBe(5);
  });

  test('that turns out to be unnecessary after a conflict is not made', async () => {
    const stale = await create();
    const done = await write(stale, { ...stale.status, message: 'done' });
    const result = await decideAndWrite<Pod, PodStatus>({
      first: stale,
      read: () => live(stale),
      decide: ({ status }) => (status?.message === 'done' ? undefined : { ...status, message: 'done' }),
      write,
    });
    expect(result.metadata.resourceVersion).toBe(done.metadata.resourceVersion);
  });

  test('is counted as written, unchanged or conflict', async () => {
    const metrics = createMetrics();
    const object = await create();
    const counted = (next: PodStatus): Promise<Pod> => writeStatus({ client, resource: PODS, object, next, metrics });
    await counted({ ...object.status, message: 'a' });
    await counted({ ...object.status });
    await expect(counted({ ...object.status, message: 'b' })).rejects.toThrow(ConflictError);
    const text = await metrics.scrape();
    for (const result of ['written', 'unchanged', 'conflict']) {
      expect(text).toContain(`lablet_status_writes_total{resource="pods",result="${result}"} 1`);
    }
  });
});
