/** The hosts that the calendar may count on, from the caches. */
import * as core from '../../core/calendar-fleet.ts';
import { INDEX } from '../deps.ts';
import { keptBy, workerSnapshot } from '../worker/snapshot.ts';
import type { Fleet } from '../../core/calendar.ts';
import type { Deps } from '../deps.ts';
import type { DemandCache } from '../worker/snapshot.ts';

/** The fleet now, and when it must be looked at again though nothing has changed. */
export function fleetOf(deps: Pick<Deps, 'caches' | 'settings'>, demands: Pick<DemandCache, 'get'>, now: Date): { fleet: Fleet; until: Date | undefined } {
  const { caches, settings: { maxWorkers, scale, timeouts: { workerUnreachable } } } = deps;
  return core.fleetOf({
    workers: caches.workers.list(), templates: caches.templates.list(),
    template: (name) => caches.templates.get(name),
    workersOf: (template) => caches.workers.byIndex(INDEX.workersByTemplate, template),
    snapshot: (worker) => workerSnapshot(deps, worker, demands),
    kept: (worker) => keptBy(deps, worker),
  }, { maxWorkers, workerUnreachable, scale }, now);
}
