/** The composition root: every part of the program, made once and handed to those that need it, on one page. */
import { LABLET_DEFINITIONS, LABLET_SESSIONS, NAMESPACES } from '../api/kinds.ts';
import { GROUP, MANAGER } from '../api/group.ts';
import { definitionController } from '../controllers/definition/controller.ts';
import { labController } from '../controllers/lab/controller.ts';
import { RevisionStore } from '../controllers/revisions.ts';
import { BookingCalendar } from '../controllers/scheduler/calendar.ts';
import { scalerController } from '../controllers/scaler/controller.ts';
import { schedulerController } from '../controllers/scheduler/controller.ts';
import { SecretReader } from '../controllers/secrets.ts';
import { sessionController } from '../controllers/session/controller.ts';
import { gather } from '../controllers/session/gather.ts';
import { tellTransitions } from '../controllers/session/tell.ts';
import { workerController } from '../controllers/worker/controller.ts';
import { templateController } from '../controllers/worker/template.ts';
import { sha256Hex } from '../core/canonical.ts';
import { scaleTimeouts } from '../core/timeouts.ts';
import { Rejections } from '../events/archive/rejections.ts';
import { archiveRetention } from '../events/archive/retention.ts';
import { Emitter } from '../events/emitter.ts';
import { Ingest } from '../events/ingest.ts';
import { kubeStatusUpdate } from '../events/status-update.ts';
import { mayDo } from '../kube/access-review.ts';
import { KubeClient } from '../kube/client.ts';
import { loadConnection } from '../kube/kubeconfig.ts';
import { systemClock } from '../runtime/clock.ts';
import { Elector } from '../runtime/elector.ts';
import { Manager } from '../runtime/manager.ts';
import { EventRecorder } from '../runtime/recorder.ts';
import { Turns } from '../runtime/turns.ts';
import { createLogger } from '../telemetry/log.ts';
import { createMetrics, kubeMetrics } from '../telemetry/metrics.ts';
import { schemasRouter } from '../web/schemas.ts';
import { webApp } from '../web/server.ts';
import { archiveRouter } from '../web/archive.ts';
import { createCaches } from './caches.ts';
import { httpServer } from './http-server.ts';
import { ingestRunnable } from './ingest.ts';
import { claimInstallation, refuseStrays } from './installation.ts';
import { opsServer } from './ops-server.ts';
import { createOutgoing } from './outgoing.ts';
import { createPage } from './page.ts';
import { processIdentity } from './identity.ts';
import { stateMetrics } from './state-metrics.ts';
import { openTracer } from './traces.ts';
import { tokenReviews } from './token-reviews.ts';
import type { OnCall } from '../clients/call.ts';
import type { Deps, Settings } from '../controllers/deps.ts';
import type { Router } from 'express';
import type { ArchiveStore } from '../events/archive/store.ts';
import type { KubeUser } from '../kube/access-review.ts';
import type { TokenReviews } from '../events/token-reviews.ts';
import type { Config } from './config.ts';

