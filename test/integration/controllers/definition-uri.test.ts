import { createHash } from 'node:crypto';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { LABLET_DEFINITIONS } from '../../../src/api/kinds.ts';
import { CONTROLLER_REVISIONS } from '../../../src/api/resource.ts';
import { definitionController } from '../../../src/controllers/definition/controller.ts';
import { getCondition } from '../../../src/core/conditions.ts';
import { writesBy } from '../../support/audit.ts';
import { startDeps, type TestDeps } from '../../support/deps.ts';
import { eventually } from '../../support/eventually.ts';
import { newDefinition, TOPOLOGY } from '../../support/objects.ts';
import { startS3Server, type S3Server } from '../../support/s3/server.ts';
import { startScriptedServer, status, type Answer, type ScriptedServer } from '../../support/scripted-server.ts';
import type { LabletDefinition } from '../../../src/api/labletdefinition.ts';

const hashOf = (text: string): string => createHash('sha256').update(text).digest('hex');
const BETTER = TOPOLOGY.replace('two routers', 'two better routers');
/** Refresh intervals become seconds. */
const WATCHED = { refreshInterval: '100s' };
const SCALE = 100;

/** A file as web servers publish it, with a tag of its content. */
const file = (text: string): Answer => (response, request) => {
  const etag = `"${hashOf(text)}"`;
  if (request.ifNoneMatch === etag) response.writeHead(304).end();
  else response.writeHead(200, { etag }).end(text);
};

let world: TestDeps;
const create = (name: string, topology: LabletDefinition['spec']['topology']) => world.client.create(LABLET_DEFINITIONS, newDefinition(world.namespace, name, { spec: { topology } }));
const becomes = (name: string, what: (definition: LabletDefinition) => void): Promise<LabletDefinition> =>
  eventually(async () => {
    const definition = await world.client.get(LABLET_DEFINITIONS, name, world.namespace);
    what(definition);
    return definition;
  });
const synced = (name: string, reason: string): Promise<LabletDefinition> => becomes(name, (definition) => expect(getCondition(definition.status, 'Synced')?.reason).toBe(reason));
const messageOf = ({ status: of }: LabletDefinition): string => getCondition(of, 'Synced')?.message ?? '';
const version = (name: string, wanted: string): Promise<LabletDefinition> => becomes(name, (definition) => expect(definition.status?.currentVersion).toBe(wanted));
const revision = (name: string) => world.client.get(CONTROLLER_REVISIONS, name, world.namespace);
const again = async (scale = SCALE): Promise<void> => {
  await world.stop();
  world.deps.settings.scale = scale;
  world.run(definitionController(world.deps));
};

beforeEach(async () => {
  world = await startDeps({ credentials: { username: 'admin', password: 'secret' } }, { scale: SCALE });
  world.run(definitionController(world.deps));
});
afterEach(() => world.close());

