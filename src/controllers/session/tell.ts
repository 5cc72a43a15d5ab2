/** What is said of a stored decision on a session, whoever took it: log lines, metrics and Kubernetes Events. */
import { objectKey } from '../../api/meta.ts';
import { fromTime } from '../../core/time.ts';
import { noticesFor } from './notices.ts';
import type { LabletSession } from '../../api/labletsession.ts';
import type { Judgement } from '../../core/session/judge.ts';
import type { Logger } from '../../telemetry/log.ts';
import type { Deps } from '../deps.ts';

/**
 * @param before the session on which was decided
 * @param session the session as it is stored now
 */
export function tell({ metrics, events, clock }: Pick<Deps, 'metrics' | 'events' | 'clock'>, before: LabletSession, session: LabletSession, decided: Judgement, log: Logger): void {
  const entries = decided.rows.length > 0 ? (session.status?.history?.slice(-decided.rows.length) ?? []) : [];
  for (const entry of entries) {
    metrics.transitions.inc({ from: entry.from ?? '', to: entry.to, reason: entry.reason });
    log.info({ session: objectKey(session), uid: session.metadata.uid, phase: entry.to, from: entry.from, row: entry.row, reason: entry.reason, actor: entry.actor }, 'transition');
  }
  for (const note of noticesFor(session, decided.rows, decided.status)) events.record(note);
  for (const { type, reason, message } of decided.notices) events.record({ regarding: session, type, reason, action: 'Decide', note: message });
  if (decided.dropped > 0) metrics.eventsOut.inc({ type: 'any', result: 'dropped' }, decided.dropped);
  if (decided.rows.includes('T6') && session.status?.pipeline) {
    const path = session.status.labOrigin === 'Reused' ? 'reuse' : 'import';
    const began = fromTime(session.status.history?.findLast((entry) => entry.to === 'Instantiating')?.at);
    if (began) metrics.instantiateDuration.observe({ path }, (clock.now().getTime() - began.getTime()) / 1000);
  }
  if (before.status?.phase === undefined && session.status?.phase) log.debug('admitted');
}
