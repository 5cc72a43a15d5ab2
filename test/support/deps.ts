/**
 * Real `Deps` for controllers under test: the API server of this Jest worker, informers with the program's own indexes,
 * clients that speak HTTP to the simulators, Events that are really written, and a lease that lasts.
 */
import { createCaches } from '../../src/app/caches.ts';
import { LABLET_DEFINITIONS, LABLET_SESSIONS, LABS, WORKERS, WORKER_TEMPLATES } from '../../src/api/kinds.ts';
import { EVENTS, SECRETS } from '../../src/api/resource.ts';
import { createClientFactory } from '../../src/clients/factory.ts';
import { S3 } from '../../src/clients/s3.ts';
import { createProviders } from '../../src/clients/ec2/providers.ts';
import { createTopologySources } from '../../src/clients/topology/sources.ts';
import { RevisionStore } from '../../src/controllers/revisions.ts';
import { BookingCalendar } from '../../src/controllers/scheduler/calendar.ts';
import { SecretReader } from '../../src/controllers/secrets.ts';
import { TIMEOUTS } from '../../src/core/timeouts.ts';
import { MAX_TOPOLOGY_BYTES } from '../../src/core/topology/parse.ts';
import { NotFoundError } from '../../src/kube/errors.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import { LeaseValidity } from '../../src/runtime/leadership.ts';
import { EventRecorder } from '../../src/runtime/recorder.ts';
import { TermControl } from '../../src/runtime/runnable.ts';
import { Turns } from '../../src/runtime/turns.ts';
import { createLogger } from '../../src/telemetry/log.ts';
import { createMetrics } from '../../src/telemetry/metrics.ts';
import { noTracer } from '../../src/telemetry/tracer.ts';
import { testCluster, type TestCluster } from './cluster.ts';
import { clientFor } from './kube-objects.ts';
import { CML_SECRET } from './objects.ts';
import type { KubeObject } from '../../src/api/meta.ts';
import type { Event, ResourceOf } from '../../src/api/resource.ts';
import type { Deps, Settings } from '../../src/controllers/deps.ts';
import type { KubeClient } from '../../src/kube/client.ts';
import type { Runnable } from '../../src/runtime/runnable.ts';
import type { SimulatedWorld } from '../../hack/sim/world.ts';

export interface TestDeps {
  readonly deps: Deps;
  readonly cluster: TestCluster;
  /** As the administrator. */
  readonly client: KubeClient;
  /** A namespace of its own for definitions and sessions. */
  readonly namespace: string;
  /** Runs controllers until `stop` or `close`. */
  run(...runnables: Runnable[]): void;
  /** Ends what runs, as the loss of the lease or the end of the program would; `run` begins anew. */
  stop(): Promise<void>;
  /** Reasons of the Kubernetes Events about an object, in order of their making, with their notes. */
  eventsOf(object: KubeObject): Promise<{ reason: string; note: string; type: string }[]>;
  /** Ends everything and removes the objects of this test, whatever holds them. */
  close(): Promise<void>;
}

