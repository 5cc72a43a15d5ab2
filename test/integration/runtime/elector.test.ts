import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import type { KubeClient } from '../../../src/kube/client.ts';
import { KubeClient as Client } from '../../../src/kube/client.ts';
import { systemClock } from '../../../src/runtime/clock.ts';
import { Elector } from '../../../src/runtime/elector.ts';
import { LEASES } from '../../../src/runtime/lease.ts';
import type { Lease } from '../../../src/runtime/lease.ts';
import { LeadershipLostError } from '../../../src/runtime/leadership.ts';
import { aborted, TermControl } from '../../../src/runtime/runnable.ts';
import { silentLog } from '../../../src/telemetry/log.ts';
import { createMetrics, kubeMetrics } from '../../../src/telemetry/metrics.ts';
import type { Metrics } from '../../../src/telemetry/metrics.ts';
import { testCluster } from '../../support/cluster.ts';
import type { TestCluster } from '../../support/cluster.ts';
import { eventually } from '../../support/eventually.ts';
import { clientFor } from '../../support/kube-objects.ts';

/** As short as the 2 s allow by which a leader gives up before its lease ends. */
const TIMES = { leaseDurationMs: 4_000, renewDeadlineMs: 2_000, retryPeriodMs: 1_000 };

interface Candidate {
  readonly elector: Elector;
  readonly metrics: Metrics;
  /** `leads`, `lost`, `ends`: its terms so far. */
  readonly story: string[];
  stop(): Promise<void>;
}

