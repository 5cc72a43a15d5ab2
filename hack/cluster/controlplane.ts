import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Binaries } from './binaries.ts';
import { apiServerFlags, controllerManagerFlags, etcdFlags } from './flags.ts';
import { waitUntilAnswered } from './health.ts';
import { kubectlFor, type Kubectl } from './kubectl.ts';
import { createLayout, writeCredentials, writeKubeconfigs } from './layout.ts';
import { ProcessEndedError, readyOrEnded, startLeashed, type LeashedProcess } from './leash.ts';
import { freePort } from './ports.ts';
import { createServiceAccountKubeconfig } from './serviceaccount.ts';

export interface ControlPlaneOptions {
  readonly binaries: Binaries;
  /** Files or folders of manifests (the CRDs) that are applied before the controllers start. Default none. */
  readonly manifests?: readonly string[];
  /** Whether the API server logs who asked for what, to `auditLog`. Default false. */
  readonly audit?: boolean;
  /** Whether lists can be streamed, as from Kubernetes 1.34 on. Default true. */
  readonly watchList?: boolean;
}

/** A running etcd, API server and controller manager; they end with this process, however it ends. */
export interface ControlPlane {
  /** https://127.0.0.1:PORT; stays the same across a restart of the API server. */
  readonly server: string;
  /** The certificate authority of the server, PEM. */
  readonly caFile: string;
  /** Of a member of system:masters. */
  readonly kubeconfigPath: string;
  /** JSON lines of audit.k8s.io/v1 Events, for each write and each request of the controller's ServiceAccount; complete when the request is answered. Empty unless asked for. */
  readonly auditLog: string;
  /** kubectl as the administrator. */
  readonly kubectl: Kubectl;
  /** A kubeconfig with a token (24 h) of an existing ServiceAccount, whose namespace is the default one. */
  createServiceAccountKubeconfig(namespace: string, name: string): Promise<string>;
  /** Ends the API server: `kill` (default) as a crash does, `graceful` with a SIGTERM. Data and port are kept. */
  stopApiServer(how?: 'kill' | 'graceful'): Promise<void>;
  /** Starts a stopped API server again; resolves when it is ready. */
  startApiServer(): Promise<void>;
  /** Ends all and removes all of its files. */
  stop(): Promise<void>;
}

/**
 * Starts a control plane on a free port of 127.0.0.1 with certificates and data of its own in a temporary directory.
 * RBAC is on; anonymous requests reach the health endpoints only. Takes about 4 s.
 *
 * @throws ProcessEndedError when one of the programs does not start, with the end of its log
 */
export async function startControlPlane(options: ControlPlaneOptions): Promise<ControlPlane> {
  const layout = await createLayout();
  const { binaries, audit = false, watchList = true } = options;
  const running: LeashedProcess[] = [];
  const start = (name: string, program: string, flags: string[]): LeashedProcess => {
    const process = startLeashed(binaries.leash, program, flags, join(layout.directory, `${name}.log`));
    running.push(process);
    return process;
  };
  const stop = async (): Promise<void> => {
    await Promise.all(running.map((process) => process.kill()));
    await rm(layout.directory, { recursive: true, force: true });
  };

  try {
    const authority = await writeCredentials(layout);
    start('etcd', binaries.etcd, etcdFlags(layout));
    const first = await onFreePort(async (port) => {
      await writeKubeconfigs(layout, authority, port);
      const process = start('kube-apiserver', binaries.apiServer, apiServerFlags(layout, port, { audit, watchList }));
      await readyOrEnded(process, 'kube-apiserver', (signal) => waitUntilAnswered(port, layout, '/readyz', signal));
      return { port, process };
    });
    const { port } = first;
    let apiServer = first.process;
    const kubectl = kubectlFor(binaries.kubectl, layout.adminKubeconfig, join(layout.directory, 'kubectl-cache'));
    if (options.manifests !== undefined && options.manifests.length > 0) {
      await kubectl(['apply', '--server-side', ...options.manifests.map((path) => `--filename=${path}`)]);
    }
    // The collector of garbage looks for new kinds only every 30 s; started now, it knows those of the manifests.
    if (binaries.controllerManager !== undefined) {
      const process = start('kube-controller-manager', binaries.controllerManager, controllerManagerFlags(layout));
      await readyOrEnded(process, 'kube-controller-manager', (signal) => waitUntilAnswered(port, layout, '/api/v1/namespaces/default/serviceaccounts/default', signal));
    }

    return {
      server: `https://127.0.0.1:${port}`,
      caFile: layout.authority,
      kubeconfigPath: layout.adminKubeconfig,
      auditLog: layout.auditLog,
      kubectl,
      stop,
      stopApiServer: (how = 'kill') => (how === 'kill' ? apiServer.kill() : apiServer.terminate()),
      startApiServer: async () => {
        apiServer = start('kube-apiserver', binaries.apiServer, apiServerFlags(layout, port, { audit, watchList }));
        await readyOrEnded(apiServer, 'kube-apiserver', (signal) => waitUntilAnswered(port, layout, '/readyz', signal));
      },
      createServiceAccountKubeconfig: (namespace, name) => createServiceAccountKubeconfig(kubectl, layout.directory, namespace, name),
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Another process can take a port between our look at it and the bind: then another port is tried, three times in all. */
async function onFreePort<T>(start: (port: number) => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await start(await freePort());
    } catch (error) {
      const taken = error instanceof ProcessEndedError && error.logTail.includes('address already in use');
      if (!taken || attempt === 3) throw error;
    }
  }
}
