import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { embeddedBinaries, readyBinaries, type Binaries, type Report } from './binaries.ts';
import { resolveCluster, type ClusterChoice } from './choice.ts';
import { startControlPlane } from './controlplane.ts';
import { errorCode } from './errors.ts';
import { kubectlFor, type Kubectl } from './kubectl.ts';
import { createServiceAccountKubeconfig } from './serviceaccount.ts';

const run = promisify(execFile);
const KIND_CONFIG = resolve(import.meta.dirname, '../kind/config.yaml');

/** A cluster to work with, wherever it comes from. */
export interface Cluster {
  /** What it is, for a message to the user. */
  readonly description: string;
  /** A file with one context and every certificate inside it. */
  readonly kubeconfigPath: string;
  readonly kubectl: Kubectl;
  /** A path to kubectl, or its name where it is in the PATH. */
  readonly kubectlProgram: string;
  /** A kubeconfig with a token (24 h) of an existing ServiceAccount. */
  createServiceAccountKubeconfig(namespace: string, name: string): Promise<string>;
  /** Ends what was started for this run; the user's own cluster stays as it is. */
  stop(): Promise<void>;
}

/** A program that the chosen cluster needs is missing or failed. */
class ClusterError extends Error {
  override readonly name = 'ClusterError';
}

/**
 * Opens the cluster that the environment asks for and applies the manifests (the CRDs) to it.
 *
 * @throws UnknownClusterError, MissingBinaryError, BuildError, ProcessEndedError, ClusterError
 */
export async function openCluster(env: NodeJS.ProcessEnv, manifests: readonly string[], report: Report): Promise<Cluster> {
  const choice = resolveCluster(env);
  switch (choice.kind) {
    case 'current':
      return currentCluster(manifests, report);
    case 'kind':
      return kindCluster(manifests, report);
    case 'ready-binaries':
    case 'embedded':
      return ownControlPlane(await binariesFor(choice, env, report), manifests);
  }
}

/** The programs of a control plane of our own, built first where they have to be. */
export function binariesFor(choice: Extract<ClusterChoice, { kind: 'ready-binaries' | 'embedded' }>, env: NodeJS.ProcessEnv, report: Report): Promise<Binaries> {
  return choice.kind === 'embedded' ? embeddedBinaries(env, report) : readyBinaries(choice.directory, env, report);
}

async function ownControlPlane(binaries: Binaries, manifests: readonly string[]): Promise<Cluster> {
  const controlPlane = await startControlPlane({ binaries, manifests });
  return { ...controlPlane, kubectlProgram: binaries.kubectl, description: `a control plane of its own at ${controlPlane.server}` };
}

async function currentCluster(manifests: readonly string[], report: Report): Promise<Cluster> {
  const directory = await temporaryDirectory();
  const kubeconfigPath = join(directory, 'kubeconfig');
  const view = await program('kubectl', ['config', 'view', '--raw', '--minify', '--flatten']);
  await writeFile(kubeconfigPath, view, { mode: 0o600 });
  const context = (await program('kubectl', ['config', 'current-context'])).trim();
  if (manifests.length > 0) report(`applying ${manifests.join(', ')} to the cluster of your context ${context}`);
  return withSystemKubectl(`the cluster of your context ${context}`, directory, kubeconfigPath, manifests, async () => undefined);
}

async function kindCluster(manifests: readonly string[], report: Report): Promise<Cluster> {
  const directory = await temporaryDirectory();
  const kubeconfigPath = join(directory, 'kubeconfig');
  const name = `lablet-${process.pid}`;
  report(`creating the kind cluster ${name}`);
  const remove = async (): Promise<void> => {
    await program('kind', ['delete', 'cluster', '--name', name]);
  };
  try {
    await program('kind', ['create', 'cluster', '--name', name, '--config', KIND_CONFIG, '--kubeconfig', kubeconfigPath, '--wait', '120s']);
    return await withSystemKubectl(`the kind cluster ${name}`, directory, kubeconfigPath, manifests, remove);
  } catch (error) {
    await remove().catch(() => undefined);
    throw error;
  }
}

async function withSystemKubectl(description: string, directory: string, kubeconfigPath: string, manifests: readonly string[], stop: () => Promise<void>): Promise<Cluster> {
  const kubectl = kubectlFor('kubectl', kubeconfigPath, join(directory, 'kubectl-cache'));
  if (manifests.length > 0) await kubectl(['apply', '--server-side', ...manifests.map((path) => `--filename=${path}`)]);
  return {
    description,
    kubeconfigPath,
    kubectl,
    kubectlProgram: 'kubectl',
    createServiceAccountKubeconfig: (namespace, name) => createServiceAccountKubeconfig(kubectl, directory, namespace, name),
    stop: async () => {
      await stop();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

function temporaryDirectory(): Promise<string> {
  return mkdtemp(join(tmpdir(), 'lablet-cluster-'));
}

async function program(name: string, args: readonly string[]): Promise<string> {
  try {
    return (await run(name, args)).stdout;
  } catch (error) {
    if (errorCode(error) === 'ENOENT') throw new ClusterError(`${name} is not installed: install it, or leave CLUSTER unset to use the embedded control plane`);
    throw new ClusterError(`${name} failed: ${error instanceof Error ? error.message : String(error)}`);
  }
}
