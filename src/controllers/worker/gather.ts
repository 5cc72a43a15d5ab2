/** Everything that a decision about a Worker needs, from the caches: what is bound to it, what it offers. */
import { objectKey } from '../../api/meta.ts';
import { labState } from '../../api/lab.ts';
import { takenPorts } from '../../core/ports.ts';
import { parseDuration } from '../../core/duration.ts';
import { fromTime, latest, plus } from '../../core/time.ts';
import { capacityStatus, holdsCapacity, nodeLimitOf, offerOf, sumDemands } from '../../core/worker-capacity.ts';
import { INDEX } from '../deps.ts';
import { regionOf } from './machine.ts';
import { boundSessions, keptBy, unknownDemands } from './snapshot.ts';
import type { LabletSession } from '../../api/labletsession.ts';
import type { Worker, WorkerStatus, WorkerTemplateSpec } from '../../api/worker.ts';
import type { WorkerLimits, WorkerWorld } from '../../core/worker-world.ts';
import type { Deps } from '../deps.ts';

/** Limit of a heartbeat: a host that answers as ever is written down so often. */
const HEARTBEAT_MS = 5 * 60_000;
/** The template's default, for a worker whose template is gone. */
const DRAIN_TIMEOUT = '4h';

/** EC2 may show what was true before our last act for so long. */
const SETTLE_MS = 5_000;

/** What was seen and done outside in this pass. */
export type Seen = Pick<WorkerWorld, 'probe' | 'registration' | 'instance' | 'launch' | 'licenseReleased'>;

export function gather(deps: Deps, worker: Worker, seen: Seen): WorkerWorld {
  const { caches, settings } = deps;
  const { name } = worker.metadata;
  const template = caches.templates.get(worker.spec.templateName);
  const labs = caches.labs.byIndex(INDEX.labsByWorker, name);
  const sessions = staying(deps, name);
  return {
    ...seen,
    providerKnown: regionOf(deps, worker) !== undefined,
    offer: offerOf(worker.spec, template?.spec),
    wantedLicense: template?.spec.licenseType,
    sessions: sessions.map(objectKey),
    lastSessionEnd: lastEnd(deps, sessions),
    unknownDemands: unknownDemands(deps, name, deps.calendar.demands),
    labs: labs.length,
    busyLabs: busyLabs(deps, worker),
    limits: limitsOf(deps, template?.spec),
    emit: settings.emit,
  };
}

/** Limits of a worker's life, on the clock of the domain. */
export function limitsOf({ settings }: Pick<Deps, 'settings'>, template: WorkerTemplateSpec | undefined): WorkerLimits {
  const { timeouts, scale } = settings;
  return {
    teardown: timeouts.teardown, provisioning: timeouts.provisioning, heartbeat: HEARTBEAT_MS / scale, settle: SETTLE_MS / scale,
    drain: parseDuration(template?.drainTimeout ?? DRAIN_TIMEOUT) / scale, drainForce: timeouts.drainForce,
    stoppedTtl: template?.stoppedTtl === undefined ? undefined : parseDuration(template.stoppedTtl) / scale,
  };
}

/** Does nobody use the worker, and is nothing being cleaned up on it? */
export const isIdle = (deps: Deps, worker: Worker): boolean => staying(deps, worker.metadata.name).length === 0 && busyLabs(deps, worker) === 0;

/** The sessions that keep a worker from stopping: Scheduled to Stopped. */
function staying({ caches }: Deps, workerName: string): LabletSession[] {
  return caches.sessions.byIndex(INDEX.sessionsByWorker, workerName).filter(({ status }) => holdsCapacity(status?.phase) || status?.phase === 'Stopped');
}

function busyLabs(deps: Deps, worker: Worker): number {
  return isLost(deps, worker) ? 0 : deps.caches.labs.byIndex(INDEX.labsByWorker, worker.metadata.name).filter((lab) => ['Wiping', 'Deleting'].includes(labState(lab))).length;
}

/** When the last session will be off the worker, with all the limits after its slot used up; undefined: one of them has no end yet. */
function lastEnd({ settings: { timeouts } }: Deps, sessions: readonly LabletSession[]): Date | undefined {
  const ends = sessions.map(({ status }) => fromTime(status?.timeslot?.end ?? undefined));
  if (ends.includes(undefined)) return undefined;
  const last = latest(...ends);
  return last && plus(last, timeouts.collection + timeouts.grading + timeouts.teardown);
}

/** A host that has been away for too long is not waited for: what it still holds of ours is removed when it is back. */
function isLost({ clock, settings }: Deps, { status }: Worker): boolean {
  const silentSince = fromTime(status?.unreachableSince);
  return silentSince !== undefined && plus(silentSince, settings.timeouts.workerUnreachable) <= clock.now();
}

/** Reads the definition versions of the sessions that are bound to the worker, where they were not read before. */
export async function ensureDemands(deps: Deps, worker: Worker, signal: AbortSignal): Promise<void> {
  for (const session of boundSessions(deps, worker.metadata.name)) await deps.calendar.demands.ensure(session, signal);
}

/** The numbers of a worker into a draft: capacity, sessions, labs. */
export function count(deps: Deps, worker: Worker, draft: WorkerStatus, world: WorkerWorld): void {
  const { caches } = deps;
  const { name } = worker.metadata;
  const bound = boundSessions(deps, name);
  draft.sessions = bound.length;
  draft.labs = world.labs;
  if (!world.offer) {
    Reflect.deleteProperty(draft, 'capacity');
    return;
  }
  const used = sumDemands(bound.flatMap((session) => deps.calendar.demands.get(session) ?? []));
  used.storage += keptBy(deps, name).storage;
  const taken = takenPorts(caches.labs.byIndex(INDEX.labsByWorker, name).map((lab) => lab.spec), draft.foreignPorts);
  draft.capacity = capacityStatus(world.offer, nodeLimitOf(world.offer, draft.license), used, taken);
}
