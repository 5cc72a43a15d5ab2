import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';

const run = promisify(execFile);
const BOOTSTRAP = resolve(import.meta.dirname, '../../../hack/bootstrap.mjs');

describe('a machine that lacks what is needed', () => {
  let directory: string;
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'lablet-tools-'));
  });
  afterEach(() => rm(directory, { recursive: true }));

  const bootstrapWith = async (tools: Readonly<Record<string, string>>, ...needed: string[]): Promise<unknown> => {
    for (const [name, script] of Object.entries(tools)) await writeFile(join(directory, name), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
    return run(process.execPath, [BOOTSTRAP, ...needed], { env: { ...process.env, PATH: `${directory}${delimiter}${process.env['PATH'] ?? ''}` } });
  };

  test('is told which version it has, which is needed and where to get it', async () => {
    await expect(bootstrapWith({ go: 'echo go1.22.3' }, 'go')).rejects.toThrow(/go 1\.26 or later is needed, found 1\.22: https:\/\/go\.dev\/dl/);
  });

  test('is told about everything at once', async () => {
    const tools = { go: 'exit 127', python3: 'echo "No module named venv" >&2; exit 1' };
    await expect(bootstrapWith(tools, 'go', 'python')).rejects.toThrow(/go 1\.26 or later is needed and was not found[^]*python 3\.11 or later is needed and was not found/);
  });
});
