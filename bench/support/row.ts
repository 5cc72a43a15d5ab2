/** A measured figure beside its budget, and what makes such figures. */

export interface Row {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  /** Most that `value` may be. */
  readonly budget: number;
  readonly ok: boolean;
}

/** How much of everything; the names of the rows tell it. */
export interface Size {
  readonly sessions: number;
  readonly workers: number;
  readonly cachedSessions: number;
  readonly cachedWorkers: number;
  /** Sessions of which the writes are counted. */
  readonly countedSessions: number;
  /** Events a second. */
  readonly rate: number;
  readonly idleSeconds: number;
  /** Of a steady stream of events. */
  readonly enduranceSeconds: number;
  /** Of the simulated day. */
  readonly bookings: number;
}

export const SIZES = {
  full: { sessions: 1_000, workers: 100, cachedSessions: 10_000, cachedWorkers: 1_000, countedSessions: 20, rate: 100, idleSeconds: 60, enduranceSeconds: 600, bookings: 2_000 },
  small: { sessions: 60, workers: 10, cachedSessions: 600, cachedWorkers: 60, countedSessions: 4, rate: 30, idleSeconds: 15, enduranceSeconds: 30, bookings: 500 },
} as const satisfies Record<string, Size>;

export type Say = (line: string) => void;

export interface Bench {
  /** What it is asked for by. */
  readonly name: string;
  run(size: Size, say: Say): Promise<Row[]>;
}

export function atMost(name: string, value: number, unit: string, budget: number): Row {
  return { name, value: Number(value.toPrecision(3)), unit, budget, ok: value <= budget };
}

/** The smallest value that is not below `share` of all; NaN of none. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? NaN;
}

/** Runs `work` over all items, `width` at a time. */
export async function inParallel<T>(items: readonly T[], width: number, work: (item: T, index: number) => Promise<void>): Promise<void> {
  const queue = items.entries();
  await Promise.all(Array.from({ length: Math.min(width, items.length) }, async () => {
    for (const [index, item] of queue) await work(item, index);
  }));
}
