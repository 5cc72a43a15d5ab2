/** The whole lifecycle in one process: every controller on a real API server, with simulated CML, LDS and GradingEngine over HTTP. */
import { startSimulatedWorld, type SimulatedWorld, type WorldOptions } from '../../hack/sim/world.ts';
import { LABLET_DEFINITIONS, LABLET_SESSIONS, LABS, WORKERS, WORKER_TEMPLATES } from '../../src/api/kinds.ts';
import { definitionController } from '../../src/controllers/definition/controller.ts';
import { labController } from '../../src/controllers/lab/controller.ts';
import { schedulerController } from '../../src/controllers/scheduler/controller.ts';
import { sessionController } from '../../src/controllers/session/controller.ts';
import { workerController } from '../../src/controllers/worker/controller.ts';
import { templateController } from '../../src/controllers/worker/template.ts';
import { scaleTimeouts, type Timeouts } from '../../src/core/timeouts.ts';
import { NotFoundError } from '../../src/kube/errors.ts';
import { startDeps, type TestDeps } from './deps.ts';
import { eventually } from './eventually.ts';
import { CML_SECRET, newDefinition, newSession, newTemplate, newWorker } from './objects.ts';
import type { Lab } from '../../src/api/lab.ts';
import type { LabletDefinition } from '../../src/api/labletdefinition.ts';
import type { LabletSession, SessionPhase } from '../../src/api/labletsession.ts';
import type { KubeObject } from '../../src/api/meta.ts';
import type { ResourceOf } from '../../src/api/resource.ts';
import type { Worker } from '../../src/api/worker.ts';

/** A minute of the domain is a second here. */
const SCALE = 60;

/** What the CML host looks like from its own console. */
export interface HostLab {
  id: string;
  title: string;
  owner: string;
  state: string;
}

export interface Lifecycle extends TestDeps {
  readonly sims: SimulatedWorld;
  /** Runs every controller; once more after `stop`, as another replica would. */
  runAll(): void;
  define(name: string, spec?: Partial<LabletDefinition['spec']>): Promise<LabletDefinition>;
  /** Takes a simulated host (by its number, from 0) into service and waits until it is Running. */
  serve(name: string, host?: number): Promise<Worker>;
  book(name: string, definition: string, spec?: Partial<LabletSession['spec']>): Promise<LabletSession>;
  session(name: string): Promise<LabletSession>;
  /** Waits until the session is in the phase. Fails with where it is, and why. */
  reaches(name: string, phase: SessionPhase): Promise<LabletSession>;
  lab(name: string | undefined): Promise<Lab>;
  labs(): Promise<Lab[]>;
  annotate(kind: ResourceOf<KubeObject>, name: string, annotations: Record<string, string | null>): Promise<void>;
  remove(kind: ResourceOf<KubeObject>, name: string): Promise<void>;
  gone(kind: ResourceOf<KubeObject>, name: string): Promise<void>;
  onHost(host?: number): Promise<HostLab[]>;
  /** Somebody else's hand on the host: `DELETE` loses a lab, `PUT …/stop` stops it, `POST foreign-lab?…` makes one. */
  behindOurBack(method: string, path: string, host?: number): Promise<HostLab | undefined>;
  /** Every call is refused from now on, or no longer. */
  down(site: 'cml' | 'lds' | 'grading', isDown: boolean): Promise<void>;
  /** The value of a metric, over all its labels. */
  metric(name: string): Promise<number>;
}

export interface LifecycleOptions {
  world?: WorldOptions;
  /** Milliseconds in place of the scaled limits. */
  timeouts?: Partial<Timeouts>;
}

