/** The build stage's own command, in a folder with nothing but what the Dockerfile copies, and its result run as the runtime stage runs it. */
import { execFile, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { chmodSync, constants, copyFileSync, cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { freePort } from '../../../hack/cluster/ports.ts';
import { packageFolders } from '../../../hack/image/notices.ts';
import { argumentsOf, BUILD_STAGE, execForm, ROOT, RUNTIME_STAGE } from '../../support/dockerfile.ts';
import type { ChildProcess } from 'node:child_process';
import type { AddressInfo, Socket } from 'node:net';

const run = promisify(execFile);
let base = '';
const packageIn = (folder: string) => JSON.parse(readFileSync(join(ROOT, folder, 'package.json'), 'utf8')) as { name: string; version: string };
const inImage = (path: string): string => join(base, 'image', path);

beforeAll(() => {
  base = mkdtempSync(join(tmpdir(), 'lablet-image-'));
  const source = join(base, 'src');
  for (const path of argumentsOf(BUILD_STAGE, 'COPY').flatMap((argument) => argument.split(/\s+/).slice(0, -1))) {
    mkdirSync(dirname(join(source, path)), { recursive: true });
    cpSync(join(ROOT, path), join(source, path), { recursive: true });
  }
  symlinkSync(join(ROOT, 'node_modules'), join(source, 'node_modules'));
  const [command = '', ...args] = argumentsOf(BUILD_STAGE, 'RUN').at(-1)?.split(' ') ?? [];
  expect([command, args.at(-1)]).toEqual(['node', '/app']);
  execFileSync(process.execPath, [...args.slice(0, -1), inImage('app')], { cwd: source, stdio: 'pipe' });
  // Where distroless bases have it; root's own may be in a folder that is closed to others.
  mkdirSync(inImage('nodejs/bin'), { recursive: true });
  copyFileSync(process.execPath, inImage('nodejs/bin/node'), constants.COPYFILE_FICLONE);
  chmodSync(base, 0o755);
}, 120_000);
afterAll(() => {
  rmSync(base, { recursive: true, force: true });
});

/** Starts a command of the Dockerfile as its USER where the test may do so; whatever it would write, anywhere, is an error. */
function start(command: string[], env: Record<string, string>): ChildProcess {
  const [program = '', ...args] = command.map((part) => (part.startsWith('/') ? inImage(part) : part));
  const [uid, gid] = (argumentsOf(RUNTIME_STAGE, 'USER').at(-1) ?? '').split(':').map(Number);
  return spawn(program, args, {
    cwd: inImage('app'), stdio: ['ignore', 'pipe', 'pipe'], env: { PATH: inImage('nodejs/bin'), NODE_OPTIONS: '--permission --allow-fs-read=*', ...env },
    ...(process.getuid?.() === 0 ? { uid, gid } : {}),
  });
}

function kubeconfigOf(server: string): string {
  const file = join(base, 'kubeconfig');
  writeFileSync(file, JSON.stringify({ 'current-context': 'x', clusters: [{ name: 'x', cluster: { server } }], users: [{ name: 'x', user: {} }], contexts: [{ name: 'x', context: { cluster: 'x', user: 'x' } }] }));
  return file;
}

describe('what the image adds to its base', () => {
  test('everybody may read, and nobody may write', () => {
    const modes = readdirSync(inImage('app')).map((name) => [name, (statSync(inImage(`app/${name}`)).mode & 0o777).toString(8)]);
    expect(Object.fromEntries(modes)).toEqual({
      'lablet-controller.mjs': '444', 'lablet-controller.mjs.map': '444', 'healthcheck.mjs': '444', LICENSE: '444', 'THIRD-PARTY-NOTICES.txt': '444', 'sbom.spdx.json': '444',
    });
  });

  test('each package whose code is in it has its licence in the notices and its version in the SBOM', () => {
    const { sources } = JSON.parse(readFileSync(inImage('app/lablet-controller.mjs.map'), 'utf8')) as { sources: string[] };
    const shipped = packageFolders(sources).map((folder) => packageIn(folder.slice(folder.indexOf('node_modules'))));
    expect(shipped.map(({ name }) => name)).toEqual(expect.arrayContaining(['undici', 'zod', '@aws-sdk/client-ec2']));
    const notices = readFileSync(inImage('app/THIRD-PARTY-NOTICES.txt'), 'utf8');
    const { packages } = JSON.parse(readFileSync(inImage('app/sbom.spdx.json'), 'utf8')) as { packages: { name: string; versionInfo: string }[] };
    const listed = new Set(packages.map(({ name, versionInfo }) => `${name} ${versionInfo}`));
    expect(shipped.filter(({ name, version }) => !notices.includes(`${name} ${version}\n\nLicence: `))).toEqual([]);
    expect(shipped.filter(({ name, version }) => !listed.has(`${name} ${version}`))).toEqual([]);
    // A package that only builds is none that is shipped.
    expect(listed).not.toContain(`esbuild ${packageIn('node_modules/esbuild').version}`);
  });

  test('runs alone, as a user without rights, and writes no file; the health check tells whether it is alive', async () => {
    expect(existsSync(inImage('app/node_modules'))).toBe(false);
    // Nobody listens there: alive does not mean connected.
    const env = { KUBECONFIG: kubeconfigOf('http://127.0.0.1:9'), CLUSTER_ID: 'beef', LISTEN_HOST: '127.0.0.1', OPS_PORT: String(await freePort()), INGEST_PORT: '0', WEB_PORT: '0', DRAIN_DELAY: '0s' };
    const healthcheck = async (): Promise<unknown> => once(start(execForm(argumentsOf(RUNTIME_STAGE, 'HEALTHCHECK')[0]), env), 'exit');

    const controller = start(execForm(argumentsOf(RUNTIME_STAGE, 'ENTRYPOINT')[0]), env);
    const [output, ended] = [[] as string[], once(controller, 'exit')];
    for (const stream of [controller.stdout, controller.stderr]) stream?.on('data', (chunk: Buffer) => void output.push(chunk.toString()));
    try {
      const listening = new Promise<void>((resolve) => controller.stdout?.on('data', () => { if (output.join('').includes('"opsPort"')) resolve(); }));
      await Promise.race([listening, ended.then(() => { throw new Error(`it ended: ${output.join('')}`); })]);
      expect(await healthcheck()).toEqual([0, null]);
      if (process.getuid?.() === 0) expect((await run('ps', ['-o', 'uid=', '-p', String(controller.pid)])).stdout.trim()).toBe('65532');
    } finally {
      controller.kill('SIGTERM');
    }
    expect(await ended).toEqual([0, null]);
    expect(await healthcheck()).toEqual([1, null]);
    expect(output.join('')).not.toContain('ERR_ACCESS_DENIED');
  });

  test('ends at once when it is told to while it starts, also where the API server never answers', async () => {
    const silent = createServer().listen(0, '127.0.0.1');
    await once(silent, 'listening');
    const { port } = silent.address() as AddressInfo;
    const asked = once(silent, 'connection') as Promise<[Socket]>;
    const controller = start(execForm(argumentsOf(RUNTIME_STAGE, 'ENTRYPOINT')[0]), { KUBECONFIG: kubeconfigOf(`http://127.0.0.1:${port}`) });
    const ended = once(controller, 'exit');
    const [socket] = await asked;
    controller.kill('SIGTERM');
    expect(await ended).toEqual([0, null]);
    socket.destroy();
    silent.close();
  });
});
