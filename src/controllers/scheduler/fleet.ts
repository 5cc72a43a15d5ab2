/** The hosts that the calendar may count on: workers as they are, and those that templates may still make (contract §3a). */
import { ANNOTATIONS } from '../../api/group.ts';
import { isDeleting } from '../../api/meta.ts';
import { isTrue } from '../../core/conditions.ts';
import { freshWorker } from '../../core/scaling.ts';
import { leadTimeOf } from '../../core/scaling-learn.ts';
import { earliest, fromTime, latest, plus } from '../../core/time.ts';
import { INDEX } from '../deps.ts';
import { keptBy, workerSnapshot } from '../worker/snapshot.ts';
import type { Worker, WorkerTemplate } from '../../api/worker.ts';
import type { Fleet, FleetTemplate, FleetWorker } from '../../core/calendar.ts';
import type { WorkerSnapshot } from '../../core/scheduling.ts';
import type { Deps } from '../deps.ts';
import type { DemandCache } from '../worker/snapshot.ts';

type FleetDeps = Pick<Deps, 'caches' | 'settings'>;

/** A host that is on its way for so long after it was expected is counted on no more. Milliseconds, scaled. */
const OVERDUE = 30 * 60_000;

/** The fleet now, and when it must be looked at again though nothing has changed. */
export function fleetOf(deps: FleetDeps, demands: Pick<DemandCache, 'get'>, now: Date): { fleet: Fleet; until: Date | undefined } {
  let until: Date | undefined;
  const workers = deps.caches.workers.list().flatMap((worker): FleetWorker[] => {
    const found = counted(deps, worker, now);
    until = earliest(until, found?.until);
    return found ? [{ ...found.state, facts: factsOf(deps, worker, demands), template: worker.spec.templateName, leadTime: leadTime(deps, worker.spec.templateName), kept: keptBy(deps, worker.metadata.name) }] : [];
  });
  return { fleet: { workers, templates: templatesOf(deps) }, until };
}

type Counted = { state: Pick<FleetWorker, 'state' | 'readyAt'>; until?: Date | undefined };

/** Is the worker capacity, and when? A person's wish to have it out of service is obeyed; what the autoscaler stopped, it can start. */
function counted(deps: FleetDeps, worker: Worker, now: Date): Counted | undefined {
  const { settings } = deps;
  const { spec, status } = worker;
  if (spec.desiredState !== 'Running' || isDeleting(worker)) return undefined;
  switch (status?.phase ?? 'Pending') {
    case 'Running': {
      const silent = fromTime(status?.unreachableSince);
      const lostAt = silent && plus(silent, settings.timeouts.workerUnreachable);
      if (lostAt ? lostAt <= now : !isTrue(status, 'Schedulable')) return undefined;
      return { state: { state: 'up' }, until: lostAt };
    }
    case 'Pending': case 'Provisioning': case 'Starting':
      return coming(deps, worker, now);
    case 'Draining': case 'Stopping': case 'Stopped':
      // A static host is started by hand.
      return spec.provider === 'static' ? undefined : { state: { state: 'down' } };
    default:
      return undefined;
  }
}

function coming(deps: FleetDeps, worker: Worker, now: Date): Counted | undefined {
  const { status, metadata, spec } = worker;
  // A static host that was never seen may be a name only.
  if (spec.provider === 'static' && status?.cmlVersion === undefined) return undefined;
  const since = latest(...(status?.history ?? []).filter(({ to }) => to === 'Provisioning' || to === 'Starting').map(({ at }) => new Date(at))) ?? new Date(metadata.creationTimestamp);
  const readyAt = plus(since, leadTime(deps, spec.templateName));
  const until = plus(readyAt, OVERDUE / deps.settings.scale);
  return until <= now ? undefined : { state: { state: 'coming', readyAt: readyAt.getTime() }, until };
}

/** What is known of a worker; of one that has not run yet, what its template says. */
function factsOf(deps: FleetDeps, worker: Worker, demands: Pick<DemandCache, 'get'>): WorkerSnapshot {
  const snapshot = workerSnapshot(deps, worker, demands);
  const template = deps.caches.templates.get(worker.spec.templateName);
  if (!template || snapshot.cmlVersion !== undefined) return snapshot;
  const fresh = freshOf(deps, template);
  return { ...snapshot, license: snapshot.license ?? fresh.license, imageName: snapshot.imageName ?? fresh.imageName, cmlVersion: fresh.cmlVersion, nodeDefinitions: fresh.nodeDefinitions, nodeLimit: Math.min(snapshot.nodeLimit, fresh.nodeLimit), nestedVirtualization: snapshot.nestedVirtualization || fresh.nestedVirtualization };
}

/** A new worker of a template, with what its newest worker has said of the image. */
function freshOf({ caches }: FleetDeps, template: WorkerTemplate): WorkerSnapshot {
  const known = caches.workers.byIndex(INDEX.workersByTemplate, template.metadata.name).filter(({ status }) => status?.cmlVersion !== undefined);
  const [example] = known.sort((a, b) => (a.metadata.creationTimestamp > b.metadata.creationTimestamp ? -1 : 1));
  return freshWorker(template, example);
}

function leadTime({ caches, settings }: FleetDeps, templateName: string): number {
  const template = caches.templates.get(templateName);
  return template ? leadTimeOf(template.spec, template.status?.boots ?? [], settings.scale) : 0;
}

const mayLaunch = ({ metadata, spec }: WorkerTemplate): boolean =>
  spec.enabled && spec.provider !== 'static' && metadata.deletionTimestamp === undefined && metadata.annotations?.[ANNOTATIONS.paused] === undefined;

/** Templates that may make workers, with how many more: `maxWorkers` counts all that are not Terminated or Failed. */
function templatesOf(deps: FleetDeps): FleetTemplate[] {
  const { caches, settings: { maxWorkers } } = deps;
  const exists = ({ status }: Worker): boolean => status?.phase !== 'Terminated' && status?.phase !== 'Failed';
  const templates = caches.templates.list().filter(mayLaunch).map((template): FleetTemplate => {
    const { name } = template.metadata;
    return {
      name, facts: { ...freshOf(deps, template), name }, leadTime: leadTime(deps, name), costPerHour: Number(template.spec.costPerHour),
      room: Math.max(0, template.spec.maxWorkers - caches.workers.byIndex(INDEX.workersByTemplate, name).filter(exists).length),
    };
  });
  return shareOut(templates, maxWorkers - caches.workers.list().filter(exists).length);
}

/** The installation's own limit is shared out in turns, the cheapest first: no template is left without a worker while another may have two. */
function shareOut(templates: readonly FleetTemplate[], limit: number): FleetTemplate[] {
  const order = templates.toSorted((a, b) => a.costPerHour - b.costPerHour || (a.name < b.name ? -1 : 1));
  if (order.reduce((sum, { room }) => sum + room, 0) <= limit) return order;
  const given = new Map<string, number>();
  let left = Math.max(0, limit);
  for (let turn = 0; left > 0; turn++) {
    for (const { name, room } of order) {
      if (room <= turn || left === 0) continue;
      given.set(name, turn + 1);
      left -= 1;
    }
  }
  return order.map((template) => ({ ...template, room: given.get(template.name) ?? 0 }));
}
