/** Reading the archive: record by record in the order of its segments, and page by page for people. */
import { archiveRecord } from '../../api/archive.ts';
import { isSegmentName, momentOf } from './store.ts';
import type { ArchiveRecord } from '../../api/archive.ts';
import type { ArchiveStore } from './store.ts';

/** A line of the stream `records`, and where it stands. */
export interface ArchiveLine {
  readonly segment: string;
  /** From 1. */
  readonly line: number;
  /** Undefined: it is no record; a crash in the middle of a write leaves such a line, and so does a careless hand. */
  readonly record: ArchiveRecord | undefined;
}

/** Every line, from the segment `from` on. */
export async function* readRecords(store: ArchiveStore, from: string, signal: AbortSignal): AsyncGenerator<ArchiveLine> {
  for await (const segment of store.list('records', from, signal)) {
    let line = 0;
    for await (const text of store.lines('records', segment, signal)) yield { segment, line: ++line, record: parsed(text) };
  }
}

/** What is looked for; absent fields match anything. */
export interface ArchiveQuery {
  /** `namespace/name` of the object, or its name where it has no namespace. */
  readonly subject?: string | undefined;
  readonly namespace?: string | undefined;
  /** CloudEvents type; with `*` at its end, all types that begin so. */
  readonly type?: string | undefined;
  /** Nothing that was recorded before. */
  readonly since?: Date | undefined;
}

export function matches(record: ArchiveRecord, { subject, namespace, type, since }: ArchiveQuery): boolean {
  const { object, event } = record;
  return (subject === undefined || subject === (object.namespace === undefined ? object.name : `${object.namespace}/${object.name}`))
    && (namespace === undefined || namespace === object.namespace)
    && (type === undefined || (type.endsWith('*') ? event.type.startsWith(type.slice(0, -1)) : event.type === type))
    && (since === undefined || new Date(recordedAt(record)) >= since);
}

/** When it was recorded: what was received carries the time of its sender beside it. */
export const recordedAt = (record: ArchiveRecord): string => (record.direction === 'in' ? record.event.receivedAt : record.event.time);

/** The name of the first segment that can hold what was recorded at `since` or later: a record is archived after it was recorded. */
export const startOf = (since: Date | undefined): string => (since === undefined ? '' : momentOf(since));

export interface Page {
  readonly items: readonly ArchiveRecord[];
  /** Where the next page begins; absent: this is the end, for now. A page may be short, even empty, and have it. */
  readonly after?: string;
}

/** `after` of a request is no place in the archive. */
export class CursorError extends Error {}

/** Lines that one page looks at: a rare type in a large archive takes many pages, and none of them takes long. */
const LINES_MAX = 20_000;

/**
 * One page. A record can be on two pages, or twice on one, where a crash stored it twice: tell them apart by `object.uid` and `chain.n`.
 * @param after of the page before
 * @throws CursorError
 */
export async function readPage(store: ArchiveStore, query: ArchiveQuery, after: string | undefined, limit: number, signal: AbortSignal): Promise<Page> {
  const cursor = after === undefined ? undefined : parseCursor(after);
  const items = new Map<string, ArchiveRecord>();
  let seen = 0;
  for await (const { segment, line, record } of readRecords(store, cursor?.segment ?? startOf(query.since), signal)) {
    if (cursor && segment === cursor.segment && line <= cursor.line) continue;
    if (record && matches(record, query)) items.set(`${record.object.uid} ${record.chain.n} ${record.chain.hash}`, record);
    if (items.size >= limit || ++seen >= LINES_MAX) return { items: [...items.values()], after: `${segment}:${line}` };
  }
  return { items: [...items.values()] };
}

function parseCursor(text: string): { segment: string; line: number } {
  const [segment = '', line = ''] = text.split(':');
  if (!isSegmentName(segment) || !/^\d{1,9}$/.test(line)) throw new CursorError("after: give the 'after' of the page before");
  return { segment, line: Number(line) };
}

function parsed(text: string): ArchiveRecord | undefined {
  try {
    return archiveRecord.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}
