/** The decision about a session: from what is known and the time to its next status. Pure. */
import { take } from './effects.ts';
import { due, heldBack, situation } from './situation.ts';
import { TABLE } from './table.ts';
import { explainTrouble } from './trouble.ts';
import { explainWaiting, withinPhase } from './within-phase.ts';
import type { LabletSession } from '../../api/labletsession.ts';
import type { OutboxEntry } from '../../api/outbox.ts';
import type { Because, Row, RowId } from './row.ts';
import type { Notice, ReportToCreate, Situation } from './situation.ts';
import type { SessionStatus, SessionWorld, Signal } from './world.ts';

export interface Judgement {
  /** The next status; equal to the old one if nothing is to be written. */
  status: SessionStatus;
  /** The rows that were taken, in order. */
  rows: RowId[];
  /** ScoreReports to create (or find) before the status is written. */
  reports: ReportToCreate[];
  notices: Notice[];
  /** When a deadline could change the decision; undefined: nothing to wait for but changes. */
  wakeAt: Date | undefined;
  /** Lost to a full outbox. */
  dropped: OutboxEntry[];
}

/** The longest way that one decision can go: a graded session that is torn down at once, T13, T15, T17, T18, T20. */
const MAX_ROWS = 8;

/**
 * Applies every row of the table that applies now.
 * @param signals what was seen just now by asking LDS or the GradingEngine
 */
export function judge(session: LabletSession, world: SessionWorld, now: Date, signals: readonly Signal[] = []): Judgement {
  const s = situation(session, world, now, signals);
  const held = heldBack(session);
  if (held === 'Restored') {
    s.draft.reason = 'Restored';
    s.draft.message = 'This object was restored from a backup: what it says of workers and labs is not true any more. Remove the annotation lablet.dev/seen-uid to run it as a new session, or delete it.';
  }
  if (held) return conclude(s, []);
  const rows = applyRows(s);
  explainWaiting(s);
  explainTrouble(s);
  return conclude(s, rows);
}

/** Which rows may be taken; ingest is restricted to those that an event causes. */
export type RowFilter = (row: RowId, because: Because) => boolean;

/** Applies rows of the table until none applies. With a filter nothing but these rows changes the draft. */
export function applyRows(s: Situation, only?: RowFilter): RowId[] {
  const rows: RowId[] = [];
  while (rows.length < MAX_ROWS) {
    s.wakeAt = undefined;
    // Whatever the phase, a drain that has taken too long changes what may be done.
    due(s, s.world.worker?.drainChangesAt);
    if (!only) withinPhase(s);
    const next = firstRow(s, only);
    if (!next) break;
    take(s, next.row, next.because);
    rows.push(next.row.row);
  }
  return rows;
}

export function conclude(s: Situation, rows: RowId[]): Judgement {
  return { status: s.draft, rows, reports: s.reports, notices: s.notices, wakeAt: s.wakeAt, dropped: s.dropped };
}

function firstRow(s: Situation, only?: RowFilter): { row: Row; because: Because } | undefined {
  for (const row of TABLE) {
    if (row.from !== (s.draft.phase ?? null)) continue;
    const because = row.when(s);
    if (because && (!only || only(row.row, because))) return { row, because };
  }
  return undefined;
}
