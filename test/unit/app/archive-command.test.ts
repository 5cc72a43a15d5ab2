import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { archiveCommand } from '../../../src/app/archive-command.ts';
import { ConfigError, readConfig } from '../../../src/app/config.ts';
import { fileArchive } from '../../../src/events/archive/store-file.ts';
import { chainOf, segmentOf } from '../../support/events/archive-contract.ts';
import { answer, TestSink } from '../../support/events/sink.ts';

const never = new AbortController().signal;
const [ada, bob] = ['7d1f0c2a-3e9b-4f5d-8a6c-0b1c2d3e4f50', '7d1f0c2a-3e9b-4f5d-8a6c-0b1c2d3e4f51'];
const exitCode = process.exitCode;
let directory: string;
let url: string;

// Four records of ada on two days, the last one stored twice; three of bob without the second one.
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'lablet-archive-'));
  url = pathToFileURL(directory).href;
  const store = fileArchive(url);
  const [adas, bobs] = [chainOf(4, ada, 'ada'), chainOf(3, bob, 'bob')];
  await store.append('records', segmentOf(adas.slice(0, 2), '2026-11-22T10:00:00Z'), never);
  await store.append('records', segmentOf([...adas.slice(2), ...adas.slice(3)], '2026-11-23T10:00:00Z'), never);
  await store.append('records', segmentOf(bobs.filter(({ chain }) => chain.n !== 2), '2026-11-23T11:00:00Z'), never);
});

afterAll(() => rm(directory, { recursive: true, force: true }));
afterEach(() => { process.exitCode = exitCode; });

async function run(...args: string[]): Promise<{ lines: string[]; code: typeof process.exitCode }> {
  const lines: string[] = [];
  const command = archiveCommand(() => undefined, (line) => lines.push(line));
  for (const one of [command, ...command.commands]) one.exitOverride().configureOutput({ writeErr: () => undefined });
  await command.parseAsync(args, { from: 'user' });
  return { lines, code: process.exitCode };
}

describe('archive verify --offline', () => {
  test('finds what is wrong in one object and leaves the others alone', async () => {
    const { lines, code } = await run('verify', '--offline', '--url', url);
    expect(lines).toEqual([
      `LabletSession exams/bob (${bob}): record 2 is missing [missing]`,
      '7 records of 2 objects, 1 problem(s)',
      '2 object(s) were not compared with a status: whether their last records were removed cannot be told',
    ]);
    expect(code).toBe(1);
  });

  test('looks at one object, which is well', async () => {
    const { lines, code } = await run('verify', '--offline', '--url', url, '--subject', 'exams/ada');
    expect(lines[0]).toBe('5 records of 1 objects, 0 problem(s)');
    expect(code).toBe(exitCode);
  });

  test('does not miss what retention has removed, if it is told since when to look', async () => {
    expect((await run('verify', '--offline', '--url', url, '--subject', 'exams/ada', '--since', '2026-11-23T00:00:00Z')).lines[0]).toBe('3 records of 1 objects, 0 problem(s)');
  });
});

describe('archive replay', () => {
  test('sends each event once, of the objects and the time that are asked for', async () => {
    const sink = await TestSink.start();
    const { lines } = await run('replay', '--url', url, '--to', sink.url.href, '--subject', 'exams/ada', '--rate', '1000');
    expect(sink.sequences(ada)).toEqual([1, 2, 3, 4]);
    expect(sink.arrivals).toHaveLength(4);
    expect(lines.at(-1)).toMatch(/^4 event\(s\) sent to /);
    await run('replay', '--url', url, '--to', sink.url.href, '--until', '2020-01-01T00:00:00Z');
    expect(sink.arrivals).toHaveLength(4);
    await sink.close();
  });
});

test('a replay that the sink refuses ends with 1 and the event at which it stopped', async () => {
  const sink = await TestSink.start((nth) => answer(nth === 1 ? 400 : 202));
  const { lines, code } = await run('replay', '--url', url, '--to', sink.url.href, '--subject', 'exams/ada');
  expect(lines).toEqual([expect.stringMatching(/did not take ccm\.lablet\.session\.stopping [0-9a-f-]{36} of exams\/ada \(2026-11-23T10:00:00/)]);
  expect(code).toBe(1);
  await sink.close();
});

describe('what makes no sense', () => {
  test.each([
    [['verify', '--offline'], /which archive\? Give --url or ARCHIVE_URL/],
    [['verify', '--offline', '--url', 'ftp://x/y'], /write it like file:\/\/\/var\/lib\/lablet\/archive or s3:\/\/BUCKET\/PREFIX/],
    [['verify', '--since', 'yesterday'], /give a time such as 2026-11-23T08:00:00Z/],
    [['replay', '--to', 'http://127.0.0.1:1/', '--rate', '0'], /give a number above 0/],
    [['replay', '--to', 'http://127.0.0.1:1/,http://127.0.0.1:2/', '--url', 'file:///nowhere'], /--to: give one sink/],
  ])('(%j) is refused with what to write', async (args, message) => {
    await expect(run(...args)).rejects.toThrow(message);
  });

  test('in the configuration too; a year is kept unless somebody says otherwise', () => {
    expect(() => readConfig({ ARCHIVE_URL: 'http://x' })).toThrow(ConfigError);
    expect(() => readConfig({ ARCHIVE_RETENTION: '1y' })).toThrow('ARCHIVE_RETENTION: must be a number of days such as 365d; 0d is for ever');
    expect([readConfig({}).ARCHIVE_RETENTION, readConfig({ ARCHIVE_RETENTION: '0d' }).ARCHIVE_RETENTION]).toEqual([365 * 86_400_000, 0]);
  });
});
