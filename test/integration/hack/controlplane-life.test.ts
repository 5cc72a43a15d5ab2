import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { afterEach, describe, expect, test } from '@jest/globals';
import { readyBinaries } from '../../../hack/cluster/binaries.ts';
import { startControlPlane, type ControlPlane } from '../../../hack/cluster/controlplane.ts';
import { freshNamespace, privateControlPlane, testBinaries } from '../../support/cluster.ts';
import { eventually } from '../../support/eventually.ts';

const run = promisify(execFile);

/** The command lines of the processes that work in `directory`, which no other control plane shares. */
async function processesOf(directory: string): Promise<string[]> {
  const { stdout } = await run('ps', ['-A', '-o', 'pid=,args='], { maxBuffer: 16 * 1024 * 1024 });
  return stdout.split('\n').filter((line) => line.includes(directory));
}

describe('an API server that ends', () => {
  let controlPlane: ControlPlane | undefined;
  afterEach(() => controlPlane?.stop());

  test.each(['kill', 'graceful'] as const)('comes back at the same address with its data after a %s', async (how) => {
    const own = (controlPlane = await privateControlPlane());
    const namespace = await freshNamespace(own.kubectl, 'kept');
    await own.kubectl(['create', 'configmap', 'before', '-n', namespace]);

    await own.stopApiServer(how);
    await expect(own.kubectl(['get', 'configmap', 'before', '-n', namespace])).rejects.toThrow(/refused/);
    await own.startApiServer();

    expect(await own.kubectl(['get', 'configmap', 'before', '-n', namespace, '-o=name'])).toBe('configmap/before\n');
    const later = await freshNamespace(own.kubectl, 'later');
    // The controllers have found it again, too: every namespace gets its ServiceAccount from one of them.
    await eventually(() => own.kubectl(['get', 'serviceaccount', 'default', '-n', later]));
  });
});

test('ready binaries serve without a controller manager, and say what does not work then', async () => {
  const embedded = await testBinaries(() => undefined);
  const assets = await mkdtemp(join(tmpdir(), 'lablet-assets-'));
  for (const program of [embedded.etcd, embedded.apiServer, embedded.kubectl]) await symlink(program, join(assets, basename(program)));
  const said: string[] = [];
  const controlPlane = await startControlPlane({ binaries: await readyBinaries(assets, process.env, (line) => said.push(line)) });
  try {
    expect(await controlPlane.kubectl(['get', 'namespace', 'default', '-o=name'])).toBe('namespace/default\n');
    expect(said.join('\n')).toContain('garbage collection, namespace deletion and quotas do not work');
  } finally {
    await controlPlane.stop();
    await rm(assets, { recursive: true });
  }
});

describe('the end of a control plane', () => {
  test('stop leaves no process', async () => {
    const controlPlane = await privateControlPlane();
    const directory = dirname(controlPlane.kubeconfigPath);
    // etcd, the API server and the controller manager, each on its leash.
    expect(await processesOf(directory)).toHaveLength(6);
    await controlPlane.stop();
    expect(await processesOf(directory)).toEqual([]);
  });

  test('kill -9 of the process that started it leaves no process', async () => {
    const support = resolve(import.meta.dirname, '../../support/cluster.ts');
    const script = `
      const { privateControlPlane } = await import(${JSON.stringify(support)});
      console.log((await privateControlPlane()).kubeconfigPath);
      setInterval(() => undefined, 1000);
    `;
    const starter = spawn(process.execPath, ['--input-type=module', '--eval', script], { stdio: ['ignore', 'pipe', 'inherit'] });
    const [kubeconfigPath] = (await once(createInterface(starter.stdout), 'line')) as string[];
    const directory = dirname(kubeconfigPath ?? '');
    expect(await processesOf(directory)).toHaveLength(6);

    starter.kill('SIGKILL');
    await eventually(async () => {
      expect(await processesOf(directory)).toEqual([]);
    });
  });
});
