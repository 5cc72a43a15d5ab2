/** Nodes for a control plane of ours, so that its pods run: the scheduler and the node program of this folder. */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { builtOnce, type Report } from '../cluster/binaries.ts';
import { readyOrEnded, startLeashed } from '../cluster/leash.ts';
import type { Image } from './images.ts';

const POLL_MS = 50;

/** Absolute paths of the two programs. */
export interface NodePrograms {
  readonly scheduler: string;
  readonly node: string;
}

/**
 * Both programs, built once per version of their sources (about two minutes on two cores, once the control plane is built).
 * @throws BuildError when `go build` fails
 */
export async function nodePrograms(env: NodeJS.ProcessEnv, report: Report): Promise<NodePrograms> {
  const scheduler = await builtOnce('scheduler', ['kube-scheduler'], env, report);
  const node = await builtOnce('node', ['lablet-node'], env, report, import.meta.dirname);
  return { scheduler: join(scheduler, 'kube-scheduler'), node: join(node, 'lablet-node') };
}

export interface NodesOptions {
  readonly programs: NodePrograms;
  /** Path of the program `leash` (hack/cluster/leash.ts). */
  readonly leash: string;
  /** Of an administrator of a control plane on this machine. */
  readonly kubeconfigPath: string;
  /** A folder for images, logs and volumes; it is made. */
  readonly directory: string;
  /** What pods may run, by tag. */
  readonly images: Readonly<Record<string, Image>>;
  /** How many nodes. @default 3 */
  readonly count?: number;
}

/** Running nodes; they and all their pods end with this process, however it ends. */
export interface Nodes {
  /** Where the logs of all pods are: `NAMESPACE_NAME_UID/logs/CONTAINER/RUN.log`. They stay when the pod is gone. */
  readonly directory: string;
  /** Ends nodes and scheduler at once, as a power cut does. */
  stop(): Promise<void>;
}

/**
 * Starts the scheduler, and nodes that are ready.
 * @throws ProcessEndedError with the end of the log, where one of both cannot run: the node program needs Linux and root
 */
export async function startNodes({ programs, leash, kubeconfigPath, directory, images, count = 3 }: NodesOptions): Promise<Nodes> {
  await mkdir(directory, { recursive: true });
  const imagesFile = join(directory, 'images.json');
  await writeFile(imagesFile, JSON.stringify(images, undefined, 2));
  const log = join(directory, 'lablet-node.log');
  const scheduler = startLeashed(leash, programs.scheduler, [`--kubeconfig=${kubeconfigPath}`, '--leader-elect=false', '--secure-port=0'], join(directory, 'kube-scheduler.log'));
  const node = startLeashed(leash, programs.node, [`--kubeconfig=${kubeconfigPath}`, `--images=${imagesFile}`, `--directory=${join(directory, 'pods')}`, `--nodes=${count}`], log);
  const stop = async (): Promise<void> => {
    await Promise.all([scheduler.kill(), node.kill()]);
  };
  try {
    await readyOrEnded(node, 'lablet-node', async (signal) => {
      while (!(await readFile(log, 'utf8')).includes('nodes are ready')) await sleep(POLL_MS, undefined, { signal });
    });
  } catch (error) {
    await stop();
    throw error;
  }
  return { directory: join(directory, 'pods'), stop };
}
