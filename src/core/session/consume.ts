/** What a consumed event does to a session: the matrix of event and situation (domain §10.3). Pure; ingest writes what it returns. */
import { INBOX_MAX, INBOX_MAX_DEFERRED_BYTES } from '../../api/labletsession.ts';
import { toTime } from '../time.ts';
import { applyRows, conclude } from './judge.ts';
import { recordScore } from './effects.ts';
import { seen, settle, situation } from './situation.ts';
import type { ConsumedEvent } from '../../api/events.ts';
import type { InboxEntry, LabletSession } from '../../api/labletsession.ts';
import type { Judgement } from './judge.ts';
import type { Situation } from './situation.ts';
import type { Because, RowId } from './table.ts';
import type { SessionWorld } from './world.ts';

export type ConsumeResult = 'Applied' | 'Ignored' | 'Deferred' | 'Duplicate' | 'Full';

export interface Consumption extends Judgement {
  /** Full: the inbox cannot hold the event now; the sender should try again later. */
  result: ConsumeResult;
}

/** The rows that an event may cause; deadlines and pipelines are the leader's business. */
const INGEST_ROWS: ReadonlySet<RowId> = new Set(['T9', 'T11', 'T12', 'T15', 'T16']);

const EARLY = new Set([undefined, 'Pending', 'Scheduled', 'Instantiating']);
const LATE = new Set(['Stopping', 'Stopped', 'Archived', 'Terminated']);

/** Decides about one event. Nothing is written, and the same event again is a Duplicate once it was. */
export function consume(session: LabletSession, event: ConsumedEvent, world: SessionWorld, now: Date): Consumption {
  const s = situation(session, world, now);
  if (s.draft.inbox?.some((entry) => entry.id === event.id && entry.source === event.source)) return { ...conclude(s, []), result: 'Duplicate' };
  if (!fits(s, event)) return { ...conclude(s, []), result: 'Full' };
  defer(s, event, now);
  const rows = place(s, event);
  const result = s.draft.inbox?.find((entry) => entry.id === event.id && entry.source === event.source)?.result ?? 'Ignored';
  return { ...conclude(s, rows), result };
}

/** Puts the event into the inbox as Deferred; of one type the first LDS event and the newest grading event stay. */
function defer(s: Situation, event: ConsumedEvent, now: Date): void {
  const entry: InboxEntry = { source: event.source, id: event.id, type: event.type, time: toTime(now), result: 'Deferred', data: JSON.stringify(event.data) };
  const waiting = s.draft.inbox?.find((candidate) => candidate.type === event.type && candidate.result === 'Deferred');
  const keepsFirst = event.type.startsWith('lds.');
  if (waiting && !keepsFirst) settle(s, waiting, 'Ignored');
  const { data: _, ...ignored } = entry;
  s.draft.inbox = trimmed([...(s.draft.inbox ?? []), waiting && keepsFirst ? { ...ignored, result: 'Ignored' } : entry]);
}

/** The newest entries; one that still waits is never pushed out. */
function trimmed(inbox: InboxEntry[]): InboxEntry[] {
  let surplus = inbox.length - INBOX_MAX;
  return inbox.filter((entry) => entry.result === 'Deferred' || surplus-- <= 0);
}

function fits(s: Situation, event: ConsumedEvent): boolean {
  const held = (s.draft.inbox ?? []).filter((entry) => entry.type !== event.type).reduce((bytes, entry) => bytes + (entry.data?.length ?? 0), 0);
  return held + JSON.stringify(event.data).length <= INBOX_MAX_DEFERRED_BYTES;
}

/** One cell of the matrix. */
function place(s: Situation, event: ConsumedEvent): RowId[] {
  const { phase } = s.draft;
  const entry = s.draft.inbox?.find((candidate) => candidate.id === event.id && candidate.source === event.source);
  if (entry?.result !== 'Deferred') return [];
  if (EARLY.has(phase)) return [];
  if (phase !== undefined && LATE.has(phase)) {
    late(s, event, entry);
    return [];
  }
  switch (event.type) {
    case 'lds.session.started':
      if (phase !== 'Ready') settle(s, entry, 'Ignored');
      return applyRows(s, INGEST_ROWS);
    case 'lds.session.ended':
      if (phase !== 'Ready' && phase !== 'Running') settle(s, entry, 'Ignored');
      return applyRows(s, INGEST_ROWS);
    case 'grading.session.completed':
    case 'grading.session.failed':
      if (phase === 'Ready') {
        settle(s, entry, 'Ignored');
        s.notices.push({ type: 'Warning', reason: 'UnexpectedResult', message: `${event.type} came although nobody has started the session; it was ignored.` });
        return [];
      }
      return phase === 'Running' ? [] : graded(s, event, entry);
  }
}

/** Collecting and Grading: a failure faults the grading (a stored or later result wins), a result is taken in Grading. */
function graded(s: Situation, event: ConsumedEvent, entry: InboxEntry): RowId[] {
  if (event.type === 'grading.session.failed') {
    if (seen(s, 'grading.session.completed')) settle(s, entry, 'Ignored');
    else fault(s, event, entry);
  }
  return applyRows(s, INGEST_ROWS);
}

function fault(s: Situation, event: ConsumedEvent<'grading.session.failed'>, entry: InboxEntry): void {
  if (!s.draft.gradingSession) return;
  s.draft.gradingSession = { ...s.draft.gradingSession, state: 'Faulted', completedAt: toTime(s.now), error: event.data.error };
  settle(s, entry, 'Applied');
}

/** After the lab was given up: the phase stays, but a result is never lost. */
function late(s: Situation, event: ConsumedEvent, entry: InboxEntry): void {
  const done = (result: 'Applied' | 'Ignored'): void => settle(s, entry, result);
  switch (event.type) {
    case 'lds.session.started':
      return done('Ignored');
    case 'lds.session.ended': {
      const user = s.draft.userSession;
      if (!user || ['Ended', 'Expired', 'Faulted'].includes(user.state)) return done('Ignored');
      s.draft.userSession = { ...user, state: 'Ended', endedAt: toTime(s.now) };
      return done('Applied');
    }
    case 'grading.session.completed': {
      const report = s.draft.scoreReport;
      if (report) {
        if (report.score !== event.data.score) s.notices.push({ type: 'Warning', reason: 'ScoreIsFinal', message: `A further result (${event.data.score}) came; ScoreReport ${report.name} (${report.score}) stays.` });
        return done('Ignored');
      }
      const because: Because = { reason: 'GradedLate', message: 'The result came after the end.', actor: 'grading-engine', eventId: event.id };
      return done(recordScore(s, because) ? 'Applied' : 'Ignored');
    }
    case 'grading.session.failed':
      if (s.draft.scoreReport || !s.draft.gradingSession) return done('Ignored');
      return fault(s, event, entry);
  }
}
