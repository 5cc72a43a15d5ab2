/** What a consumed event does to a session. Pure; ingest writes what it returns. The matrix itself is in `matrix.ts`. */
import { INBOX_MAX, INBOX_MAX_DEFERRED_BYTES } from '../../api/labletsession.ts';
import { toTime } from '../time.ts';
import { without } from '../without.ts';
import { applyRows, conclude } from './judge.ts';
import { receive } from './draft.ts';
import { cellFor, settleOne, warn } from './matrix.ts';
import { heldBack, settle, situation } from './situation.ts';
import type { ConsumedEvent } from '../../api/events.ts';
import type { InboxEntry, LabletSession } from '../../api/labletsession.ts';
import type { Judgement, RowFilter } from './judge.ts';
import type { Situation } from './situation.ts';
import type { RowId } from './row.ts';
import type { SessionWorld } from './world.ts';

/** Moot: it changes nothing, now or when it comes again, so that nothing is written. */
export type ConsumeResult = 'Applied' | 'Ignored' | 'Deferred' | 'Duplicate' | 'Full' | 'Moot';

export interface Consumption extends Judgement {
  /** Full: the inbox cannot hold the event now; the sender should try again later. */
  result: ConsumeResult;
}

const INGEST_ROWS: ReadonlySet<RowId> = new Set(['T9', 'T11', 'T12', 'T15', 'T16']);
/** The rows that an event causes; people, deadlines and pipelines are the leader's business. */
const byEvent: RowFilter = (row, because) => INGEST_ROWS.has(row) && because.eventId !== undefined;

/** Bytes of the inbox without deferred data: 64 events of usual senders take 12 KiB, and a status must stay below 100 kB. */
const MEMORY_MAX_BYTES = 16 * 1024;

/** Decides about one event. Nothing is written, and the same event again is a Duplicate once it was. */
export function consume(session: LabletSession, event: ConsumedEvent, world: SessionWorld, now: Date): Consumption {
  const s = situation(session, world, now);
  const stored = (): InboxEntry | undefined => s.draft.inbox?.find((entry) => entry.id === event.id && entry.source === event.source);
  if (stored()) return { ...conclude(s, []), result: 'Duplicate' };
  const entry = store(s, event, now);
  const rows = entry.result === 'Deferred' && !heldBack(session) ? place(s, event, entry) : [];
  const known = stored()?.result;
  const result = known === 'Applied' || known === 'Deferred' ? known : 'Ignored';
  if (result === 'Deferred' && deferredBytes(s) > INBOX_MAX_DEFERRED_BYTES) return { ...conclude(situation(session, world, now), []), result: 'Full' };
  if (event.receipt) receive(s, event.receipt, result);
  else if (result === 'Ignored' && isPast(event, session)) return { ...conclude(situation(session, world, now), []), result: 'Moot' };
  return { ...conclude(s, rows), result };
}

/** A candidate starts and ends once: what LDS says again of it, even under new ids, needs no write to be remembered by. Gradings may be repeated. */
function isPast({ type }: ConsumedEvent, { status }: LabletSession): boolean {
  return type.startsWith('lds.') && ['ignore', 'late'].includes(cellFor(type, status?.phase));
}

/** Puts the event into the inbox as Deferred; of one type the first LDS event and the newest grading event wait. */
function store(s: Situation, event: ConsumedEvent, now: Date): InboxEntry {
  const entry: InboxEntry = { source: event.source, id: event.id, type: event.type, time: toTime(now), result: 'Deferred', data: JSON.stringify(event.data), ...(event.traceParent === undefined ? {} : { traceParent: event.traceParent }) };
  const waiting = s.draft.inbox?.find((candidate) => candidate.type === event.type && candidate.result === 'Deferred');
  const keepsFirst = event.type.startsWith('lds.');
  if (waiting && !keepsFirst) settle(s, waiting, 'Ignored');
  const kept: InboxEntry = waiting && keepsFirst ? { ...without(entry, 'data'), result: 'Ignored' } : entry;
  s.draft.inbox = trimmed([...(s.draft.inbox ?? []), kept]);
  return kept;
}

/** The newest entries, by number and by what their names weigh; one that still waits is never pushed out. */
function trimmed(inbox: InboxEntry[]): InboxEntry[] {
  let [count, bytes] = [0, 0];
  return inbox.toReversed().filter((entry) => {
    bytes += Buffer.byteLength(JSON.stringify(without(entry, 'data')));
    return entry.result === 'Deferred' || (++count <= INBOX_MAX - waitingIn(inbox) && bytes <= MEMORY_MAX_BYTES);
  }).reverse();
}

const waitingIn = (inbox: readonly InboxEntry[]): number => inbox.filter((entry) => entry.result === 'Deferred').length;

const deferredBytes = (s: Situation): number => (s.draft.inbox ?? []).reduce((bytes, entry) => bytes + Buffer.byteLength(entry.data ?? ''), 0);

/** One cell of the matrix; returns the rows that were taken. */
function place(s: Situation, event: ConsumedEvent, entry: InboxEntry): RowId[] {
  const cell = cellFor(event.type, s.draft.phase);
  if (cell === 'warn') warn(s, event, entry);
  else settleOne(s, event.type, cell);
  return cell === 'apply' || cell === 'fault' ? applyRows(s, byEvent) : [];
}
