import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { freePort } from '../../../hack/cluster/ports.ts';
import { createCmlSimulator, type CmlOptions, type CmlSimulator } from '../../../hack/sim/cml/simulator.ts';
import { LABLET_DEFINITIONS, LABLET_SESSIONS, LABS, WORKERS, WORKER_TEMPLATES } from '../../../src/api/kinds.ts';
import { SECRETS } from '../../../src/api/resource.ts';
import { definitionController } from '../../../src/controllers/definition/controller.ts';
import { labController } from '../../../src/controllers/lab/controller.ts';
import { workerController } from '../../../src/controllers/worker/controller.ts';
import { DemandCache, workerSnapshot } from '../../../src/controllers/worker/snapshot.ts';
import { getCondition } from '../../../src/core/conditions.ts';
import { NotFoundError } from '../../../src/kube/errors.ts';
import { writesBy } from '../../support/audit.ts';
import { startDeps, type TestDeps } from '../../support/deps.ts';
import { eventually } from '../../support/eventually.ts';
import { CML_SECRET, newDefinition, newLab, newSession, newTemplate, newWorker, TOPOLOGY } from '../../support/objects.ts';
import type { LabletSession } from '../../../src/api/labletsession.ts';
import type { Worker } from '../../../src/api/worker.ts';

const credentials = { username: 'admin', password: 'secret' };
const SHA = 'a'.repeat(64);

