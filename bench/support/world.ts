/** What is measured: a control plane of its own, everything outside in one process, the controller from its bundle with its ServiceAccount. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { z } from 'zod';
import { LABLET_SESSIONS } from '../../src/api/kinds.ts';
import type { LabletSession } from '../../src/api/labletsession.ts';
import { KubeClient } from '../../src/kube/client.ts';
import type { Informer } from '../../src/kube/informer.ts';
import { loadConnection } from '../../src/kube/kubeconfig.ts';
import { bundleController } from '../../hack/bundle/bundle.ts';
import { embeddedBinaries, readyBinaries, type Binaries } from '../../hack/cluster/binaries.ts';
import { follow } from '../../hack/cluster/follow.ts';
import { startControlPlane, type ControlPlane } from '../../hack/cluster/controlplane.ts';
import { outside as outsideOf, startController, type Controller } from '../../hack/demo/controller.ts';
import { definition, sessionSpec, template, worker } from './manifests.ts';
import { inParallel, type Say } from './row.ts';

const CONFIG = resolve(import.meta.dirname, '../../config');
const CRDS = resolve(import.meta.dirname, '../../crds');
export const SYSTEM = 'lablet-system';
export const CONTROLLER = 'lablet-controller';
export const NAMESPACE = 'exams';
/** As the bare loop that the controller is compared with. */
const CREATES = 32;

const outsideSchema = z.object({ cml: z.array(z.string()), lds: z.string(), grading: z.string(), tokenUrl: z.string(), sink: z.string() });
export type Outside = z.infer<typeof outsideSchema>;
const arrivalsSchema = z.array(z.tuple([z.string(), z.string(), z.number()]));

export interface BenchWorld {
  readonly controlPlane: ControlPlane;
  /** As the administrator. */
  readonly client: KubeClient;
  readonly outside: Outside;
  /** The sessions as the API server tells them to anybody who watches. */
  readonly sessions: Informer<LabletSession>;
  /** Path of the ServiceAccount's kubeconfig. */
  readonly kubeconfig: string;
  /** The controller with these places to go to; ended with the world, if not before. */
  run(places?: Partial<Outside> & { kubeconfig?: string }): Promise<Controller>;
  /** Workers for all CML hosts but those that are named; resolves when they are Running. */
  addWorkers(endpoints: readonly string[], prefix?: string): Promise<void>;
  createSessions(names: readonly string[]): Promise<void>;
  /** Resolves when so many of the sessions are as `is` wants them. @throws Error when nothing has moved for 2 min */
  until(what: string, count: number, is: (session: LabletSession) => boolean): Promise<void>;
  /** What came to the sink since the last call: type, source, milliseconds since the epoch. */
  arrivals(): Promise<z.infer<typeof arrivalsSchema>>;
  stop(): Promise<void>;
}

