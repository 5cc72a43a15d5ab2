import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { createHash } from 'node:crypto';
import { LABLET_DEFINITIONS, LABLET_SESSIONS } from '../../../src/api/kinds.ts';
import { CONFIGMAPS, CONTROLLER_REVISIONS } from '../../../src/api/resource.ts';
import { definitionController } from '../../../src/controllers/definition/controller.ts';
import { getCondition } from '../../../src/core/conditions.ts';
import { NotFoundError } from '../../../src/kube/errors.ts';
import { writesBy } from '../../support/audit.ts';
import { startDeps, type TestDeps } from '../../support/deps.ts';
import { eventually } from '../../support/eventually.ts';
import { newDefinition, newSession, TOPOLOGY } from '../../support/objects.ts';
import type { LabletDefinition } from '../../../src/api/labletdefinition.ts';
import type { LabletSession } from '../../../src/api/labletsession.ts';

const SHA = createHash('sha256').update(TOPOLOGY).digest('hex');

describe('a LabletDefinition', () => {
  let world: TestDeps;

  beforeEach(async () => {
    world = await startDeps({ credentials: { username: 'admin', password: 'secret' } });
    world.run(definitionController(world.deps));
  });
  afterEach(() => world.close());

  const create = (name: string, parts?: Parameters<typeof newDefinition>[2]) => world.client.create(LABLET_DEFINITIONS, newDefinition(world.namespace, name, parts));
  const read = (name: string) => world.client.get(LABLET_DEFINITIONS, name, world.namespace);
  const spec = (name: string, change: object) => world.client.mergePatch(LABLET_DEFINITIONS, name, world.namespace, { spec: change });
  const revision = (name: string) => world.client.get(CONTROLLER_REVISIONS, name, world.namespace);
  const configMap = (name: string, text: string) => world.client.create(CONFIGMAPS, { metadata: { name, namespace: world.namespace }, data: { lab: text } });
  const becomes = (name: string, what: (definition: LabletDefinition) => void): Promise<LabletDefinition> =>
    eventually(async () => {
      const definition = await read(name);
      what(definition);
      return definition;
    });
  const synced = (name: string, reason: string) => becomes(name, ({ status }) => expect(getCondition(status, 'Synced')?.reason).toBe(reason));

  /** A session as it is while it is pinned to a version. */
  async function pin(name: string, definition: string, status: LabletSession['status']): Promise<LabletSession> {
    const session = await world.client.create(LABLET_SESSIONS, newSession(world.namespace, name, definition));
    return world.client.mergePatch(LABLET_SESSIONS, name, world.namespace, { metadata: { resourceVersion: session.metadata.resourceVersion }, status }, { subresource: 'status' });
  }

  test('becomes Active with its version stored, its nodes and ports read and its event recorded', async () => {
    await create('edge');
    const definition = await becomes('edge', ({ status }) => expect(getCondition(status, 'Ready')?.status).toBe('True'));
    expect(definition.metadata.finalizers).toEqual(['lablet.dev/controller']);
    expect(definition.status).toMatchObject({
      currentVersion: '1.0.0', nodeCount: 2, observedGeneration: 1, sequence: 1,
      ports: [{ name: 'r1_serial', node: 'r1', protocol: 'serial' }],
      versions: [{ version: '1.0.0', sha256: SHA, state: 'Active', revision: 'edge-1.0.0', sessions: 0 }],
      outbox: [{ type: 'ccm.lablet.definition.created', sequence: 1 }],
    });
    expect(JSON.parse(definition.status?.outbox?.[0]?.data ?? '')).toEqual({ definition_id: definition.metadata.uid, name: 'edge', version: '1.0.0' });
    const stored = await revision('edge-1.0.0');
    expect(stored).toMatchObject({ revision: 1, data: { version: '1.0.0', sha256: SHA, topology: TOPOLOGY }, metadata: { labels: { 'lablet.dev/definition': 'edge' } } });
    expect(stored.metadata.ownerReferences).toMatchObject([{ uid: definition.metadata.uid, controller: true }]);
    await eventually(async () => expect(await world.eventsOf(definition)).toMatchObject([{ reason: 'VersionActive', type: 'Normal' }]));
  });

  test('takes one status write to become Active', async () => {
    await create('quiet');
    await synced('quiet', 'Synced');
    const writes = writesBy('admin', world.cluster.auditLog).filter(({ resource, namespace, name }) => resource === 'labletdefinitions/status' && namespace === world.namespace && name === 'quiet');
    expect(writes).toMatchObject([{ verb: 'patch', code: 200 }]);
  });

  test('with a raised version has the older one Deprecated and stored unchanged', async () => {
    await create('edge');
    await synced('edge', 'Synced');
    await spec('edge', { version: '1.1.0', maxDuration: '2h' });
    const { status } = await becomes('edge', (definition) => expect(definition.status?.currentVersion).toBe('1.1.0'));
    expect(status?.versions).toMatchObject([{ version: '1.0.0', state: 'Deprecated', replacedBy: '1.1.0' }, { version: '1.1.0', state: 'Active' }]);
    expect(status?.outbox?.map(({ type, sequence }) => [type, sequence])).toEqual([['ccm.lablet.definition.created', 1], ['ccm.lablet.definition.version.created', 2]]);
    expect(await revision('edge-1.0.0')).toMatchObject({ data: { spec: { maxDuration: '1h' } } });
    expect(await revision('edge-1.1.0')).toMatchObject({ data: { spec: { maxDuration: '2h' } } });
  });

  test('waits for its ConfigMap, says so, and becomes Active soon after it was created', async () => {
    await create('early', { spec: { topology: { configMapRef: { name: 'late', key: 'lab' } } } });
    const waiting = await synced('early', 'SourceNotFound');
    expect(getCondition(waiting.status, 'Synced')?.message).toBe(`ConfigMap ${world.namespace}/late does not exist; create it.`);
    expect(getCondition(waiting.status, 'Ready')?.status).toBe('False');
    await configMap('late', TOPOLOGY);
    expect((await synced('early', 'Synced')).status?.currentVersion).toBe('1.0.0');
  });

  test('names the keys that a ConfigMap has instead of the one asked for', async () => {
    await configMap('keys', TOPOLOGY);
    await create('key', { spec: { topology: { configMapRef: { name: 'keys', key: 'nope' } } } });
    expect(getCondition((await synced('key', 'SourceNotFound')).status, 'Synced')?.message).toContain('has no key nope; it has lab');
  });

  test('whose topology is wrong names node and tag, and has no version', async () => {
    const wrong = TOPOLOGY.replace('tags: []', "tags: ['serial:${PORT_NOBODY}']");
    await create('wrong', { spec: { topology: { inline: wrong } } });
    const { status } = await synced('wrong', 'InvalidTopology');
    expect(getCondition(status, 'Synced')?.message).toMatch(/node "r2".*tag "serial:\$\{PORT_NOBODY\}"/);
    expect(status?.versions).toBeUndefined();
    await spec('wrong', { version: '1.0.1', topology: { inline: TOPOLOGY } });
    expect((await synced('wrong', 'Synced')).status?.versions).toMatchObject([{ version: '1.0.1' }]);
  });

  test('with another hash than it says gets no version, and is told both hashes', async () => {
    const other = '0'.repeat(64);
    await create('hash', { spec: { topology: { inline: TOPOLOGY, sha256: other } } });
    const { status } = await synced('hash', 'HashMismatch');
    expect(getCondition(status, 'Synced')?.message).toContain(other);
    expect(getCondition(status, 'Synced')?.message).toContain(SHA);
    expect(status?.currentVersion).toBeUndefined();
  });

  test('whose watched ConfigMap changes gets the next patch version by itself', async () => {
    await configMap('watched', TOPOLOGY);
    await create('watched', { spec: { topology: { configMapRef: { name: 'watched', key: 'lab' }, refreshInterval: '10s' } } });
    await synced('watched', 'Synced');
    await world.stop();
    world.deps.settings.scale = 10;
    world.run(definitionController(world.deps));
    const changed = TOPOLOGY.replace('two routers', 'two better routers');
    await world.client.mergePatch(CONFIGMAPS, 'watched', world.namespace, { data: { lab: changed } });
    const { status, spec: asWritten } = await becomes('watched', (definition) => expect(definition.status?.currentVersion).toBe('1.0.1'));
    expect(asWritten.version).toBe('1.0.0');
    expect(status?.versions).toMatchObject([{ version: '1.0.0', state: 'Deprecated', replacedBy: '1.0.1' }, { version: '1.0.1', state: 'Active' }]);
    expect(await revision('watched-1.0.1')).toMatchObject({ data: { version: '1.0.1', spec: { version: '1.0.1' }, topology: changed } });
  });

  test('of fixed content that drifts stays Ready with the stored bytes in use', async () => {
    await configMap('fixed', TOPOLOGY);
    await create('fixed', { spec: { topology: { configMapRef: { name: 'fixed', key: 'lab' }, sha256: SHA } } });
    await synced('fixed', 'Synced');
    await world.client.mergePatch(CONFIGMAPS, 'fixed', world.namespace, { data: { lab: `${TOPOLOGY}# changed\n` } });
    // A program that starts again looks at once.
    await world.stop();
    world.run(definitionController(world.deps));
    const { status } = await synced('fixed', 'ArtifactDrift');
    expect(getCondition(status, 'Ready')?.status).toBe('True');
    expect(status?.versions).toHaveLength(1);
    expect(await revision('fixed-1.0.0')).toMatchObject({ data: { topology: TOPOLOGY } });
  });

  test('finds the revision that a crash left before the status was written, and goes by what is stored', async () => {
    await world.stop();
    await configMap('crash', TOPOLOGY);
    await create('crash', { spec: { topology: { configMapRef: { name: 'crash', key: 'lab' }, refreshInterval: '10s' } } });
    world.run(definitionController(world.deps));
    const first = await synced('crash', 'Synced');
    await world.stop();
    // As if the status write had never happened, and the content had moved on since.
    await world.client.mergePatch(LABLET_DEFINITIONS, 'crash', world.namespace, { metadata: { resourceVersion: first.metadata.resourceVersion }, status: null }, { subresource: 'status' });
    await world.client.mergePatch(CONFIGMAPS, 'crash', world.namespace, { data: { lab: `${TOPOLOGY}# newer\n` } });
    world.run(definitionController(world.deps));
    const { status } = await becomes('crash', (definition) => expect(definition.status?.versions?.[0]).toMatchObject({ version: '1.0.0' }));
    expect(status?.versions?.[0]?.sha256).toBe(SHA);
    expect(status?.sequence).toBe(1);
  });

  test('made anew under its name does not take over what the earlier one has stored', async () => {
    await create('phoenix');
    await synced('phoenix', 'Synced');
    await world.client.mergePatch(LABLET_DEFINITIONS, 'phoenix', world.namespace, { status: { outbox: null } }, { subresource: 'status' });
    await world.client.delete(LABLET_DEFINITIONS, 'phoenix', world.namespace);
    await eventually(() => expect(read('phoenix')).rejects.toThrow(NotFoundError));
    const young = await create('phoenix', { spec: { topology: { inline: `${TOPOLOGY}# anew\n` } } });
    await synced('phoenix', 'Synced');
    expect(await revision('phoenix-1.0.0')).toMatchObject({ data: { topology: `${TOPOLOGY}# anew\n` }, metadata: { ownerReferences: [{ uid: young.metadata.uid }] } });
  });

  test('never touches a ControllerRevision of somebody else that has the name it needs', async () => {
    await world.client.create(CONTROLLER_REVISIONS, { metadata: { name: 'mine-1.0.0', namespace: world.namespace }, revision: 7, data: { of: 'somebody else' } });
    await create('mine');
    const { status } = await synced('mine', 'RevisionTaken');
    expect(getCondition(status, 'Synced')?.message).toContain('Raise spec.version');
    expect(status?.versions).toBeUndefined();
    expect(await revision('mine-1.0.0')).toMatchObject({ revision: 7, data: { of: 'somebody else' } });
    await spec('mine', { version: '1.0.1' });
    expect((await synced('mine', 'Synced')).status?.currentVersion).toBe('1.0.1');
  });

  test('counts the live sessions of each version', async () => {
    await create('edge');
    await synced('edge', 'Synced');
    await pin('one', 'edge', { phase: 'Running', definitionVersion: '1.0.0' });
    await pin('two', 'edge', { phase: 'Terminated', definitionVersion: '1.0.0' });
    await becomes('edge', ({ status }) => expect(status?.versions?.[0]?.sessions).toBe(1));
  });

  test('that is deleted waits for its live sessions by name, then goes', async () => {
    const definition = await create('edge');
    await synced('edge', 'Synced');
    await pin('busy', 'edge', { phase: 'Running', definitionVersion: '1.0.0' });
    await becomes('edge', ({ status }) => expect(status?.versions?.[0]?.sessions).toBe(1));
    await world.client.mergePatch(LABLET_DEFINITIONS, 'edge', world.namespace, { status: { outbox: null } }, { subresource: 'status' });
    await world.client.delete(LABLET_DEFINITIONS, 'edge', world.namespace);
    await eventually(async () => {
      expect(await world.eventsOf(definition)).toContainEqual({ type: 'Warning', reason: 'DeletionWaits', note: `1 live session(s) use it: ${world.namespace}/busy. End or delete them, and the definition goes.` });
    });
    expect((await read('edge')).metadata.deletionTimestamp).toBeDefined();
    await world.client.delete(LABLET_SESSIONS, 'busy', world.namespace);
    await eventually(() => expect(read('edge')).rejects.toThrow(NotFoundError));
  });
});
