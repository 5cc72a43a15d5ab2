import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { claimInstallation } from '../../../src/app/installation.ts';
import { ANNOTATIONS } from '../../../src/api/group.ts';
import { INSTALLATION_CRD, LEASE_NAME } from '../../../src/api/rbac.ts';
import { CUSTOM_RESOURCE_DEFINITIONS, LEASES } from '../../../src/api/resource.ts';
import { KubeClient } from '../../../src/kube/client.ts';
import { loadConnection } from '../../../src/kube/kubeconfig.ts';
import { systemClock } from '../../../src/runtime/clock.ts';
import { silentLog } from '../../../src/telemetry/log.ts';
import { testCluster } from '../../support/cluster.ts';
import type { Clock } from '../../../src/runtime/clock.ts';

/** Leases are renewed, and looked at, at 50 times the pace. */
const QUICK: Clock = { ...systemClock, monotonic: () => systemClock.monotonic() * 50, sleep: (ms, signal) => systemClock.sleep(ms / 50, signal) };
const RENEW_MS = 5_000;

let client: KubeClient;
let one: string;
let two: string;
let over: AbortController;
const renewing: Promise<void>[] = [];

beforeAll(async () => {
  client = new KubeClient(await loadConnection({ kubeconfig: testCluster().kubeconfigPath }));
});
afterAll(() => client.close());
beforeEach(async () => {
  over = new AbortController();
  [one, two] = [await testCluster().freshNamespace('installation-one'), await testCluster().freshNamespace('installation-two')];
});
afterEach(async () => {
  over.abort();
  await Promise.all(renewing.splice(0));
  await mark(null);
});

const marked = async (): Promise<string | undefined> => (await client.get(CUSTOM_RESOURCE_DEFINITIONS, INSTALLATION_CRD)).metadata.annotations?.[ANNOTATIONS.installation];
const mark = (namespace: string | null): Promise<unknown> => client.mergePatch(CUSTOM_RESOURCE_DEFINITIONS, INSTALLATION_CRD, undefined, { metadata: { annotations: { [ANNOTATIONS.installation]: namespace } } });
const claim = (namespace: string): Promise<void> => claimInstallation({ client, clock: QUICK, log: silentLog, namespace }, AbortSignal.timeout(20_000));

/** The replicas of an installation run: its leader renews the Lease until the test is over. */
async function runs(namespace: string): Promise<void> {
  let lease = await client.create(LEASES, { metadata: { name: LEASE_NAME, namespace }, spec: { holderIdentity: 'replica-0', leaseTransitions: 0 } });
  renewing.push((async () => {
    while (!over.signal.aborted) {
      await QUICK.sleep(RENEW_MS, over.signal).catch(() => undefined);
      lease = await client.update(LEASES, { ...lease, spec: { ...lease.spec, leaseTransitions: (lease.spec?.leaseTransitions ?? 0) + 1 } });
    }
  })());
}

describe('one installation a cluster', () => {
  test('the first one takes the place, and needs no further write for that', async () => {
    await claim(one);
    expect(await marked()).toBe(one);
    const { resourceVersion } = (await client.get(CUSTOM_RESOURCE_DEFINITIONS, INSTALLATION_CRD)).metadata;
    await claim(one);
    expect((await client.get(CUSTOM_RESOURCE_DEFINITIONS, INSTALLATION_CRD)).metadata.resourceVersion).toBe(resourceVersion);
  });

  test('a second one is told which the first one is, and what to do', async () => {
    await claim(one);
    await runs(one);
    await expect(claim(two)).rejects.toThrow(`the one in namespace ${one} runs`);
    await expect(claim(two)).rejects.toThrow(new RegExp(`Uninstall this one \\(namespace ${two}\\).*WATCH_NAMESPACES`));
    expect(await marked()).toBe(one);
  });

  test('of two that come at once one has the place', async () => {
    await Promise.all([runs(one), runs(two)]);
    const outcomes = await Promise.allSettled([claim(one), claim(two)]);
    expect(outcomes.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
    expect(await marked()).toBe(outcomes[0].status === 'fulfilled' ? one : two);
  });

  test.each(['its Lease is not renewed any more', 'its namespace is gone'])('one that has ended is replaced, though it told nobody: %s', async (what) => {
    await mark(what.includes('gone') ? 'no-such-namespace' : one);
    await client.create(LEASES, { metadata: { name: LEASE_NAME, namespace: one }, spec: { holderIdentity: 'replica-0' } });
    await claim(two);
    expect(await marked()).toBe(two);
    await runs(two);
    await expect(claim(one)).rejects.toThrow(`the one in namespace ${two} runs`);
  });
});
