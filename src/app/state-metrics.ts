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
    const { event, record, parked } = lookAtOutboxes([sessions, caches.definitions.list(), workers]);
    metrics.outboxOldest.set(secondsSince(event, now));
    metrics.archiveOldest.set(secondsSince(record, now));
    metrics.outboxesParked.set(parked);
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

/** When the oldest event and the oldest record were made that still wait, and how many objects are held up. Times compare as text, which is quick. */
function lookAtOutboxes(kinds: readonly (readonly { readonly status?: OutboxDraft | undefined }[])[]): { event: string | undefined; record: string | undefined; parked: number } {
  let event: string | undefined;
  let record: string | undefined;
  let parked = 0;
  for (const objects of kinds) {
    for (const { status } of objects) {
      if (!status?.outbox?.length) continue;
      for (const entry of status.outbox) {
        if (isForSinks(entry) && (event === undefined || entry.time < event)) event = entry.time;
        if (entry.chain !== undefined && (record === undefined || entry.time < record)) record = entry.time;
      }
      if (falseReason(status, EVENTS_DELIVERED)[0] === 'SinkRefuses') parked += 1;
    }
  }
  return { event, record, parked };
}

const secondsSince = (time: string | undefined, now: Date): number => (time === undefined ? 0 : Math.max(0, (now.getTime() - Date.parse(time)) / 1000));

/** Counts equal values; those in `always` are told even where there is none. */
function tally(values: readonly string[], always: readonly string[], tell: (value: string, count: number) => void): void {
  const counts = new Map<string, number>(always.map((value) => [value, 0]));
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  for (const [value, count] of counts) tell(value, count);
}
