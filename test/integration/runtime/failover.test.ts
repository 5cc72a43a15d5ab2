import { afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { z } from 'zod';
import { testCluster } from '../../support/cluster.ts';
import type { TestCluster } from '../../support/cluster.ts';
import { eventually } from '../../support/eventually.ts';
import { Replicas } from '../../support/replicas.ts';
import type { Replica } from '../../support/replicas.ts';

const effectSchema = z.object({
  replica: z.string(),
  pid: z.number(),
  key: z.string(),
  what: z.enum(['begin', 'end', 'aborted']),
  /** Milliseconds of the machine's monotonic clock, the same for all processes. */
  at: z.number(),
});
type Effect = z.infer<typeof effectSchema>;

const PROGRAM = resolve(import.meta.dirname, '../../support/effects-replica.ts');
/** Shorter than in production, in the same proportions, and long enough for an effect's 5 s. */
const QUICK = { LEASE_MS: '9000', RENEW_MS: '6000', RETRY_MS: '2000' };

describe('two replicas', () => {
  let cluster: TestCluster;
  let replicas: Replicas;
  let directory: string;
  let namespace: string;

  beforeAll(() => {
    cluster = testCluster();
  });
  afterEach(async () => {
    await replicas.close();
    await rm(directory, { recursive: true });
  });

  const startTwo = async (env: Record<string, string> = {}): Promise<Replica> => {
    namespace = await cluster.freshNamespace('failover');
    directory = await mkdtemp(join(tmpdir(), 'lablet-effects-'));
    for (const name of ['quick-a', 'quick-b', 'endless']) await cluster.kubectl(['create', 'configmap', name, '-n', namespace]);
    replicas = await Replicas.start({
      count: 2, program: PROGRAM, kubeconfigPath: cluster.kubeconfigPath,
      env: { ...env, NAMESPACE: namespace, EFFECTS_FILE: join(directory, 'effects') },
      leader: async () => (await cluster.kubectl(['get', 'lease', 'effects', '-n', namespace, '-o', 'jsonpath={.spec.holderIdentity}', '--ignore-not-found'])) || undefined,
    });
    const leader = await replicas.leader();
    await acts(leader);
    return leader;
  };
  const effects = async (): Promise<Effect[]> => {
    const text = await readFile(join(directory, 'effects'), 'utf8').catch(() => '');
    return text.split('\n').filter(Boolean).map((line) => effectSchema.parse(JSON.parse(line)));
  };
  /** Waits until `replica` has made effects for all three objects, and more than were there before. */
  const acts = async (replica: Replica, since = 0): Promise<Effect> => eventually(async () => {
    const own = (await effects()).filter((effect) => effect.replica === replica.name && effect.at > since);
    const [first] = own;
    if (!first || new Set(own.map(({ key }) => key)).size < 3) throw new Error(`${replica.name} does not act\n${await replicas.logs()}`);
    return first;
  }, 45_000);
  /** Stops `replica`; if its exit code is not 0, with the log that says why. */
  const endOf = async (replica: Replica): Promise<{ code: number; log?: string }> => {
    const code = await replica.stop();
    return code === 0 ? { code } : { code, log: await replica.log() };
  };
  const last = (all: Effect[], replica: Replica): Effect => {
    const effect = all.filter(({ replica: name }) => name === replica.name).at(-1);
    if (!effect) throw new Error(`${replica.name} has made no effect`);
    return effect;
  };
  /** Who acted, in the order of time, each name once a turn. */
  const turns = (all: Effect[]): string[] => {
    const names = all.toSorted((a, b) => a.at - b.at).map(({ replica }) => replica);
    return names.filter((name, index) => name !== names[index - 1]);
  };

  test('after a kill -9 of the leader the other acts within 20 s, and not before the lease is over', async () => {
    const leader = await startTwo();
    const [standby] = replicas.others(leader);
    await leader.kill();
    if (!standby) throw new Error('no standby');
    const first = await acts(standby);
    const end = last(await effects(), leader);
    // The contract: 15 s of lease after the last renewal (which was up to 5 s before the end), 20 s in all.
    expect(first.at - end.at).toBeGreaterThan(9_000);
    expect(first.at - end.at).toBeLessThan(20_000);
    expect(turns(await effects())).toEqual([leader.name, standby.name]);
  });

  test('a leader that is told to stop ends its work, hands over at once and exits with 0', async () => {
    const leader = await startTwo();
    const [standby] = replicas.others(leader);
    if (!standby) throw new Error('no standby');
    expect(await endOf(leader)).toEqual({ code: 0 });
    const first = await acts(standby);
    const all = await effects();
    expect(turns(all)).toEqual([leader.name, standby.name]);
    // Its endless effect was broken off when the time to stop was over, and nothing is left open.
    const ofLeader = all.filter(({ replica }) => replica === leader.name);
    expect(ofLeader.filter(({ what }) => what === 'begin')).toHaveLength(ofLeader.filter(({ what }) => what !== 'begin').length);
    // Far below the 15 s that it takes when nothing is released.
    expect(first.at - last(all, leader).at).toBeLessThan(5_000);
  });

  test('a leader that is cut off stops acting before the other starts, goes on running, and leads again', async () => {
    const a = await startTwo(QUICK);
    a.proxy.cut();
    const b = await replicas.leader(a);
    await acts(b);
    expect(turns(await effects())).toEqual([a.name, b.name]);
    expect(last(await effects(), a).what).not.toBe('begin');

    a.proxy.restore();
    b.proxy.freeze();
    const again = await replicas.leader(b);
    expect(again).toBe(a);
    await acts(a, last(await effects(), b).at);
    expect(turns(await effects())).toEqual([a.name, b.name, a.name]);
    expect(last(await effects(), b).what).not.toBe('begin');

    b.proxy.restore();
    expect(await endOf(a)).toEqual({ code: 0 });
    expect(await replicas.leader(a)).toBe(b);
    await acts(b, last(await effects(), a).at);
    expect(turns(await effects())).toEqual([a.name, b.name, a.name, b.name]);
    // One process each from the first effect to the last: none has exited in between.
    for (const replica of [a, b]) {
      expect(new Set((await effects()).filter(({ replica: name }) => name === replica.name).map(({ pid }) => pid)).size).toBe(1);
    }
    expect(b.running).toBe(true);
  }, 120_000);

  test('a leader whose process stood still past its lease begins nothing when it goes on', async () => {
    const a = await startTwo(QUICK);
    const { pid } = last(await effects(), a);
    process.kill(pid, 'SIGSTOP');
    const b = await replicas.leader(a);
    const first = await acts(b);
    process.kill(pid, 'SIGCONT');
    await eventually(async () => expect(await a.log()).toContain('leadership lost'));
    const late = (await effects()).filter(({ replica, what, at }) => replica === a.name && what === 'begin' && at >= first.at);
    expect(late).toEqual([]);
    expect(a.running).toBe(true);
    expect(await replicas.leader()).toBe(b);
  }, 90_000);
});
