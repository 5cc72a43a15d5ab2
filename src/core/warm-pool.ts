/**
 * The warm pool (contract §6): labs of a definition version that stand on hosts, imported and never started, for the
 * sessions to come. They hold ports and disk, and neither CPU, memory nor nodes. Pure: what there is in, what to import
 * and what to remove out.
 */
import { fitsEmpty } from './scaling.ts';
import { rejection } from './scheduling.ts';
import type { Demand, WorkerSnapshot } from './scheduling.ts';

/** An Active version and how many of its labs are wanted. */
export interface WarmPool {
  /** `namespace/name@version` */
  readonly definition: string;
  readonly size: number;
  readonly demand: Demand;
}

/** A Lab that nobody has claimed, on a worker that is Running. */
export interface WarmLab {
  readonly name: string;
  readonly worker: string;
  readonly definition: string;
  /** Could a session claim it now? If not, it is on its way. */
  readonly ready: boolean;
  /** Made for the pool; others were left by sessions, and go when their time is over. */
  readonly pooled: boolean;
}

export interface WarmWorker {
  readonly snapshot: WorkerSnapshot;
  /** A lab is being imported, for a session or for the pool: one at a time, and sessions come first. */
  readonly busy: boolean;
}

export interface WarmDecision {
  readonly imports: { readonly definition: string; readonly worker: string }[];
  /** Names of Labs that are too many, or of a version that is not wanted. */
  readonly removals: string[];
}

/**
 * Pools are served in the order of their keys. A lab that a session has left counts as well as one that was made for
 * the pool.
 * @param hasRoom is there disk and are there ports for it beside all that is promised to bookings?
 */
export function decideWarmPool({ pools, labs, workers, hasRoom = () => true }: {
  readonly pools: readonly WarmPool[];
  readonly labs: readonly WarmLab[];
  readonly workers: readonly WarmWorker[];
  readonly hasRoom?: (worker: string, demand: Demand) => boolean;
}): WarmDecision {
  const decision: WarmDecision = { imports: [], removals: [] };
  const busy = new Set(workers.filter((worker) => worker.busy).map(({ snapshot }) => snapshot.name));
  const wanted = new Map(pools.map((pool) => [pool.definition, pool]));
  for (const lab of labs) if (lab.pooled && !wanted.has(lab.definition)) decision.removals.push(lab.name);
  for (const { definition, size, demand } of [...pools].sort((a, b) => (a.definition < b.definition ? -1 : 1))) {
    const own = labs.filter((lab) => lab.definition === definition);
    decision.removals.push(...tooMany(own, workers, size));
    for (let missing = size - own.length; missing > 0; missing--) {
      const chosen = spread(workers.filter(({ snapshot }) => !busy.has(snapshot.name) && takes(snapshot, demand) && hasRoom(snapshot.name, demand)), own);
      if (!chosen) break;
      busy.add(chosen);
      decision.imports.push({ definition, worker: chosen });
    }
  }
  return decision;
}

/** May a lab be kept there: could the worker run it if it were empty, and has it disk and ports now? (filters 2, 5, 6 and 7) */
function takes(worker: WorkerSnapshot, demand: Demand): boolean {
  const asleep: Demand = { ...demand, resources: { cpu: 0, memory: 0, storage: demand.resources.storage }, nodeCount: 0, labReuse: false };
  return fitsEmpty(worker, demand) && rejection(worker, asleep) === undefined;
}

/** The worker with the fewest labs of the version, then the least filled one. */
function spread(candidates: readonly WarmWorker[], own: readonly WarmLab[]): string | undefined {
  const rank = ({ snapshot }: WarmWorker): [number, number, string] => [own.filter(({ worker }) => worker === snapshot.name).length, filled(snapshot), snapshot.name];
  return candidates.map(rank).sort((a, b) => a[0] - b[0] || a[1] - b[1] || (a[2] < b[2] ? -1 : 1))[0]?.[2];
}

const filled = ({ declared, used }: WorkerSnapshot): number => (declared.memory === 0 ? 0 : used.memory / declared.memory);

/** Of the pool's own labs: first those that are not ready, then those on the fullest workers. */
function tooMany(own: readonly WarmLab[], workers: readonly WarmWorker[], size: number): string[] {
  const fill = new Map(workers.map(({ snapshot }) => [snapshot.name, filled(snapshot)]));
  return own.filter(({ pooled }) => pooled)
    .sort((a, b) => Number(a.ready) - Number(b.ready) || (fill.get(b.worker) ?? 1) - (fill.get(a.worker) ?? 1) || (a.name > b.name ? -1 : 1))
    .slice(0, Math.max(0, own.length - size)).map(({ name }) => name);
}
