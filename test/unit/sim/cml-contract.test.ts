import { afterEach, expect, test } from '@jest/globals';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { createCmlSimulator, type CmlSimulator } from '../../../hack/sim/cml/simulator.ts';
import { eventually } from '../../support/eventually.ts';
import { cmlCaller, importLab } from '../../support/sim/http.ts';
import { campusEdge, routers } from '../../support/sim/topology.ts';

let simulator: CmlSimulator;
afterEach(async () => {
  await simulator.close();
});

/** The calls of the public client beyond login and version, in an order in which each can succeed: call, body, status. */
const CALLS: readonly (readonly [call: string, body: unknown, status: number])[] = [
  ['GET /users', undefined, 200],
  ['GET /labs?show_all=true', undefined, 200],
  ['GET /labs/LAB', undefined, 200],
  ['GET /labs/LAB/topology?exclude_configurations=false', undefined, 200],
  ['PUT /labs/LAB/start', undefined, 204],
  ['GET /labs/LAB/check_if_converged', undefined, 200],
  ['GET /labs/LAB/state', undefined, 200],
  ['GET /labs/LAB/lab_element_state', undefined, 200],
  ['GET /labs/LAB/nodes?data=true&operational=true&exclude_configurations=true', undefined, 200],
  ['GET /labs/LAB/nodes/NODE/state', undefined, 200],
  ['PATCH /labs/LAB/nodes/NODE?exclude_configurations=false', { tags: ['serial:2002'] }, 200],
  ['PUT /labs/LAB/nodes/NODE/extract_configuration', undefined, 200],
  ['GET /labs/LAB/nodes/NODE/consoles/0/log?lines=2', undefined, 200],
  ['GET /labs/LAB/download', undefined, 200],
  ['GET /labs/LAB/pyats_testbed?hostname=cml-01', undefined, 200],
  ['GET /populate_lab_tiles', undefined, 200],
  ['GET /system_health', undefined, 200],
  ['GET /system_stats', undefined, 200],
  ['GET /simplified_node_definitions', undefined, 200],
  ['GET /telemetry/events', undefined, 200],
  ['GET /licensing', undefined, 200],
  ['PUT /licensing/product_license', '"CML_Enterprise"', 204],
  ['DELETE /licensing/deregistration', undefined, 204],
  ['POST /licensing/registration', { token: 'abc', reregister: false }, 204],
  ['PUT /labs/LAB/stop', undefined, 204],
  ['PUT /labs/LAB/wipe', undefined, 204],
  ['DELETE /labs/LAB', undefined, 204],
  ['POST /auth_extended', { username: 'admin', password: 'secret' }, 200],
  ['GET /system_information', undefined, 200],
  ['DELETE /logout?clear_all_sessions=true', undefined, 200],
];

test.each(['2.9.1', '2.10.0'])('every call of the public client is answered under %s', async (version) => {
  simulator = createCmlSimulator({ version });
  const cml = await cmlCaller(await simulator.listen());
  const lab = await importLab(cml, campusEdge());
  const [node] = (await cml(`GET /labs/${lab}/nodes`)).body as string[];
  const calls: typeof CALLS = [[version === '2.10.0' ? 'GET /authentication' : 'GET /authok', undefined, 200], ...CALLS];
  const answers: [string, number][] = [];
  for (const [call, body] of calls) answers.push([call, (await cml(call.replace('LAB', lab).replace('NODE', node ?? ''), body)).status]);
  expect(answers).toEqual(calls.map(([call, , status]) => [call, status]));
});

test('strings and booleans are bare JSON, as the client reads them', async () => {
  simulator = createCmlSimulator();
  const cml = await cmlCaller(await simulator.listen());
  const lab = await importLab(cml, campusEdge());
  expect((await cml(`GET /labs/${lab}/state`)).body).toBe('DEFINED_ON_CORE');
  expect((await cml(`GET /labs/${lab}/check_if_converged`)).body).toBe(true);
  expect((await cml('GET /authok')).body).toBe('OK');
});

test('the port of a tag answers as the console of its node while the lab runs, and is closed after that', async () => {
  const port = await freePort();
  simulator = createCmlSimulator({ servePorts: true, portWindow: { start: 1_024, end: 65_535 } });
  const cml = await cmlCaller(await simulator.listen());
  const lab = await importLab(cml, routers(1, [`serial:${port}`]));
  await cml(`PUT /labs/${lab}/start`);
  await eventually(async () => expect(await greeting(port)).toContain('r0 console is now available'));
  await cml(`PUT /labs/${lab}/stop`);
  await eventually(async () => {
    await expect(greeting(port)).rejects.toThrow('ECONNREFUSED');
  });
});

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

async function greeting(port: number): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  let text = '';
  socket.on('data', (chunk: Buffer) => {
    text += chunk.toString();
  });
  await once(socket, 'end');
  return text;
}
