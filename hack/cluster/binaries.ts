import { createHash } from 'node:crypto';
import { existsSync, globSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { buildInto, type Report } from './build.ts';

export type { Report } from './build.ts';

/** Absolute paths of the programs that a control plane is made of. */
export interface Binaries {
  readonly etcd: string;
  readonly apiServer: string;
  /** Absent only where ready binaries lack it; then nothing collects garbage, ends namespaces or counts quotas. */
  readonly controllerManager?: string;
  readonly kubectl: string;
  readonly leash: string;
}

/** A directory named by KUBEBUILDER_ASSETS that lacks a program which is needed. */
export class MissingBinaryError extends Error {
  override readonly name = 'MissingBinaryError';

  constructor(directory: string, program: string) {
    super(`KUBEBUILDER_ASSETS=${directory} has no ${program}: put etcd, kube-apiserver and kubectl there, or unset it to use the embedded control plane`);
  }
}

const MODULE = resolve(import.meta.dirname, '../controlplane');

/**
 * The embedded control plane: etcd, kube-apiserver, kube-controller-manager and kubectl, built from the Go module
 * hack/controlplane once per version of its sources and kept in `${XDG_CACHE_HOME:-~/.cache}/lablet-controller`. The
 * first build takes minutes; processes that ask at the same time wait for the one that builds.
 *
 * @throws BuildError when `go build` fails.
 */
export async function embeddedBinaries(env: NodeJS.ProcessEnv, report: Report): Promise<Binaries> {
  const directory = await builtOnce('controlplane', ['etcd', 'kube-apiserver', 'kube-controller-manager', 'kubectl'], env, report);
  return {
    etcd: join(directory, 'etcd'),
    apiServer: join(directory, 'kube-apiserver'),
    controllerManager: join(directory, 'kube-controller-manager'),
    kubectl: join(directory, 'kubectl'),
    leash: await leashProgram(env, report),
  };
}

/**
 * Ready binaries in the layout of Kubernetes' envtest. Only `leash`, a few lines of our own, is built (a second).
 *
 * @throws MissingBinaryError
 */
export async function readyBinaries(assets: string, env: NodeJS.ProcessEnv, report: Report): Promise<Binaries> {
  const program = (name: string): string => {
    const path = resolve(assets, name);
    if (!existsSync(path)) throw new MissingBinaryError(assets, name);
    return path;
  };
  const controllerManager = resolve(assets, 'kube-controller-manager');
  const found = { etcd: program('etcd'), apiServer: program('kube-apiserver'), kubectl: program('kubectl') };
  if (!existsSync(controllerManager)) report(`${assets} has no kube-controller-manager: garbage collection, namespace deletion and quotas do not work`);
  return { ...found, leash: await leashProgram(env, report), ...(existsSync(controllerManager) ? { controllerManager } : {}) };
}

/** The program under which children are started (see leash.ts); a few lines of Go, built once in a second. */
export async function leashProgram(env: NodeJS.ProcessEnv, report: Report): Promise<string> {
  return join(await builtOnce('leash', ['leash'], env, report), 'leash');
}

/**
 * The directory with `programs` of the Go module in the folder `module`, built if this version of the sources has not
 * been built here before.
 */
export async function builtOnce(name: string, programs: readonly string[], env: NodeJS.ProcessEnv, report: Report, module = MODULE, tags = ''): Promise<string> {
  const cache = join(env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'lablet-controller');
  const directory = join(cache, `${name}-${await versionKey(programs, module, tags)}`);
  if (!existsSync(directory)) await buildInto(directory, module, programs, report, tags);
  return directory;
}

/** Changes whenever a build could give another result: the module files, our sources, the platform. */
async function versionKey(programs: readonly string[], module: string, tags: string): Promise<string> {
  const files = globSync([...programs.map((program) => `cmd/${program}/*.go`), 'go.mod', 'go.sum'], { cwd: module });
  const hash = createHash('sha256').update(`${process.platform} ${process.arch}${tags}`);
  for (const file of files.sort()) hash.update(`\0${file}\0`).update(await readFile(join(module, file)));
  return hash.digest('hex').slice(0, 12);
}
