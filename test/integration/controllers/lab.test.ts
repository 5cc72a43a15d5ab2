import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { freePort } from '../../../hack/cluster/ports.ts';
import { createCmlSimulator, type CmlSimulator } from '../../../hack/sim/cml/simulator.ts';
import { LABLET_DEFINITIONS, LABLET_SESSIONS, LABS, WORKERS, WORKER_TEMPLATES } from '../../../src/api/kinds.ts';
import { createCaches } from '../../../src/app/caches.ts';
import { definitionController } from '../../../src/controllers/definition/controller.ts';
import { labController } from '../../../src/controllers/lab/controller.ts';
import { TIMEOUTS } from '../../../src/core/timeouts.ts';
import { NotFoundError } from '../../../src/kube/errors.ts';
import { startDeps, type TestDeps } from '../../support/deps.ts';
import { eventually } from '../../support/eventually.ts';
import { CML_SECRET, newDefinition, newLab, newSession, newTemplate, newWorker, TOPOLOGY } from '../../support/objects.ts';
import type { Lab, LabStatus } from '../../../src/api/lab.ts';
import type { LabletSession } from '../../../src/api/labletsession.ts';
import type { CmlPort } from '../../../src/clients/cml/port.ts';
import type { Settings } from '../../../src/controllers/deps.ts';

const credentials = { username: 'admin', password: 'secret' };
const NAME = 'edge-0a0b0c0d-abcd';

