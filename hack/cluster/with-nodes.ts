/** What `make cluster NODES=n` adds to a control plane: nodes that run pods of our image, and Helm. */
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { bundleController } from '../bundle/bundle.ts';
import { helmProgram } from '../helm/helm.ts';
import { imageOf, releasedImages } from '../node/images.ts';
import { nodePrograms, startNodes, type Nodes } from '../node/nodes.ts';
import { binariesFor } from './cluster.ts';
import { leashProgram, type Report } from './binaries.ts';
import type { ClusterChoice } from './choice.ts';

/** The tag under which the tree's own program is an image. */
export const TREE_TAG = 'tree';

/** NODES cannot be used. */
class NodesError extends Error {
  override readonly name = 'NodesError';
}

/**
 * How many nodes the environment asks for; none where NODES is unset or empty.
 * @throws NodesError
 */
export function nodeCount(env: Readonly<Record<string, string | undefined>>, choice: ClusterChoice): number {
  const { success, data } = z.coerce.number().int().min(0).max(20).safeParse(env['NODES'] || 0);
  if (!success) throw new NodesError(`NODES=${String(env['NODES'])} is no number from 0 to 20`);
  if (data > 0 && (choice.kind === 'kind' || choice.kind === 'current')) throw new NodesError('NODES is for a control plane of our own; this cluster has its own nodes');
  return data;
}

/**
 * Builds what nodes and their user need, unless it is there: scheduler, node program and Helm (about five minutes on two cores).
 * @returns folders for the end of PATH, with helm and kubectl
 */
export async function prepareNodes(choice: Extract<ClusterChoice, { kind: 'ready-binaries' | 'embedded' }>, env: NodeJS.ProcessEnv, report: Report): Promise<string[]> {
  await nodePrograms(env, report);
  const [helm, { kubectl }] = [await helmProgram(env, report), await binariesFor(choice, env, report)];
  return [helm, kubectl].map((program) => dirname(program));
}

/** Starts nodes whose pods run the program as the tree has it now (tag `tree`), or a released one (its version). They need Linux and root. */
export async function startClusterNodes({ kubeconfigPath, count, directory, env, report }: { kubeconfigPath: string; count: number; directory: string; env: NodeJS.ProcessEnv; report: Report }): Promise<Nodes> {
  const program = join(directory, 'lablet-controller.mjs');
  await bundleController(program);
  const images = { [TREE_TAG]: imageOf(program), ...releasedImages() };
  return startNodes({ programs: await nodePrograms(env, report), leash: await leashProgram(env, report), kubeconfigPath, directory: join(directory, 'nodes'), images, count });
}
