/**
 * The program as a Deployment runs it: two replicas with leases and rights of production, restricted to the namespace
 * `exams` (WATCH_NAMESPACES, with a RoleBinding there instead of one for the cluster), beside simulators and a sink.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { z } from 'zod';
import { bundleController } from '../../hack/bundle/bundle.ts';
import { startSink } from '../../hack/demo/sink.ts';
import { startSimulatedWorld } from '../../hack/sim/world.ts';
import { LEASE_NAME, SYSTEM_NAMESPACE } from '../../src/api/rbac.ts';
import { WORKERS, WORKER_TEMPLATES } from '../../src/api/kinds.ts';
import { KubeClient } from '../../src/kube/client.ts';
import { loadConnection } from '../../src/kube/kubeconfig.ts';
import { privateControlPlane } from './cluster.ts';
import { eventually } from './eventually.ts';
import { newTemplate, newWorker } from './objects.ts';
import { Replicas } from './replicas.ts';
import type { ControlPlane } from '../../hack/cluster/controlplane.ts';
import type { Sink } from '../../hack/demo/sink.ts';
import type { SimulatedWorld, WorldOptions } from '../../hack/sim/world.ts';
import type { Replica } from './replicas.ts';

const CONFIG = resolve(import.meta.dirname, '../../config');
export const WATCHED = 'exams';

export interface TwoReplicas {
  readonly controlPlane: ControlPlane;
  readonly world: SimulatedWorld;
  readonly sink: Sink;
  readonly replicas: Replicas;
  /** With the administrator's rights. */
  readonly client: KubeClient;
  /** Starts a process of another installation, with everything else as it is. */
  startInstallation(namespace: string): Promise<Replica>;
  stop(): Promise<void>;
}

/** Starts it with one CML host in service; resolves when one replica leads and the other is ready. */
export async function startTwoReplicas(options: { readonly world: WorldOptions; readonly environment: Readonly<Record<string, string>> }): Promise<TwoReplicas> {
  const endings = new AsyncDisposableStack();
  const stop = (): Promise<void> => endings.disposeAsync();
  try {
    const directory = endings.adopt(await mkdtemp(join(tmpdir(), 'lablet-two-')), (path) => rm(path, { recursive: true, force: true }));
    const program = join(directory, 'lablet-controller.mjs');
    await bundleController(program);
    const controlPlane = endings.adopt(await privateControlPlane(), (plane) => plane.stop());
    const sink = endings.adopt(await startSink(), (one) => one.close());
    const world = endings.adopt(await startSimulatedWorld(options.world), (one) => one.close());
    const client = endings.adopt(new KubeClient(await loadConnection({ kubeconfig: controlPlane.kubeconfigPath })), (one) => one.close());
    await grant(controlPlane);
    const env: Record<string, string> = {
      INGEST_PORT: '0', OPS_PORT: '0', WEB_PORT: '0', LISTEN_HOST: '127.0.0.1', POD_NAMESPACE: SYSTEM_NAMESPACE, WATCH_NAMESPACES: WATCHED,
      CLOUDEVENTS_SINK_URL: sink.url, LDS_URL: world.lds.url, LDS_CREDENTIALS_SECRET: 'lds-credentials',
      GRADING_ENGINE_URL: world.grading.url, GRADING_TOKEN_URL: world.grading.tokenUrl, GRADING_CREDENTIALS_SECRET: 'grading-credentials',
      ...options.environment,
    };
    const kubeconfigPath = await controlPlane.createServiceAccountKubeconfig(SYSTEM_NAMESPACE, 'lablet-controller');
    const startReplicas = async (count: number, namespace: string): Promise<Replicas> => endings.adopt(await Replicas.start({
      count, program, kubeconfigPath, env: { ...env, POD_NAMESPACE: namespace },
      leader: async () => (await controlPlane.kubectl(['get', 'lease', LEASE_NAME, `--namespace=${namespace}`, '--output=jsonpath={.spec.holderIdentity}', '--ignore-not-found'])) || undefined,
    }), (some) => some.close());
    const replicas = await startReplicas(2, SYSTEM_NAMESPACE);
    for (const replica of [await replicas.leader(), ...replicas.others(await replicas.leader())]) await ready(replica);
    await client.create(WORKER_TEMPLATES, newTemplate('onprem', { spec: { capacity: { cpu: '48', memory: '192Gi', storage: '900Gi' } } }));
    await client.create(WORKERS, newWorker('cml-1', 'onprem', world.cml[0]?.url ?? ''));
    await controlPlane.kubectl(['wait', 'worker', 'cml-1', '--for=jsonpath={.status.phase}=Running', '--timeout=60s']);
    return {
      controlPlane, world, sink, replicas, client, stop,
      startInstallation: async (namespace) => {
        const other = await startReplicas(0, namespace);
        return other.add();
      },
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** The rights of config/rbac, but for the namespaced kinds in one namespace only. */
async function grant({ kubectl }: ControlPlane): Promise<void> {
  await kubectl(['apply', `--filename=${join(CONFIG, 'rbac')}`, ...['10-namespaces', '20-credentials'].map((name) => `--filename=${join(CONFIG, 'samples', `${name}.yaml`)}`)]);
  await kubectl(['delete', 'clusterrolebinding', 'lablet-controller-namespaced']);
  await kubectl(['create', 'rolebinding', 'lablet-controller', `--namespace=${WATCHED}`, '--clusterrole=lablet-controller-namespaced', `--serviceaccount=${SYSTEM_NAMESPACE}:lablet-controller`]);
}

const listening = z.looseObject({ message: z.literal('listening'), ingestPort: z.int().optional(), opsPort: z.int().optional() });

/** URL of an endpoint of a replica, by the port that its log names. */
export async function urlOf(replica: Replica, which: 'ingestPort' | 'opsPort'): Promise<string> {
  return eventually(async () => {
    const lines = (await replica.log()).split('\n').filter((line) => line.includes('"listening"')).flatMap((line) => listening.safeParse(JSON.parse(line)).data ?? []);
    const port = lines.map((line) => line[which]).find((one) => one !== undefined);
    if (port === undefined) throw new Error(`${replica.name} does not listen:\n${await replica.log()}`);
    return `http://127.0.0.1:${port}`;
  }, 30_000);
}

/** What `/readyz` answers: 200 or 503. */
export async function readiness(replica: Replica): Promise<number> {
  const response = await fetch(`${await urlOf(replica, 'opsPort')}/readyz`);
  await response.arrayBuffer();
  return response.status;
}

/** Waits until the replica is ready. */
export async function ready(replica: Replica): Promise<void> {
  await eventually(async () => {
    if ((await readiness(replica)) !== 200) throw new Error(`${replica.name} is not ready`);
  }, 60_000);
}
