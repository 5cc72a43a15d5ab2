/** The timeline as geometry in time: which bar in which lane of which worker. Pure; the browser turns it into SVG. */
import type { SessionPhase } from '../../api/labletsession.ts';
import type { SessionRow } from './messages.ts';

export interface Window {
  readonly from: number;
  readonly to: number;
}

/** One session on the timeline. */
export interface Bar extends Window {
  readonly row: SessionRow;
  /** What was booked. */
  readonly slot?: Window;
  /** What really was, phase by phase, while it held its worker; or, without one, while it waited. */
  readonly parts: readonly (Window & { readonly phase: SessionPhase })[];
}

/** The bars of one worker, or (`worker` absent) of the sessions that have none. No two bars of a lane overlap. */
export interface Track {
  readonly worker?: string;
  readonly lanes: readonly (readonly Bar[])[];
}

/** Phases in which a session holds its worker (contract §3.6). */
const HOLDS: ReadonlySet<SessionPhase> = new Set(['Scheduled', 'Instantiating', 'Ready', 'Running', 'Collecting', 'Grading', 'Stopping']);

/** Where a session is on the timeline. One that came back to Pending is drawn from its last placement on. */
export function barOf(row: SessionRow, now: number): Bar {
  const spans = row.spans.slice(row.spans.findLastIndex(([phase]) => phase === 'Pending') + (row.worker === undefined ? 0 : 1));
  const parts = spans.flatMap(([phase, from], index) => {
    const to = spans[index + 1]?.[1] ?? now;
    const counts = row.worker === undefined ? phase === 'Pending' && row.slot === undefined : HOLDS.has(phase);
    return counts ? [{ phase, from, to: Math.max(from, to) }] : [];
  });
  const slot = row.slot && { from: row.slot[0], to: row.slot[1] };
  const all: Window[] = [...parts, ...(slot ? [slot] : [])];
  // Nothing of it was, and nothing was booked: the moment of its last transition.
  const at = row.spans.at(-1)?.[1] ?? now;
  return {
    row, parts, ...(slot && { slot }),
    from: all.length === 0 ? at : Math.min(...all.map(({ from }) => from)),
    to: all.length === 0 ? at : Math.max(...all.map(({ to }) => to)),
  };
}

/** Does the session lie in the window, be it in part? */
export function isWithin(row: SessionRow, window: Window, now: number): boolean {
  const { from, to } = barOf(row, now);
  return from < window.to && to >= window.from;
}

/** As few lanes as there are bars at the same time: each bar goes to the first lane that is free. */
export function lanesOf(bars: readonly Bar[]): Bar[][] {
  const lanes: Bar[][] = [];
  for (const bar of bars.toSorted((a, b) => a.from - b.from || compare(a.row.key, b.row.key))) {
    const free = lanes.find((lane) => (lane.at(-1)?.to ?? -Infinity) <= bar.from);
    if (free) free.push(bar);
    else lanes.push([bar]);
  }
  return lanes;
}

/**
 * A track for each worker by name, and last, where there are any, the sessions without one.
 * @param workers of whom each has a track, with sessions or not
 */
export function tracksOf(sessions: Iterable<SessionRow>, workers: Iterable<string>, window: Window, now: number): Track[] {
  const byWorker = new Map<string, Bar[]>([...workers].map((worker) => [worker, []]));
  const unplaced: Bar[] = [];
  for (const row of sessions) {
    const bar = barOf(row, now);
    if (bar.from >= window.to || bar.to < window.from) continue;
    if (row.worker === undefined) unplaced.push(bar);
    else if (!byWorker.get(row.worker)?.push(bar)) byWorker.set(row.worker, [bar]);
  }
  const placed = [...byWorker].sort(([a], [b]) => compare(a, b)).map(([worker, bars]): Track => ({ worker, lanes: lanesOf(bars) }));
  return unplaced.length === 0 ? placed : [...placed, { lanes: lanesOf(unplaced) }];
}

/** As `w2` before `w10`. */
export const { compare } = new Intl.Collator('en', { numeric: true });
