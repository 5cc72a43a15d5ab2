import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { z } from 'zod';
import { embeddedBinaries, readyBinaries, type Binaries, type Report } from '../../hack/cluster/binaries.ts';
import { startControlPlane, type ControlPlane, type ControlPlaneOptions } from '../../hack/cluster/controlplane.ts';
import { kubectlFor, type Kubectl } from '../../hack/cluster/kubectl.ts';
import { createServiceAccountKubeconfig } from '../../hack/cluster/serviceaccount.ts';

/** The environment variable that names the file with the connections of this run's control planes. */
export const CLUSTERS_FILE = 'LABLET_TEST_CLUSTERS';

const connectionSchema = z.object({
  kubeconfigPath: z.string(),
  server: z.string(),
  caFile: z.string(),
  auditLog: z.string(),
  kubectlProgram: z.string(),
});

/** Where one of this run's control planes is. */
export type ClusterConnection = z.infer<typeof connectionSchema>;

/** A real API server with the CRDs installed, for the tests of one worker; tests share it and keep apart by namespaces. */
export interface TestCluster {
  /** https://127.0.0.1:PORT */
  readonly server: string;
  /** PEM file of the server's certificate authority. */
  readonly caFile: string;
  /** Of a member of system:masters. */
  readonly kubeconfigPath: string;
  /** JSON lines of audit.k8s.io/v1 Events: who wrote what, complete when a write is answered. */
  readonly auditLog: string;
  /** Path of kubectl, for acting as somebody else. */
  readonly kubectlProgram: string;
  /** kubectl as the administrator: resolves with standard output, rejects with KubectlError. */
  readonly kubectl: Kubectl;
  /** Creates a namespace with a name of its own that begins with `prefix`, and returns the name. */
  freshNamespace(prefix: string): Promise<string>;
  /** A kubeconfig with a token of an existing ServiceAccount, for tests that act with the rights of the operator. */
  createServiceAccountKubeconfig(namespace: string, name: string): Promise<string>;
}

/**
 * The control plane of this Jest worker; nobody else's tests run on it at the same time. Tests that stop an API server
 * take a `privateControlPlane` instead.
 *
 * @throws Error outside of the integration and e2e projects, where none is started
 */
export function testCluster(): TestCluster {
  const file = process.env[CLUSTERS_FILE];
  if (file === undefined) throw new Error('no control plane runs for these tests: only test/integration and test/e2e have one');
  const connections = z.array(connectionSchema).parse(JSON.parse(readFileSync(file, 'utf8')));
  const connection = connections[(Number(process.env['JEST_WORKER_ID'] ?? 1) - 1) % connections.length];
  if (connection === undefined) throw new Error(`${file} names no control plane`);
  const directory = dirname(connection.kubeconfigPath);
  const kubectl = kubectlFor(connection.kubectlProgram, connection.kubeconfigPath, join(directory, 'kubectl-cache'));
  return {
    ...connection,
    kubectl,
    freshNamespace: (prefix) => freshNamespace(kubectl, prefix),
    createServiceAccountKubeconfig: (namespace, name) => createServiceAccountKubeconfig(kubectl, directory, namespace, name),
  };
}

/** Creates a namespace with a name of its own that begins with `prefix`, and returns the name. */
export async function freshNamespace(kubectl: Kubectl, prefix: string): Promise<string> {
  const name = `${prefix}-${randomBytes(4).toString('hex')}`;
  await kubectl(['create', 'namespace', name]);
  return name;
}

/** A control plane with the CRDs installed for one test alone, who stops it in the end (about 4 s to start). */
export async function privateControlPlane(options: Pick<ControlPlaneOptions, 'watchList'> = {}): Promise<ControlPlane> {
  return startControlPlane({ ...options, binaries: await testBinaries(() => undefined), manifests: crdFolders(), audit: true });
}

/** The programs that tests run: ready ones (KUBEBUILDER_ASSETS), else the embedded ones. */
export function testBinaries(report: Report): Promise<Binaries> {
  const assets = process.env['KUBEBUILDER_ASSETS'];
  return assets === undefined || assets === '' ? embeddedBinaries(process.env, report) : readyBinaries(assets, process.env, report);
}

/** The folder of the CRDs. */
export function crdFolders(): string[] {
  const crds = resolve(import.meta.dirname, '../../crds');
  return existsSync(crds) ? [crds] : [];
}
