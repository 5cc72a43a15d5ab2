/** Whichever container engine there is, and how it is asked to build. */
import { spawnSync } from 'node:child_process';

/** In the order in which they are tried; each with a question that only a working one answers (docker's is to its daemon). */
const ENGINES = {
  docker: ['version', '--format', '{{.Server.Version}}'],
  podman: ['info', '--format', '{{.Version.Version}}'],
  buildah: ['version'],
} as const;
export type Engine = keyof typeof ENGINES;

/** Nothing can build here. The message says what was tried and what to do. */
export class NoEngineError extends Error {
  constructor(complaints: readonly string[]) {
    super(['an image needs docker, podman or buildah, and none of them works here:', ...complaints.map((complaint) => `  ${complaint}`), 'Install one (podman and buildah need no daemon), or build on a machine that has one.'].join('\n'));
    this.name = 'NoEngineError';
  }
}

/** What is wrong with an engine, in a line; undefined: it works. */
function complaintOf(engine: Engine): string | undefined {
  const { error, status, stderr } = spawnSync(engine, ENGINES[engine], { encoding: 'utf8', timeout: 30_000 });
  if (error !== undefined) return (error as NodeJS.ErrnoException).code === 'ENOENT' ? 'is not installed' : error.message;
  return status === 0 ? undefined : (stderr.trim().split('\n').at(-1) ?? `ends with ${String(status)}`);
}

/**
 * @param wanted name of an engine; without one the first that works
 * @throws NoEngineError
 */
export function chooseEngine(wanted: string | undefined, complaint: (engine: Engine) => string | undefined = complaintOf): Engine {
  const all = Object.keys(ENGINES) as Engine[];
  const candidates = wanted === undefined ? all : all.filter((engine) => engine === wanted);
  if (candidates.length === 0) throw new NoEngineError([`${String(wanted)}: is none of ${all.join(', ')}`]);
  const complaints: string[] = [];
  for (const engine of candidates) {
    const problem = complaint(engine);
    if (problem === undefined) return engine;
    complaints.push(`${engine}: ${problem}`);
  }
  throw new NoEngineError(complaints);
}

export interface ImageRequest {
  /** Name and tag: `registry.example.org/lablet-controller:1.2.3`. */
  readonly image: string;
  /** Build arguments; one without a value keeps the default of the Dockerfile. */
  readonly arguments: Readonly<Record<string, string | undefined>>;
  /** Labels of OCI beside those of the Dockerfile; one without a value is left out. */
  readonly labels: Readonly<Record<string, string | undefined>>;
  /** An .npmrc with the address and token of a registry, which is in no layer of the image. */
  readonly npmrc: string | undefined;
}

/** Where the sources are, as a label: the URL of a git remote without user and password. Undefined for what is no place for others, such as a folder. */
export function sourceLabel(remote: string | undefined): string | undefined {
  const url = remote === undefined ? null : URL.parse(remote);
  if (url === null || !/^https?:$/.test(url.protocol)) return undefined;
  [url.username, url.password] = ['', ''];
  return url.href;
}

/** The arguments of the engine's program; the context is the working directory. */
export function buildArguments(engine: Engine, { image, arguments: args, labels, npmrc }: ImageRequest): string[] {
  const pairs = (flag: string, values: Readonly<Record<string, string | undefined>>): string[] => Object.entries(values).flatMap(([name, value]) => (value === undefined ? [] : [flag, `${name}=${value}`]));
  return [
    'build',
    // OCI's own format has no place for HEALTHCHECK; docker's client knows no other.
    ...(engine === 'docker' ? [] : ['--format', 'docker']),
    '--tag', image,
    ...pairs('--build-arg', args),
    ...pairs('--label', labels),
    ...(npmrc === undefined ? [] : ['--secret', `id=npmrc,src=${npmrc}`]),
    '.',
  ];
}
