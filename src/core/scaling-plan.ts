/**
 * Where the sessions of the next hour would go: each need, in the order of the calendar, onto what there is. It tells
 * scale-up what is missing, and scale-down what is not needed. Nothing is promised by it; the scheduler places.
 */
import { rejection, score } from './scheduling.ts';
import { asFarAsKnown } from './scaling.ts';
import type { Demand, Promises, WorkerSnapshot } from './scheduling.ts';
import type { Need, WorkerView } from './scaling.ts';

/** Capacity from an instant on: a worker that runs, that is coming, or that a decision of this moment makes. */
export interface Supply {
  readonly snapshot: WorkerSnapshot;
  readonly readyAt: Date;
  /** What the plan has put on it. */
  readonly needs: Need[];
  /** @internal the snapshot with all that is counted on it */
  readonly counted: WorkerSnapshot & { takenPorts: Set<number> };
  holds: { demand: Demand; until: Date }[];
  /** When the first of them ends; milliseconds since the epoch. */
  freesAt: number;
  /** Changes whenever what is counted changes. */
  revision: number;
}

export function supplyOf(view: Pick<WorkerView, 'snapshot' | 'holds'>, readyAt: Date): Supply {
  const { snapshot } = view;
  return {
    snapshot, readyAt, needs: [], holds: [...view.holds], freesAt: firstEnd(view.holds), revision: 0,
    counted: { ...snapshot, phase: 'Running', schedulable: true, draining: false, used: { ...snapshot.used }, takenPorts: new Set(snapshot.takenPorts) },
  };
}

/** What one supply is worth to a need: undefined, it cannot have it. */
interface Verdict {
  revision: number;
  score: number | undefined;
}

/**
 * Puts needs onto supplies one after the other, as the scheduler would: the fullest that fits and can keep what it has
 * promised. Needs must come in the order of their `from`, since what was released by then is given back for good.
 */
export class Plan {
  /** Verdicts by demand, kept while what is counted on a supply does not change: most sessions need the same. */
  private readonly known = new Map<Demand, Map<Supply, Verdict>>();
  private readonly now: Date;
  private readonly promises: Promises | undefined;

  /** @param promises what the calendar promised on the workers; undefined: nothing */
  constructor(now: Date, promises: Promises | undefined) {
    this.now = now;
    this.promises = promises;
  }

  /** The supply that got the need; undefined if it fits on none of them. */
  put(need: Need, supplies: readonly Supply[]): Supply | undefined {
    // What the scheduler will ask of the calendar: once the gate is open, room from now on.
    const interval = { from: (need.gate <= this.now ? this.now : need.from).getTime(), to: need.limit.getTime() };
    let best: { supply: Supply; score: number } | undefined;
    for (const supply of supplies) {
      release(supply, need.from);
      const worth = this.scoreOf(supply, need.demand);
      if (worth === undefined || (best && (worth < best.score || (worth === best.score && best.supply.snapshot.name <= supply.snapshot.name)))) continue;
      if (this.promises?.room(supply.snapshot.name, need.key, need.demand, interval) !== false) best = { supply, score: worth };
    }
    if (!best) return undefined;
    hold(best.supply, need);
    this.promises?.place(best.supply.snapshot.name, need.key, need.demand, interval);
    return best.supply;
  }

  private scoreOf(supply: Supply, demand: Demand): number | undefined {
    const verdicts = this.known.get(demand) ?? new Map<Supply, Verdict>();
    this.known.set(demand, verdicts);
    const kept = verdicts.get(supply);
    if (kept?.revision === supply.revision) return kept.score;
    const asked = asFarAsKnown(supply.counted, demand);
    const found = rejection(supply.counted, asked) === undefined ? score(supply.counted, asked) : undefined;
    verdicts.set(supply, { revision: supply.revision, score: found });
    return found;
  }
}

const firstEnd = (holds: readonly { until: Date }[]): number => Math.min(Infinity, ...holds.map(({ until }) => until.getTime()));

/** Gives back what ends by `at`. */
function release(supply: Supply, at: Date): void {
  if (supply.freesAt > at.getTime()) return;
  for (const { demand, until } of supply.holds) if (until <= at) change(supply, demand, -1);
  supply.holds = supply.holds.filter(({ until }) => until > at);
  supply.freesAt = firstEnd(supply.holds);
}

function hold(supply: Supply, need: Need): void {
  const { counted } = supply;
  change(supply, need.demand, 1);
  supply.holds.push(need);
  supply.freesAt = Math.min(supply.freesAt, need.until.getTime());
  supply.needs.push(need);
  // Ports stay with the Lab when the session has gone, so they are never given back here.
  let left = need.demand.portCount;
  for (let port = counted.portRange.start; left > 0 && port <= counted.portRange.end; port++) {
    if (counted.takenPorts.has(port)) continue;
    counted.takenPorts.add(port);
    left -= 1;
  }
}

function change(supply: Supply, demand: Demand, sign: 1 | -1): void {
  const { counted } = supply;
  for (const name of ['cpu', 'memory', 'storage'] as const) counted.used[name] += sign * demand.resources[name];
  counted.used.nodes += sign * demand.nodeCount;
  counted.sessions += sign;
  supply.revision += 1;
}

/** Order of a plan: by the time at which capacity is needed, then by name. */
export function planOrder(a: Need, b: Need): number {
  return a.from.getTime() - b.from.getTime() || (a.key < b.key ? -1 : Number(a.key > b.key));
}