describe('a Lab', () => {
  let world: TestDeps;
  let simulator: CmlSimulator;
  let port: number;
  let cml: CmlPort;
  /** SHA-256 of the definition's topology. */
  let sha: string;
  let made = 0;

  const call = () => ({ signal: AbortSignal.timeout(10_000) });
  const read = (name = NAME) => world.client.get(LABS, name);
  const gone = (name = NAME) => eventually(() => expect(read(name)).rejects.toThrow(NotFoundError));
  const titles = () => simulator.host.labs().map(({ title }) => title);
  const status = (name: string, change: object | null) => world.client.mergePatch(LABS, name, undefined, { status: change }, { subresource: 'status' });

  async function listen(): Promise<string> {
    simulator = createCmlSimulator({ seed: `lab-${made++}`, user: credentials.username, password: credentials.password, port });
    return simulator.listen();
  }

  /** A worker with a host, a definition with version 1.0.0; the Lab controller does not run yet. */
  async function begin(settings: Partial<Settings> = {}): Promise<void> {
    port = await freePort();
    const endpoint = await listen();
    world = await startDeps({ credentials }, settings);
    cml = world.deps.clients.cml({ name: 'cml-1', endpoint, credentialsKey: `${world.deps.settings.namespace}/${CML_SECRET}` });
    await world.client.create(WORKER_TEMPLATES, newTemplate('onprem'));
    await world.client.create(WORKERS, newWorker('cml-1', 'onprem', endpoint));
    world.run(definitionController(world.deps));
    await world.client.create(LABLET_DEFINITIONS, newDefinition(world.namespace, 'edge'));
    sha = await eventually(async () => {
      const found = (await world.client.get(LABLET_DEFINITIONS, 'edge', world.namespace)).status?.versions?.[0]?.sha256;
      expect(found).toBeDefined();
      return found ?? '';
    });
  }
  const start = (): void => world.run(labController(world.deps));

  /** A Lab as the scheduler makes it; with `state` also as a session leaves it. */
  async function lab(state?: LabStatus, claim?: LabletSession, name = NAME): Promise<Lab> {
    const sessionRef = claim && { namespace: claim.metadata.namespace ?? '', name: claim.metadata.name, uid: claim.metadata.uid };
    const created = await world.client.create(LABS, newLab(name, 'cml-1', {
      spec: { definitionRef: { namespace: world.namespace, name: 'edge', version: '1.0.0' }, topologySha256: sha, ...(sessionRef ? { sessionRef } : {}) },
    }));
    return state ? status(name, { since: new Date().toISOString(), ...state }) : created;
  }
  async function imported(title = NAME): Promise<string> {
    return (await cml.importLab(title, TOPOLOGY, call())).id;
  }
  async function session(change: LabletSession['status']): Promise<LabletSession> {
    await world.client.create(LABLET_SESSIONS, newSession(world.namespace, 'one', 'edge'));
    return world.client.mergePatch(LABLET_SESSIONS, 'one', world.namespace, { status: change }, { subresource: 'status' });
  }

  beforeEach(() => begin());
  afterEach(async () => {
    await world.close();
    await simulator.close();
  });

  test('that is Reserved and was never claimed is deleted', async () => {
    start();
    await lab();
    await gone();
  });

  test('that is kept Wiped stays, its lab with it', async () => {
    const cmlLabId = await imported();
    await lab({ state: 'Wiped', cmlLabId });
    start();
    // A second Lab that goes shows that the controller has had its turn.
    await lab(undefined, undefined, 'edge-11111111-abcd');
    await gone('edge-11111111-abcd');
    expect((await read()).status).toMatchObject({ state: 'Wiped' });
    expect(titles()).toEqual([NAME]);
  });

  test('that was kept for long enough is taken off its host, then deleted', async () => {
    const cmlLabId = await imported();
    await cml.startLab(cmlLabId, call());
    await lab({ state: 'Wiped', cmlLabId, since: new Date(Date.now() - TIMEOUTS.labRetention - 1_000).toISOString() });
    start();
    await gone();
    expect(titles()).toEqual([]);
  });

  test('of a version that was replaced goes; others and those of nobody stay on the host', async () => {
    const cmlLabId = await imported();
    await imported('somebody elses');
    await lab({ state: 'Wiped', cmlLabId });
    start();
    await world.client.mergePatch(LABLET_DEFINITIONS, 'edge', world.namespace, { spec: { version: '1.1.0' } });
    await gone();
    expect(titles()).toEqual(['somebody elses']);
  });

  test('that was left Stopped is wiped, so that the next candidate finds nothing of the last', async () => {
    const cmlLabId = await imported();
    await cml.startLab(cmlLabId, call());
    await cml.stopLab(cmlLabId, call());
    await lab({ state: 'Stopped', cmlLabId });
    start();
    await eventually(async () => expect((await read()).status?.state).toBe('Wiped'));
    expect((await cml.lab(cmlLabId, call())).state).toBe('DEFINED_ON_CORE');
  });

  test('that a user deletes is taken off its host first', async () => {
    const cmlLabId = await imported();
    await lab({ state: 'Wiped', cmlLabId });
    start();
    await world.client.delete(LABS, NAME);
    await gone();
    expect(titles()).toEqual([]);
  });

  test('that is Orphaned without an id is found on its host by its title', async () => {
    await imported();
    await lab({ state: 'Orphaned', message: 'The answer to its import was lost.' });
    start();
    await gone();
    expect(titles()).toEqual([]);
  });

  test('that is Orphaned on a host that is down is removed once the host is back', async () => {
    await simulator.close();
    const orphan = await lab({ state: 'Orphaned', cmlLabId: '11111111-1111-4111-8111-111111111111' });
    start();
    await eventually(async () => expect((await world.eventsOf(orphan)).map(({ reason }) => reason)).toContain('RemovalDelayed'));
    expect((await read()).status?.state).toBe('Orphaned');
    await listen();
    await gone();
  });

  test('of a worker that is gone goes without anybody being asked', async () => {
    await lab({ state: 'Wiped', cmlLabId: '11111111-1111-4111-8111-111111111111' });
    await simulator.close();
    await world.client.delete(WORKERS, 'cml-1');
    start();
    await gone();
  });

  test('of a living session is left alone, whatever its state', async () => {
    const one = await session({ phase: 'Running', labName: NAME, workerName: 'cml-1' });
    await lab({ state: 'Booted', cmlLabId: await imported(), since: '2020-01-01T00:00:00Z' }, one);
    start();
    await lab(undefined, undefined, 'edge-11111111-abcd');
    await gone('edge-11111111-abcd');
    expect((await read()).spec.sessionRef?.uid).toBe(one.metadata.uid);
    expect(titles()).toEqual([NAME]);
  });

  test('that a session claimed before it was bound waits for the scheduler', async () => {
    const one = await session({ phase: 'Pending' });
    await lab(undefined, one);
    start();
    await lab(undefined, undefined, 'edge-11111111-abcd');
    await gone('edge-11111111-abcd');
    expect((await read()).spec.sessionRef?.uid).toBe(one.metadata.uid);
  });

  test('of a session that is gone is released and removed', async () => {
    const one = await session({ phase: 'Running', labName: NAME, workerName: 'cml-1' });
    const claimed = await lab({ state: 'Booted', cmlLabId: await imported() }, one);
    start();
    await world.client.delete(LABLET_SESSIONS, 'one', world.namespace);
    await gone();
    expect(titles()).toEqual([]);
    await eventually(async () => expect(await world.eventsOf(claimed)).toContainEqual({ type: 'Warning', reason: 'Released', note: `Session ${world.namespace}/one is gone.` }));
  });

  test('of a session that is bound to another Lab is released and removed', async () => {
    const one = await session({ phase: 'Scheduled', labName: 'edge-22222222-abcd', workerName: 'cml-1' });
    await lab(undefined, one);
    start();
    await gone();
  });

  test('that was claimed while the cache was behind stays with its claim, however often the controller tries', async () => {
    await lab({ state: 'Wiped', cmlLabId: await imported(), since: '2020-01-01T00:00:00Z' });
    const one = await session({ phase: 'Scheduled', labName: NAME, workerName: 'cml-1' });
    const behind = createCaches(world.client, [world.namespace], {}).labs;
    const watching = new AbortController();
    const watch = behind.start(watching.signal);
    await behind.waitForSync();
    watching.abort();
    await watch;
    await world.client.mergePatch(LABS, NAME, undefined, { spec: { sessionRef: { namespace: world.namespace, name: 'one', uid: one.metadata.uid } } });
    world.run(labController({ ...world.deps, caches: { ...world.deps.caches, labs: behind } }));
    await eventually(async () => expect(await world.deps.metrics.scrape()).toMatch(/lablet_reconcile_total\{controller="lab",result="conflict"\} [2-9]/));
    expect((await read()).status?.state).toBe('Wiped');
    expect((await read()).spec.sessionRef?.uid).toBe(one.metadata.uid);
    expect(titles()).toEqual([NAME]);
  });
});
