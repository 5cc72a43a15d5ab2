import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { WORKERS, WORKER_TEMPLATES } from '../../../src/api/kinds.ts';
import { SECRETS } from '../../../src/api/resource.ts';
import { Ec2Provider } from '../../../src/clients/ec2/client.ts';
import { ourTags } from '../../../src/clients/provider/port.ts';
import { templateController } from '../../../src/controllers/worker/template.ts';
import { workerController } from '../../../src/controllers/worker/controller.ts';
import { getCondition } from '../../../src/core/conditions.ts';
import { scaleTimeouts } from '../../../src/core/timeouts.ts';
import { NotFoundError } from '../../../src/kube/errors.ts';
import { startDeps, type TestDeps } from '../../support/deps.ts';
import { IMAGE, REGION, startEc2, type TestEc2 } from '../../support/ec2.ts';
import { eventually } from '../../support/eventually.ts';
import { MOTO_START_LIMIT_MS } from '../../../hack/moto/moto.ts';
import { newTemplate } from '../../support/objects.ts';
import type { Worker, WorkerTemplate } from '../../../src/api/worker.ts';

const credentials = { username: 'admin', password: 'secret' };
const TOKEN = 'a-licence-token-that-nobody-may-see';
/** A minute of the domain is a second here. */
const SCALE = 60;

