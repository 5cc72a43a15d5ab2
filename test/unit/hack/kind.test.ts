import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';

const run = promisify(execFile);
const HACK = resolve(import.meta.dirname, '../../../hack');

// kind itself needs a container engine; what can be checked without one is that it would accept the configuration.
describe('the configuration for kind', () => {
  let directory: string;
  let kindcheck: string;
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'lablet-kindcheck-'));
    kindcheck = join(directory, 'kindcheck');
    await run('go', ['build', '-o', kindcheck, '.'], { cwd: join(HACK, 'kindcheck'), env: { ...process.env, CGO_ENABLED: '0', GOFLAGS: '-buildvcs=false' } });
  }, 300_000);
  afterAll(() => rm(directory, { recursive: true, force: true }));

  test('is one that kind accepts, with its API server on this machine only', async () => {
    const { stdout } = await run(kindcheck, [join(HACK, 'kind/config.yaml')]);
    expect(stdout).toBe('1 node(s), API server on 127.0.0.1\n');
  });

  test.each([
    { mistake: 'a misspelt field', from: 'networking:', to: 'netwrking:', complaint: /netwrking/ },
    { mistake: 'a cluster without a control plane', from: 'role: control-plane', to: 'role: worker', complaint: /control-plane/ },
  ])('$mistake would be found', async ({ from, to, complaint }) => {
    const wrong = join(directory, 'wrong.yaml');
    await writeFile(wrong, (await readFile(join(HACK, 'kind/config.yaml'), 'utf8')).replace(from, to));
    await expect(run(kindcheck, [wrong])).rejects.toThrow(complaint);
  });
});
