/** Everything that a decision about a Worker needs, from the caches: what is bound to it, what it offers. */
import { objectKey } from '../../api/meta.ts';
import { labState } from '../../api/lab.ts';
import { takenPorts } from '../../core/ports.ts';
import { fromTime, plus } from '../../core/time.ts';
import { capacityStatus, holdsCapacity, nodeLimitOf, offerOf, sumDemands } from '../../core/worker-capacity.ts';
import { INDEX } from '../deps.ts';
import { boundSessions, unknownDemands } from './snapshot.ts';
import type { Worker, WorkerStatus } from '../../api/worker.ts';
import type { Probe, WorkerWorld } from '../../core/worker-world.ts';
import type { Deps } from '../deps.ts';
import type { DemandCache } from './snapshot.ts';

/** Limit of a heartbeat: a host that answers as ever is written down so often. */
const HEARTBEAT_MS = 5 * 60_000;

export function gather(deps: Deps, worker: Worker, probe: Probe | undefined, demands: DemandCache): WorkerWorld {
  const { caches, settings } = deps;
  const { name } = worker.metadata;
  const template = caches.templates.get(worker.spec.templateName);
  const labs = caches.labs.byIndex(INDEX.labsByWorker, name);
  const sessions = caches.sessions.byIndex(INDEX.sessionsByWorker, name).filter(({ status }) => holdsCapacity(status?.phase) || status?.phase === 'Stopped');
  return {
    offer: offerOf(worker.spec, template?.spec),
    wantedLicense: template?.spec.licenseType,
    probe,
    sessions: sessions.map(objectKey),
    unknownDemands: unknownDemands(deps, name, demands),
    labs: labs.length,
    busyLabs: isLost(deps, worker) ? 0 : labs.filter((lab) => ['Wiping', 'Deleting'].includes(labState(lab))).length,
    teardown: settings.timeouts.teardown,
    heartbeat: HEARTBEAT_MS / settings.scale,
    emit: settings.emit,
  };
}

/** A host that has been away for too long is not waited for: what it still holds of ours is removed when it is back. */
function isLost({ clock, settings }: Deps, { status }: Worker): boolean {
  const silentSince = fromTime(status?.unreachableSince);
  return silentSince !== undefined && plus(silentSince, settings.timeouts.workerUnreachable) <= clock.now();
}

/** Reads the definition versions of the sessions that are bound to the worker, where they were not read before. */
export async function ensureDemands(deps: Deps, worker: Worker, demands: DemandCache, signal: AbortSignal): Promise<void> {
  for (const session of boundSessions(deps, worker.metadata.name)) await demands.ensure(session, signal);
}

/** The numbers of a worker into a draft: capacity, sessions, labs. */
export function count(deps: Deps, worker: Worker, draft: WorkerStatus, world: WorkerWorld, demands: DemandCache): void {
  const { caches } = deps;
  const { name } = worker.metadata;
  const bound = boundSessions(deps, name);
  draft.sessions = bound.length;
  draft.labs = world.labs;
  if (!world.offer) {
    Reflect.deleteProperty(draft, 'capacity');
    return;
  }
  const used = sumDemands(bound.flatMap((session) => demands.get(session) ?? []));
  const taken = takenPorts(caches.labs.byIndex(INDEX.labsByWorker, name).map((lab) => lab.spec), draft.foreignPorts);
  draft.capacity = capacityStatus(world.offer, nodeLimitOf(world.offer, draft.license), used, taken);
}
