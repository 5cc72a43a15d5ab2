/** What every place for an archive has to do, whatever it is made of. */
import { expect, test } from '@jest/globals';
import { emitted, recordsOf } from './chained.ts';
import { readPage, readRecords } from '../../../src/events/archive/read.ts';
import { removeOld } from '../../../src/events/archive/retention.ts';
import { silentLog } from '../../../src/telemetry/log.ts';
import { FakeClock } from '../fake-clock.ts';
import type { ArchiveRecord } from '../../../src/api/archive.ts';
import type { ArchiveStore, Segment, Stream } from '../../../src/events/archive/store.ts';
import type { OutboxDraft } from '../../../src/core/outbox.ts';

const never = new AbortController().signal;
const uid = '7d1f0c2a-3e9b-4f5d-8a6c-0b1c2d3e4f50';

/** So many records of one object. */
export function chainOf(count: number, of = uid, name = 'cand-0042'): ArchiveRecord[] {
  const draft: OutboxDraft = {};
  for (let n = 0; n < count; n++) emitted(draft, of, name);
  return recordsOf(draft, of, name);
}

export function segmentOf(records: readonly ArchiveRecord[], at: string): Segment {
  return { at: new Date(at), body: records.map((record) => `${JSON.stringify({ ...record, archivedAt: at })}\n`).join('') };
}

export async function collected<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

export async function namesOf(store: ArchiveStore, stream: Stream = 'records', from = ''): Promise<string[]> {
  return collected(store.list(stream, from, never));
}

export async function numbersOf(store: ArchiveStore, from = ''): Promise<(number | undefined)[]> {
  return (await collected(readRecords(store, from, never))).map(({ record }) => record?.chain.n);
}

/** @param open an empty archive */
export function describesAnArchive(open: () => Promise<ArchiveStore>): void {
  test('gives back what was put into it, in the order of time, and from a time on', async () => {
    const store = await open();
    const records = chainOf(5);
    await store.append('records', segmentOf(records.slice(0, 2), '2026-11-22T23:59:59.999Z'), never);
    await store.append('records', segmentOf(records.slice(2, 3), '2026-11-23T09:15:00.000Z'), never);
    await store.append('records', segmentOf(records.slice(3), '2026-11-23T10:00:00.000Z'), never);
    expect(await numbersOf(store)).toEqual([1, 2, 3, 4, 5]);
    expect(await numbersOf(store, '2026-11-23')).toEqual([3, 4, 5]);
    expect(await numbersOf(store, '2026-11-23/100000.000')).toEqual([4, 5]);
    const [first] = await namesOf(store);
    expect((await namesOf(store, 'records', first)).length).toBe(3);
    expect(await namesOf(store, 'rejected')).toEqual([]);
  });

  test('is read page by page, a page going on where the one before ended', async () => {
    const store = await open();
    await store.append('records', segmentOf(chainOf(3), '2026-11-23T10:00:00Z'), never);
    await store.append('records', segmentOf(chainOf(4).slice(3), '2026-11-23T11:00:00Z'), never);
    await store.append('records', segmentOf(chainOf(2, '7d1f0c2a-3e9b-4f5d-8a6c-0b1c2d3e4f51', 'cand-0043'), '2026-11-23T11:30:00Z'), never);
    const seen: number[] = [];
    let after: string | undefined;
    do {
      const page = await readPage(store, { subject: 'exams/cand-0042' }, after, 2, never);
      seen.push(...page.items.map(({ chain }) => chain.n));
      after = page.after;
    } while (after !== undefined);
    expect(seen).toEqual([1, 2, 3, 4]);
    await expect(readPage(store, {}, '../../etc/passwd:1', 2, never)).rejects.toThrow("give the 'after' of the page before");
  });

  test('loses whole days when their time is over, and none before', async () => {
    const store = await open();
    for (const day of ['2026-11-20', '2026-11-21', '2026-11-22']) {
      await store.append('records', segmentOf(chainOf(1), `${day}T23:00:00Z`), never);
      await store.append('rejected', { at: new Date(`${day}T01:00:00Z`), body: '{}\n' }, never);
    }
    const retention = { store, keepMs: 86_400_000, log: silentLog, clock: new FakeClock('2026-11-22T12:00:00Z') };
    expect(await removeOld(retention, never)).toBe(2);
    for (const stream of ['records', 'rejected'] as const) expect((await namesOf(store, stream)).map((name) => name.slice(0, 10))).toEqual(['2026-11-21', '2026-11-22']);
    expect(await removeOld(retention, never)).toBe(0);
  });
}
