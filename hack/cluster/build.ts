import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, readFile, readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { withLock } from './lock.ts';

const run = promisify(execFile);
const PROGRESS_EVERY_MS = 10_000;
const MEGABYTE = 1024 * 1024;

/** Where a message about what is being done goes; one call a line. */
export type Report = (line: string) => void;

/** `go` is missing or refused to build; the message holds the end of what it said. */
class BuildError extends Error {
  override readonly name = 'BuildError';
}

/**
 * Builds `programs` (folders below cmd/ of the Go module `module`, or import paths of its tools) and puts them into
 * `directory` in one step: the directory appears complete or not at all. One process builds at a time, the others wait
 * and find it done.
 *
 * @param report gets a line when something starts or ends, and progress every 10 s
 * @param tags build tags, comma-separated. @default none
 * @throws BuildError
 */
export async function buildInto(directory: string, module: string, programs: readonly string[], report: Report, tags = ''): Promise<void> {
  await mkdir(join(directory, '..'), { recursive: true });
  await withLock(
    `${directory}.lock`,
    () => {
      report(`another process is building ${programs.join(', ')}: waiting for it`);
    },
    async () => {
      if (existsSync(directory)) return;
      const unfinished = `${directory}.${process.pid}.tmp`;
      await compile(unfinished, module, programs, report, tags);
      await rename(unfinished, directory);
      report(`kept in ${directory} (${await sizeOf(directory)} MB); the next run finds it there`);
    },
  );
}

async function compile(output: string, module: string, programs: readonly string[], report: Report, tags: string): Promise<void> {
  const env = { ...process.env, CGO_ENABLED: '0', GOFLAGS: `-buildvcs=false${tags === '' ? '' : ` -tags=${tags}`}` };
  const packages = programs.map((program) => (program.includes('/') ? program : `./cmd/${program}`));
  report(`building ${programs.join(', ')} from source, once per version`);
  const started = performance.now();
  const seconds = (): number => Math.round((performance.now() - started) / 1000);
  let compiled = 0;
  let total: number | undefined;
  const progress = setInterval(() => {
    report(`  ${seconds()} s: ${total === undefined ? 'fetching Go modules' : `${compiled} of at most ${total} packages compiled`}`);
  }, PROGRESS_EVERY_MS);
  try {
    total = await countPackages(packages, module, env);
    await goBuild(['-ldflags', await linkerFlags(module), '-o', `${output}/`, ...packages], module, env, () => (compiled += 1));
    report(`built in ${seconds()} s (${compiled} packages compiled, the others came from Go's build cache)`);
  } catch (error) {
    await rm(output, { recursive: true, force: true });
    throw error;
  } finally {
    clearInterval(progress);
  }
}

async function countPackages(packages: readonly string[], module: string, env: NodeJS.ProcessEnv): Promise<number> {
  try {
    const { stdout } = await run('go', ['list', '-deps', ...packages], { cwd: module, env, maxBuffer: 16 * MEGABYTE });
    return stdout.trimEnd().split('\n').length;
  } catch (error) {
    throw new BuildError(`go cannot load ${module}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** Runs `go build -v`, which names each package that it compiles. */
async function goBuild(args: readonly string[], module: string, env: NodeJS.ProcessEnv, onPackage: () => void): Promise<void> {
  const go = spawn('go', ['build', '-v', '-trimpath', ...args], { cwd: module, env, stdio: ['ignore', 'ignore', 'pipe'] });
  const stop = (): void => {
    go.kill();
  };
  process.once('exit', stop);
  const tail: string[] = [];
  createInterface(go.stderr).on('line', (line) => {
    onPackage();
    tail.push(line);
    if (tail.length > 20) tail.shift();
  });
  const [code] = (await once(go, 'close')) as unknown[];
  process.off('exit', stop);
  if (code !== 0) throw new BuildError(`go build ended with exit code ${String(code)}:\n${tail.join('\n')}`);
}

/** No symbol tables (less than half the size), and, of Kubernetes, the version that the API server reports, as in a release build. */
async function linkerFlags(module: string): Promise<string> {
  const version = /k8s\.io\/kubernetes v(\d+)\.(\d+)\.\d+/.exec(await readFile(join(module, 'go.mod'), 'utf8'));
  if (version === null) return '-s -w';
  const values = { gitVersion: version[0].split(' ')[1], gitMajor: version[1], gitMinor: version[2] };
  return ['-s -w', ...Object.entries(values).map(([name, value]) => `-X k8s.io/component-base/version.${name}=${String(value)}`)].join(' ');
}

async function sizeOf(directory: string): Promise<number> {
  const sizes = await Promise.all((await readdir(directory)).map(async (file) => (await stat(join(directory, file))).size));
  return Math.round(sizes.reduce((sum, size) => sum + size, 0) / MEGABYTE);
}
