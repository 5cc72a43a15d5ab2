import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { withLock } from '../cluster/lock.ts';

const run = promisify(execFile);
const PYTHONS = ['python3', 'python3.13', 'python3.12', 'python3.11'];
const VERSION = 'import sys, venv, ensurepip; print("%d.%d" % sys.version_info[:2])';

/**
 * The Python interpreter of a virtual environment that has the requirements installed. It is made on first use, outside
 * of the tree, under a name that changes with the requirements and with the version of Python; later runs share it.
 *
 * @param name says in the cache what the environment is for
 * @param requirements path of a requirements.txt
 * @throws Error when there is no Python 3.11 or newer with venv
 */
export async function pythonWith(name: string, requirements: string): Promise<string> {
  const { python, version } = await findPython();
  const hash = createHash('sha256').update(await readFile(requirements)).update(version).digest('hex').slice(0, 12);
  const cache = join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'lablet-controller');
  const folder = join(cache, `venv-${name}-${hash}`);
  const complete = join(folder, '.complete');
  const interpreter = join(folder, 'bin', 'python');
  await mkdir(cache, { recursive: true });
  const wait = (): boolean => process.stderr.write(`another run makes the virtual environment ${name}, waiting\n`);
  await withLock(`${folder}.lock`, wait, async () => {
    if (existsSync(complete)) return;
    await rm(folder, { recursive: true, force: true });
    await run(python, ['-m', 'venv', folder]);
    await run(interpreter, ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--no-input', '-r', requirements]);
    await writeFile(complete, '');
  });
  return interpreter;
}

async function findPython(): Promise<{ python: string; version: string }> {
  const chosen = process.env['PYTHON'];
  for (const python of chosen === undefined ? PYTHONS : [chosen]) {
    const version = await run(python, ['-c', VERSION]).then(({ stdout }) => stdout.trim(), () => '');
    const [major = 0, minor = 0] = version.split('.').map(Number);
    if (major === 3 && minor >= 11) return { python, version };
  }
  throw new Error('Python 3.11 or newer with the venv module is needed: install it (Debian: python3-venv), or name it in PYTHON');
}
