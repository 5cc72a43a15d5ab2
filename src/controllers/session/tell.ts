/** What is told of transitions once they are written, whoever took them: metrics, a log line, Kubernetes Events. */
import { serviceFacts } from '../../core/session/service-level.ts';
import { fromTime } from '../../core/time.ts';
import { recordPhases, sessionFields } from '../../events/session-trace.ts';
import { countDropped } from '../last-events.ts';
import { noticesFor } from './notices.ts';
import type { Lab } from '../../api/lab.ts';
import type { LabletSession } from '../../api/labletsession.ts';
import type { OutboxEntry } from '../../api/outbox.ts';
import type { Notice } from '../../core/session/situation.ts';
import type { ServiceFacts } from '../../core/session/service-level.ts';
import type { RowId } from '../../core/session/table.ts';
import type { Deps } from '../deps.ts';

/**
 * @param session as it was stored; its newest history entries are those of `rows`
 * @param dropped what its full outbox lost in this write
 */
export function tellTransitions({ metrics, tracer, events, log, settings, caches }: Pick<Deps, 'metrics' | 'tracer' | 'events' | 'log' | 'settings' | 'caches'>, session: LabletSession, rows: readonly RowId[], notices: readonly Notice[] = [], dropped: readonly OutboxEntry[] = []): void {
  const { history = [] } = session.status ?? {};
  for (const entry of rows.length > 0 ? history.slice(-rows.length) : []) {
    const { from = '', to, row, reason, actor, at } = entry;
    metrics.transitions.inc({ from, to, reason });
    log.info({ ...sessionFields(session), phase: to, from, row, reason, actor }, 'transition');
    if (row === 'T6') metrics.instantiateDuration.observe({ path: pathOf(session, caches.labs.get(session.status?.labName ?? '')) }, secondsSince(session, 'Instantiating', at));
    countService(metrics, serviceFacts(session, entry, settings.timeouts.schedulingGate));
  }
  recordPhases(tracer, session, rows.length);
  if (session.status) for (const note of noticesFor(session, rows, session.status)) events.record(note);
  for (const { type, reason, message } of notices) events.record({ regarding: session, type, reason, action: 'Decide', note: message });
  countDropped(metrics, dropped);
}

/** How the session came by its lab: its first run out of the warm pool, one that others had before, or one made for it. */
function pathOf({ status }: LabletSession, lab: Lab | undefined): 'warm' | 'reuse' | 'import' {
  if (status?.labOrigin !== 'Reused') return 'import';
  return lab?.spec.source === 'WarmPool' && (lab.status?.runs?.length ?? 0) <= 1 ? 'warm' : 'reuse';
}

function countService({ sessionStarts, lostTime, gradingTurnaround, sessionEnds }: Deps['metrics'], { start, lost, gradedAfter, ending }: ServiceFacts): void {
  if (start) sessionStarts.inc({ outcome: start });
  if (lost) lostTime.inc({ cause: lost.cause }, lost.seconds);
  if (gradedAfter !== undefined) gradingTurnaround.observe(gradedAfter);
  if (ending) sessionEnds.inc({ ending });
}

function secondsSince(session: LabletSession, phase: string, until: string): number {
  const began = fromTime(session.status?.history?.findLast((entry) => entry.to === phase)?.at);
  return began ? (new Date(until).getTime() - began.getTime()) / 1000 : 0;
}
