import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { MissingBinaryError, readyBinaries } from '../../../hack/cluster/binaries.ts';
import { buildInto } from '../../../hack/cluster/build.ts';

const MODULE = resolve(import.meta.dirname, '../../../hack/controlplane');

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'lablet-build-'));
});
afterEach(() => rm(directory, { recursive: true }));

describe('two builds of the same version side by side', () => {
  test('compile once; the second waits for the first and finds its result', async () => {
    const target = join(directory, 'leash-1');
    const said: string[] = [];
    const build = (): Promise<void> => buildInto(target, MODULE, ['leash'], (line) => said.push(line));
    await Promise.all([build(), build()]);

    expect(said.filter((line) => line.startsWith('building leash'))).toHaveLength(1);
    expect(said.filter((line) => line.startsWith('another process is building'))).toHaveLength(1);
    expect(existsSync(join(target, 'leash'))).toBe(true);
    expect(await readdir(directory)).toEqual(['leash-1']);
  });

  test('the lock of a build that was killed does not stop the next one', async () => {
    const killed = spawn('sleep', ['60']);
    killed.kill('SIGKILL');
    await once(killed, 'exit');
    const target = join(directory, 'leash-2');
    await writeFile(`${target}.lock`, String(killed.pid));

    await buildInto(target, MODULE, ['leash'], () => undefined);
    expect(await readdir(directory)).toEqual(['leash-2']);
  });
});

test('a folder of ready binaries that lacks one is refused with the name of what is missing', async () => {
  await writeFile(join(directory, 'etcd'), '');
  const opened = readyBinaries(directory, process.env, () => undefined);
  await expect(opened).rejects.toThrow(MissingBinaryError);
  await expect(opened).rejects.toThrow(/has no kube-apiserver/);
});