/** Whatever differs from a production installation without LDS, GradingEngine and sink. */
export async function startDeps(world: Pick<SimulatedWorld, 'credentials'>, settings: Partial<Settings> = {}): Promise<TestDeps> {
  const cluster = testCluster();
  const client = await clientFor(cluster.kubeconfigPath);
  const [namespace, system] = await Promise.all([cluster.freshNamespace('exams'), cluster.freshNamespace('lablet-system')]);
  await client.create(SECRETS, { metadata: { name: CML_SECRET, namespace: system }, stringData: { ...world.credentials } });
  await sweep(client);

  const clock = systemClock;
  const log = createLogger({ level: 'silent' });
  const metrics = createMetrics();
  const secrets = new SecretReader(client, clock);
  const leadership = new LeaseValidity(clock);
  leadership.extend(clock.monotonic() + 3_600_000);
  const clients = createClientFactory({ credentials: (key, options) => secrets.credentials(key, options) });
  const providers = createProviders();
  const s3 = new S3({ endpoint: process.env['AWS_ENDPOINT_URL_S3'] });
  const topologies = createTopologySources({ s3, allowHosts: ['127.0.0.1'], maxBytes: MAX_TOPOLOGY_BYTES });
  const recorder = new EventRecorder({ client, clock, log, metrics, controller: 'lablet.dev/controller', instance: 'test' });
  const caches = createCaches(client, [namespace], {});
  const revisions = new RevisionStore(client);
  const chosen: Settings = { timeouts: TIMEOUTS, scale: 1, clusterId: 'abcd', namespace: system, orphanInstancePolicy: 'Report', licenseSuperset: false, maxWorkers: 100, scaleDown: false, emit: true, lds: undefined, grading: undefined, ...settings };
  const deps: Deps = {
    client, caches, clock, log, metrics, tracer: noTracer, leadership, events: recorder, clients, providers, secrets,
    revisions, calendar: new BookingCalendar({ caches, clock, revisions, settings: chosen }),
    evidence: undefined,
    topologies,
    turns: new Turns(),
    outbox: { amend: (next) => next, isDrained: ({ status }) => !status?.outbox?.length, abandon: async () => undefined },
    settings: chosen,
  };

  const watching = new AbortController();
  const informers = [caches.sessions, caches.definitions, caches.labs, caches.workers, caches.templates, caches.namespaces];
  const watches = informers.map((informer) => informer.start(watching.signal));
  await Promise.all(informers.map((informer) => informer.waitForSync()));

  let term = new TermControl();
  let running: Promise<void>[] = [];
  const run = (...runnables: Runnable[]): void => {
    running.push(...runnables.map((runnable) => runnable.run(term)));
  };
  const stop = async (): Promise<void> => {
    term.end(new Error('the test ends the term'));
    await Promise.all(running);
    term = new TermControl();
    running = [];
  };
  const recording = new TermControl();
  const recorded = recorder.run(recording);

  return {
    deps, cluster, client, namespace, run, stop,
    eventsOf: async (object) => {
      const { items } = await client.list<Event>(EVENTS, { namespace: object.metadata.namespace ?? 'default', fieldSelector: `regarding.uid=${object.metadata.uid}` });
      return items
        .sort((a, b) => ((a.eventTime ?? '') < (b.eventTime ?? '') ? -1 : 1))
        .map(({ reason = '', note = '', type = '' }) => ({ reason, note, type }));
    },
    close: async () => {
      await stop();
      recording.close(new Error('the test is over'));
      await recorded;
      leadership.revoke('the test is over');
      await sweep(client, namespace);
      watching.abort();
      await Promise.all(watches);
      await Promise.all([clients.close(), providers.close(), topologies.close(), s3.close()]);
      await client.close();
    },
  };
}

/** Removes what tests left behind: cluster-scoped kinds are shared by all tests of a worker, and their finalizers outlive the controllers. */
async function sweep(client: KubeClient, namespace?: string): Promise<void> {
  const kinds: readonly ResourceOf<KubeObject>[] = [LABS, WORKERS, WORKER_TEMPLATES, ...(namespace === undefined ? [] : [LABLET_SESSIONS, LABLET_DEFINITIONS])];
  for (const kind of kinds) {
    const { items } = await client.list(kind, kind.namespaced ? { namespace } : {});
    for (const { metadata } of items) {
      await unlessGone(client.mergePatch(kind, metadata.name, metadata.namespace, { metadata: { finalizers: null } }));
      await unlessGone(client.delete(kind, metadata.name, metadata.namespace));
    }
  }
}

async function unlessGone(call: Promise<unknown>): Promise<void> {
  try {
    await call;
  } catch (error) {
    if (!(error instanceof NotFoundError)) throw error;
  }
}