describe('a definition whose topology is on a web server', () => {
  let server: ScriptedServer;
  let answer: Answer;
  const uri = (path = '/edge.cml.yaml'): string => `${server.url}${path}`;

  beforeEach(async () => {
    answer = file(TOPOLOGY);
    server = await startScriptedServer([(response, request) => answer(response, request)]);
  });
  afterEach(() => server.close());

  test('becomes Active with the exact bytes stored, and shows no query of the URI', async () => {
    await create('edge', { uri: uri('/edge.cml.yaml?signature=s3cr3t'), sha256: hashOf(TOPOLOGY) });
    const definition = await synced('edge', 'Synced');
    expect(messageOf(definition)).toBe(`The topology was read from ${uri()}; SHA-256 ${hashOf(TOPOLOGY)}.`);
    expect(definition.status).toMatchObject({ currentVersion: '1.0.0', nodeCount: 2, versions: [{ version: '1.0.0', sha256: hashOf(TOPOLOGY), state: 'Active' }] });
    expect(await revision('edge-1.0.0')).toMatchObject({ data: { topology: TOPOLOGY, sha256: hashOf(TOPOLOGY) } });
    expect(JSON.stringify(definition.status)).not.toContain('s3cr3t');
  });

  test('whose bytes change gets the next patch version, its event and its revision; the older one stays stored', async () => {
    await create('watched', { uri: uri(), ...WATCHED });
    await synced('watched', 'Synced');
    answer = file(BETTER);
    const { status: of, spec } = await version('watched', '1.0.1');
    expect(spec.version).toBe('1.0.0');
    expect(of?.versions).toMatchObject([{ version: '1.0.0', state: 'Deprecated', replacedBy: '1.0.1' }, { version: '1.0.1', state: 'Active', sha256: hashOf(BETTER) }]);
    expect(of?.outbox?.map(({ type, sequence }) => [type, sequence])).toEqual([['ccm.lablet.definition.created', 1], ['ccm.lablet.definition.version.created', 2]]);
    expect(JSON.parse(of?.outbox?.[1]?.data ?? '')).toMatchObject({ old_version: '1.0.0', new_version: '1.0.1', lab_yaml_hash: hashOf(BETTER) });
    expect(await revision('watched-1.0.0')).toMatchObject({ data: { topology: TOPOLOGY } });
    expect(await revision('watched-1.0.1')).toMatchObject({ data: { topology: BETTER } });
  });

  test('that stays the same costs neither bytes nor writes', async () => {
    await create('quiet', { uri: uri(), ...WATCHED });
    await synced('quiet', 'Synced');
    await eventually(() => expect(server.received.length).toBeGreaterThan(4));
    expect(server.received.map(({ ifNoneMatch }) => ifNoneMatch).slice(0, 4)).toEqual([undefined, ...Array<string>(3).fill(`"${hashOf(TOPOLOGY)}"`)]);
    const writes = writesBy('admin', world.cluster.auditLog).filter(({ resource, namespace }) => resource === 'labletdefinitions/status' && namespace === world.namespace);
    expect(writes).toHaveLength(1);
  });

  test('that is down for a while stays Ready and says why; what changed meanwhile is found when it is back', async () => {
    await create('flaky', { uri: uri(), ...WATCHED });
    await synced('flaky', 'Synced');
    answer = status(503);
    const down = await synced('flaky', 'SourceUnavailable');
    expect(messageOf(down)).toBe(`${uri()}: 503 Service Unavailable. It is tried again.`);
    expect(getCondition(down.status, 'Ready')?.status).toBe('True');
    expect(down.status?.currentVersion).toBe('1.0.0');
    answer = file(BETTER);
    const back = await version('flaky', '1.0.1');
    expect(getCondition(back.status, 'Synced')?.status).toBe('True');
  });

  test('that is down for a while and comes back unchanged has no new version', async () => {
    await create('flaky', { uri: uri(), ...WATCHED });
    await synced('flaky', 'Synced');
    answer = status(503);
    await synced('flaky', 'SourceUnavailable');
    answer = file(TOPOLOGY);
    const back = await synced('flaky', 'Synced');
    expect(back.status?.versions).toHaveLength(1);
    expect(back.status?.sequence).toBe(1);
  });

  test('of fixed content that drifts stays Ready with the stored bytes in use, until the content is restored', async () => {
    await again(600);
    await create('fixed', { uri: uri(), sha256: hashOf(TOPOLOGY) });
    await synced('fixed', 'Synced');
    answer = file(BETTER);
    const drifted = await synced('fixed', 'ArtifactDrift');
    expect(messageOf(drifted)).toContain(hashOf(BETTER));
    expect(getCondition(drifted.status, 'Ready')?.status).toBe('True');
    expect(drifted.status?.versions).toHaveLength(1);
    expect(await revision('fixed-1.0.0')).toMatchObject({ data: { topology: TOPOLOGY } });
    answer = file(TOPOLOGY);
    expect((await synced('fixed', 'Synced')).status?.versions).toHaveLength(1);
  });

  test('that is not there yet waits, says so, and becomes Active when it is', async () => {
    answer = status(404);
    await create('early', { uri: uri(), ...WATCHED });
    const waiting = await synced('early', 'SourceNotFound');
    expect(messageOf(waiting)).toBe(`${uri()}: 404 Not Found. Put the file there, or correct spec.topology.uri.`);
    expect(getCondition(waiting.status, 'Ready')?.status).toBe('False');
    answer = file(TOPOLOGY);
    await version('early', '1.0.0');
  });

  test('that leads to an internal address is not read, and the setting that would allow it is named', async () => {
    answer = status(302, { location: 'http://169.254.169.254/latest/meta-data/' });
    await create('metadata', { uri: uri(), ...WATCHED });
    expect(messageOf(await synced('metadata', 'SourceBlocked'))).toMatch(/169\.254\.169\.254 is a link-local address.*have 169\.254\.169\.254 added to TOPOLOGY_ALLOW_HOSTS/);
    await create('loopback', { uri: uri().replace('127.0.0.1', '127.0.0.2'), ...WATCHED });
    await synced('loopback', 'SourceBlocked');
    expect(server.received.every(({ url }) => url === '/edge.cml.yaml')).toBe(true);
  });

  test.each([
    ['more bytes than a topology may have', 'TopologyTooLarge', () => file('x'.repeat(900 * 1024 + 1))],
    ['bytes that are no topology', 'InvalidTopology', () => file('<html>Please log in</html>')],
    ['a page for those who are logged in', 'SourceForbidden', () => status(401)],
  ])('with %s is told so and has no version', async (_, reason, given) => {
    answer = given();
    const definition = await create('wrong', { uri: uri(), ...WATCHED });
    expect((await synced('wrong', reason)).status?.versions).toBeUndefined();
    await eventually(async () => expect(await world.eventsOf(definition)).toMatchObject([{ reason, type: 'Warning' }]));
  });

  test('with a password in its URI is refused without repeating it', async () => {
    await create('secret', { uri: uri().replace('http://', 'http://lab:s3cr3t@'), ...WATCHED });
    const refused = await synced('secret', 'SourceInvalid');
    expect(JSON.stringify(refused.status)).not.toContain('s3cr3t');
    expect(server.received).toHaveLength(0);
  });

  test('after a crash between revision and status goes by what is stored, and still finds what is newer', async () => {
    await create('crash', { uri: uri(), ...WATCHED });
    const first = await synced('crash', 'Synced');
    await world.stop();
    // As if the status write had never happened, and the content had moved on since.
    await world.client.mergePatch(LABLET_DEFINITIONS, 'crash', world.namespace, { metadata: { resourceVersion: first.metadata.resourceVersion }, status: null }, { subresource: 'status' });
    answer = file(BETTER);
    await again();
    const { status: of } = await version('crash', '1.0.1');
    expect(of?.versions).toMatchObject([{ version: '1.0.0', sha256: hashOf(TOPOLOGY) }, { version: '1.0.1', sha256: hashOf(BETTER) }]);
    expect(await revision('crash-1.0.0')).toMatchObject({ data: { topology: TOPOLOGY } });
  });
});

