/** The hosts that the calendar may count on: workers as they are, and those that templates may still make (contract §3a). */
import { ANNOTATIONS } from '../api/group.ts';
import { isDeleting } from '../api/meta.ts';
import { isTrue } from './conditions.ts';
import { freshWorker } from './scaling.ts';
import { leadTimeOf } from './scaling-learn.ts';
import { earliest, fromTime, latest, plus } from './time.ts';
import type { Worker, WorkerTemplate } from '../api/worker.ts';
import type { Fleet, FleetTemplate, FleetWorker } from './calendar.ts';
import type { WorkerSnapshot } from './scheduling.ts';

/** A host that is on its way for so long after it was expected is counted on no more. Milliseconds, scaled. */
const OVERDUE = 30 * 60_000;

/** The objects that hosts are known by. */
export interface FleetObjects {
  readonly workers: readonly Worker[];
  readonly templates: readonly WorkerTemplate[];
  template: (name: string) => WorkerTemplate | undefined;
  workersOf: (template: string) => readonly Worker[];
  snapshot: (worker: Worker) => WorkerSnapshot;
  /** What Labs that nobody has claimed, and labs that are not ours, hold of a worker. */
  kept: (worker: string) => FleetWorker['kept'];
}

export interface FleetLimits {
  /** MAX_WORKERS of the installation. */
  readonly maxWorkers: number;
  /** A worker that is silent for so long is lost. Milliseconds. */
  readonly workerUnreachable: number;
  /** TIME_SCALE. */
  readonly scale: number;
}

/** The fleet now, and when it must be looked at again though nothing has changed. */
export function fleetOf(objects: FleetObjects, limits: FleetLimits, now: Date): { fleet: Fleet; until: Date | undefined } {
  let until: Date | undefined;
  const workers = objects.workers.flatMap((worker): FleetWorker[] => {
    const { name } = worker.metadata;
    const { templateName } = worker.spec;
    const found = counted(objects, limits, worker, now);
    until = earliest(until, found?.until);
    return found ? [{ ...found.state, facts: factsOf(objects, worker), template: templateName, leadTime: leadTime(objects, limits.scale, templateName), kept: objects.kept(name) }] : [];
  });
  return { fleet: { workers, templates: templatesOf(objects, limits) }, until };
}

type Counted = { state: Pick<FleetWorker, 'state' | 'readyAt'>; until?: Date | undefined };

/** Is the worker capacity, and when? A person's wish to have it out of service is obeyed; what the autoscaler stopped, it can start. */
function counted(objects: FleetObjects, limits: FleetLimits, worker: Worker, now: Date): Counted | undefined {
  const { spec, status } = worker;
  if (spec.desiredState !== 'Running' || isDeleting(worker)) return undefined;
  switch (status?.phase ?? 'Pending') {
    case 'Running': {
      const silent = fromTime(status?.unreachableSince);
      const lostAt = silent && plus(silent, limits.workerUnreachable);
      if (lostAt ? lostAt <= now : !isTrue(status, 'Schedulable')) return undefined;
      return { state: { state: 'up' }, until: lostAt };
    }
    case 'Pending': case 'Provisioning': case 'Starting':
      return coming(objects, limits, worker, now);
    case 'Draining': case 'Stopping': case 'Stopped':
      // A static host is started by hand.
      return spec.provider === 'static' ? undefined : { state: { state: 'down' } };
    default:
      return undefined;
  }
}

function coming(objects: FleetObjects, { scale }: FleetLimits, worker: Worker, now: Date): Counted | undefined {
  const { status, metadata, spec } = worker;
  // A static host that was never seen may be a name only.
  if (spec.provider === 'static' && status?.cmlVersion === undefined) return undefined;
  const since = latest(...(status?.history ?? []).filter(({ to }) => to === 'Provisioning' || to === 'Starting').map(({ at }) => new Date(at))) ?? new Date(metadata.creationTimestamp);
  const readyAt = plus(since, leadTime(objects, scale, spec.templateName));
  const until = plus(readyAt, OVERDUE / scale);
  return until <= now ? undefined : { state: { state: 'coming', readyAt: readyAt.getTime() }, until };
}

/** What is known of a worker; of one that has not run yet, what its template says. */
function factsOf(objects: FleetObjects, worker: Worker): WorkerSnapshot {
  const snapshot = objects.snapshot(worker);
  const template = objects.template(worker.spec.templateName);
  if (!template || snapshot.cmlVersion !== undefined) return snapshot;
  const fresh = freshOf(objects, template);
  return { ...snapshot, license: snapshot.license ?? fresh.license, imageName: snapshot.imageName ?? fresh.imageName, cmlVersion: fresh.cmlVersion, nodeDefinitions: fresh.nodeDefinitions, nodeLimit: Math.min(snapshot.nodeLimit, fresh.nodeLimit), nestedVirtualization: snapshot.nestedVirtualization || fresh.nestedVirtualization };
}

/** A new worker of a template, with what its newest worker has said of the image. */
function freshOf(objects: FleetObjects, template: WorkerTemplate): WorkerSnapshot {
  const known = objects.workersOf(template.metadata.name).filter(({ status }) => status?.cmlVersion !== undefined);
  const [example] = known.sort((a, b) => (a.metadata.creationTimestamp > b.metadata.creationTimestamp ? -1 : 1));
  return freshWorker(template, example);
}

function leadTime(objects: FleetObjects, scale: number, templateName: string): number {
  const template = objects.template(templateName);
  return template ? leadTimeOf(template.spec, template.status?.boots ?? [], scale) : 0;
}

const mayLaunch = ({ metadata, spec }: WorkerTemplate): boolean =>
  spec.enabled && spec.provider !== 'static' && metadata.deletionTimestamp === undefined && metadata.annotations?.[ANNOTATIONS.paused] === undefined;

/** Templates that may make workers, with how many more: `maxWorkers` counts all that are not Terminated or Failed. */
function templatesOf(objects: FleetObjects, { maxWorkers, scale }: FleetLimits): FleetTemplate[] {
  const exists = ({ status }: Worker): boolean => status?.phase !== 'Terminated' && status?.phase !== 'Failed';
  const templates = objects.templates.filter(mayLaunch).map((template): FleetTemplate => {
    const { name } = template.metadata;
    return {
      name, facts: { ...freshOf(objects, template), name }, leadTime: leadTime(objects, scale, name), costPerHour: Number(template.spec.costPerHour),
      room: Math.max(0, template.spec.maxWorkers - objects.workersOf(name).filter(exists).length),
    };
  });
  return shareOut(templates, maxWorkers - objects.workers.filter(exists).length);
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
