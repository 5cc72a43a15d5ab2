/** What every controller is given. Made once in src/app/wire.ts; nothing here is global. */
import type { LabletDefinition } from '../api/labletdefinition.ts';
import type { LabletSession } from '../api/labletsession.ts';
import type { Lab } from '../api/lab.ts';
import type { KubeObject } from '../api/meta.ts';
import type { Namespace } from '../api/resource.ts';
import type { Worker, WorkerTemplate } from '../api/worker.ts';
import type { ClientFactory, GradingTarget, LdsTarget } from '../clients/factory-port.ts';
import type { Providers } from '../clients/provider/port.ts';
import type { EvidenceStore } from '../clients/evidence/port.ts';
import type { TopologySource } from '../clients/topology/port.ts';
import type { Timeouts } from '../core/timeouts.ts';
import type { KubeClient } from '../kube/client.ts';
import type { Informer } from '../kube/informer.ts';
import type { Clock } from '../runtime/clock.ts';
import type { Leadership } from '../runtime/leadership.ts';
import type { EventSink } from '../runtime/recorder.ts';
import type { Turns } from '../runtime/turns.ts';
import type { Logger } from '../telemetry/log.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import type { Tracer } from '../telemetry/tracer.ts';
import type { BookingTerms } from '../core/booking.ts';
import type { Booking, Calendar } from '../core/calendar.ts';
import type { PinnedDefinition } from '../core/definition.ts';
import type { Demand } from '../core/scheduling.ts';
import type { OutboxDraft } from '../core/outbox.ts';
import type { RevisionStore } from './revisions.ts';
import type { SecretReader } from './secrets.ts';

/** The caches that controllers share. Indexes: see `addIndexes` in src/app/caches.ts. */
export interface Caches {
  sessions: Informer<LabletSession>;
  definitions: Informer<LabletDefinition>;
  labs: Informer<Lab>;
  workers: Informer<Worker>;
  templates: Informer<WorkerTemplate>;
  namespaces: Informer<Namespace>;
}

/** Names of the indexes on the caches. */
export const INDEX = {
  /** Sessions by `namespace/definition name`. */
  sessionsByDefinition: 'definition',
  /** Sessions by worker name. */
  sessionsByWorker: 'worker',
  /** Sessions by phase, '' for none. */
  sessionsByPhase: 'phase',
  /** Sessions by `namespace/reservationId`. */
  sessionsByReservation: 'reservation',
  /** Labs by uid of the session that has claimed them; '' for free ones. */
  labsBySession: 'session',
  /** Labs by worker name. */
  labsByWorker: 'worker',
  /** Workers by template name. */
  workersByTemplate: 'template',
} as const;

/** What the installation was configured with, as far as controllers care. */
export interface Settings {
  timeouts: Timeouts;
  /** TIME_SCALE: durations of the domain are divided by it; 1 in production. */
  scale: number;
  /** 4 hex digits; ends the title of every lab that we make. */
  clusterId: string;
  /** The controller's own namespace: credentials of workers, LDS and GradingEngine are there. */
  namespace: string;
  /** Is there a sink for events, or an archive? Without one nothing is recorded in an outbox. */
  emit: boolean;
  /** CLOUDEVENTS_SOURCE, if there is an archive (ARCHIVE_URL). */
  archive?: string | undefined;
  /** What becomes of machines that carry our tags and have no Worker. */
  orphanInstancePolicy: 'Report' | 'Terminate';
  /** Does an Enterprise licence serve where a Personal one is asked for? */
  licenseSuperset: boolean;
  /** Most Workers of the installation (MAX_WORKERS). */
  maxWorkers: number;
  /** May the auto-scaler drain workers that nobody uses (SCALE_DOWN)? */
  scaleDown: boolean;
  lds: LdsTarget | undefined;
  grading: GradingTarget | undefined;
}

export interface Deps {
  client: KubeClient;
  caches: Caches;
  clock: Clock;
  log: Logger;
  metrics: Metrics;
  tracer: Tracer;
  leadership: Leadership;
  events: EventSink;
  clients: ClientFactory;
  /** Where machines for workers come from. */
  providers: Providers;
  revisions: RevisionStore;
  /** What is promised to whom, and when. Asked on the leader only. */
  calendar: Bookings;
  secrets: SecretReader;
  /** Undefined: EVIDENCE_URL is not set, evidence is not kept. */
  evidence: EvidenceStore | undefined;
  /** What definitions name by URI. */
  topologies: TopologySource;
  settings: Settings;
  outbox: Outbox;
  /** Writes of a session's status, by uid: its pass and ingest take turns, else each would only take the other's write away. */
  turns: Turns;
}

/** What controllers see of the calendar (src/controllers/scheduler/calendar.ts). */
export interface Bookings {
  /** What sessions need, by definition and version. */
  readonly demands: { get: (session: LabletSession) => Demand | undefined; definition: (session: LabletSession) => PinnedDefinition | undefined; ensure: (session: LabletSession, signal: AbortSignal) => Promise<Demand | undefined>; of: (definition: PinnedDefinition) => Demand };
  /** Changes with the hosts that can be counted on. */
  readonly fleetRevision: number;
  /** The calendar with all that the caches show by now. */
  ready: () => Promise<Calendar>;
  /** Holds what a session asks for that is about to be admitted, or wants a later end. Returns why there is no room; undefined: it is held, or nothing is asked. */
  noRoom: (session: LabletSession, definition: PinnedDefinition) => Promise<string | undefined>;
  /** What is said to a session that the calendar has no room for. */
  explain: (booking: Booking, terms: BookingTerms, now: Date) => string;
  /** What a session asks for; undefined: its version is not known. */
  bookingOf: (session: LabletSession, now: Date) => { booking: Booking; terms: BookingTerms } | undefined;
  /** Milliseconds until the slowest host that could be made for it has booted. */
  slowestBoot: (demand: Demand) => number;
  /** Is it time to move along what waits as soon as possible? */
  slides: (calendar: Calendar, booking: Booking) => boolean;
}

/** What controllers see of the emitter. */
export interface Outbox {
  /** Drops acknowledged entries from every status that is written anyway. */
  amend: <S extends OutboxDraft>(next: S, object: KubeObject) => S;
  /** Has all that stands in the object's outbox been delivered or given up? */
  isDrained: (object: KubeObject & { status?: OutboxDraft | undefined }) => boolean;
  /** Gives up what a deleted object still has to send: to the dead-letter sink, else dropped and counted. */
  abandon: (object: KubeObject, signal: AbortSignal) => Promise<void>;
}

/**
 * The signal of one outside effect: ends with the pass, and with the right to act (docs/architecture.md: a lost lease).
 * @throws NotLeaderError if the lease is not valid for long enough
 */
export function effectSignal(deps: Pick<Deps, 'leadership'>, pass: AbortSignal): AbortSignal {
  return deps.leadership.effectSignal(undefined, pass);
}
