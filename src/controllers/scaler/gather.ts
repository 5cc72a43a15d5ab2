/** The fleet for the auto-scaler, from the caches and the calendar. */
import { ANNOTATIONS } from '../../api/group.ts';
import { isDeleting, objectKey } from '../../api/meta.ts';
import { AFTER_SLOT } from '../../core/booking.ts';
import { freshWorker } from '../../core/scaling.ts';
import { leadTimeOf, learn } from '../../core/scaling-learn.ts';
import { parseDuration } from '../../core/duration.ts';
import { heldBack } from '../../core/session/situation.ts';
import { fromTime, latest, plus } from '../../core/time.ts';
import { INDEX } from '../deps.ts';
import { boundSessions, workerSnapshot } from '../worker/snapshot.ts';
import type { LabletSession } from '../../api/labletsession.ts';
import type { Worker, WorkerTemplate, WorkerTemplateStatus } from '../../api/worker.ts';
import type { Calendar } from '../../core/calendar.ts';
import type { Fleet, Need, Standing, TemplateView, WorkerView } from '../../core/scaling.ts';
import type { WorkerSnapshot } from '../../core/scheduling.ts';
import type { Deps } from '../deps.ts';

/** What collection, grading and teardown usually take; what is promised is their limit. Milliseconds, scaled. */
const USUALLY_AFTER_SLOT = 10 * 60_000;
/** Sessions that need a worker later than this, or than two boots take, are nobody's concern yet. Milliseconds, scaled. */
const HORIZON = 90 * 60_000;

export interface Gathered {
  fleet: Fleet;
  /** What each template has taught. */
  learned: { template: WorkerTemplate; status: WorkerTemplateStatus }[];
  lastDrainAt: Date | undefined;
}

export function gather(deps: Deps, calendar: Calendar, now: Date): Gathered {
  const { caches, settings } = deps;
  const learned: Gathered['learned'] = [];
  const templates = caches.templates.list().filter((template) => !isDeleting(template)).map((template): TemplateView => {
    const workers = caches.workers.byIndex(INDEX.workersByTemplate, template.metadata.name);
    const { status, pause } = learn(template, workers, settings.scale);
    learned.push({ template, status });
    return { ...viewOf(template, newestKnown(workers), settings.scale), leadTime: leadTimeOf(template.spec, status.boots ?? [], settings.scale), ...pause };
  });
  const workers = caches.workers.list();
  return {
    learned,
    lastDrainAt: latest(...workers.map((worker) => drainedAt(worker))),
    fleet: {
      now, calendar, templates, maxWorkers: settings.maxWorkers,
      needs: caches.sessions.byIndex(INDEX.sessionsByPhase, 'Pending').flatMap((session) => needOf(deps, session, templates, now) ?? []),
      workers: workers.map((worker) => workerView(deps, worker, now)),
    },
  };
}

function viewOf(template: WorkerTemplate, example: Worker | undefined, scale: number): Omit<TemplateView, 'leadTime' | 'notBefore' | 'quarantined'> {
  const { metadata: { name, annotations }, spec } = template;
  return {
    name, canLaunch: spec.enabled && spec.provider !== 'static' && annotations?.[ANNOTATIONS.paused] === undefined,
    fresh: freshWorker(template, example), costPerHour: Number(spec.costPerHour), minWorkers: spec.minWorkers, maxWorkers: spec.maxWorkers,
    idleTimeout: parseDuration(spec.idleTimeout) / scale,
  };
}

/** The newest worker that has said what its image can do. */
function newestKnown(workers: readonly Worker[]): Worker | undefined {
  return workers.filter(({ status }) => status?.cmlVersion !== undefined).sort((a, b) => (a.metadata.creationTimestamp > b.metadata.creationTimestamp ? -1 : 1))[0];
}

/** A session that waits, or will; undefined: not within the horizon, or nobody knows yet what it needs. */
function needOf({ calendar, settings: { scale, timeouts } }: Deps, session: LabletSession, templates: readonly TemplateView[], now: Date): Need | undefined {
  if (isDeleting(session) || session.spec.desiredState !== 'Active' || heldBack(session)) return undefined;
  const asked = calendar.bookingOf(session, now);
  if (!asked) return undefined;
  const { key, demand, hold, lead, kind } = asked.booking;
  const boot = Math.max(0, ...templates.filter(({ canLaunch }) => canLaunch).map(({ leadTime }) => leadTime));
  if (hold.from > now.getTime() + Math.max(HORIZON / scale, 2 * boot + lead)) return undefined;
  const gate = kind === 'booked' ? hold.from + lead - timeouts.schedulingGate : now.getTime();
  return { key, session: objectKey(session), demand, from: new Date(Math.max(hold.from, now.getTime())), until: usualEnd(hold.to, now, scale), limit: new Date(hold.to), gate: new Date(gate) };
}

/** When a session will have given its worker back if its end is like that of most. */
const usualEnd = (limit: number, now: Date, scale: number): Date => new Date(Math.max(now.getTime(), limit - AFTER_SLOT / scale) + USUALLY_AFTER_SLOT / scale);

