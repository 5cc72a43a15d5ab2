/**
 * The CloudEvents of a session, as far as its status tells them: what was received stands in its inbox; what was emitted
 * follows from its history, since every row of the transition table names its events, and from its outbox, which has
 * those that are not delivered yet. The archive has all of them, with their data (docs/archive.md).
 */
import { isForSinks } from '../../api/outbox.ts';
import { eventId } from '../../core/outbox.ts';
import { TABLE } from '../../core/session/table.ts';
import type { EmittedType } from '../../api/events.ts';
import type { LabletSession } from '../../api/labletsession.ts';
import type { HistoryEntry } from '../../api/outbox.ts';

export interface SessionEvent {
  /** When the transition was written, or the event was received. */
  at: string;
  /** namespace/name of the session. */
  session: string;
  direction: 'Emitted' | 'Received';
  type: string;
  /** CloudEvents id. Absent where it cannot be told for sure. */
  id?: string;
  /** Number among the emitted events of the session, from 1. */
  sequence?: number;
  /** Of a received event. */
  source?: string;
  /**
   * Emitted: Waiting (for a sink), Sent (no sink waits for it any more) or NotRecorded (there was no sink and no
   * archive). Received: Applied, Ignored, Deferred or Duplicate.
   */
  state: string;
  /** Id of the received event that caused it. */
  causedBy?: string;
}

/** Emitted and received, by time. */
export function eventsOf(session: LabletSession): SessionEvent[] {
  return [...received(session), ...emitted(session)].sort((a, b) => Date.parse(a.at) - Date.parse(b.at) || (a.sequence ?? 0) - (b.sequence ?? 0));
}

const nameOf = ({ metadata: { name, namespace = '' } }: LabletSession): string => `${namespace}/${name}`;

function received(session: LabletSession): SessionEvent[] {
  return (session.status?.inbox ?? []).map(({ time, type, id, source, result }) => ({ at: time, session: nameOf(session), direction: 'Received', type, id, source, state: result }));
}

type Recorded = Pick<SessionEvent, 'at' | 'causedBy'> & { type: EmittedType };

function emitted(session: LabletSession): SessionEvent[] {
  const { status, metadata: { uid } } = session;
  const told = recorded(session);
  const last = status?.sequence ?? 0;
  const outbox = new Map((status?.outbox ?? []).filter(isForSinks).map((entry) => [entry.sequence, entry]));
  // Numbers run backwards from the last: what came before there was a sink has none. They are sure if no outbox entry contradicts them.
  const numberOf = (index: number): number => last - (told.length - 1 - index);
  const sure = last <= told.length ? true : isCut(session);
  const agrees = sure && told.every(({ type }, index) => (outbox.get(numberOf(index))?.type ?? type) === type);
  return told.map(({ type, at, causedBy }, index): SessionEvent => {
    const sequence = numberOf(index);
    const known = agrees && sequence > 0;
    return {
      at, session: nameOf(session), direction: 'Emitted', type,
      ...(known ? { id: eventId(uid, type, sequence), sequence } : {}),
      state: sequence <= 0 ? 'NotRecorded' : isWaiting(known ? outbox.has(sequence) : [...outbox.values()].some((entry) => entry.type === type && entry.time === at)),
      ...(causedBy === undefined ? {} : { causedBy }),
    };
  });
}

const isWaiting = (waiting: boolean): string => (waiting ? 'Waiting' : 'Sent');

/** Does the history not reach back to the beginning? It keeps the newest transitions only. */
const isCut = ({ status }: LabletSession): boolean => status?.history?.[0]?.from !== undefined;

/** The events of each transition, in their order; a result that came after the teardown began makes two more. */
function recorded({ status }: LabletSession): Recorded[] {
  const history = status?.history ?? [];
  const told = history.flatMap((entry) => eventsOfRow(entry).map((type): Recorded => ({ type, at: entry.at, ...(entry.eventId === undefined ? {} : { causedBy: entry.eventId }) })));
  const report = status?.scoreReport;
  if (report && !history.some(({ row }) => row === 'T15')) {
    const late = (['ccm.lablet.score_report.created', 'ccm.lablet.session.graded'] as const).map((type): Recorded => ({ type, at: report.submittedAt }));
    const place = told.findIndex(({ at }) => Date.parse(at) > Date.parse(report.submittedAt));
    told.splice(place < 0 ? told.length : place, 0, ...late);
  }
  return told;
}

function eventsOfRow({ row, from, to }: HistoryEntry): readonly EmittedType[] {
  return TABLE.find((known) => known.row === row && known.from === (from ?? null) && known.to === to)?.events ?? [];
}
