/** Which host a session fits on, from what the hosts say of themselves: CML version, image and licence. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { freePort } from '../../../hack/cluster/ports.ts';
import { createCmlSimulator, type CmlOptions, type CmlSimulator } from '../../../hack/sim/cml/simulator.ts';
import { LABLET_DEFINITIONS, LABLET_SESSIONS, WORKERS, WORKER_TEMPLATES } from '../../../src/api/kinds.ts';
import { definitionController } from '../../../src/controllers/definition/controller.ts';
import { labController } from '../../../src/controllers/lab/controller.ts';
import { schedulerController } from '../../../src/controllers/scheduler/controller.ts';
import { sessionController } from '../../../src/controllers/session/controller.ts';
import { templateController } from '../../../src/controllers/worker/template.ts';
import { workerController } from '../../../src/controllers/worker/controller.ts';
import { getCondition } from '../../../src/core/conditions.ts';
import { scaleTimeouts, TIMEOUTS } from '../../../src/core/timeouts.ts';
import { startDeps, type TestDeps } from '../../support/deps.ts';
import { REGION, startEc2, type TestEc2 } from '../../support/ec2.ts';
import { eventually } from '../../support/eventually.ts';
import { MOTO_START_LIMIT_MS } from '../../../hack/moto/moto.ts';
import { newDefinition, newSession, newTemplate, newWorker } from '../../support/objects.ts';
import { routers } from '../../support/sim/topology.ts';
import type { LabletDefinitionSpec } from '../../../src/api/labletdefinition.ts';
import type { Settings } from '../../../src/controllers/deps.ts';

const credentials = { username: 'admin', password: 'secret' };
let world: TestDeps;

async function begin(settings: Partial<Settings> = {}): Promise<void> {
  world = await startDeps({ credentials }, settings);
  const { deps } = world;
  world.run(definitionController(deps), workerController(deps), templateController(deps), labController(deps), schedulerController(deps), sessionController(deps));
}

async function define(name: string, spec: Partial<LabletDefinitionSpec>): Promise<void> {
  await world.client.create(LABLET_DEFINITIONS, newDefinition(world.namespace, name, { spec: { resources: { cpu: '1', memory: '1Gi', storage: '1Gi' }, ...spec } }));
  await eventually(async () => expect((await world.client.get(LABLET_DEFINITIONS, name, world.namespace)).status?.currentVersion).toBe('1.0.0'));
}

const inService = (name: string): Promise<void> => eventually(async () => {
  const { status } = await world.client.get(WORKERS, name);
  expect({ phase: status?.phase, message: status?.message, schedulable: getCondition(status, 'Schedulable')?.status }).toMatchObject({ phase: 'Running', schedulable: 'True' });
});

/** As soon as possible, on whatever fits. */
const book = (name: string, definition: string) => world.client.create(LABLET_SESSIONS, newSession(world.namespace, name, definition));
const scheduled = async (name: string) => {
  const { status } = await world.client.get(LABLET_SESSIONS, name, world.namespace);
  return { workerName: status?.workerName, condition: getCondition(status, 'Scheduled') };
};
const isPlaced = (name: string, workerName: string): Promise<void> => eventually(async () => expect(await scheduled(name)).toMatchObject({ workerName, condition: { status: 'True' } }));
const isRefused = (name: string, reason: string, counts: string): Promise<void> => eventually(async () => {
  const { workerName, condition } = await scheduled(name);
  expect({ workerName, ...condition }).toMatchObject({ workerName: undefined, status: 'False', reason, message: expect.stringContaining(counts) });
});