describe('an elector', () => {
  let cluster: TestCluster;
  let client: KubeClient;
  let namespace: string;
  const candidates: Candidate[] = [];

  beforeAll(async () => {
    cluster = testCluster();
    client = await clientFor(cluster.kubeconfigPath);
    namespace = await cluster.freshNamespace('elector');
  });
  afterEach(async () => {
    for (const candidate of candidates.splice(0)) await candidate.stop();
  });
  afterAll(() => client.close());

  const campaign = (name: string, identity: string, own = client): Candidate => {
    const metrics = createMetrics();
    const counted = new Client(own.connection, { metrics: kubeMetrics(metrics) });
    const elector = new Elector({ client: counted, clock: systemClock, log: silentLog, metrics, namespace, name, identity, ...TIMES });
    const story: string[] = [];
    const term = new TermControl();
    const running = elector.run(term, async (reign) => {
      story.push('leads');
      await aborted(reign.closing);
      story.push(reign.ended.reason instanceof LeadershipLostError ? 'lost' : 'ends');
    });
    let stopped: Promise<void> | undefined;
    const stop = (): Promise<void> => stopped ??= (async () => {
      term.close(new Error('over'));
      await running;
      await counted.close();
    })();
    const candidate = { elector, metrics, story, stop };
    candidates.push(candidate);
    return candidate;
  };
  const leads = (candidate: Candidate, terms = 1): Promise<void> => eventually(() => {
    expect(candidate.story.filter((word) => word === 'leads')).toHaveLength(terms);
    expect(candidate.elector.leadership.isLeader()).toBe(true);
  });
  const lease = (name: string): Promise<Lease> => client.get(LEASES, name, namespace);
  const renewals = async (name: string, count: number): Promise<void> => {
    for (let seen = await lease(name); count > 0; count--) {
      seen = await eventually(async () => {
        const next = await lease(name);
        expect(next.spec?.renewTime).not.toBe(seen.spec?.renewTime);
        return next;
      });
    }
  };

  test('of several, one leads; when it stops the lease is free at once and another leads', async () => {
    const all = ['a', 'b', 'c'].map((identity) => campaign('several', identity));
    const leader = await eventually(() => {
      const [first] = all.filter(({ elector }) => elector.leadership.isLeader());
      if (!first) throw new Error('no leader yet');
      return first;
    });
    await renewals('several', 2);
    expect(all.filter(({ story }) => story.length > 0)).toEqual([leader]);
    const released = leader.stop();
    await eventually(() => expect(all.filter(({ elector }) => elector.leadership.isLeader())).not.toContain(leader));
    await released;
    expect(leader.story).toEqual(['leads', 'ends']);
    const next = await eventually(() => {
      const [second] = all.filter(({ elector }) => elector.leadership.isLeader());
      if (!second) throw new Error('no leader yet');
      return second;
    });
    // As a set: any of the others may have been the quicker one.
    expect(new Set(all.filter(({ story }) => story.includes('leads')))).toEqual(new Set([leader, next]));
    expect((await lease('several')).spec?.leaseTransitions).toBeGreaterThan(0);
  });

  test('renews with one request, and reads nothing', async () => {
    const candidate = campaign('quiet', 'a');
    await leads(candidate);
    await renewals('quiet', 3);
    const { values } = await candidate.metrics.kubeRequests.get();
    const counts = Object.fromEntries(values.map(({ labels, value }) => [String({ ...labels }['verb' as keyof typeof labels]), value]));
    expect(counts).toEqual({ get: 1, create: 1, update: expect.any(Number) });
  });

  test('whose lease another has taken ends its work at once and campaigns again', async () => {
    const candidate = campaign('taken', 'a');
    await leads(candidate);
    const signal = candidate.elector.leadership.effectSignal(0);
    await client.mergePatch(LEASES, 'taken', namespace, { spec: { holderIdentity: 'usurper' } });
    await eventually(() => expect(candidate.story).toEqual(['leads', 'lost']));
    expect(signal.reason).toMatchObject({ message: 'leadership lost: usurper has taken it' });
    expect(candidate.elector.leadership.isLeader()).toBe(false);
    await leads(candidate, 2);
  });

  test('whose lease was deleted makes it anew and goes on leading', async () => {
    const candidate = campaign('deleted', 'a');
    await leads(candidate);
    await client.delete(LEASES, 'deleted', namespace);
    await eventually(async () => expect((await lease('deleted')).spec?.holderIdentity).toBe('a'));
    await renewals('deleted', 1);
    expect(candidate.story).toEqual(['leads']);
  });

  test('takes the lease of one that has vanished, though that one\'s clock was years ahead', async () => {
    await client.create(LEASES, {
      metadata: { name: 'vanished', namespace },
      spec: { holderIdentity: 'gone', leaseDurationSeconds: 2, renewTime: '2036-01-01T00:00:00.000000Z', acquireTime: '2036-01-01T00:00:00.000000Z' },
    });
    const candidate = campaign('vanished', 'a');
    await leads(candidate);
    expect((await lease('vanished')).spec).toMatchObject({ holderIdentity: 'a', leaseTransitions: 1 });
  });

  test('that may not watch leases polls them, and still takes over', async () => {
    await cluster.kubectl(['create', 'serviceaccount', 'poller', '-n', namespace]);
    await cluster.kubectl(['create', 'role', 'poller', '-n', namespace, '--verb=get,create,update', '--resource=leases.coordination.k8s.io']);
    await cluster.kubectl(['create', 'rolebinding', 'poller', '-n', namespace, '--role=poller', `--serviceaccount=${namespace}:poller`]);
    const poller = await clientFor(await cluster.createServiceAccountKubeconfig(namespace, 'poller'));
    const leader = campaign('polled', 'a');
    await leads(leader);
    const standby = campaign('polled', 'b', poller);
    await renewals('polled', 2);
    expect(standby.story).toEqual([]);
    await leader.stop();
    await leads(standby);
    await poller.close();
  });

  test('refuses times by which a leader would notice its loss too late', () => {
    const options = { client, clock: systemClock, log: silentLog, metrics: createMetrics(), namespace, name: 'x', identity: 'a' };
    expect(() => new Elector({ ...options, leaseDurationMs: 10_000, renewDeadlineMs: 10_000 })).toThrow('the lease (10000 ms) must be at least 2000 ms longer than the renew deadline (10000 ms)');
  });
});
