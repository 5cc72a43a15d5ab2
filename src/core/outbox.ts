/**
 * The transactional outbox: an event is recorded in the status of its object, in the very write that makes the
 * transition, and sent from there (contract §10.1). Nothing here sends; what is recorded never changes afterwards,
 * so that a re-send after any crash has the same id and the same bytes.
 */
import { v5 as uuidV5 } from 'uuid';
import { EMITTED, isTerminalType } from '../api/events.ts';
import { isForSinks, OUTBOX_ENTRY_MAX_BYTES, OUTBOX_MAX_BYTES, OUTBOX_MAX_ENTRIES } from '../api/outbox.ts';
import { nextLink, recordOf, withDropped } from './chain.ts';
import { getCondition, setCondition } from './conditions.ts';
import { toTime } from './time.ts';
import type { EmittedData, EmittedType } from '../api/events.ts';
import type { EmitterStatus, OutboxEntry } from '../api/outbox.ts';
import type { Receipt } from '../api/archive.ts';
import type { Condition } from '../api/schema.ts';
import type { ArchiveContext } from './chain.ts';

/** What an event carries beside its type and data. */
export interface EmitContext {
  /** uid of the emitting object: the namespace of ids and the source of the sequence. */
  readonly uid: string;
  /** When the transition is written. */
  readonly now: Date;
  /** Id of the consumed event that caused the transition. */
  readonly causationId?: string | undefined;
  /** W3C trace context of the transition. */
  readonly traceParent?: string | undefined;
  /** Where the archive files it; absent: there is no archive, and no chain. */
  readonly archive?: ArchiveContext | undefined;
}

/** The status of any kind that emits. */
export interface OutboxDraft extends EmitterStatus {
  conditions?: Condition[] | undefined;
}

/** Condition that tells of events which are stuck or lost; absent or True: all is well. */
export const EVENTS_DELIVERED = 'EventsDelivered';

/**
 * Records one event in a draft status: moves `sequence`, appends to `outbox`, and moves the head of the archive's chain.
 *
 * The outbox is bounded. What does not fit pushes out what only the archive still waits for, then the oldest entry that
 * is not `*.terminated`; that is the only gap a sequence can have, so it is named in the condition EventsDelivered=False
 * in the same write.
 *
 * @param secretRef a value that may not stand in a status: its field is null here and filled in when sent
 * @returns the entries that were pushed out, for the metric
 */
export function recordEvent<T extends EmittedType>(
  draft: OutboxDraft, type: T, data: EmittedData<T>, ctx: EmitContext, secretRef?: OutboxEntry['secretRef'],
): OutboxEntry[] {
  const sequence = (draft.sequence ?? 0) + 1;
  const envelope = {
    id: eventId(ctx.uid, type, sequence),
    type,
    sequence,
    ...(EMITTED[type].revision === 1 ? {} : { revision: EMITTED[type].revision }),
    time: toTime(ctx.now),
    ...(ctx.causationId === undefined ? {} : { causationId: ctx.causationId }),
    ...(ctx.traceParent === undefined ? {} : { traceParent: ctx.traceParent }),
    ...(secretRef === undefined ? {} : { secretRef }),
    ...linked(draft, ctx),
  };
  const fields = secretRef === undefined ? data : { ...data, [secretRef.field]: null };
  draft.sequence = sequence;
  return append(draft, fitted(envelope, type, fields), ctx);
}

/** Data of a received event that the archive keeps, in bytes of JSON; longer data is known by its hash. */
const RECEIVED_DATA_MAX_BYTES = 1024;

/**
 * Records a received event for the archive, in the write that stores its effect. It has no sequence and goes to no sink.
 * Without an archive nothing is recorded.
 *
 * @returns the entries that were pushed out, for the metric
 */
export function recordReceived(draft: OutboxDraft, receipt: Receipt, result: 'Applied' | 'Ignored' | 'Deferred', ctx: EmitContext): OutboxEntry[] {
  if (ctx.archive === undefined) return [];
  const { id, source, type, time, subject, extensions, sha256, data } = receipt;
  const received = { receivedAt: toTime(ctx.now), result, sha256 };
  const isShort = data !== undefined && size(data) <= RECEIVED_DATA_MAX_BYTES;
  const entry = (fields: object): OutboxEntry => ({
    // With its number: after a long time the inbox has forgotten an event, and the same one is received again.
    id: uuidV5(`received/${(draft.chain?.n ?? 0) + 1}/${source} ${id}`, ctx.uid), type, time: received.receivedAt, archiveOnly: true, ...linked(draft, ctx),
    data: JSON.stringify({ id, source, type, ...fields, ...received }),
  });
  // What is long goes first: a field that is missing here is still covered by the hash of the whole.
  const choices = [{ time, subject, extensions, ...(isShort ? { data } : {}) }, { time, subject, extensions }, { time, subject }, { time }].map(entry);
  return append(draft, choices.find((choice) => size(choice) <= OUTBOX_ENTRY_MAX_BYTES) ?? entry({}), ctx);
}

