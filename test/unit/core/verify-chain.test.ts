import { describe, expect, test } from '@jest/globals';
import { hashOf } from '../../../src/core/chain.ts';
import { headOf, verifyChain } from '../../../src/core/verify-chain.ts';
import { emitted, received, recordsOf } from '../../support/events/chained.ts';
import type { ArchiveRecord } from '../../../src/api/archive.ts';
import type { OutboxDraft } from '../../../src/core/outbox.ts';

const uid = '7d1f0c2a-3e9b-4f5d-8a6c-0b1c2d3e4f50';

/** Six records, in and out in turn, as they are read back. */
function archive(): { records: ArchiveRecord[]; head: { n: number; hash: string } } {
  const draft: OutboxDraft = {};
  for (let n = 0; n < 3; n++) {
    emitted(draft, uid);
    received(draft, uid);
  }
  const records = JSON.parse(JSON.stringify(recordsOf(draft, uid).map((record) => ({ ...record, archivedAt: '2026-11-23T10:00:01Z' })))) as ArchiveRecord[];
  if (!draft.chain) throw new Error('there is no head');
  return { records, head: draft.chain };
}

/** Every value in a record, by its path. */
function* leaves(value: unknown, path: readonly string[] = []): Generator<readonly string[]> {
  if (typeof value !== 'object' || value === null) yield path;
  else for (const [key, field] of Object.entries(value)) yield* leaves(field, [...path, key]);
}

function change(record: ArchiveRecord, path: readonly string[], to: (value: unknown) => unknown): void {
  let at = record as unknown as Record<string, unknown>;
  for (const key of path.slice(0, -1)) at = at[key] as Record<string, unknown>;
  const last = path.at(-1) ?? '';
  at[last] = to(at[last]);
}

const kinds = (findings: ReturnType<typeof verifyChain>): string[] => [...new Set(findings.map(({ kind }) => kind))].sort();

describe('an archive that is as it was written', () => {
  test('has no findings, in whatever order it is read and however often a crash stored a record', () => {
    const { records, head } = archive();
    expect(verifyChain(records, head)).toEqual([]);
    expect(verifyChain([...records, ...records.slice(2, 5)].reverse(), head)).toEqual([]);
  });

  test('has none either where the object went on, or where the newest records are still on their way', () => {
    const { records, head } = archive();
    const [, , , fourth] = records;
    expect(verifyChain(records, { n: 4, hash: fourth?.chain.hash ?? '' })).toEqual([]);
    expect(verifyChain(records.slice(0, 4), { ...head, pending: [`5-5 ${fourth?.chain.hash ?? ''}`, `6-6 ${'0'.repeat(64)}`] })).toEqual([]);
    const draft: OutboxDraft = {};
    for (let n = 0; n < 40; n++) emitted(draft, uid);
    // Nothing was archived, and eight were given up: those that wait say so.
    expect(kinds(verifyChain([], headOf(draft)))).toEqual(['given-up']);
  });

  test('tells numbers that a full outbox gave up from those that somebody took away', () => {
    const draft: OutboxDraft = {};
    for (let n = 0; n < 40; n++) emitted(draft, uid);
    const records = recordsOf(draft, uid);
    expect(verifyChain(records, draft.chain).map(({ kind, n, message }) => [kind, n, message])).toEqual([['given-up', 1, expect.stringContaining('records 1 to 8')]]);
    expect(kinds(verifyChain(records.filter(({ chain }) => chain.n !== 20), draft.chain))).toEqual(['given-up', 'missing']);
  });
});

