import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { LABLET_DEFINITIONS, LABLET_SESSIONS, WORKERS, WORKER_TEMPLATES } from '../../../src/api/kinds.ts';
import { definitionController } from '../../../src/controllers/definition/controller.ts';
import { scalerController } from '../../../src/controllers/scaler/controller.ts';
import { startDeps, type TestDeps } from '../../support/deps.ts';
import { eventually } from '../../support/eventually.ts';
import { newDefinition, newSession, newTemplate } from '../../support/objects.ts';
import type { Worker, WorkerStatus, WorkerTemplateSpec } from '../../../src/api/worker.ts';

/** The clock of the domain runs so fast: a look each 0.3 s, a cool-down of 6 s. */
const SCALE = 100;
const ago = (seconds: number): string => new Date(Date.now() - seconds * 1000).toISOString();

describe('the auto-scaler', () => {
  let world: TestDeps;

  beforeEach(async () => {
    world = await startDeps({ credentials: { username: 'admin', password: 'secret' } }, { scale: SCALE, scaleDown: true, maxWorkers: 4 });
  });
  afterEach(() => world.close());

  const template = (name: string, spec: Partial<WorkerTemplateSpec> = {}) =>
    world.client.create(WORKER_TEMPLATES, newTemplate(name, { spec: { provider: 'ec2', instanceType: 'm5zn.metal', imagePattern: 'cml-2.*', region: 'us-east-1', ...spec } }));
  const workers = async (): Promise<Worker[]> => (await world.client.list(WORKERS)).items;
  const start = () => world.run(scalerController(world.deps), definitionController(world.deps));

  async function worker(name: string, templateName: string, status: WorkerStatus): Promise<Worker> {
    const created = await world.client.create(WORKERS, { metadata: { name }, spec: { templateName, provider: 'ec2', desiredState: 'Running' } });
    return world.client.mergePatch(WORKERS, name, undefined, { metadata: { resourceVersion: created.metadata.resourceVersion }, status }, { subresource: 'status' });
  }

  /** A worker that has run for a while and that nobody uses. */
  const idle = (name: string, templateName: string) => worker(name, templateName, {
    phase: 'Running', cmlVersion: '2.9.1', history: [{ from: 'Starting', to: 'Running', at: ago(3_000), reason: 'CMLReady', actor: 'controller', row: 'W2' }],
    conditions: [{ type: 'Schedulable', status: 'True', reason: 'Ready', message: '', lastTransitionTime: ago(3_000) }],
  });

  async function waitingSession(name: string, parts: Parameters<typeof newDefinition>[2] = {}): Promise<void> {
    await world.client.create(LABLET_DEFINITIONS, newDefinition(world.namespace, name, parts));
    await eventually(async () => expect((await world.client.get(LABLET_DEFINITIONS, name, world.namespace)).status?.currentVersion).toBe('1.0.0'));
    const session = await world.client.create(LABLET_SESSIONS, newSession(world.namespace, name, name));
    await world.client.mergePatch(LABLET_SESSIONS, name, world.namespace, { metadata: { resourceVersion: session.metadata.resourceVersion }, status: { phase: 'Pending', definitionVersion: '1.0.0' } }, { subresource: 'status' });
  }

  test('a session that no worker can take brings one worker of the cheapest template that fits; a restart brings no second one', async () => {
    await template('dear', { costPerHour: '9' });
    const cheap = await template('cheap', { costPerHour: '2' });
    await template('tiny', { costPerHour: '1', capacity: { cpu: '1', memory: '1Gi', storage: '10Gi' } });
    start();
    await waitingSession('edge');
    const [made] = await eventually(async () => {
      const found = await workers();
      expect(found).toHaveLength(1);
      return found;
    });
    expect([made?.metadata.name, made?.spec, made?.metadata.finalizers, made?.metadata.labels?.['lablet.dev/template']]).toEqual([
      'cheap-1', { templateName: 'cheap', provider: 'ec2', desiredState: 'Running' }, ['lablet.dev/controller'], 'cheap',
    ]);
    expect(made?.metadata.ownerReferences).toMatchObject([{ kind: 'WorkerTemplate', name: 'cheap', uid: cheap.metadata.uid, controller: true }]);
    await eventually(async () => expect((await world.eventsOf(cheap)).map(({ reason, note }) => [reason, note.includes(`${world.namespace}/edge`)])).toContainEqual(['ScaleUpAccepted', true]));

    await world.stop();
    start();
    await eventually(async () => expect((await world.client.get(WORKER_TEMPLATES, 'cheap')).status?.workers).toBe(1));
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    expect(await workers()).toHaveLength(1);
    expect(await world.deps.metrics.scrape()).toMatch(/lablet_scaling_decisions_total\{decision="scale_up_accepted",reason="NoCapacity"\} 1\n/);
  });

  test('at maxWorkers nothing is made, and the template says why', async () => {
    const full = await template('full', { maxWorkers: 0 });
    start();
    await waitingSession('edge');
    await eventually(async () => expect((await world.eventsOf(full)).map(({ reason, type, note }) => [reason, type, note.split(':')[0]])).toContainEqual(['ScaleUpRejected', 'Warning', 'TemplateLimit']));
    expect(await workers()).toEqual([]);
  });

  test('a worker that nobody uses is drained and its spec left alone; one of minWorkers and one that a person protects stay', async () => {
    await template('metal', { minWorkers: 1 });
    for (const name of ['metal-a', 'metal-b', 'metal-c']) await idle(name, 'metal');
    await world.client.mergePatch(WORKERS, 'metal-c', undefined, { metadata: { annotations: { 'lablet.dev/scale-down-disabled': 'true' } } });
    start();
    const drained = await eventually(async () => {
      const found = (await workers()).filter(({ status }) => status?.drain);
      expect(found.length).toBeGreaterThan(0);
      return found;
    });
    expect(drained.map(({ spec, status }) => [spec.desiredState, status?.drain?.by, status?.drain?.reason])).toEqual(drained.map(() => ['Running', 'Autoscaler', 'Idle']));
    expect(drained.map(({ metadata }) => metadata.name)).not.toContain('metal-c');
    await eventually(async () => expect((await world.eventsOf(await world.client.get(WORKERS, 'metal-c'))).map(({ note }) => note.split(':')[0])).toContain('NotEligible'));
  });

  test('a session that needs a worker starts a stopped one again before it makes another', async () => {
    await template('metal');
    await worker('metal-a', 'metal', { phase: 'Stopped', cmlVersion: '2.9.1', drain: { by: 'Autoscaler', reason: 'Idle', since: ago(60) } });
    await worker('metal-b', 'metal', { phase: 'Stopped', cmlVersion: '2.9.1', drain: { by: 'User', reason: 'Maintenance', since: ago(60) } });
    start();
    await waitingSession('edge');
    await eventually(async () => expect((await world.client.get(WORKERS, 'metal-a')).status?.drain).toBeUndefined());
    const all = await workers();
    expect(all.map(({ metadata, status }) => [metadata.name, status?.drain?.by])).toEqual([['metal-a', undefined], ['metal-b', 'User']]);
  });

  test('launches that fail are learned from: after three the template is quarantined, and nothing is made of it', async () => {
    await template('bad');
    for (const [index, seconds] of [30, 20, 10].entries()) {
      await worker(`bad-${index}`, 'bad', { phase: 'Failed', history: [{ from: 'Provisioning', to: 'Failed', at: ago(seconds / 10), reason: 'ProvisioningTimeout', actor: 'timer', row: 'W15' }] });
    }
    start();
    await eventually(async () => expect((await world.client.get(WORKER_TEMPLATES, 'bad')).status).toMatchObject({ failures: 3, quarantinedUntil: expect.any(String) }));
    await waitingSession('edge');
    await eventually(async () => expect((await world.eventsOf(await world.client.get(WORKER_TEMPLATES, 'bad'))).map(({ note }) => note.split(':')[0])).toContain('Quarantined'));
    expect(await workers()).toHaveLength(3);
  });
});
