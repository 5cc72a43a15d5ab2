/**
 * The matrix of consumed event and situation (contract §10.3): what becomes of an event that is in the inbox. Both the
 * ingest, for the event that just came, and the pass over the session, for what waits, go by it.
 */
import { derivedId } from '../outbox.ts';
import { endUserSession, faultGrading, sessionId } from './draft.ts';
import { recordScore } from './score.ts';
import { definitionOf, result, seen, settle } from './situation.ts';
import { causedBy } from './row.ts';
import type { ConsumedEvent, ConsumedType } from '../../api/events.ts';
import type { InboxEntry, SessionPhase } from '../../api/labletsession.ts';
import type { Because } from './row.ts';
import type { Seen, Situation } from './situation.ts';

/**
 * wait: it stays deferred until the phase in which it counts. apply: a row of the table uses it up. fault: the grading
 * failed, then onFailure decides. late: the phase stays, but a result is never lost. warn: ignored, and said.
 */
export type Cell = 'wait' | 'apply' | 'fault' | 'late' | 'ignore' | 'warn';

type Stage = 'early' | 'Ready' | 'Running' | 'Collecting' | 'Grading' | 'late' | 'Terminated';

export const MATRIX: Record<ConsumedType, Record<Stage, Cell>> = {
  'lds.session.started': { early: 'wait', Ready: 'apply', Running: 'ignore', Collecting: 'ignore', Grading: 'ignore', late: 'ignore', Terminated: 'ignore' },
  'lds.session.ended': { early: 'wait', Ready: 'apply', Running: 'apply', Collecting: 'ignore', Grading: 'ignore', late: 'late', Terminated: 'ignore' },
  'grading.session.completed': { early: 'wait', Ready: 'warn', Running: 'wait', Collecting: 'wait', Grading: 'apply', late: 'late', Terminated: 'late' },
  'grading.session.failed': { early: 'wait', Ready: 'warn', Running: 'wait', Collecting: 'fault', Grading: 'fault', late: 'late', Terminated: 'ignore' },
};

const STAGE: Record<SessionPhase, Stage> = {
  Pending: 'early', Scheduled: 'early', Instantiating: 'early', Ready: 'Ready', Running: 'Running', Collecting: 'Collecting', Grading: 'Grading',
  Stopping: 'late', Stopped: 'late', Archived: 'late', Terminated: 'Terminated',
};

/** The cell for an event in a phase; no phase counts as early. */
export const cellFor = (type: ConsumedType, phase: SessionPhase | undefined): Cell => MATRIX[type][phase ? STAGE[phase] : 'early'];

/** What waits in the inbox and has its time now, or has missed it. Early results stay through Ready: only one that comes then is out of place. */
export function settleDeferred(s: Situation): void {
  for (const { type, result: state } of s.draft.inbox ?? []) {
    if (state === 'Deferred') settleOne(s, type as ConsumedType, cellFor(type as ConsumedType, s.draft.phase));
  }
}

/** Does what a cell says with the deferred event of a type; cells that need a row of the table are left to it. */
export function settleOne(s: Situation, type: ConsumedType, cell: Cell): void {
  const found = seen(s, type);
  if (!found?.entry) return;
  if (cell === 'ignore') settle(s, found.entry, 'Ignored');
  if (cell === 'fault') takeFailure(s);
  if (cell === 'late') late(s, found);
}

/** A result that comes while nobody has started yet is out of place. */
export function warn(s: Situation, event: ConsumedEvent, entry: InboxEntry): void {
  settle(s, entry, 'Ignored');
  s.notices.push({ type: 'Warning', reason: 'UnexpectedResult', message: `${event.type} came although nobody has started the session; it was ignored.` });
}

/**
 * A `failed` in Collecting or Grading: GradingSession Faulted, then the rows decide by onFailure. Once Faulted, beside a
 * result, and between two grade calls there is nothing that could fail: the same news under another id changes nothing.
 */
function takeFailure(s: Situation): void {
  const found = seen(s, 'grading.session.failed');
  const grading = s.draft.gradingSession;
  if (!found) return;
  const notBefore = s.draft.pipeline?.name === 'compute_grading' ? s.draft.pipeline.notBefore : undefined;
  const pausing = notBefore !== undefined && new Date(notBefore) > s.now;
  if (!grading || grading.state === 'Faulted' || grading.state === 'Submitted' || pausing || result(s)) {
    settle(s, found.entry, 'Ignored');
    return;
  }
  settle(s, found.entry, 'Applied');
  failGrading(s, found.event.data.error, { actor: found.actor, ...causedBy(found.event) });
}

/** The grading failed, as `by` told; Graded=False stays until it is tried again or a result comes. */
export function failGrading(s: Situation, error: string, by: NonNullable<Situation['failure']>): void {
  s.failure = by;
  faultGrading(s, { reason: 'GradingFailed', message: error }, error);
}

/** After the lab was given up the phase stays. */
function late(s: Situation, { event, entry }: Seen<ConsumedType>): void {
  const done = (applied: boolean): void => settle(s, entry, applied ? 'Applied' : 'Ignored');
  switch (event.type) {
    case 'lds.session.started':
      { done(false); return; }
    case 'lds.session.ended':
      { done(endUserSession(s, 'Ended')); return; }
    case 'grading.session.failed':
      if (s.draft.scoreReport || !s.draft.gradingSession || s.draft.gradingSession.state === 'Faulted') { done(false); return; }
      faultGrading(s, { reason: 'GradingFailed', message: event.data.error });
      { done(true); return; }
    case 'grading.session.completed':
      { lateResult(s, event, done); return; }
  }
}

/** The first result counts, whenever it comes; a further one only if it says that it re-grades. Waits while the definition cannot be read. */
function lateResult(s: Situation, event: ConsumedEvent<'grading.session.completed'>, done: (applied: boolean) => void): void {
  if (!definitionOf(s)) return;
  const because: Because = { reason: 'GradedLate', message: `The result came after the end: ${event.data.score}.`, actor: 'grading-engine', ...causedBy(event) };
  const report = s.draft.scoreReport;
  if (report && isRegrade(s, event)) {
    const attempt = (s.draft.gradingSession?.attempt ?? 1) + 1;
    const { gradingSessionId } = event.data;
    s.draft.gradingSession = { id: derivedId(sessionId(s), 'GradingSession', attempt), ...(gradingSessionId ? { gradingSessionId } : {}), attempt, state: 'Grading' };
    done(recordScore(s, { ...because, reason: 'Regraded', message: `Graded again: ${event.data.score}.` })); return;
  }
  if (!report) { done(recordScore(s, because)); return; }
  if (report.score !== event.data.score) {
    s.notices.push({ type: 'Warning', reason: 'ScoreIsFinal', message: `A further result (${event.data.score}) came; ScoreReport ${report.name} (${report.score}) stays.` });
  }
  done(false);
}

/** A further report is made only for a grading session that we do not know, and that says what it is. */
function isRegrade(s: Situation, { data }: ConsumedEvent<'grading.session.completed'>): boolean {
  const known = [s.draft.gradingSession?.id, s.draft.gradingSession?.gradingSessionId];
  return data.regrade === true && data.gradingSessionId !== undefined && data.gradingSessionId.length <= 64 && !known.includes(data.gradingSessionId);
}