/** Builds the program. Nothing runs yet; `close` frees what was opened, after the manager has ended. */
export async function wire(config: Config): Promise<{ manager: Manager; log: Deps['log']; close: () => Promise<void> }> {
  const log = createLogger({ level: config.LOG_LEVEL });
  const metrics = createMetrics({ processMetrics: true });
  const clock = systemClock;
  const identity = processIdentity(config.POD_NAME);
  const tracer = await openTracer(config, identity, { log, metrics });

  const connection = await loadConnection(config.KUBECONFIG === undefined ? {} : { kubeconfig: config.KUBECONFIG });
  const client = new KubeClient(connection, { logger: log, metrics: kubeMetrics(metrics), fieldManager: MANAGER });
  const caches = createCaches(client, config.WATCH_NAMESPACES, { logger: log, metrics: kubeMetrics(metrics) });

  const secrets = new SecretReader(client, clock);
  const onCall: OnCall = ({ system, call, status, seconds }) => {
    metrics.externalCalls.inc({ system, call, status: String(status) });
    metrics.externalCallDuration.observe({ system }, seconds);
  };
  const outgoing = createOutgoing(config, { credentials: (key, options) => secrets.credentials(key, options), tracer, onCall });
  const { clients, providers, topologies, archive, sinks, deadLetter } = outgoing;
  const rejections = archive && new Rejections({ store: archive, clock, log, metrics });

  const elector = new Elector({ client, clock, log, metrics, namespace: config.POD_NAMESPACE, name: MANAGER, identity });
  const recorder = new EventRecorder({ client, clock, log, metrics, controller: `${GROUP}/controller`, instance: config.POD_NAME ?? MANAGER });
  const emitter = new Emitter({
    feeds: [caches.sessions, caches.definitions, caches.workers], sinks, deadLetter, archive, clock, log, metrics, tracer, source: config.CLOUDEVENTS_SOURCE, leadership: elector.leadership,
    updateStatus: kubeStatusUpdate(client, metrics),
    readSecret: (namespace, name, key) => secrets.optional(namespace, name, key),
    tuning: { parkTimeoutMs: scaleTimeouts(config.TIME_SCALE, config.TIMEOUTS).park },
    parked: (object, message) => recorder.record({ regarding: object, type: 'Warning', reason: 'EventRefused', action: 'Emit', note: message }),
  });

  const revisions = new RevisionStore(client);
  const chosen = await settings(config, client, sinks.length > 0 || archive !== undefined);
  const deps: Deps = {
    client, caches, clock, log, metrics, tracer, clients, providers, secrets, leadership: elector.leadership, events: recorder,
    outbox: { amend: emitter.amend, isDrained: (object) => emitter.isDrained(object), abandon: (object, signal) => emitter.abandon(object, signal) },
    revisions, calendar: new BookingCalendar({ caches, clock, revisions, settings: chosen }),
    evidence: outgoing.evidence,
    topologies,
    settings: chosen,
    turns: new Turns(),
  };
  const ingest = new Ingest({
    client, clock, log, metrics, tracer, sessions: caches.sessions, ownSource: config.CLOUDEVENTS_SOURCE, allowedSources: config.INGEST_ALLOWED_SOURCES, typeAliases: config.INGEST_TYPE_ALIASES,
    world: async (session) => (await gather(deps, session, AbortSignal.timeout(10_000))).world,
    amend: emitter.amend,
    turns: deps.turns,
    rejections,
    stored: (_before, after, { rows, notices, dropped }) => {
      caches.sessions.observe(after);
      tellTransitions(deps, after, rows, notices, dropped);
    },
  });

  const reviews = tokenReviews(client, clock, config.WEB_AUDIENCE);
  const page = config.WEB_PAGE === 'enabled' ? createPage({ client, caches, clock, log, reviews }) : undefined;
  const manager: Manager = new Manager({
    clock, log,
    caches: [caches.sessions, caches.definitions, caches.labs, caches.workers, caches.templates, caches.namespaces],
    first: [
      opsServer({ port: config.OPS_PORT, host: config.LISTEN_HOST, metrics, ready: () => manager.ready(), healthy: () => manager.healthy(), listening: (opsPort) => log.info({ opsPort }, 'listening') }),
      await ingestRunnable({ config, ingest, client, clock, log, metrics, isReady: () => manager.serves(), isLeaving: () => !manager.ready().ok, listening: (ingestPort) => log.info({ ingestPort }, 'listening') }),
      httpServer({ name: 'web server', app: webApp({ log, routers: { '/schemas': schemasRouter(), ...archiveRouters(archive, client, reviews), ...page?.routers } }), port: config.WEB_PORT, host: config.LISTEN_HOST, listening: (webPort) => log.info({ webPort }, 'listening') }),
    ],
    always: [recorder, ...(rejections ? [rejections] : []), ...(page ? [page.streams] : [])],
    leaderOnly: [definitionController(deps), workerController(deps), templateController(deps), labController(deps), schedulerController(deps), scalerController(deps), sessionController(deps), emitter, ...(archive ? [archiveRetention({ store: archive, keepMs: config.ARCHIVE_RETENTION, clock, log })] : [])],
    elector,
    admit: async (signal) => {
      refuseStrays(caches.labs.list(), config.WATCH_NAMESPACES);
      await claimInstallation({ client, clock, log, namespace: config.POD_NAMESPACE }, signal);
    },
    drainMs: config.DRAIN_DELAY,
  });
  stateMetrics({ metrics, caches, clock, timeouts: chosen.timeouts });
  log.info({ cluster: connection.server.href, resources: [LABLET_SESSIONS.plural, LABLET_DEFINITIONS.plural], sinks: sinks.map((sink) => sink.name), archive: archive?.name, clusterId: deps.settings.clusterId, identity }, 'starting');
  return {
    manager, log,
    close: async () => {
      await outgoing.close();
      await client.close();
      await tracer.close();
    },
  };
}

async function settings(config: Config, client: KubeClient, emit: boolean): Promise<Settings> {
  const secret = (name: string | undefined): string => `${config.POD_NAMESPACE}/${name ?? ''}`;
  return {
    timeouts: scaleTimeouts(config.TIME_SCALE, config.TIMEOUTS),
    scale: config.TIME_SCALE,
    clusterId: config.CLUSTER_ID ?? (await clusterId(client)),
    namespace: config.POD_NAMESPACE,
    orphanInstancePolicy: config.ORPHAN_INSTANCE_POLICY,
    licenseSuperset: config.LICENSE_SUPERSET,
    maxWorkers: config.MAX_WORKERS,
    scaleDown: config.SCALE_DOWN === 'enabled',
    emit,
    archive: config.ARCHIVE_URL === undefined ? undefined : config.CLOUDEVENTS_SOURCE,
    lds: config.LDS_URL === undefined ? undefined : { endpoint: config.LDS_URL, credentialsKey: secret(config.LDS_CREDENTIALS_SECRET) },
    grading: config.GRADING_ENGINE_URL === undefined ? undefined : { endpoint: config.GRADING_ENGINE_URL, tokenUrl: config.GRADING_TOKEN_URL ?? '', credentialsKey: secret(config.GRADING_CREDENTIALS_SECRET) },
  };
}

/** Without an archive there is no such path. */
function archiveRouters(store: ArchiveStore | undefined, client: KubeClient, reviews: TokenReviews<KubeUser>): Record<string, Router> {
  if (store === undefined) return {};
  return { '/archive': archiveRouter({ store, whoIs: (token) => reviews.subjectOf(token), mayDo: (user, access, signal) => mayDo(client, user, access, signal) }) };
}

/** Tells our labs from those of another cluster on a shared host: first 4 hex digits of the SHA-256 of the uid of kube-system. */
async function clusterId(client: KubeClient): Promise<string> {
  const system = await client.get(NAMESPACES, 'kube-system');
  return sha256Hex(system.metadata.uid).slice(0, 4);
}
