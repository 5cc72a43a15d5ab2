/** Gauges that mirror what is stored, read off the caches at each scrape: the same on every replica. */
import { ANNOTATIONS } from '../api/group.ts';
import { isForSinks } from '../api/outbox.ts';
import { ENDINGS, SESSION_PHASES } from '../api/labletsession.ts';
import { WORKER_PHASES } from '../api/worker.ts';
import { getCondition } from '../core/conditions.ts';
import { EVENTS_DELIVERED } from '../core/outbox.ts';
import { overdueAt } from '../core/session/overdue.ts';
import { LOSSES, STARTS } from '../core/session/service-level.ts';
import { plus } from '../core/time.ts';
import { preset } from '../telemetry/metrics.ts';
import { VERSION } from './version.ts';
import type { OutboxEntry } from '../api/outbox.ts';
import type { LabletSession } from '../api/labletsession.ts';
import type { OutboxDraft } from '../core/outbox.ts';
import type { Caches } from '../controllers/deps.ts';
import type { Timeouts } from '../core/timeouts.ts';
import type { Clock } from '../runtime/clock.ts';
import type { Metrics } from '../telemetry/metrics.ts';

export interface StateMetricsOptions {
  readonly metrics: Metrics;
  readonly caches: { readonly [Kind in 'sessions' | 'definitions' | 'workers']: Pick<Caches[Kind], 'list'> };
  readonly clock: Pick<Clock, 'now'>;
  readonly timeouts: Timeouts;
}

/** A pass that is late by so much is no reason to wake anybody. */
const OVERDUE_GRACE_MS = 60_000;
const NO_PHASE = 'None';

export function stateMetrics({ metrics, caches, clock, timeouts }: StateMetricsOptions): void {
  metrics.buildInfo.set({ version: VERSION, node: process.versions.node }, 1);
  preset(metrics.sessionStarts, { outcome: STARTS });
  preset(metrics.lostTime, { cause: LOSSES });
  preset(metrics.sessionEnds, { ending: ENDINGS });
  metrics.onScrape(() => {
    const now = clock.now();
    const sessions = caches.sessions.list();
    const workers = caches.workers.list();
    const phaseOf = ({ status }: LabletSession): string => status?.phase ?? NO_PHASE;
    tally(sessions.map(phaseOf), [NO_PHASE, ...SESSION_PHASES], (phase, count) => metrics.sessions.set({ phase }, count));
    tally(sessions.filter((session) => isOverdue(session, timeouts, now)).map(phaseOf), [NO_PHASE, ...SESSION_PHASES], (phase, count) => metrics.sessionsOverdue.set({ phase }, count));
    metrics.sessionsWaiting.reset();
    tally(sessions.flatMap(waitsFor), [], (reason, count) => metrics.sessionsWaiting.set({ reason }, count));
    tally(workers.map(({ status }) => status?.phase ?? NO_PHASE), [NO_PHASE, ...WORKER_PHASES], (phase, count) => metrics.workers.set({ phase }, count));
    metrics.workersUnusable.reset();
    tally(workers.flatMap(({ status }) => falseReason(status, 'Schedulable')), [], (reason, count) => metrics.workersUnusable.set({ reason }, count));
    const statuses = [...sessions, ...caches.definitions.list(), ...workers].flatMap(({ status }: { status?: OutboxDraft | undefined }) => status ?? []);
    const age = (wanted: (entry: OutboxEntry) => boolean): number => oldest(statuses, wanted, now);
    metrics.outboxOldest.set(age(isForSinks));
    metrics.archiveOldest.set(age(({ chain }) => chain !== undefined));
    metrics.outboxesParked.set(statuses.filter((status) => falseReason(status, EVENTS_DELIVERED)[0] === 'SinkRefuses').length);
  });
}

function isOverdue(session: LabletSession, timeouts: Timeouts, now: Date): boolean {
  const at = overdueAt(session, timeouts);
  return at !== undefined && session.metadata.annotations?.[ANNOTATIONS.paused] === undefined && plus(at, OVERDUE_GRACE_MS) < now;
}

const waitsFor = ({ status }: LabletSession): string[] => (status?.phase === undefined || status.phase === 'Pending' ? falseReason(status, 'Scheduled') : []);

/** Why a condition does not hold; none: it holds, or nobody knows. */
function falseReason(status: OutboxDraft | undefined, type: string): string[] {
  const condition = getCondition(status, type);
  return condition?.status === 'False' ? [condition.reason] : [];
}

/** Seconds since the oldest entry of this kind was recorded. */
function oldest(statuses: readonly OutboxDraft[], wanted: (entry: OutboxEntry) => boolean, now: Date): number {
  let age = 0;
  for (const { outbox = [] } of statuses) for (const entry of outbox) if (wanted(entry)) age = Math.max(age, (now.getTime() - Date.parse(entry.time)) / 1000);
  return age;
}

/** Counts equal values; those in `always` are told even where there is none. */
function tally(values: readonly string[], always: readonly string[], tell: (value: string, count: number) => void): void {
  const counts = new Map<string, number>(always.map((value) => [value, 0]));
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  for (const [value, count] of counts) tell(value, count);
}