describe('a Worker on EC2', () => {
  let ec2: TestEc2;
  let world: TestDeps;
  const environment = { ...process.env };

  beforeAll(async () => {
    ec2 = await startEc2({ transitionMs: 200, cml: { license: 'none', registrationMs: 200 } });
  }, MOTO_START_LIMIT_MS);
  beforeEach(async () => {
    await ec2.reset();
    world = await startDeps({ credentials }, { scale: SCALE, timeouts: scaleTimeouts(SCALE) });
    await world.client.create(SECRETS, { metadata: { name: 'cml-license', namespace: world.deps.settings.namespace }, stringData: { token: TOKEN } });
  });
  afterEach(() => world.close());
  afterAll(async () => {
    await ec2.close();
    process.env = environment;
  });

  const run = (): void => world.run(workerController(world.deps), templateController(world.deps));
  const template = (spec: Partial<WorkerTemplate['spec']> = {}) => world.client.create(WORKER_TEMPLATES, newTemplate('metal', {
    spec: {
      provider: 'ec2', instanceType: 'm5zn.metal', imagePattern: 'cisco-cml2.9*', region: REGION, licenseTokenSecretRef: { name: 'cml-license' },
      endpoint: { scheme: 'http', port: ec2.cmlPort, address: 'Private' }, ...spec,
    },
  }));
  const create = (spec: Partial<Worker['spec']> = {}) => world.client.create(WORKERS, { metadata: { name: 'w-1' }, spec: { provider: 'ec2', templateName: 'metal', desiredState: 'Running', ...spec } });
  const read = () => world.client.get(WORKERS, 'w-1');
  const patch = (spec: Partial<Worker['spec']>) => world.client.mergePatch(WORKERS, 'w-1', undefined, { spec });
  const phase = (wanted: string): Promise<Worker> => eventually(async () => {
    const worker = await read();
    if (worker.status?.phase !== wanted) throw new Error(`w-1 is ${worker.status?.phase ?? 'new'}, not ${wanted}: ${JSON.stringify([worker.status?.reason, worker.status?.message, await world.eventsOf(worker)])}`);
    return worker;
  }, 30_000);
  const scaling = ({ status }: Worker): (string | undefined)[] => (status?.outbox ?? []).map(({ type }) => type.replace('ccm.worker.', ''));
  const states = async () => (await ec2.instances()).map(({ state }) => state).sort();

  test('is launched, registered, used, stopped, started again and terminated, and its licence is given back', async () => {
    run();
    await template();
    await create();
    const running = await phase('Running');
    const [instance] = await ec2.instances();
    expect(running.status).toMatchObject({
      instanceId: instance?.id, imageId: ec2.imageId, imageName: IMAGE, instanceState: 'running', address: instance?.address, cmlVersion: '2.9.1+build.4',
      endpoint: `http://${instance?.address ?? ''}:${ec2.cmlPort}`, license: { product: 'Enterprise', registeredByUs: true },
    });
    expect(running.status?.history?.map(({ to }) => to)).toEqual(['Pending', 'Provisioning', 'Starting', 'Running']);
    for (const type of ['CMLReady', 'Licensed', 'Schedulable']) expect(getCondition(running.status, type)?.status).toBe('True');
    expect(scaling(running)).toEqual(['scaling.up']);

    await patch({ desiredState: 'Stopped' });
    const stopped = await phase('Stopped');
    expect([scaling(stopped), await states()]).toEqual([['scaling.up', 'draining', 'scaling.down'], ['stopped']]);
    await patch({ desiredState: 'Running' });
    const again = await phase('Running');
    expect(again.status?.lastResumedAt).toBeDefined();
    expect(scaling(again).at(-1)).toBe('scaling.up');

    const calls = async (): Promise<unknown> => (await fetch(`${again.status?.endpoint ?? ''}/sim/counters`)).json();
    const cmlCalls = await calls();
    expect(cmlCalls).toMatchObject({ 'POST /licensing/registration': 1 });
    // What the host was asked last is looked at before it goes: its instance is held up for a moment.
    ec2.fault({ name: 'throttle', route: 'TerminateInstances', times: 3 });
    await world.client.delete(WORKERS, 'w-1');
    await eventually(async () => expect(await calls()).toMatchObject({ 'DELETE /licensing/deregistration': 1 }));
    const gone = await phase('Terminated');
    expect([scaling(gone).slice(-2), await states()]).toEqual([['draining', 'scaling.down'], ['terminated']]);
    expect(await ec2.calls('RunInstances')).toBe(1);
    expect(JSON.stringify([gone, running, await world.eventsOf(gone)])).not.toContain(TOKEN);
  });

  test('whose launch answer is lost, with the program, is found again by its tag', async () => {
    await template();
    const { metadata } = await create();
    // What a program did that died before it could write: the same launch, by the same rules.
    const before = new Ec2Provider({ region: REGION });
    const image = await before.resolveImage('cisco-cml2.9*', { signal: AbortSignal.timeout(10_000) });
    const made = await before.ensureInstance({
      token: `${metadata.uid}-0`, workerUid: metadata.uid, imageId: image?.id ?? '', instanceType: 'm5zn.metal', subnetIds: [], securityGroupIds: [],
      tags: ourTags({ uid: metadata.uid, name: 'w-1', template: 'metal' }, 'abcd'),
    }, { signal: AbortSignal.timeout(10_000) });
    await before.close();
    run();
    expect((await phase('Running')).status?.instanceId).toBe(made.id);
    expect([await ec2.calls('RunInstances'), await states()]).toEqual([1, ['running']]);
  });

  test('for which there is no capacity has failed and says why; a change of its spec is a new try', async () => {
    run();
    await template();
    ec2.fault({ name: 'limit' });
    await create();
    const failed = await phase('Failed');
    expect(failed.status).toMatchObject({ reason: 'VcpuLimitExceeded', message: expect.stringContaining('VcpuLimitExceeded: You have requested more vCPU capacity') });
    expect([scaling(failed), await states()]).toEqual([[], []]);
    ec2.fault({ name: 'limit', rate: 0 });
    await patch({ overrides: { maxNodes: 100 } });
    expect((await phase('Running')).status?.launchGeneration).toBe(1);
  });

  test('that is not ready in time has failed, and its instance is terminated', async () => {
    world.deps.settings.timeouts = { ...world.deps.settings.timeouts, provisioning: 2_000 };
    await world.client.mergePatch(SECRETS, 'cml-license', world.deps.settings.namespace, { stringData: { token: 'not a token' } });
    run();
    await template();
    await create();
    const failed = await phase('Failed');
    expect(failed.status).toMatchObject({ reason: 'ProvisioningTimeout', message: expect.stringContaining('CML does not accept the licence token') });
    await eventually(async () => expect(await states()).toEqual(['terminated']));
    expect(JSON.stringify(failed)).not.toContain('not a token');
  });

  test('is stopped or terminated outside: seen at once, and started again, or given up', async () => {
    run();
    await template();
    await create();
    await phase('Running');
    const [instance] = await ec2.instances();
    await ec2.byHand(instance?.id ?? '', 'stop');
    await eventually(async () => expect((await read()).status?.history?.map(({ reason }) => reason)).toContain('InstanceStopped'));
    const again = await phase('Running');
    expect(scaling(again)).toEqual(['scaling.up', 'scaling.down', 'scaling.up']);
    await ec2.byHand(instance?.id ?? '', 'terminate');
    const gone = await phase('Terminated');
    expect(gone.status?.history?.findLast(({ from }) => from === 'Running')).toMatchObject({ reason: 'InstanceTerminated', actor: 'provider' });
    expect(await ec2.calls('RunInstances')).toBe(1);
  });

  test('that adopts an instance uses it, and leaves it as it is when it goes', async () => {
    await template();
    const somebody = new Ec2Provider({ region: REGION });
    const { id } = await somebody.ensureInstance({ token: 'theirs', workerUid: 'none', imageId: ec2.imageId, instanceType: 'm5zn.metal', subnetIds: [], securityGroupIds: [], tags: { owner: 'somebody' } }, { signal: AbortSignal.timeout(10_000) });
    await somebody.close();
    run();
    await create({ instanceId: id });
    expect((await phase('Running')).status?.instanceId).toBe(id);
    await world.client.delete(WORKERS, 'w-1');
    await phase('Terminated');
    expect([await states(), await ec2.calls('TerminateInstances')]).toEqual([['running'], 0]);
  });

  test('keeps its template from being deleted', async () => {
    run();
    await template({ enabled: false });
    await create();
    expect((await phase('Failed')).status?.reason).toBe('TemplateDisabled');
    await eventually(async () => expect((await world.client.get(WORKER_TEMPLATES, 'metal')).metadata.finalizers).toEqual(['lablet.dev/controller']));
    const kept = await world.client.get(WORKER_TEMPLATES, 'metal');
    await world.client.delete(WORKER_TEMPLATES, 'metal');
    await eventually(async () => expect(await world.eventsOf(kept)).toEqual([expect.objectContaining({ reason: 'DeletionWaits', note: '1 worker(s) use it: w-1. Delete them first.' })]));
    await world.client.delete(WORKERS, 'w-1');
    await eventually(() => expect(world.client.get(WORKER_TEMPLATES, 'metal')).rejects.toThrow(NotFoundError));
  });

  test('that vanished leaves an instance that is told of, and terminated only where that is asked for', async () => {
    await template();
    await create({ desiredState: 'Stopped' });
    const orphans = new Ec2Provider({ region: REGION });
    await orphans.ensureInstance({ token: 'orphan', workerUid: 'gone', imageId: ec2.imageId, instanceType: 'm5zn.metal', subnetIds: [], securityGroupIds: [], tags: ourTags({ uid: 'gone', name: 'w-0', template: 'metal' }, 'abcd') }, { signal: AbortSignal.timeout(10_000) });
    await orphans.close();
    run();
    const kept = await world.client.get(WORKER_TEMPLATES, 'metal');
    await eventually(async () => expect((await world.eventsOf(kept)).map(({ reason }) => reason)).toEqual(['OrphanInstance']));
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    expect(await states()).toEqual(['running']);
    world.deps.settings.orphanInstancePolicy = 'Terminate';
    await eventually(async () => expect(await states()).toEqual(['terminated']));
  });
});
