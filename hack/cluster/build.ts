import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, readFile, readdir, rename, rm, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { withLock } from './lock.ts';

const run = promisify(execFile);
const PROGRESS_EVERY_MS = 10_000;
const MEGABYTE = 1024 * 1024;

/** `go` is missing or refused to build; the message holds the end of what it said. */
export class BuildError extends Error {
  override readonly name = 'BuildError';
}

/**
 * Builds `programs` (folders below cmd/ of the Go module `module`) and puts them into `directory` in one step: the
 * directory appears complete or not at all. One process builds at a time, the others wait and find it done.
 *
 * @param report gets a line when something starts or ends, and progress every 10 s
 * @throws BuildError
 */
export async function buildInto(directory: string, module: string, programs: readonly string[], report: (line: string) => void): Promise<void> {
  await mkdir(join(directory, '..'), { recursive: true });
  await withLock(
    `${directory}.lock`,
    () => {
      report(`another process is building ${programs.join(', ')}: waiting for it`);
    },
    async () => {
      if (existsSync(directory)) return;
      const unfinished = `${directory}.${process.pid}.tmp`;
      await compile(unfinished, module, programs, report);
      await rename(unfinished, directory);
      report(`kept in ${directory} (${await sizeOf(directory)} MB); the next run finds it there`);
    },
  );
}

async function compile(output: string, module: string, programs: readonly string[], report: (line: string) => void): Promise<void> {
  const env = { ...process.env, CGO_ENABLED: '0', GOFLAGS: '-buildvcs=false' };
  const packages = programs.map((program) => `./cmd/${program}`);
  report(`building ${programs.join(', ')} from source, once per version`);
  const started = performance.now();
  const seconds = (): number => Math.round((performance.now() - started) / 1000);
  const listed = await run('go', ['list', '-deps', ...packages], { cwd: module, env, maxBuffer: 16 * MEGABYTE }).catch((error: unknown) => {
    throw new BuildError(`go cannot load ${module}: ${error instanceof Error ? error.message : String(error)}`);
  });
  const total = listed.stdout.trimEnd().split('\n').length;

  const go = spawn('go', ['build', '-v', '-trimpath', '-ldflags', await linkerFlags(module), '-o', `${output}/`, ...packages], { cwd: module, env, stdio: ['ignore', 'ignore', 'pipe'] });
  const stop = (): void => void go.kill();
  process.once('exit', stop);
  let compiled = 0;
  const tail: string[] = [];
  createInterface(go.stderr).on('line', (line) => {
    compiled += 1;
    tail.push(line);
    if (tail.length > 20) tail.shift();
  });
  const progress = setInterval(() => {
    report(`  ${seconds()} s: ${compiled} of at most ${total} packages compiled`);
  }, PROGRESS_EVERY_MS);
  try {
    const [code] = (await once(go, 'close')) as unknown[];
    if (code !== 0) throw new BuildError(`go build ended with exit code ${String(code)}:\n${tail.join('\n')}`);
    report(`built in ${seconds()} s (${compiled} packages compiled, the others came from Go's build cache)`);
  } catch (error) {
    await rm(output, { recursive: true, force: true });
    throw error;
  } finally {
    clearInterval(progress);
    process.off('exit', stop);
  }
}

/** No symbol tables (less than half the size), and the version that the API server reports, as in a release build. */
async function linkerFlags(module: string): Promise<string> {
  const version = /k8s\.io\/kubernetes v(\d+)\.(\d+)\.\d+/.exec(await readFile(join(module, 'go.mod'), 'utf8'));
  if (version === null) throw new BuildError(`${basename(module)}/go.mod does not require k8s.io/kubernetes`);
  const values = { gitVersion: version[0].split(' ')[1], gitMajor: version[1], gitMinor: version[2] };
  return ['-s -w', ...Object.entries(values).map(([name, value]) => `-X k8s.io/component-base/version.${name}=${String(value)}`)].join(' ');
}

async function sizeOf(directory: string): Promise<number> {
  const sizes = await Promise.all((await readdir(directory)).map(async (file) => (await stat(join(directory, file))).size));
  return Math.round(sizes.reduce((sum, size) => sum + size, 0) / MEGABYTE);
}