export async function startLifecycle({ world = {}, timeouts = {} }: LifecycleOptions = {}): Promise<Lifecycle> {
  const sims = await startSimulatedWorld(world);
  const test = await startDeps(sims, { scale: SCALE, timeouts: { ...scaleTimeouts(SCALE), ...timeouts }, emit: false });
  const { client, namespace, deps } = test;
  const credentialsKey = `${deps.settings.namespace}/${CML_SECRET}`;
  deps.settings.lds = { endpoint: sims.lds.url, credentialsKey };
  deps.settings.grading = { endpoint: sims.grading.url, tokenUrl: sims.grading.tokenUrl, credentialsKey };

  const inNamespace = (kind: ResourceOf<KubeObject>): string | undefined => (kind.namespaced ? namespace : undefined);
  const session = (name: string): Promise<LabletSession> => client.get(LABLET_SESSIONS, name, namespace);
  const call = async (site: string, method: string, path: string): Promise<unknown> => {
    const response = await fetch(`${site}/sim/${path}`, { method });
    if (!response.ok) throw new Error(`${method} /sim/${path}: ${response.status}`);
    return response.status === 204 ? undefined : response.json();
  };

  return {
    ...test, sims, session,
    runAll: () => test.run(definitionController(deps), workerController(deps), templateController(deps), labController(deps), schedulerController(deps), sessionController(deps)),
    define: async (name, spec = {}) => {
      await client.create(LABLET_DEFINITIONS, newDefinition(namespace, name, { spec }));
      return eventually(async () => {
        const definition = await client.get(LABLET_DEFINITIONS, name, namespace);
        if (definition.status?.currentVersion !== definition.spec.version) throw new Error(`${name} is not Active`);
        return definition;
      });
    },
    serve: async (name, host = 0) => {
      await ignore(client.create(WORKER_TEMPLATES, newTemplate('onprem')));
      await client.create(WORKERS, newWorker(name, 'onprem', sims.cml[host]?.url ?? ''));
      return eventually(async () => {
        const worker = await client.get(WORKERS, name);
        if (worker.status?.phase !== 'Running') throw new Error(`worker ${name} is ${worker.status?.phase ?? 'new'}: ${worker.status?.message ?? ''}`);
        return worker;
      });
    },
    book: (name, definition, spec = {}) => client.create(LABLET_SESSIONS, newSession(namespace, name, definition, { spec })),
    reaches: (name, phase) =>
      eventually(async () => {
        const found = await session(name);
        if (found.status?.phase !== phase) throw new Error(`session ${name} is ${found.status?.phase ?? 'new'}, not ${phase}: ${JSON.stringify([found.status?.reason, found.status?.message, found.status?.pipeline?.steps.filter(({ error }) => error)])}`);
        return found;
      }, 60_000),
    lab: (name = '') => client.get(LABS, name),
    labs: async () => (await client.list(LABS)).items,
    annotate: async (kind, name, annotations) => {
      await client.mergePatch(kind, name, inNamespace(kind), { metadata: { annotations } });
    },
    remove: (kind, name) => client.delete(kind, name, inNamespace(kind)),
    gone: (kind, name) =>
      eventually(async () => {
        try {
          const left = await client.get(kind, name, inNamespace(kind));
          throw new Error(`${kind.kind} ${name} is still there: ${JSON.stringify(left)}`);
        } catch (error) {
          if (!(error instanceof NotFoundError)) throw error;
        }
      }, 60_000),
    onHost: async (host = 0) => (await sims.labsOnHosts())[host] ?? [],
    behindOurBack: async (method, path, host = 0) => (await call(sims.cml[host]?.url ?? '', method, path)) as HostLab | undefined,
    down: async (site, isDown) => {
      const sites = site === 'cml' ? sims.cml : [sims[site]];
      for (const one of sites) await sims.setFault(one, { name: 'http500', rate: isDown ? 1 : 0 });
    },
    metric: async (name) => {
      const lines = (await deps.metrics.scrape()).split('\n').filter((line) => line.startsWith(`${name} `) || line.startsWith(`${name}{`));
      return lines.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' '))), 0);
    },
    close: async () => {
      await test.close();
      await sims.close();
    },
  };
}

async function ignore(promise: Promise<unknown>): Promise<void> {
  try {
    await promise;
  } catch {
    // It is there already.
  }
}
