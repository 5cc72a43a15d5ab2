import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startControlPlane, type ControlPlane } from '../../hack/cluster/controlplane.ts';
import { CLUSTERS_FILE, crdFolders, testBinaries, type ClusterConnection } from './cluster.ts';

declare global {
  /** Handed from globalSetup to globalTeardown, which run in the same process. */
  var controlPlanesOfThisRun: readonly ControlPlane[];
}

/**
 * Jest's globalSetup of the projects that need an API server: starts a control plane for each worker, with the CRDs
 * installed, and tells the workers through a file where they are. Jest runs it once, and only if such tests are selected.
 */
export default async function startClusters(config: { readonly maxWorkers: number }): Promise<void> {
  const binaries = await testBinaries((line) => {
    process.stderr.write(`${line}\n`);
  });
  const manifests = crdFolders();
  const started = await Promise.all(Array.from({ length: config.maxWorkers }, () => startControlPlane({ binaries, manifests, audit: true })));
  globalThis.controlPlanesOfThisRun = started;
  const connections = started.map(
    ({ kubeconfigPath, server, caFile, auditLog }): ClusterConnection => ({ kubeconfigPath, server, caFile, auditLog, kubectlProgram: binaries.kubectl }),
  );
  const file = join(await mkdtemp(join(tmpdir(), 'lablet-clusters-')), 'clusters.json');
  await writeFile(file, JSON.stringify(connections));
  process.env[CLUSTERS_FILE] = file;
}
