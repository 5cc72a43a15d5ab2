import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { WORKERS, WORKER_TEMPLATES } from '../../../src/api/kinds.ts';
import { startSink, type Sink } from '../../../hack/demo/sink.ts';
import { startProgram } from '../../support/crashing-program.ts';
import { REGION, startEc2, type TestEc2 } from '../../support/ec2.ts';
import { eventually } from '../../support/eventually.ts';
import { startLifecycle, type Lifecycle } from '../../support/lifecycle.ts';
import { MOTO_START_LIMIT_MS } from '../../../hack/moto/moto.ts';
import { newTemplate } from '../../support/objects.ts';
import type { LabletSession } from '../../../src/api/labletsession.ts';
import type { Worker } from '../../../src/api/worker.ts';

describe('a machine', () => {
  let ec2: TestEc2;
  let world: Lifecycle;
  const environment = { ...process.env };

  beforeAll(async () => {
    ec2 = await startEc2({ transitionMs: 200, cml: { license: 'enterprise' } });
  }, MOTO_START_LIMIT_MS);
  beforeEach(async () => {
    await ec2.reset();
    world = await startLifecycle({ world: { cml: 1, scale: 60, script: { lds: [{ candidate: '*', startAfter: '0s', neverEnd: true }] } } });
    await world.client.create(WORKER_TEMPLATES, newTemplate('metal', {
      spec: { provider: 'ec2', instanceType: 'm5zn.metal', imagePattern: 'cisco-cml2.9*', region: REGION, endpoint: { scheme: 'http', port: ec2.cmlPort, address: 'Private' } },
    }));
  });
  afterEach(() => world.close());
  afterAll(async () => {
    await ec2.close();
    process.env = environment;
  });

  const create = (name: string) => world.client.create(WORKERS, { metadata: { name }, spec: { provider: 'ec2', templateName: 'metal', desiredState: 'Running' } });
  const phase = (name: string, wanted: string): Promise<Worker> => eventually(async () => {
    const worker = await world.client.get(WORKERS, name);
    if (worker.status?.phase !== wanted) throw new Error(`${name} is ${worker.status?.phase ?? 'new'}, not ${wanted}: ${worker.status?.message ?? ''}`);
    return worker;
  }, 30_000);
  const rows = ({ status }: LabletSession) => status?.history?.map(({ row }) => row);

  test('that is terminated outside sends its Scheduled session to another worker (T4) and ends its Running one (T21)', async () => {
    world.runAll();
    await world.define('edge', { formQualifiedName: 'Exam EDGE v1', bootLeadTime: '1m', maxDuration: '2h' });
    await create('w-1');
    const { status } = await phase('w-1', 'Running');
    await world.book('running', 'edge');
    await world.reaches('running', 'Running');
    await world.book('scheduled', 'edge', { timeslot: { start: new Date(Date.now() + 20_000).toISOString() } });
    await world.reaches('scheduled', 'Scheduled');

    await ec2.byHand(status?.instanceId ?? '', 'terminate');
    const over = await world.reaches('running', 'Terminated');
    expect([over.status?.reason, rows(over)?.at(-1)]).toEqual(['WorkerLost', 'T21']);
    await create('w-2');
    const moved = await eventually(async () => {
      const session = await world.session('scheduled');
      expect(session.status?.workerName).toBe('w-2');
      return session;
    }, 30_000);
    expect(rows(moved)?.slice(0, 4)).toEqual(['T0', 'T1', 'T4', 'T1']);
    await phase('w-1', 'Terminated');
  });

  test('is switched once, though the program died after each thing that it did to it', async () => {
    const sink: Sink = await startSink();
    /** The program dies right after the act, before it could write anything, and another one goes on. */
    const crashAt = async (act: string, change: () => Promise<unknown>, until: string): Promise<Worker> => {
      const first = await startProgram(world, sink.url, `provider ${act} #1`);
      await change();
      await first.crashed;
      await first.end();
      const second = await startProgram(world, sink.url);
      const worker = await phase('w-1', until);
      await second.end();
      return worker;
    };
    const desire = (desiredState: string) => () => world.client.mergePatch(WORKERS, 'w-1', undefined, { spec: { desiredState } });
    const launched = await crashAt('ensureInstance', () => create('w-1'), 'Running');
    expect((await ec2.instances()).map(({ id, state }) => [id, state])).toEqual([[launched.status?.instanceId, 'running']]);
    await crashAt('stop', desire('Stopped'), 'Stopped');
    await crashAt('start', desire('Running'), 'Running');
    const over = await crashAt('terminate', desire('Terminated'), 'Terminated');

    expect((await ec2.instances()).map(({ state }) => state)).toEqual(['terminated']);
    expect(await Promise.all(['RunInstances', 'StopInstances', 'StartInstances'].map((action) => ec2.calls(action)))).toEqual([1, 1, 1]);
    expect(over.status?.history?.map(({ to }) => to)).toEqual([
      'Pending', 'Provisioning', 'Starting', 'Running', 'Draining', 'Stopping', 'Stopped', 'Starting', 'Running', 'Draining', 'Terminating', 'Terminated',
    ]);
    await sink.close();
  });
});
