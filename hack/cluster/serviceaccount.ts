import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { Kubectl } from './kubectl.ts';

// Of a kubeconfig we need to know only which cluster is meant; how to reach it is passed on as it is.
const viewSchema = z.looseObject({
  clusters: z.array(z.looseObject({ name: z.string() })).length(1),
});

/**
 * Writes a kubeconfig for the cluster that `kubectl` speaks to, with a token (24 h, from the TokenRequest API) of an
 * existing ServiceAccount; the ServiceAccount's namespace is the default one.
 *
 * @param directory where the file goes; readable by its owner only
 * @returns the path of the file
 */
export async function createServiceAccountKubeconfig(kubectl: Kubectl, directory: string, namespace: string, name: string): Promise<string> {
  const token = (await kubectl(['create', 'token', name, `--namespace=${namespace}`, '--duration=24h'])).trim();
  const view = viewSchema.parse(JSON.parse(await kubectl(['config', 'view', '--raw', '--minify', '--flatten', '--output=json'])));
  const kubeconfig = {
    ...view,
    users: [{ name, user: { token } }],
    contexts: [{ name, context: { cluster: view.clusters[0]?.name, user: name, namespace } }],
    'current-context': name,
  };
  const path = join(directory, `${namespace}-${name}.kubeconfig`);
  await writeFile(path, JSON.stringify(kubeconfig), { mode: 0o600 });
  return path;
}