function workerView(deps: Deps, worker: Worker, now: Date): WorkerView {
  const { caches, calendar, settings: { scale } } = deps;
  const { metadata, spec, status } = worker;
  const all = caches.sessions.byIndex(INDEX.sessionsByWorker, metadata.name);
  const snapshot = workerSnapshot(deps, worker, calendar.demands);
  const standing = standingOf(worker, snapshot);
  return {
    standing, template: spec.templateName, stoppable: spec.provider !== 'static',
    snapshot: standing === 'running' ? snapshot : asItWillBe(deps, worker, snapshot),
    holds: boundSessions(deps, metadata.name).flatMap((session) => {
      const booking = calendar.bookingOf(session, now)?.booking;
      return booking ? [{ demand: booking.demand, until: usualEnd(booking.hold.to, now, scale) }] : [];
    }),
    bound: all.filter(isBound).length,
    launchedAt: standing === 'coming' ? setOutAt(worker) : undefined,
    lastActivityAt: lastActivity(worker, all), lastResumedAt: fromTime(status?.lastResumedAt),
    keep: metadata.annotations?.[ANNOTATIONS.keepRunning] !== undefined || metadata.annotations?.[ANNOTATIONS.paused] !== undefined,
  };
}

/** Scheduled to Stopped: until it is Archived or Terminated, its worker must not go. */
const isBound = ({ status }: LabletSession): boolean => !['Archived', 'Terminated', 'Pending', undefined].includes(status?.phase);

function standingOf(worker: Worker, snapshot: WorkerSnapshot): Standing {
  const { spec, status } = worker;
  const phase = status?.phase ?? 'Pending';
  if (phase === 'Terminated' || phase === 'Failed') return 'gone';
  if (spec.desiredState !== 'Running' || isDeleting(worker)) return 'unusable';
  const ours = status?.drain?.by === 'Autoscaler';
  if (ours) {
    if (phase === 'Stopped' || phase === 'Stopping') return 'stopped';
    return phase === 'Running' || phase === 'Draining' ? 'draining' : 'unusable';
  }
  if (status?.drain) return 'unusable';
  if (phase === 'Running') return snapshot.schedulable ? 'running' : 'unusable';
  // A static host that does not answer may be a name only; an instance is on its way.
  return spec.provider !== 'static' && ['Pending', 'Provisioning', 'Starting', 'Stopped', 'Draining'].includes(phase) ? 'coming' : 'unusable';
}

/** A worker that does not run as the scheduler will see it when it does: what it has not said itself, its template says. */
function asItWillBe({ caches }: Deps, { spec }: Worker, snapshot: WorkerSnapshot): WorkerSnapshot {
  const template = caches.templates.get(spec.templateName);
  if (!template) return snapshot;
  const fresh = freshWorker(template, newestKnown(caches.workers.byIndex(INDEX.workersByTemplate, spec.templateName)));
  return {
    ...snapshot, phase: 'Running', schedulable: fresh.schedulable, draining: false, license: snapshot.license ?? fresh.license, nodeLimit: Math.min(snapshot.nodeLimit, fresh.nodeLimit),
    imageName: snapshot.imageName ?? fresh.imageName, cmlVersion: snapshot.cmlVersion ?? fresh.cmlVersion, nodeDefinitions: snapshot.nodeDefinitions ?? fresh.nodeDefinitions,
    nestedVirtualization: snapshot.nestedVirtualization || fresh.nestedVirtualization,
  };
}

/** When its present way to Running began: its launch, or its restart. */
function setOutAt({ metadata, status }: Worker): Date {
  const setOut = status?.history?.findLast(({ from, to }) => to === 'Provisioning' || (from === 'Stopped' && to === 'Starting'));
  return new Date(setOut?.at ?? metadata.creationTimestamp);
}

/** The last thing that a session did on it, or CML told of; else its last start, else its creation (contract §5). */
function lastActivity({ metadata, status }: Worker, sessions: readonly LabletSession[]): Date {
  const used = sessions.flatMap((session) => fromTime(session.status?.history?.findLast(({ to }) => !['Pending', 'Archived', 'Terminated'].includes(to))?.at) ?? []);
  const ready = status?.history?.findLast(({ to }) => to === 'Running')?.at;
  return latest(...used, fromTime(status?.lastActivityAt), fromTime(status?.lastResumedAt), fromTime(ready)) ?? new Date(metadata.creationTimestamp);
}

/** When the auto-scaler last drained it, as far as its history reaches. */
function drainedAt({ status }: Worker): Date | undefined {
  return status?.drain?.by === 'Autoscaler' ? fromTime(status.drain.since) : undefined;
}

/** Is the Worker one of ours that is over, and was for so long that nobody learns from it any more? */
export function isOver({ metadata, status }: Worker, templates: ReadonlySet<string>, now: Date, keepFor: number): boolean {
  const ours = metadata.ownerReferences?.some(({ uid, controller }) => controller === true && templates.has(uid)) === true;
  const last = status?.history?.at(-1);
  return ours && (status?.phase === 'Terminated' || status?.phase === 'Failed') && last !== undefined && plus(new Date(last.at), keepFor) <= now;
}
