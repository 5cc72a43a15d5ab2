import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { createAuthority } from '../../../hack/cluster/pki.ts';
import { startSimProcess, type SimProcess } from '../../../hack/sim/spawn.ts';
import { campusEdge } from '../../support/sim/topology.ts';
import { pythonWithVirl2 } from '../../support/virl2/venv.ts';

const run = promisify(execFile);
const SCENARIOS = fileURLToPath(new URL('../../support/virl2/scenarios.py', import.meta.url));
const TEN_MINUTES = 600_000;

let python: string;
let folder: string;
let topology: string;
let controller: SimProcess | undefined;

beforeAll(async () => {
  python = await pythonWithVirl2();
  folder = await mkdtemp(join(tmpdir(), 'lablet-virl2-'));
  topology = join(folder, 'campus-edge.yaml');
  await writeFile(topology, campusEdge());
}, TEN_MINUTES);
afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});
afterEach(async () => {
  await controller?.close();
  controller = undefined;
});

async function controllerOf(version: string, ...more: string[]): Promise<string> {
  controller = await startSimProcess('cml', ['--version', version, '--boot-delay', '200ms', ...more]);
  return controller.url;
}

/** Runs a scenario of the Python client, with nothing of this environment that could configure it. */
async function scenario(name: string, ...args: string[]): Promise<Record<string, unknown>> {
  const { stdout } = await run(python, [SCENARIOS, name, ...args], { cwd: folder, env: { HOME: folder, PATH: process.env['PATH'] ?? '' } });
  return JSON.parse(stdout) as Record<string, unknown>;
}

/** What the client sees of the sample lab from import to removal. */
const WHOLE_LIFE = {
  imported: { state: 'DEFINED_ON_CORE', title: 'campus-edge-test', owner: 'admin', listed: true },
  found_by_title: true,
  tags: { 'edge-r1': ['serial:2002', 'role:router'], 'edge-r2': ['serial:2003', 'role:router'], workstation: ['serial:2004', 'vnc:2005'] },
  started: { state: 'STARTED', converged: true, nodes: ['BOOTED', 'BOOTED', 'BOOTED'] },
  retagged: { tags: ['serial:2002', 'serial:2077'], annotations: ['role:router', 'serial:2002', 'serial:2003', 'serial:2004', 'serial:2077', 'vnc:2005'] },
  evidence: { configuration: true, console: true, testbed: true, download: true },
  host: { healthy: true, cpus: 48, licence: 'COMPLETED' },
  wipe_while_running: { error: 'APIError', message: expect.stringContaining('must be stopped before it can be wiped') },
  stopped: 'STOPPED',
  remove_before_wipe: { error: 'APIError', message: expect.stringContaining('must be stopped and wiped before it can be deleted') },
  wiped: 'DEFINED_ON_CORE',
  removed: [],
  gone: { error: 'LabNotFound', message: expect.any(String) },
  logged_out: true,
};

describe('the public CML client, unmodified, takes the simulator for a controller', () => {
  test.each(['2.8.0', '2.9.1+build.4', '2.10.0'])('under version %s it drives a lab from import to removal', async (version) => {
    expect(await scenario('lifecycle', await controllerOf(version), topology)).toEqual(WHOLE_LIFE);
  });

  test('over https it drives a lab when it trusts the authority, and not when it does not', async () => {
    const authority = await createAuthority('test');
    const { certificate, key } = await authority.issue({ commonName: '127.0.0.1', hosts: ['127.0.0.1', 'localhost'] });
    const files = { cert: join(folder, 'cml.crt'), key: join(folder, 'cml.key'), ca: join(folder, 'ca.crt') };
    await Promise.all([writeFile(files.cert, certificate), writeFile(files.key, key), writeFile(files.ca, authority.certificate)]);
    const url = await controllerOf('2.9.1', '--tls-cert', files.cert, '--tls-key', files.key);
    expect(await scenario('lifecycle', url, topology, files.ca)).toEqual(WHOLE_LIFE);
    expect(await scenario('connect_only', url)).toEqual({ error: 'ConnectError', message: expect.stringContaining('CERTIFICATE_VERIFY_FAILED') });
  });

  test.each(['2.7.2', '3.0.0'])('it refuses to talk to version %s', async (version) => {
    expect(await scenario('connect_only', await controllerOf(version))).toMatchObject({ error: 'InitializationError' });
  });

  test('it reports a wrong password as a failed initialisation', async () => {
    expect(await scenario('wrong_password', await controllerOf('2.9.1'))).toEqual({ error: 'InitializationError', message: 'Unable to authenticate, please check your username and password' });
  });

  test('it logs in again, unnoticed, when its token got stale', async () => {
    expect(await scenario('stale_token', await controllerOf('2.10.0'))).toEqual({ labs: [], logged_in_again: true });
  });

  test('it understands that a lab was lost', async () => {
    const { error, message, lab } = await scenario('lab_lost', await controllerOf('2.9.1'), topology);
    expect({ error, message }).toEqual({ error: 'LabNotFound', message: `'${String(lab)}'` });
  });

  test('it hands on why a topology was refused', async () => {
    expect(await scenario('bad_topology', await controllerOf('2.9.1'))).toEqual({ error: 'APIError', message: 'Client error - Invalid topology: node r1: node definition "toaster" is not known on this host' });
  });
});
