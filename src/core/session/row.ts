/** A row of the transition table of a session, and why it applies. The rows themselves are in `table.ts`. */
import type { EmittedType } from '../../api/events.ts';
import type { Ending, InboxEntry, SessionPhase } from '../../api/labletsession.ts';
import type { Situation } from './situation.ts';

export type RowId =
  | 'T0' | 'T1' | 'T2' | 'T3' | 'T4' | 'T5' | 'T6' | 'T7' | 'T8' | 'T9' | 'T10' | 'T11' | 'T12' | 'T13' | 'T14' | 'T15' | 'T16' | 'T17' | 'T18' | 'T19' | 'T20' | 'T21';

/** Why a row applies: goes into the history, the status and the events. */
export interface Because {
  /** One word in CamelCase. */
  reason: string;
  /** For people: what happened and what would help. */
  message: string;
  /** user (or the owner), scheduler, controller, timer, lds, grading-engine, poll. */
  actor: string;
  /** Id of the consumed event. */
  eventId?: string | undefined;
  /** W3C trace context that the consumed event carried. */
  traceParent?: string | undefined;
  /** The deferred events that are used up by this row. */
  uses?: InboxEntry[];
  /** How the session comes to its end; set by rows into Stopping and Terminated. */
  ending?: Ending;
  /** The session was refused at admission (T0 and T2 in one write). */
  refusal?: true;
  /** For the data of session.collecting. */
  collectionReason?: 'manual' | 'timeslot_end' | 'max_duration' | 'lds_session_ended';
}

export interface Row {
  row: RowId;
  from: SessionPhase | null;
  to: SessionPhase;
  /** What causes it, in words. */
  trigger: string;
  /** What must hold besides, in words. */
  guard?: string;
  /** What it does to the status and, through the pipelines, to the world outside, in words and in order. */
  does: string;
  /** Events, in the order in which they are recorded. */
  events: readonly EmittedType[];
  /** Returns why the row applies now, or undefined. T1 has none: the scheduler takes it with a placement. */
  when: (s: Situation) => Because | undefined;
}

type More = Partial<Omit<Because, 'reason' | 'message' | 'actor'>>;

/** The consumed event that caused it, for the events that follow. */
export const causedBy = ({ id, traceParent }: { readonly id: string; readonly traceParent?: string | undefined }): Pick<Because, 'eventId' | 'traceParent'> => ({
  eventId: id, ...(traceParent === undefined ? {} : { traceParent }),
});
/** The clock caused it. */
export const timer = (reason: string, message: string, more: More = {}): Because => ({ reason, message, actor: 'timer', ...more });
/** The controller found it. */
export const controller = (reason: string, message: string, more: More = {}): Because => ({ reason, message, actor: 'controller', ...more });
/** A person asked for it. */
export const user = (reason: string, message: string, more: More = {}): Because => ({ reason, message, actor: 'user', ...more });
