import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { LABLET_DEFINITIONS } from '../../../src/api/kinds.ts';
import { eventually } from '../../support/eventually.ts';
import { TOPOLOGY } from '../../support/objects.ts';
import { startS3Server, type S3Server } from '../../support/s3/server.ts';
import { NAMESPACE, startScenario, type Scenario } from '../../support/scenario.ts';
import { startScriptedServer, type ScriptedServer } from '../../support/scripted-server.ts';

const BETTER = TOPOLOGY.replace('two routers', 'two better routers');
const hashOf = (content: string | Uint8Array): string => createHash('sha256').update(content).digest('hex');

describe('topologies and evidence that are kept outside of the cluster', () => {
  let s3: S3Server;
  let web: ScriptedServer;
  let published = TOPOLOGY;
  let world: Scenario;

  // The first start on a machine builds the S3 server.
  beforeAll(async () => {
    s3 = await startS3Server();
    await Promise.all([s3.createBucket('exam-labs'), s3.createBucket('exam-evidence')]);
    web = await startScriptedServer([(response) => response.writeHead(200, { etag: `"${hashOf(published)}"` }).end(published)]);
    world = await startScenario({
      scale: 100,
      world: { script: { lds: [{ candidate: '*', startAfter: '5s', endAfter: '20s' }], grading: [{ candidate: '*', score: 87, maxScore: 100, cutScore: 60, after: '5s' }] } },
      environment: { ...s3.credentials, AWS_ENDPOINT_URL_S3: s3.endpoint, EVIDENCE_URL: 's3://exam-evidence/lablet', TOPOLOGY_ALLOW_HOSTS: '127.0.0.1' },
    });
  }, 900_000);
  afterAll(async () => {
    await world.stop();
    await web.close();
    await s3.close();
  });

  test('a session of a topology in S3 is graded, and its evidence is in S3 where its status says, with that digest', async () => {
    await s3.put('exam-labs', 'edge/1.0.0.cml.yaml', TOPOLOGY);
    await world.define('from-s3', { topology: { uri: 's3://exam-labs/edge/1.0.0.cml.yaml', sha256: hashOf(TOPOLOGY) } });
    await world.book('ada', 'from-s3');
    const { status, metadata } = await world.reaches('ada', 'Archived');
    expect(status?.scoreReport).toMatchObject({ score: 87, passed: true });

    const folder = `lablet/${metadata.uid}/collect_evidence`;
    expect(status?.evidence?.uri).toBe(`s3://exam-evidence/${folder}/manifest.json`);
    const manifest = await s3.kept('exam-evidence', `${folder}/manifest.json`);
    expect(hashOf(manifest)).toBe(status?.evidence?.digest);
    expect(JSON.parse(manifest.toString())).toMatchObject({ session: { uid: metadata.uid }, candidate: 'ada', definition: { name: 'from-s3', version: '1.0.0', sha256: hashOf(TOPOLOGY) } });
    const topology = await s3.kept('exam-evidence', `${folder}/topology.json`);
    expect(manifest.toString()).toContain(`topology.json ${hashOf(topology)}`);
    expect(topology.toString()).toContain('r1');
  }, 120_000);

  test('a session keeps the version that it was booked with when the web server publishes another one', async () => {
    await world.define('from-web', { topology: { uri: `${web.url}/edge.cml.yaml`, refreshInterval: '100s' } });
    await world.book('one', 'from-web');
    const first = await world.reaches('one', 'Scheduled');
    published = BETTER;
    await eventually(async () => expect((await world.client.get(LABLET_DEFINITIONS, 'from-web', NAMESPACE)).status?.currentVersion).toBe('1.0.1'));
    await world.book('two', 'from-web');
    await Promise.all([world.reaches('one', 'Archived'), world.reaches('two', 'Archived')]);
    expect(first.status?.definitionVersion).toBe('1.0.0');
    const [[one], [two]] = await Promise.all([world.reports('one'), world.reports('two')]);
    expect(one?.spec.definition).toMatchObject({ version: '1.0.0', sha256: hashOf(TOPOLOGY) });
    expect(two?.spec.definition).toMatchObject({ version: '1.0.1', sha256: hashOf(BETTER) });
  }, 120_000);
});
