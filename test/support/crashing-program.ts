/**
 * The program as src/app/wire.ts puts it together, in this process, with a fuse in every line to the outside: at the
 * write that a test names it is dead. What that write did stands, its answer is lost, and nothing of this program acts ever again,
 * as after kill -9. Another one begins with nothing but what the API server and the outside systems know.
 */
import { createCaches } from '../../src/app/caches.ts';
import { createProviders } from '../../src/clients/ec2/providers.ts';
import { createClientFactory } from '../../src/clients/factory.ts';
import { definitionController } from '../../src/controllers/definition/controller.ts';
import { labController } from '../../src/controllers/lab/controller.ts';
import { RevisionStore } from '../../src/controllers/revisions.ts';
import { BookingCalendar } from '../../src/controllers/scheduler/calendar.ts';
import { schedulerController } from '../../src/controllers/scheduler/controller.ts';
import { SecretReader } from '../../src/controllers/secrets.ts';
import { sessionController } from '../../src/controllers/session/controller.ts';
import { gather } from '../../src/controllers/session/gather.ts';
import { workerController } from '../../src/controllers/worker/controller.ts';
import { Emitter } from '../../src/events/emitter.ts';
import { startIngestServer } from '../../src/events/ingest-server.ts';
import { Ingest } from '../../src/events/ingest.ts';
import { createSinks } from '../../src/events/sinks.ts';
import { kubeStatusUpdate } from '../../src/events/status-update.ts';
import { LeaseValidity } from '../../src/runtime/leadership.ts';
import { TermControl } from '../../src/runtime/runnable.ts';
import { Turns } from '../../src/runtime/turns.ts';
import { createMetrics } from '../../src/telemetry/metrics.ts';
import { noTracer } from '../../src/telemetry/tracer.ts';
import { clientFor } from './kube-objects.ts';
import type { ClientFactory } from '../../src/clients/factory-port.ts';
import type { Deps } from '../../src/controllers/deps.ts';
import type { Sink } from '../../src/events/sink.ts';
import type { EventSink } from '../../src/runtime/recorder.ts';
import type { TestDeps } from './deps.ts';

const SOURCE = '/ccm/lablet-controller';

/** Calls that change something, by system. A crash after a read is the crash after the write before it. */
const WRITES = {
  kubernetes: new Set(['create', 'update', 'mergePatch', 'jsonPatch', 'apply', 'delete']),
  cml: new Set(['importLab', 'startLab', 'stopLab', 'wipeLab', 'deleteLab', 'setTags', 'extractConfiguration']),
  lds: new Set(['createSession', 'setDevices', 'launchUrl', 'release', 'refreshContent']),
  provider: new Set(['ensureInstance', 'start', 'stop', 'terminate']),
  grading: new Set(['createSession', 'addPart', 'assignPod', 'deletePod', 'grade', 'submit']),
  sink: new Set(['send']),
} as const;

/** Counts writes, and ends everything at the one that is asked for. */
class Fuse {
  /** What was written so far: `cml startLab #1`. Counted by kind, since kinds of writes overtake each other. */
  readonly writes: string[] = [];
  readonly blown: Promise<void>;
  isDead = false;
  private readonly crashAfter: string | undefined;
  private readonly counts = new Map<string, number>();
  private tell: () => void = () => undefined;

  constructor(crashAfter: string | undefined) {
    this.crashAfter = crashAfter;
    this.blown = new Promise((resolve) => { this.tell = resolve; });
  }

  async through<T>(call: () => T | Promise<T>, write: string | undefined): Promise<T> {
    this.refuse();
    const answer = await call();
    this.refuse();
    if (write !== undefined && this.count(write) === this.crashAfter) {
      this.isDead = true;
      this.tell();
    }
    this.refuse();
    return answer;
  }

  private count(kind: string): string {
    const number = (this.counts.get(kind) ?? 0) + 1;
    this.counts.set(kind, number);
    const write = `${kind} #${number}`;
    this.writes.push(write);
    return write;
  }

  private refuse(): void {
    if (this.isDead) throw new Error('the program is dead');
  }
}

/** The same object with every method behind the fuse. */
function fused<T extends object>(target: T, fuse: Fuse, system: keyof typeof WRITES): T {
  return new Proxy(target, {
    get: (object, property): unknown => {
      const member: unknown = Reflect.get(object, property, object);
      if (typeof member !== 'function') return member;
      const name = String(property);
      return (...args: unknown[]) => fuse.through(() => Reflect.apply(member, object, args) as unknown, (WRITES[system] as ReadonlySet<string>).has(name) ? [system, name, kindIn(args[0])].filter(Boolean).join(' ') : undefined);
    },
  });
}

