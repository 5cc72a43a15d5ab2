/** What the page knows, and what it makes of it: pure functions from the messages of the controller to what is drawn. */
import { compare } from './layout.ts';
import type { LiveMessage, Scope, SessionRow, WorkerRow } from './messages.ts';

export interface Fleet {
  readonly scope: Scope;
  readonly sessions: ReadonlyMap<string, SessionRow>;
  readonly workers: ReadonlyMap<string, WorkerRow>;
  /** What the clock of the controller is ahead of ours, in milliseconds. */
  readonly ahead: number;
}

/** The fleet after a message. @param received by the clock of this browser */
export function applied(fleet: Fleet | undefined, message: LiveMessage, received: number): Fleet | undefined {
  if (message.kind === 'end') return fleet;
  const ahead = message.now - received;
  if (message.kind === 'all') return { scope: message.scope, ahead, sessions: byKey(message.sessions, ({ key }) => key), workers: byKey(message.workers, ({ name }) => name) };
  if (!fleet || message.kind === 'alive') return fleet && { ...fleet, ahead };
  return {
    ...fleet, ahead,
    sessions: changed(fleet.sessions, message.sessions, ({ key }) => key, message.goneSessions),
    workers: changed(fleet.workers, message.workers, ({ name }) => name, message.goneWorkers),
  };
}

const byKey = <T>(items: readonly T[], keyOf: (item: T) => string): ReadonlyMap<string, T> => new Map(items.map((item) => [keyOf(item), item]));

function changed<T>(before: ReadonlyMap<string, T>, items: readonly T[], keyOf: (item: T) => string, gone: readonly string[]): ReadonlyMap<string, T> {
  if (items.length === 0 && gone.length === 0) return before;
  const after = new Map([...before, ...byKey(items, keyOf)]);
  for (const key of gone) after.delete(key);
  return after;
}

/** Sessions that match every word of the search, in any of name, worker, phase and definition. */
export function searched(sessions: Iterable<SessionRow>, search: string): SessionRow[] {
  const words = search.toLowerCase().split(/\s+/).filter(Boolean);
  return [...sessions].filter(({ key, worker = '', phase, definition }) => {
    const text = `${key} ${worker} ${phase} ${definition}`.toLowerCase();
    return words.every((word) => text.includes(word));
  });
}

const OVER = new Set(['Stopped', 'Archived', 'Terminated']);
/** So many sessions of one worker are named; of the rest the number is. */
const NAMED = 12;

/** One worker as the fleet shows it. */
export interface WorkerCard {
  readonly worker: WorkerRow;
  readonly sessions: readonly { readonly key: string; readonly phase: string; readonly alarm: boolean }[];
  readonly more: number;
}

/** A line of what needs a person, or of what waits. */
export interface Matter {
  /** Of the session's story; absent: it is about a worker. */
  readonly session?: string;
  readonly name: string;
  readonly level: 'alarm' | 'notice';
  readonly reason: string;
  readonly message: string;
}

export interface FleetView {
  readonly phases: readonly { readonly phase: string; readonly count: number }[];
  readonly matters: readonly Matter[];
  readonly waiting: readonly Matter[];
  readonly cards: readonly WorkerCard[];
}

/** The fleet now: only sessions that match the search, and with a search only workers that match it or have such a session. */
export function fleetView(fleet: Fleet, search: string): FleetView {
  const sessions = searched(fleet.sessions.values(), search);
  const live = sessions.filter(({ phase }) => !OVER.has(phase));
  const byWorker = Map.groupBy(live.filter(({ worker }) => worker !== undefined), ({ worker = '' }) => worker);
  const workers = [...fleet.workers.values()].filter(({ name, phase, template }) => byWorker.has(name) || `${name} ${phase} ${template}`.toLowerCase().includes(search.trim().toLowerCase()));
  // Who may not list Workers still sees where the sessions are.
  const unlisted = [...byWorker.keys()].filter((name) => !fleet.workers.has(name)).map((name): WorkerRow => ({ name, phase: 'Running', template: '', capacity: [], alerts: [] }));
  const cards = [...workers, ...(fleet.scope.workers ? [] : unlisted)].sort((a, b) => compare(a.name, b.name)).map((worker): WorkerCard => {
    const on = (byWorker.get(worker.name) ?? []).sort((a, b) => compare(a.key, b.key));
    return { worker, sessions: on.slice(0, NAMED).map(({ key, phase, alarm = false }) => ({ key, phase, alarm })), more: Math.max(0, on.length - NAMED) };
  });
  const ofWorkers = workers.flatMap(({ name, alerts }) => alerts.map((alert): Matter => ({ name, ...alert })));
  const ofSessions = live.filter(({ alarm }) => alarm).map(({ key, phase, note = '' }): Matter => ({ session: key, name: key, level: 'alarm', reason: phase, message: note }));
  return {
    phases: [...Map.groupBy(sessions, ({ phase }) => phase)].map(([phase, rows]) => ({ phase, count: rows.length })),
    matters: [...ofWorkers, ...ofSessions].sort((a, b) => compare(a.level, b.level) || compare(a.name, b.name)),
    waiting: live.filter(({ phase, note, alarm }) => phase === 'Pending' && note !== undefined && alarm !== true)
      .map(({ key, note = '' }): Matter => ({ session: key, name: key, level: 'notice', reason: 'Pending', message: note })).sort((a, b) => compare(a.name, b.name)),
    cards,
  };
}