describe('a definition whose topology is in S3', () => {
  const environment = { ...process.env };
  let s3: S3Server;

  // The first start on a machine builds the server.
  beforeAll(async () => {
    s3 = await startS3Server();
    Object.assign(process.env, s3.credentials, { AWS_ENDPOINT_URL_S3: s3.endpoint });
    await s3.createBucket('exam-labs');
  }, 900_000);
  afterAll(async () => {
    process.env = environment;
    await s3.close();
  });

  test('becomes Active, and gets the next patch version when the object is replaced', async () => {
    await s3.put('exam-labs', 'edge/lab.yaml', TOPOLOGY);
    await create('edge', { uri: 's3://exam-labs/edge/lab.yaml', ...WATCHED });
    expect(messageOf(await synced('edge', 'Synced'))).toBe(`The topology was read from s3://exam-labs/edge/lab.yaml; SHA-256 ${hashOf(TOPOLOGY)}.`);
    await s3.put('exam-labs', 'edge/lab.yaml', BETTER);
    expect((await version('edge', '1.0.1')).status?.versions).toMatchObject([{ state: 'Deprecated' }, { state: 'Active', sha256: hashOf(BETTER) }]);
    expect(await revision('edge-1.0.1')).toMatchObject({ data: { topology: BETTER } });
  });

  test('of fixed content that is replaced has drifted', async () => {
    await again(600);
    await s3.put('exam-labs', 'fixed.yaml', TOPOLOGY);
    await create('fixed', { uri: 's3://exam-labs/fixed.yaml', sha256: hashOf(TOPOLOGY) });
    await synced('fixed', 'Synced');
    await s3.put('exam-labs', 'fixed.yaml', BETTER);
    expect(getCondition((await synced('fixed', 'ArtifactDrift')).status, 'Ready')?.status).toBe('True');
  });

  test('that is not there yet waits for it, and S3 that is away takes nothing away', async () => {
    await create('early', { uri: 's3://exam-labs/early.yaml', ...WATCHED });
    expect(messageOf(await synced('early', 'SourceNotFound'))).toMatch(/404 NoSuchKey \(s3:\/\/exam-labs\/early\.yaml\)/);
    await s3.put('exam-labs', 'early.yaml', TOPOLOGY);
    await version('early', '1.0.0');
    await s3.restart(async () => {
      const away = await synced('early', 'SourceUnavailable');
      expect(getCondition(away.status, 'Ready')?.status).toBe('True');
    });
    expect((await synced('early', 'Synced')).status?.versions).toHaveLength(1);
  });
});