const kindIn = (argument: unknown): string => (typeof argument === 'object' && argument !== null && 'kind' in argument ? String(argument.kind) : '');

export interface CrashingProgram {
  readonly ingestUrl: string;
  /** Resolves when it died. */
  readonly crashed: Promise<void>;
  /** The writes so far. */
  readonly writes: readonly string[];
  /** Reasons of the Kubernetes Events that it recorded. */
  readonly notes: readonly string[];
  /** Frees what a dead process would have freed. A program that lives ends here, too. */
  end(): Promise<void>;
}

/** @param crashAfter the write after which it dies, as `writes` names it; undefined: it does not crash */
export async function startProgram(test: TestDeps, sinkUrl: string, crashAfter?: string): Promise<CrashingProgram> {
  const fuse = new Fuse(crashAfter);
  const { clock, log, topologies, settings } = test.deps;
  const bare = await clientFor(test.cluster.kubeconfigPath);
  const client = fused(bare, fuse, 'kubernetes');
  const metrics = createMetrics();
  const secrets = new SecretReader(client, clock);
  const factory = createClientFactory({ credentials: (key, options) => secrets.credentials(key, options) });
  const clients: ClientFactory = {
    cml: (target) => fused(factory.cml(target), fuse, 'cml'),
    lds: (target) => fused(factory.lds(target), fuse, 'lds'),
    grading: (target) => fused(factory.grading(target), fuse, 'grading'),
    close: () => factory.close(),
  };
  const regions = createProviders();
  const providers = { ec2: (region: string) => fused(regions.ec2(region), fuse, 'provider'), close: () => regions.close() };
  const leadership = new LeaseValidity(clock);
  leadership.extend(clock.monotonic() + 3_600_000);
  const caches = createCaches(bare, [test.namespace], {});
  const sinks = createSinks({ urls: sinkUrl });
  const notes: string[] = [];
  const emitter = new Emitter({
    feeds: [caches.sessions], sinks: sinks.map((sink): Sink => fused(sink, fuse, 'sink')), deadLetter: undefined, clock, log, metrics, source: SOURCE, leadership,
    updateStatus: kubeStatusUpdate(client, metrics), readSecret: (namespace, name, key) => secrets.optional(namespace, name, key),
    tuning: {}, parked: () => undefined,
  });
  const events: EventSink = {
    record: ({ reason }) => {
      if (!fuse.isDead) notes.push(reason);
    },
  };
  const revisions = new RevisionStore(client);
  const deps: Deps = {
    client, caches, clock, log, metrics, tracer: noTracer, clients, providers, secrets, leadership, topologies, settings, evidence: undefined,
    events,
    outbox: { amend: emitter.amend, isDrained: (object) => emitter.isDrained(object), abandon: (object, signal) => emitter.abandon(object, signal) },
    revisions, calendar: new BookingCalendar({ caches, clock, revisions, settings }),
    turns: new Turns(),
  };
  const ingest = new Ingest({
    client, clock, log, metrics, sessions: caches.sessions, ownSource: SOURCE, allowedSources: [], amend: emitter.amend, turns: deps.turns,
    world: async (session) => (await gather(deps, session, AbortSignal.timeout(10_000))).world,
    stored: (_before, after) => { caches.sessions.observe(after); },
  });

  const watching = new AbortController();
  const informers = [caches.sessions, caches.definitions, caches.labs, caches.workers, caches.templates, caches.namespaces];
  const watches = informers.map((informer) => informer.start(watching.signal));
  await Promise.all(informers.map((informer) => informer.waitForSync()));
  const server = await startIngestServer({ ingest, log, port: 0, host: '127.0.0.1', isReady: () => !fuse.isDead });
  const term = new TermControl();
  const running = [definitionController(deps), workerController(deps), labController(deps), schedulerController(deps), sessionController(deps), emitter].map((part) => part.run(term));

  return {
    ingestUrl: `http://127.0.0.1:${server.port}/`, crashed: fuse.blown, writes: fuse.writes, notes,
    end: async () => {
      fuse.isDead = true;
      term.end(new Error('the program ends'));
      leadership.revoke('the program ends');
      await Promise.all(running);
      await server.close(0);
      watching.abort();
      await Promise.all(watches);
      await Promise.all([factory.close(), regions.close(), ...sinks.map((sink) => sink.close())]);
      await bare.close();
    },
  };
}
