import { appendFile, mkdtemp, readdir, rm, stat, truncate } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, describe, expect, test } from '@jest/globals';
import { fileArchive } from '../../../../src/events/archive/store-file.ts';
import { chainOf, describesAnArchive, numbersOf, segmentOf } from '../../../support/events/archive-contract.ts';
import type { ArchiveStore } from '../../../../src/events/archive/store.ts';

const never = new AbortController().signal;
const root = await mkdtemp(join(tmpdir(), 'lablet-archive-'));
let opened = 0;

afterAll(() => rm(root, { recursive: true, force: true }));

function fresh(): { store: ArchiveStore; directory: string } {
  const directory = join(root, String(opened++));
  return { store: fileArchive(pathToFileURL(directory).href), directory };
}

describe('an archive in a directory', () => {
  describesAnArchive(async () => fresh().store);

  test('goes on after a crash in the middle of a line: the torn record is no record, and the next one is whole', async () => {
    const { store, directory } = fresh();
    const records = chainOf(3);
    await store.append('records', segmentOf(records.slice(0, 2), '2026-11-23T10:00:00Z'), never);
    const file = join(directory, 'records/2026-11-23/10h.ndjson');
    await truncate(file, (await stat(file)).size - 10);
    await store.append('records', segmentOf(records.slice(1), '2026-11-23T10:00:01Z'), never);
    expect(await numbersOf(store)).toEqual([1, undefined, 2, 3]);
  });

  test('can be read by nobody but its owner, and leaves no empty days behind', async () => {
    const { store, directory } = fresh();
    await store.append('records', segmentOf(chainOf(1), '2026-11-23T10:00:00Z'), never);
    expect((await stat(join(directory, 'records/2026-11-23/10h.ndjson'))).mode & 0o077).toBe(0);
    await store.remove('records', '2026-11-23/10h.ndjson', never);
    expect(await readdir(join(directory, 'records'))).toEqual([]);
  });

  test('does not take what somebody else put there for a segment, and never leaves its directory', async () => {
    const { store, directory } = fresh();
    await store.append('records', segmentOf(chainOf(1), '2026-11-23T10:00:00Z'), never);
    await appendFile(join(directory, 'records/notes.txt'), 'mine');
    await appendFile(join(directory, 'records/2026-11-23/notes.txt'), 'mine');
    expect(await numbersOf(store)).toEqual([1]);
    await expect(store.remove('records', '../rejected/x.ndjson', never)).rejects.toThrow(/no name of a segment/);
  });
});