describe('tampering shows', () => {
  const { records: [out, inbound] } = archive();
  const paths = [out, inbound].flatMap((record, index) => [...leaves(record)].filter((path) => path[0] !== 'archivedAt').map((path) => [path.join('.'), index, path] as const));

  test.each(paths)('when %s of record %i is changed', (_, index, path) => {
    const { records, head } = archive();
    const record = records[index];
    if (!record) throw new Error('no such record');
    change(record, path, (value) => (typeof value === 'number' ? value + 100 : `${String(value)}x`));
    expect(verifyChain(records, head)).not.toEqual([]);
  });

  test('when a field is added or taken away, at any level', () => {
    for (const [path, to] of [[['object', 'owner'], () => 'me'], [['note'], () => 'x'], [['event', 'causationid'], () => undefined], [['chain', 'dropped'], () => [`2-2 ${'0'.repeat(64)}`]]] as const) {
      const { records, head } = archive();
      if (records[2]) change(records[2], path, to);
      expect(kinds(verifyChain(records, head))).toContain('changed');
    }
  });

  test('when somebody gives the changed record a new hash: the next one does not follow it', () => {
    const { records, head } = archive();
    const record = records[2];
    if (!record) throw new Error('no such record');
    record.event['reason'] = 'Forged';
    record.chain.hash = hashOf(record);
    expect(verifyChain(records, head).map(({ kind, n }) => [kind, n])).toEqual([['broken', 4]]);
  });

  test('when the whole chain is made anew from there: its end is not what the status says', () => {
    const { records, head } = archive();
    for (const [index, record] of records.entries()) {
      if (index === 2) record.event['reason'] = 'Forged';
      record.chain.prev = records[index - 1]?.chain.hash ?? record.chain.prev;
      record.chain.hash = hashOf(record);
    }
    expect(kinds(verifyChain(records, head))).toEqual(['head']);
    // Without the head nobody can tell: this is what docs/archive.md says that the archive alone does not prove.
    expect(verifyChain(records)).toEqual([]);
  });

  test.each([
    ['the first', (records: ArchiveRecord[]) => records.slice(1), ['missing-start']],
    ['one in the middle', (records: ArchiveRecord[]) => records.filter(({ chain }) => chain.n !== 3), ['missing']],
    ['the last', (records: ArchiveRecord[]) => records.slice(0, -1), ['missing-tail']],
    ['all', () => [], ['missing-tail']],
  ])('when %s is removed', (_, remove, expected) => {
    const { records, head } = archive();
    expect(kinds(verifyChain(remove(records), head))).toEqual(expected);
  });

  test('when two records change places, or one of another object is put in', () => {
    const { records, head } = archive();
    const [first, , third] = records;
    if (!first || !third) throw new Error('no such record');
    [first.chain.n, third.chain.n] = [third.chain.n, first.chain.n];
    expect(kinds(verifyChain(records, head))).toContain('changed');
    const other: OutboxDraft = {};
    emitted(other, uid, 'cand-0043');
    expect(kinds(verifyChain([...archive().records, ...recordsOf(other, uid, 'cand-0043')], head))).toContain('conflict');
  });

  test('when a record before a gap of ours gets a new content and a new hash', () => {
    const draft: OutboxDraft = {};
    for (let n = 0; n < 17; n++) for (const record of [emitted, received]) record(draft, uid);
    const records = structuredClone(recordsOf(draft, uid));
    expect(kinds(verifyChain(records, headOf(draft)))).toEqual(['given-up']);
    // Number 2 was given up, so that nobody names the hash of number 1 but the gap.
    const [first] = records;
    if (first?.chain.n !== 1) throw new Error('number 1 was given up');
    first.event['reason'] = 'Forged';
    first.chain.hash = hashOf(first);
    expect(verifyChain(records, draft.chain).flatMap(({ kind, n }) => (kind === 'broken' ? [n] : []))).toEqual([1]);
  });

  test('when somebody puts a record behind the last one that excuses what is missing', () => {
    const { records, head } = archive();
    const forged = structuredClone(records[0]);
    if (!forged) throw new Error('no such record');
    forged.chain = { n: 7, prev: head.hash, hash: '', dropped: [`3-3 ${records[1]?.chain.hash ?? ''}`] };
    forged.chain.hash = hashOf(forged);
    expect(kinds(verifyChain([...records.filter(({ chain }) => chain.n !== 3), forged], head))).toEqual(['missing']);
  });

  test('when a made-up record says that others were given up: it is looked at with suspicion, and quickly', () => {
    const { records, head } = archive();
    const [first] = structuredClone(records);
    if (!first) throw new Error('no such record');
    first.chain.n = 9_000_000_000;
    first.chain.dropped = [`1-8999999999 ${'0'.repeat(64)}`];
    expect(kinds(verifyChain([...records.slice(0, 3), first], head))).toEqual(expect.arrayContaining(['changed', 'missing']));
  });
});
