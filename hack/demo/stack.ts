/** The whole world of the demo, which is also that of the end-to-end tests: simulators, sink and controller on a cluster. */
import { globSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { LABLET_SESSIONS, LABS, SCORE_REPORTS } from '../../src/api/kinds.ts';
import type { Lab } from '../../src/api/lab.ts';
import type { LabletSession } from '../../src/api/labletsession.ts';
import type { ScoreReport } from '../../src/api/scorereport.ts';
import { KubeClient } from '../../src/kube/client.ts';
import type { Informer } from '../../src/kube/informer.ts';
import { loadConnection } from '../../src/kube/kubeconfig.ts';
import type { Cluster } from '../cluster/cluster.ts';
import { bundleController } from '../bundle/bundle.ts';
import { follow } from '../cluster/follow.ts';
import { startSimulatedWorld, type SimulatedWorld, type WorldOptions } from '../sim/world.ts';
import { outside, startController, type Controller } from './controller.ts';
import type { Outcome } from './expect.ts';
import { startSink, type Sink } from './sink.ts';

const CONFIG = resolve(import.meta.dirname, '../../config');
const SYSTEM_NAMESPACE = 'lablet-system';
const CONTROLLER = 'lablet-controller';

export interface StackOptions {
  /** A cluster with the CRDs installed, as its administrator. */
  readonly cluster: Pick<Cluster, 'kubectl' | 'kubeconfigPath' | 'createServiceAccountKubeconfig'>;
  /** Path of the program `leash` (hack/cluster/leash.ts). */
  readonly leash: string;
  /** How candidates behave, how long a boot takes. */
  readonly world: WorldOptions;
  /** More environment for the controller. */
  readonly environment?: Readonly<Record<string, string>>;
}

export interface Stack {
  readonly world: SimulatedWorld;
  readonly sink: Sink;
  /** The one that runs now, or ran last. */
  readonly controller: Controller;
  /** The sessions as the API server has them. */
  readonly sessions: Informer<LabletSession>;
  /** Applies those manifests of config/samples whose file name matches (a glob; default all), with the simulated host in them. */
  applySamples(pattern?: string): Promise<void>;
  /**
   * Ends the controller by kill -9 and starts another one, which takes its place without a wait if `lease` is `removed`.
   * @param changes of its environment, from now on
   */
  crash(lease: 'removed' | 'expires', changes?: Readonly<Record<string, string>>): Promise<void>;
  /** All that an outcome is judged by. */
  outcome(): Promise<Outcome>;
  /** Ends everything but the cluster. */
  stop(): Promise<void>;
}

/** What was started, to be ended in reverse order. */
type Ending = () => Promise<void>;

/**
 * Starts simulators and sink, installs RBAC, and runs the controller with the ServiceAccount and roles of production.
 * @throws ProcessEndedError, KubectlError, and whatever keeps a simulator from starting; nothing is left running then
 */
export async function startStack({ cluster, leash, world: worldOptions, environment = {} }: StackOptions): Promise<Stack> {
  const endings: Ending[] = [];
  const stop = async (): Promise<void> => {
    for (const end of endings.splice(0).reverse()) await end();
  };
  try {
    const directory = await mkdtemp(join(tmpdir(), 'lablet-stack-'));
    endings.push(() => rm(directory, { recursive: true, force: true }));
    // Its own copy, so that a restart runs what the start ran, whatever happens to the sources meanwhile.
    const bundle = join(directory, 'lablet-controller.mjs');
    await bundleController(bundle);
    const sink = await startSink();
    endings.push(() => sink.close());
    const world = await startSimulatedWorld(worldOptions);
    endings.push(() => world.close());
    // With the administrator's rights, beside the controller and independent of it.
    const client = new KubeClient(await loadConnection({ kubeconfig: cluster.kubeconfigPath }));
    endings.push(() => client.close());
    const sessions = await follow(client, LABLET_SESSIONS, (ending) => endings.push(ending));

    await cluster.kubectl(['apply', `--filename=${join(CONFIG, 'rbac')}`]);
    const env: Record<string, string> = {
      KUBECONFIG: await cluster.createServiceAccountKubeconfig(SYSTEM_NAMESPACE, CONTROLLER),
      POD_NAMESPACE: SYSTEM_NAMESPACE,
      CLOUDEVENTS_SINK_URL: sink.url,
      ...outside({ lds: world.lds.url, grading: world.grading.url, tokenUrl: world.grading.tokenUrl, directory }),
      ...environment,
    };
    let starts = 0;
    const start = async (): Promise<Controller> => {
      const started = await startController({ leash, bundle, environment: env, logFile: join(directory, `controller-${++starts}.log`) });
      // Its port is another one each time: in a cluster, a Service would hide that.
      await world.sendEventsTo(started.ingestUrl);
      return started;
    };
    let controller = await start();
    endings.push(() => controller.stop());

    return {
      world, sink, sessions, stop,
      get controller() {
        return controller;
      },
      applySamples: async (pattern = '[0-9]*.yaml') => {
        await cluster.kubectl(['apply', '--filename=-'], samples(pattern, world));
      },
      crash: async (lease, changes = {}) => {
        await controller.kill();
        Object.assign(env, changes);
        if (lease === 'removed') await cluster.kubectl(['delete', 'lease', CONTROLLER, `--namespace=${SYSTEM_NAMESPACE}`, '--ignore-not-found']);
        controller = await start();
      },
      outcome: async () => ({
        sessions: (await client.list(LABLET_SESSIONS)).items,
        reports: (await client.list<ScoreReport>(SCORE_REPORTS)).items,
        labs: (await client.list<Lab>(LABS)).items,
        deliveries: sink.deliveries,
        titlesOnHosts: (await world.labsOnHosts()).flat().map(({ title }) => title),
        imports: (await world.cmlCounters()).reduce((sum, counters) => sum + (counters['POST /import'] ?? 0), 0),
        portClashes: (await world.portClashes()).length,
      }),
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** The sample manifests as `sed` would fill them in for a reader of config/samples/30-host.yaml. */
function samples(pattern: string, world: SimulatedWorld): string {
  const files = globSync(pattern, { cwd: join(CONFIG, 'samples') }).sort();
  return files.map((file) => readFileSync(join(CONFIG, 'samples', file), 'utf8').replaceAll('${CML_URL}', world.cml[0]?.url ?? '')).join('\n');
}