const linked = (draft: OutboxDraft, { archive }: EmitContext): Pick<OutboxEntry, 'chain'> => (archive === undefined ? {} : { chain: nextLink(draft.chain, archive.base) });

function append(draft: OutboxDraft, entry: OutboxEntry, { archive, now }: EmitContext): OutboxEntry[] {
  const kept = [...(draft.outbox ?? []), entry];
  const dropped: OutboxEntry[] = [];
  while (kept.length > OUTBOX_MAX_ENTRIES || size(kept) > OUTBOX_MAX_BYTES) {
    const [spare, oldest] = [kept.findIndex(({ archiveOnly }) => archiveOnly), kept.findIndex(({ type }) => !isTerminalType(type))];
    dropped.push(...kept.splice(spare >= 0 ? spare : Math.max(oldest, 0), 1));
  }
  draft.outbox = kept;
  const record = archive && recordOf(entry, archive);
  if (record) draft.chain = { n: record.chain.n, hash: record.chain.hash };
  if (draft.chain) draft.chain = withDropped(draft.chain, dropped);
  reportLost(draft, dropped, 'the outbox is full', now);
  return dropped;
}

/** Removes acknowledged (or given up) entries. Returns false, and leaves the draft alone, if none was there. */
export function acknowledge(draft: EmitterStatus, ids: ReadonlySet<string>): boolean {
  const left = draft.outbox?.filter((entry) => !ids.has(entry.id)) ?? [];
  if (left.length === (draft.outbox?.length ?? 0)) return false;
  draft.outbox = left;
  return true;
}

/** Names lost events in the condition. It stays: a gap in a sequence is for ever. */
export function reportLost(draft: OutboxDraft, lost: readonly OutboxEntry[], why: string, now: Date): void {
  const emissions = lost.filter(isForSinks);
  const [last, record] = [emissions.at(-1), lost.findLast(({ archiveOnly }) => archiveOnly)];
  if (last) {
    const message = `${emissions.length} undelivered event(s) given up since ${why}, the last one ${last.type} with sequence ${last.sequence}. Check the sink.`;
    setCondition(draft, { type: EVENTS_DELIVERED, status: 'False', reason: 'EventsLost', message }, now);
  } else if (record && getCondition(draft, EVENTS_DELIVERED)?.reason !== 'EventsLost') {
    const message = `The archive has a gap: ${lost.length} record(s) given up since ${why}, the last one ${record.type}, number ${record.chain?.n ?? 0} of the chain. Check ARCHIVE_URL.`;
    setCondition(draft, { type: EVENTS_DELIVERED, status: 'False', reason: 'ArchiveGap', message }, now);
  }
}

/** CloudEvents id: UUIDv5 of object uid, type and sequence, so that a decision taken twice names the same event. */
export function eventId(uid: string, type: string, sequence: number): string {
  return uuidV5(`${type}/${sequence}`, uid);
}

/** Ids of the parts of a session that events name: UUIDv5 of the session's uid, the kind and the attempt, from 1. */
export function derivedId(uid: string, kind: 'UserSession' | 'GradingSession' | 'ScoreReport', attempt = 1): string {
  return uuidV5(`${kind}/${attempt}`, uid);
}

/** The entry with as much of the data as 2 KiB hold: extras go first, then the tail of the largest map, which is marked. */
function fitted(envelope: Omit<OutboxEntry, 'data'>, type: EmittedType, data: object): OutboxEntry {
  const entry = (fields: object): OutboxEntry => ({ ...envelope, data: JSON.stringify(fields) });
  const fits = (fields: object): boolean => size(entry(fields)) <= OUTBOX_ENTRY_MAX_BYTES;
  if (fits(data)) return entry(data);
  const mandatory = Object.fromEntries(Object.entries(data).filter(([key]) => !isExtra(type, key)));
  if (fits(mandatory)) return entry(mandatory);
  const cut = Object.fromEntries(Object.entries(mandatory).map(([key, value]) => [key, isMap(value) ? { ...value } : value as unknown]));
  for (const map of Object.values(cut).filter(isMap)) {
    for (const key of Object.keys(map).reverse()) {
      if (fits({ ...cut, truncated: true })) break;
      Reflect.deleteProperty(map, key);
    }
  }
  return entry({ ...cut, truncated: true });
}

function isExtra(type: EmittedType, key: string): boolean {
  const field = (EMITTED[type].data.shape as Record<string, { safeParse(value: unknown): { success: boolean } } | undefined>)[key];
  return field?.safeParse(undefined).success ?? true;
}

const isMap = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value);

const size = (value: unknown): number => Buffer.byteLength(JSON.stringify(value));