/** Starts it all but the controller. */
export async function startBenchWorld({ hosts, audit = false, say }: { hosts: number; audit?: boolean; say: Say }): Promise<BenchWorld> {
  const endings: (() => Promise<unknown>)[] = [];
  const stop = async (): Promise<void> => {
    for (const end of endings.splice(0).reverse()) await end();
  };
  try {
    const directory = await mkdtemp(join(tmpdir(), 'lablet-bench-'));
    endings.push(() => rm(directory, { recursive: true, force: true }));
    const binaries = await benchBinaries(say);
    const controlPlane = await startControlPlane({ binaries, manifests: [CRDS], audit });
    endings.push(() => controlPlane.stop());
    const outside = await startOutside(hosts, endings);
    const bundle = join(directory, 'lablet-controller.mjs');
    await bundleController(bundle);
    const samples = ['10-namespaces', '20-credentials', '40-topology'].map((name) => `--filename=${join(CONFIG, 'samples', `${name}.yaml`)}`);
    await controlPlane.kubectl(['apply', ...samples, `--filename=${join(CONFIG, 'rbac')}`]);
    await controlPlane.kubectl(['apply', '--filename=-'], JSON.stringify(template()));
    await controlPlane.kubectl(['apply', '--filename=-'], JSON.stringify(definition()));
    const kubeconfig = await controlPlane.createServiceAccountKubeconfig(SYSTEM, CONTROLLER);
    const client = new KubeClient(await loadConnection({ kubeconfig: controlPlane.kubeconfigPath }));
    endings.push(() => client.close());
    const sessions = await follow(client, LABLET_SESSIONS, (ending) => endings.push(ending));

    let starts = 0;
    return {
      controlPlane, client, outside, sessions, kubeconfig, stop,
      run: async (places = {}) => {
        const controller = await startController({
          leash: binaries.leash, bundle, logFile: join(directory, `controller-${++starts}.log`),
          environment: environment({ ...outside, kubeconfig, ...places }, directory),
        });
        endings.push(() => controller.stop());
        await Promise.all([outside.lds, outside.grading].map((url) => eventsTo(url, controller.ingestUrl)));
        await controlPlane.kubectl(['wait', 'labletdefinition', '--all', `--namespace=${NAMESPACE}`, '--for=condition=Ready', '--timeout=60s']);
        return controller;
      },
      addWorkers: async (endpoints, prefix = 'bench') => {
        if (endpoints.length === 0) return;
        await controlPlane.kubectl(['apply', '--filename=-'], endpoints.map((endpoint, index) => JSON.stringify(worker(`${prefix}-${index}`, endpoint))).join('\n---\n'));
        await controlPlane.kubectl(['wait', 'worker', '--all', '--for=jsonpath={.status.phase}=Running', '--timeout=120s']);
      },
      createSessions: (names) => inParallel(names, CREATES, async (name) => {
        await client.create(LABLET_SESSIONS, { metadata: { name, namespace: NAMESPACE }, spec: sessionSpec(name) }, { namespace: NAMESPACE });
      }),
      until: (what, count, is) => until(sessions, what, count, is),
      arrivals: async () => arrivalsSchema.parse(await (await fetch(outside.sink)).json()),
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** The programs of a control plane: those of KUBEBUILDER_ASSETS, else the embedded ones. */
export function benchBinaries(say: Say): Promise<Binaries> {
  const assets = process.env['KUBEBUILDER_ASSETS'] ?? '';
  return assets === '' ? embeddedBinaries(process.env, say) : readyBinaries(assets, process.env, say);
}

function environment(places: Outside & { kubeconfig: string }, directory: string): Record<string, string> {
  const profiles = process.env['PROFILE'];
  return {
    KUBECONFIG: places.kubeconfig,
    POD_NAMESPACE: SYSTEM,
    CLOUDEVENTS_SINK_URL: places.sink,
    ...outsideOf({ ...places, directory }),
    ...(profiles === undefined ? {} : { NODE_OPTIONS: `--cpu-prof --cpu-prof-dir=${resolve(profiles)}` }),
  };
}

async function startOutside(hosts: number, endings: (() => Promise<unknown>)[]): Promise<Outside> {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'outside.ts'), '--hosts', String(hosts)], { stdio: ['pipe', 'pipe', 'inherit'] });
  const exited = once(child, 'exit');
  endings.push(async () => {
    child.kill('SIGKILL');
    await exited;
  });
  const line = await Promise.race([once(createInterface(child.stdout), 'line'), exited.then(() => Promise.reject(new Error('the simulators ended before they were ready')))]);
  return outsideSchema.parse(JSON.parse(String(line[0])));
}

/** LDS or GradingEngine post their events there from now on. */
export async function eventsTo(simulator: string, url: string): Promise<void> {
  await fetch(`${simulator}/sim/events-to`, { method: 'PUT', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ url }) });
}

const STALL_MS = 120_000;

/** Counts on each change: to look at all sessions again and again would take the time that is measured. */
function until(sessions: Informer<LabletSession>, what: string, count: number, is: (session: LabletSession) => boolean): Promise<void> {
  return new Promise((resolveDone, reject) => {
    const done = new Set<string>();
    let timer: NodeJS.Timeout | undefined;
    const stalled = (): void => reject(new Error(`${done.size} of ${count} sessions are ${what}, and nothing has moved for ${STALL_MS / 1000} s`));
    sessions.onChange((_, next) => {
      if (!next || done.size >= count) return;
      clearTimeout(timer);
      timer = setTimeout(stalled, STALL_MS);
      if (!is(next)) return;
      done.add(next.metadata.uid);
      if (done.size < count) return;
      clearTimeout(timer);
      resolveDone();
    });
  });
}
