/**
 * The hash chain of an object's archive (docs/archive.md). A record is made from its outbox entry and the object alone,
 * by one pure function: when it is recorded, to move the head in the status, and again when it is archived, to write it
 * down. So the head moves in the very write that records the event, and the archive may be slow or away.
 */
import { DROPPED_RANGES_MAX } from '../api/outbox.ts';
import { objectKey } from '../api/meta.ts';
import { canonicalJson, sha256Hex } from './canonical.ts';
import { without } from './without.ts';
import type { ArchivedObject, ArchiveRecord } from '../api/archive.ts';
import type { ObjectMeta } from '../api/meta.ts';
import type { ChainHead, ChainLink, OutboxEntry } from '../api/outbox.ts';

/** What `prev` of the first record is. */
export const GENESIS = '0'.repeat(64);

/** Where the archive files what an object records. */
export interface ArchiveContext {
  /** CLOUDEVENTS_SOURCE */
  readonly base: string;
  readonly resource: { readonly kind: string; readonly plural: string };
  readonly metadata: Pick<ObjectMeta, 'name' | 'namespace' | 'uid'>;
}

/** CloudEvents source of an object: one source an object, so that its sequence is that of one source. */
export const sourceOf = (base: string, plural: string, uid: string): string => `${base.replace(/\/$/, '')}/${plural}/${uid}`;

/** The place of the next record; it names what was given up since the last one. */
export function nextLink(head: ChainHead | undefined, base: string): ChainLink {
  return { n: (head?.n ?? 0) + 1, prev: head?.hash ?? GENESIS, base, ...(head?.dropped === undefined ? {} : { dropped: head.dropped }) };
}

/** The record of an entry, without `archivedAt`; undefined if the entry has no place in the chain. */
export function recordOf(entry: OutboxEntry, { resource, metadata }: Pick<ArchiveContext, 'resource' | 'metadata'>): ArchiveRecord | undefined {
  if (entry.chain === undefined) return undefined;
  const { n, prev, base, dropped } = entry.chain;
  const { namespace, name, uid } = metadata;
  const object: ArchivedObject = { kind: resource.kind, ...(namespace === undefined ? {} : { namespace }), name, uid };
  const content = { object, ...contentOf(entry, sourceOf(base, resource.plural, uid), objectKey({ metadata })) };
  const chain = { n, prev, ...(dropped === undefined ? {} : { dropped }) };
  return { chain: { ...chain, hash: hashOf({ ...content, chain }) }, ...content };
}

type Content = { [D in ArchiveRecord['direction']]: Pick<Extract<ArchiveRecord, { direction: D }>, 'direction' | 'event'> }[ArchiveRecord['direction']];

function contentOf({ id, type, revision, sequence, time, causationId, traceParent, secretRef, data: text }: OutboxEntry, source: string, subject: string): Content {
  const data = JSON.parse(text) as Record<string, unknown>;
  if (sequence === undefined) return { direction: 'in', event: data as Extract<Content, { direction: 'in' }>['event'] };
  const secret = secretRef && { [secretRef.field]: secretRef.sha256 === undefined ? null : `sha256:${secretRef.sha256}` };
  return {
    direction: 'out',
    event: {
      id, source, type, subject, sequence, time,
      ...(revision === undefined ? {} : { revision }),
      ...(causationId === undefined ? {} : { causationid: causationId }),
      ...(traceParent === undefined ? {} : { traceparent: traceParent }),
      ...(secretRef === undefined ? {} : { masked: secretRef.field }),
      data: { ...data, ...secret },
    },
  };
}

/** SHA-256 of all of a record in canonical JSON but `chain.hash` and `archivedAt`. Any object will do: a record that somebody changed too. */
export function hashOf(record: { readonly chain: object; readonly archivedAt?: string | undefined }): string {
  const chain: { hash?: string } = record.chain;
  return sha256Hex(canonicalJson({ ...without(record, 'archivedAt'), chain: without(chain, 'hash') }));
}

/** The head with further records given up; what they had to say of older ones goes on to the next record. */
export function withDropped(head: ChainHead, entries: readonly OutboxEntry[]): ChainHead {
  const links = entries.flatMap(({ chain }) => (chain === undefined ? [] : [chain]));
  if (links.length === 0) return head;
  return { ...head, dropped: joined([...(head.dropped ?? []), ...links.flatMap((link) => [...(link.dropped ?? []), placeOf(link)])]) };
}

/** Numbers that follow one another. `prev` is the hash of the record before the first: so that one is held in its place over the gap. */
export interface ChainRange {
  readonly first: number;
  readonly last: number;
  readonly prev: string;
}

/** The range of one number, as text. */
export const placeOf = ({ n, prev }: ChainLink): string => rangeText({ first: n, last: n, prev });

const rangeText = ({ first, last, prev }: ChainRange): string => `${first}-${last} ${prev}`;

export function rangeOf(text: string): ChainRange {
  const [numbers = '', prev = ''] = text.split(' ');
  const [first = 0, last = first] = numbers.split('-').map(Number);
  return { first, last, prev };
}

/** Ranges in order, neighbours as one; where there are too many, the oldest as one that spans them. */
function joined(texts: readonly string[]): string[] {
  const ranges: ChainRange[] = [];
  const join = (range: ChainRange, last: number): void => void ranges.splice(-1, 1, { ...range, last: Math.max(range.last, last) });
  for (const range of texts.map(rangeOf).sort((a, b) => a.first - b.first)) {
    const before = ranges.at(-1);
    if (before && range.first <= before.last + 1) join(before, range.last);
    else ranges.push(range);
  }
  const tooMany = ranges.length - DROPPED_RANGES_MAX;
  const [oldest, last] = [ranges[0], ranges[tooMany]];
  if (tooMany > 0 && oldest && last) ranges.splice(0, tooMany + 1, { ...oldest, last: last.last });
  return ranges.map(rangeText);
}
