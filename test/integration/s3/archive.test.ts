import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { S3 } from '../../../src/clients/s3.ts';
import { s3Archive } from '../../../src/events/archive/store-s3.ts';
import { chainOf, describesAnArchive, namesOf, numbersOf, segmentOf } from '../../support/events/archive-contract.ts';
import { startS3Server } from '../../support/s3/server.ts';
import type { ArchiveStore } from '../../../src/events/archive/store.ts';
import type { S3Server } from '../../support/s3/server.ts';

const never = new AbortController().signal;
const environment = { ...process.env };
let server: S3Server;
let s3: S3;
let opened = 0;

// The first start on a machine builds the server.
beforeAll(async () => {
  server = await startS3Server();
  Object.assign(process.env, server.credentials);
  await server.createBucket('exam-archive');
  s3 = new S3({ endpoint: server.endpoint, attempts: 2, timeoutMs: 5000 });
}, 900_000);

afterAll(async () => {
  process.env = environment;
  await s3.close();
  await server.close();
});

const fresh = (): ArchiveStore => s3Archive(s3, { bucket: 'exam-archive', key: `lablet/${opened++}` });

describe('an archive in S3', () => {
  describesAnArchive(async () => fresh());

  test('has one object for a segment, which is the same one if it is sent again, and another one if anything differs', async () => {
    const store = fresh();
    const records = chainOf(3);
    const segment = segmentOf(records, '2026-11-23T10:00:00Z');
    await store.append('records', segment, never);
    await store.append('records', segment, never);
    expect(await namesOf(store)).toEqual([expect.stringMatching(/^2026-11-23\/100000\.000-[0-9a-f]{16}\.ndjson$/)]);
    const [name = ''] = await namesOf(store);
    expect((await server.kept('exam-archive', `lablet/${opened - 1}/records/${name}`)).toString()).toBe(segment.body);
    // A leader of yesterday that closed a shorter segment at the same instant takes nothing away.
    await store.append('records', segmentOf(records.slice(0, 1), '2026-11-23T10:00:00Z'), never);
    expect((await numbersOf(store)).sort()).toEqual([1, 1, 2, 3]);
  });

  test('says that nothing was stored while its server is away, and takes the same segment when it is back', async () => {
    const store = fresh();
    const segment = segmentOf(chainOf(1), '2026-11-23T10:00:00Z');
    await server.restart(async () => {
      await expect(store.append('records', segment, never)).rejects.toThrow(/PutObject: connection/);
    });
    await store.append('records', segment, never);
    expect(await numbersOf(store)).toEqual([1]);
  });

  test('is listed to its end, however many segments there are', async () => {
    const store = fresh();
    const [record] = chainOf(1);
    if (!record) throw new Error('no record');
    const times = Array.from({ length: 1050 }, (_, n) => new Date(Date.UTC(2026, 10, 23, 10, 0, 0) + n * 1000).toISOString());
    for (let n = 0; n < times.length; n += 50) await Promise.all(times.slice(n, n + 50).map((at) => store.append('records', segmentOf([record], at), never)));
    const names = await namesOf(store);
    expect([names.length, names]).toEqual([1050, names.toSorted()]);
  }, 60_000);
});