describe('on hosts that are given', () => {
  let simulators: CmlSimulator[] = [];

  const host = async (name: string, template: string, options: CmlOptions): Promise<void> => {
    const simulator = createCmlSimulator({ ...options, seed: name, user: credentials.username, password: credentials.password, port: await freePort() });
    simulators.push(simulator);
    await world.client.create(WORKERS, newWorker(name, template, await simulator.listen()));
    await inService(name);
  };

  beforeEach(() => begin());
  afterEach(async () => {
    await world.close();
    await Promise.all(simulators.map((simulator) => simulator.close()));
    simulators = [];
  });

  test('CML 2.10 is newer than 2.9, whatever is built into them', async () => {
    await world.client.create(WORKER_TEMPLATES, newTemplate('onprem'));
    // Were it not for the versions, the first by name would have the first session, and the fuller host the second.
    await host('a-cml-29', 'onprem', { version: '2.9.0+build.11' });
    await host('b-cml-210', 'onprem', { version: '2.10.0+build.3' });
    await define('new', { images: [{ cmlVersionMin: '2.10' }] });
    await define('old', { images: [{ cmlVersionMax: '2.9' }] });
    await define('newer', { images: [{ cmlVersionMin: '2.11' }] });
    await book('ada', 'new');
    await isPlaced('ada', 'b-cml-210');
    await book('bob', 'old');
    await isPlaced('bob', 'a-cml-29');
    await book('cyd', 'newer');
    await isRefused('cyd', 'IncompatibleImage', '0/2 workers: 2 IncompatibleImage');
  });

  test('a Personal licence has room for nineteen nodes and one, and not for twenty and one', async () => {
    await world.client.create(WORKER_TEMPLATES, newTemplate('personal', { spec: { licenseType: 'Personal', maxNodes: 200 } }));
    for (const nodes of [1, 19, 20]) await define(`nodes-${nodes}`, { topology: { inline: routers(nodes) } });
    await host('cml-1', 'personal', { license: 'personal' });
    await book('nineteen', 'nodes-19');
    await isPlaced('nineteen', 'cml-1');
    await book('and-one', 'nodes-1');
    await isPlaced('and-one', 'cml-1');

    await host('cml-2', 'personal', { license: 'personal' });
    await book('twenty', 'nodes-20');
    await isPlaced('twenty', 'cml-2');
    await book('one-too-many', 'nodes-1');
    await isRefused('one-too-many', 'NodeLimit', '0/2 workers: 2 NodeLimit');
  });
});

describe('on EC2', () => {
  const SCALE = 60;
  let ec2: TestEc2;
  const environment = { ...process.env };

  beforeAll(async () => {
    ec2 = await startEc2({ images: ['cml-2.9-20261101', 'cml-2.10-20261101'], cml: { license: 'enterprise' } });
  }, MOTO_START_LIMIT_MS);
  // A minute of the domain is a second here, but for the patience of who waits: a machine has to come meanwhile.
  beforeEach(() => begin({ scale: SCALE, timeouts: { ...scaleTimeouts(SCALE), pendingAsap: TIMEOUTS.pendingAsap } }));
  afterEach(() => world.close());
  afterAll(async () => {
    await ec2.close();
    process.env = environment;
  });

  const launch = async (name: string, imagePattern: string): Promise<void> => {
    await world.client.create(WORKER_TEMPLATES, newTemplate(name, {
      // None but the one that is launched here, so that nothing is promised on machines that could still be made.
      spec: { provider: 'ec2', instanceType: 'm5zn.metal', imagePattern, region: REGION, endpoint: { scheme: 'http', port: ec2.cmlPort, address: 'Private' }, maxWorkers: 1 },
    }));
    await world.client.create(WORKERS, { metadata: { name }, spec: { provider: 'ec2', templateName: name, desiredState: 'Running' } });
    await inService(name);
  };

  test('a session waits for a machine of an image that its glob matches', async () => {
    await launch('w-29', 'cml-2.9-*');
    await define('exam', { images: [{ namePattern: 'cml-2.1*' }] });
    await book('ada', 'exam');
    await isRefused('ada', 'IncompatibleImage', '0/1 workers: 1 IncompatibleImage');
    await launch('w-210', 'cml-2.10-*');
    expect((await world.client.get(WORKERS, 'w-210')).status?.imageName).toBe('cml-2.10-20261101');
    await isPlaced('ada', 'w-210');
  });
});