describe('a static Worker', () => {
  let world: TestDeps;
  let simulators: CmlSimulator[];

  beforeEach(async () => {
    simulators = [];
    world = await startDeps({ credentials });
    world.run(workerController(world.deps));
  });
  afterEach(async () => {
    await world.close();
    await Promise.all(simulators.map((simulator) => simulator.close()));
  });

  async function host(options: CmlOptions = {}): Promise<string> {
    const simulator = createCmlSimulator({ seed: 'worker', user: credentials.username, password: credentials.password, ...options });
    simulators.push(simulator);
    return simulator.listen();
  }
  const template = (parts?: Parameters<typeof newTemplate>[1]) => world.client.create(WORKER_TEMPLATES, newTemplate('onprem', parts));
  const create = (url: string, parts?: Parameters<typeof newWorker>[3]) => world.client.create(WORKERS, newWorker('cml-1', 'onprem', url, parts));
  const read = () => world.client.get(WORKERS, 'cml-1');
  const desire = (desiredState: Worker['spec']['desiredState']) => world.client.mergePatch(WORKERS, 'cml-1', undefined, { spec: { desiredState } });
  const becomes = (what: (worker: Worker) => void): Promise<Worker> =>
    eventually(async () => {
      const worker = await read();
      what(worker);
      return worker;
    });
  const phase = (wanted: string) => becomes(({ status }) => expect(status?.phase).toBe(wanted));
  const condition = (type: string, reason: string) => becomes(({ status }) => expect(getCondition(status, type)?.reason).toBe(reason));

  /** A session as it is while it holds capacity of the worker; its definition has a version to read. */
  async function bind(name: string, status: LabletSession['status'] = { phase: 'Running' }): Promise<LabletSession> {
    const session = await world.client.create(LABLET_SESSIONS, newSession(world.namespace, name, 'edge'));
    const bound = { definitionVersion: '1.0.0', workerName: 'cml-1', ...status };
    return world.client.mergePatch(LABLET_SESSIONS, name, world.namespace, { metadata: { resourceVersion: session.metadata.resourceVersion }, status: bound }, { subresource: 'status' });
  }
  async function define(): Promise<void> {
    world.run(definitionController(world.deps));
    await world.client.create(LABLET_DEFINITIONS, newDefinition(world.namespace, 'edge'));
    await eventually(async () => expect((await world.client.get(LABLET_DEFINITIONS, 'edge', world.namespace)).status?.currentVersion).toBe('1.0.0'));
  }

  test('becomes Running with version, licence, node definitions and capacity read from its host', async () => {
    await template();
    await create(await host());
    const { status, metadata } = await phase('Running');
    expect(metadata.finalizers).toEqual(['lablet.dev/controller']);
    expect(status).toMatchObject({
      address: '127.0.0.1', cmlVersion: '2.9.1+build.4', nestedVirtualization: true, license: { state: 'IN_COMPLIANCE', product: 'Enterprise' }, foreignLabs: 0,
      capacity: { declared: { cpu: '16', memory: '64Gi', storage: '500Gi', nodes: 200, ports: 6000 }, allocated: { cpu: '0', nodes: 0, ports: 0 }, available: { cpu: '16', ports: 6000 } },
      history: [{ to: 'Pending', row: 'W0' }, { from: 'Pending', to: 'Starting', row: 'W1' }, { from: 'Starting', to: 'Running', row: 'W2' }],
    });
    expect(status?.nodeDefinitions).toContain('iosv');
    for (const type of ['CMLReady', 'Licensed', 'Schedulable']) expect(getCondition(status, type)?.status).toBe('True');
    expect(status?.outbox).toBeUndefined();
  });

  test('is Starting while its host is down, and Running soon after the host is up', async () => {
    const port = await freePort();
    await template();
    await create(`http://127.0.0.1:${port}`);
    const { status } = await condition('CMLReady', 'Unreachable');
    expect(status).toMatchObject({ phase: 'Starting', reason: 'Unreachable' });
    expect(status?.unreachableSince).toBeDefined();
    // Long enough for a circuit breaker to open, which must not make anybody wait for it.
    await new Promise((resolve) => setTimeout(resolve, 6_000));
    await host({ port });
    await eventually(async () => expect((await read()).status?.phase).toBe('Running'), 5_000);
    expect((await read()).status?.unreachableSince).toBeUndefined();
  });

  test('waits for a CML that answers and is not ready yet', async () => {
    await template();
    await create(await host({ readyAfterMs: 3_000 }));
    expect((await condition('CMLReady', 'Booting')).status?.phase).toBe('Starting');
    await phase('Running');
  });

  test('says that its template is missing, and goes on once it is there', async () => {
    await create(await host());
    const { status } = await condition('CMLReady', 'TemplateNotFound');
    expect(status).toMatchObject({ phase: 'Pending', reason: 'TemplateNotFound', message: expect.stringContaining('WorkerTemplate onprem does not exist') });
    await template();
    await phase('Running');
  });

  test('says which Secret is missing, or what it lacks', async () => {
    await template({ spec: { cmlCredentialsSecretRef: { name: 'nowhere' } } });
    await create(await host());
    const { status } = await condition('CMLReady', 'CredentialsMissing');
    expect(getCondition(status, 'CMLReady')?.message).toBe(`Secret ${world.deps.settings.namespace}/nowhere does not exist; create it.`);
    await world.client.create(SECRETS, { metadata: { name: 'nowhere', namespace: world.deps.settings.namespace }, stringData: credentials });
    await phase('Running');
  });

  test('says that CML does not accept its credentials, without repeating them', async () => {
    await world.client.mergePatch(SECRETS, CML_SECRET, world.deps.settings.namespace, { stringData: { password: 'a-wrong-password' } });
    await template();
    await create(await host());
    const worker = await condition('CMLReady', 'LoginRefused');
    expect(getCondition(worker.status, 'CMLReady')?.message).toContain('Correct username and password in the Secret');
    expect(JSON.stringify([worker.status, await world.eventsOf(worker)])).not.toContain('a-wrong-password');
  });

  test.each([
    ['none', 'NotLicensed'],
    ['personal', 'LicenseMismatch'],
  ] as const)('with the licence "%s" is not used: %s', async (license, reason) => {
    await template();
    await create(await host({ license }));
    const { status } = await condition('Licensed', reason);
    expect(status?.phase).toBe('Starting');
    expect(getCondition(status, 'Schedulable')).toMatchObject({ status: 'False', reason });
  });

  test('with a personal licence offers 20 nodes, whatever its template says', async () => {
    await template({ spec: { licenseType: 'Personal' } });
    await create(await host({ license: 'personal' }));
    expect((await phase('Running')).status).toMatchObject({ license: { product: 'Personal', nodeLimit: 20 }, capacity: { declared: { nodes: 20 } } });
  });

  test('counts what bound sessions and Labs hold, and tells the scheduler the same', async () => {
    await template();
    await create(await host());
    await define();
    await bind('one');
    await bind('two', { phase: 'Stopped' });
    const definitionRef = { namespace: world.namespace, name: 'edge', version: '1.0.0' };
    await world.client.create(LABS, newLab('held-0a0b0c0d-abcd', 'cml-1', { spec: { definitionRef, topologySha256: SHA, ports: [{ name: 'r1_serial', node: 'r1', protocol: 'serial', number: 2000 }] } }));
    const worker = await becomes(({ status }) => expect(status).toMatchObject({
      phase: 'Running', sessions: 1, labs: 1,
      capacity: { allocated: { cpu: '2', memory: '4Gi', storage: '10Gi', nodes: 2, ports: 1 }, available: { cpu: '14', memory: '60Gi', nodes: 198, ports: 5999 } },
    }));
    const demands = new DemandCache(world.deps);
    expect(workerSnapshot(world.deps, worker, demands)).toMatchObject({ schedulable: false });
    for (const session of world.deps.caches.sessions.list()) await demands.ensure(session, AbortSignal.timeout(10_000));
    expect(workerSnapshot(world.deps, worker, demands)).toMatchObject({
      name: 'cml-1', phase: 'Running', schedulable: true, draining: false, license: 'Enterprise', nodeLimit: 200, sessions: 1,
      used: { cpu: 2, memory: 4 * 2 ** 30, storage: 10 * 2 ** 30, nodes: 2 }, takenPorts: new Set([2000]), nestedVirtualization: true,
    });
  });

  test('keeps the ports of labs that are not ours off its range, and never touches those labs', async () => {
    const url = await host();
    await fetch(`${url}/sim/foreign-lab?title=somebodys&start=true`, { method: 'POST' });
    await template();
    await create(url);
    expect((await phase('Running')).status).toMatchObject({ foreignLabs: 1, foreignPorts: [2500], capacity: { available: { ports: 5999 } } });
    expect(simulators[0]?.host.labs().map(({ title }) => title)).toEqual(['somebodys']);
  });

  test('writes its counters at most once in 5 s, however many sessions come and go', async () => {
    await template();
    await create(await host());
    await define();
    await phase('Running');
    const writes = () => writesBy('admin', world.cluster.auditLog).filter(({ resource, name }) => resource === 'workers/status' && name === 'cml-1').length;
    const before = writes();
    const start = performance.now();
    for (let n = 0; n < 12; n++) await bind(`s-${n}`);
    await becomes(({ status }) => expect(status?.sessions).toBe(12));
    expect(writes() - before).toBeLessThanOrEqual(1 + Math.ceil((performance.now() - start) / 5_000));
  });

  test('drains: no new sessions, Stopped once the last one is over, Running again when it is wanted', async () => {
    await template();
    await create(await host());
    await define();
    const session = await bind('one');
    await becomes(({ status }) => expect(status?.sessions).toBe(1));
    await desire('Stopped');
    const draining = await phase('Draining');
    expect(getCondition(draining.status, 'Schedulable')).toMatchObject({ status: 'False', reason: 'Draining' });
    expect(draining.status?.outbox).toMatchObject([{ type: 'ccm.worker.draining', sequence: 1 }]);
    expect(JSON.parse(draining.status?.outbox?.[0]?.data ?? '')).toEqual({ worker_id: 'cml-1', reason: 'Draining', running_sessions_count: 1 });
    await world.client.delete(LABLET_SESSIONS, session.metadata.name, world.namespace);
    await phase('Stopped');
    await desire('Running');
    expect((await phase('Running')).status?.lastResumedAt).toBeDefined();
  });

  test('that is deleted waits for its sessions by name, has its labs removed, and goes', async () => {
    world.run(labController(world.deps));
    await template();
    const url = await host();
    const worker = await create(url);
    await define();
    await phase('Running');
    const session = await bind('one');
    const definition = await world.client.get(LABLET_DEFINITIONS, 'edge', world.namespace);
    const cml = world.deps.clients.cml({ name: 'cml-1', endpoint: url, credentialsKey: `${world.deps.settings.namespace}/${CML_SECRET}` });
    const { id: cmlLabId } = await cml.importLab('kept-0a0b0c0d-abcd', TOPOLOGY, { signal: AbortSignal.timeout(10_000) });
    const lab = await world.client.create(LABS, newLab('kept-0a0b0c0d-abcd', 'cml-1', {
      spec: { definitionRef: { namespace: world.namespace, name: 'edge', version: '1.0.0' }, topologySha256: definition.status?.versions?.[0]?.sha256 ?? '', sessionRef: { namespace: world.namespace, name: 'one', uid: session.metadata.uid } },
    }));
    await world.client.mergePatch(LABS, lab.metadata.name, undefined, { status: { state: 'Wiped', cmlLabId, since: new Date().toISOString() } }, { subresource: 'status' });
    await world.client.delete(WORKERS, 'cml-1');
    await eventually(async () => expect((await world.eventsOf(worker)).map(({ reason }) => reason)).toContain('DeletionWaits'));
    expect((await phase('Draining')).metadata.deletionTimestamp).toBeDefined();
    await world.client.delete(LABLET_SESSIONS, 'one', world.namespace);
    await eventually(async () => expect((await read()).status?.phase).toBe('Terminated'));
    await expect(world.client.get(LABS, lab.metadata.name)).rejects.toThrow(NotFoundError);
    expect(simulators[0]?.host.labs()).toEqual([]);
    // It is held only for its events, which nobody delivers here.
    await world.client.mergePatch(WORKERS, 'cml-1', undefined, { status: { outbox: null } }, { subresource: 'status' });
    await eventually(() => expect(read()).rejects.toThrow(NotFoundError));
  });
});
