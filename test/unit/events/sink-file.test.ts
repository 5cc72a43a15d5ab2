import { mkdir, mkdtemp, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { FileSink } from '../../../src/events/sink-file.ts';
import { parseOne, STRUCTURED } from '../../support/events/requests.ts';
import type { CloudEvent } from '../../../src/events/cloudevent.ts';

const event = (id: string): CloudEvent => ({ id, source: '/ccm', type: 'ccm.lablet.session.stopping', datacontenttype: 'application/json', extensions: new Map([['sequence', '0000000001']]), data: { kind: 'json', value: { line: 'a\nb' } } });
const never = new AbortController().signal;

let folder: string;
let path: string;
let sink: FileSink;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lablet events '));
  path = join(folder, 'events.jsonl');
  sink = new FileSink(pathToFileURL(path));
});
afterEach(async () => {
  await sink.close();
  await rm(folder, { recursive: true });
});

/** The lines of the file, each of which must be a whole event. */
async function ids(file = path): Promise<string[]> {
  const text = await readFile(file, 'utf8');
  expect(text.endsWith('\n')).toBe(true);
  return text.split('\n').slice(0, -1).map((line) => parseOne(STRUCTURED, line).id);
}

describe('a local log', () => {
  test('holds a line for each event, in the order of sending, however many come at once', async () => {
    const sent = Array.from({ length: 200 }, (_, n) => String(n));
    expect(new Set((await Promise.all(sent.map((id) => sink.send(event(id), never)))).map(({ outcome }) => outcome))).toEqual(new Set(['accepted']));
    expect(await ids()).toEqual(sent);
    expect(parseOne(STRUCTURED, (await readFile(path, 'utf8')).split('\n')[0] ?? '')).toEqual(event('0'));
  });

  test('is for its owner only, since events carry launch URLs', async () => {
    await sink.send(event('1'), never);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
  });

  test('goes on where another process has stopped, on a line of its own', async () => {
    await writeFile(path, '{"half a line');
    await sink.send(event('1'), never);
    const [half, whole] = (await readFile(path, 'utf8')).split('\n');
    expect(half).toBe('{"half a line');
    expect(parseOne(STRUCTURED, whole ?? '').id).toBe('1');
  });

  test('that is rotated by renaming goes on in a new file', async () => {
    await sink.send(event('1'), never);
    await rename(path, `${path}.1`);
    await sink.send(event('2'), never);
    expect([await ids(`${path}.1`), await ids()]).toEqual([['1'], ['2']]);
  });

  test('that cannot be written for a while loses nothing', async () => {
    await rename(folder, `${folder}.away`);
    expect(await sink.send(event('1'), never)).toEqual({ outcome: 'retry', reason: 'the file cannot be written (ENOENT)', blamesSink: true });
    await rename(`${folder}.away`, folder);
    await mkdir(path);
    expect(await sink.send(event('1'), never)).toMatchObject({ outcome: 'retry', reason: 'the file cannot be written (EISDIR)' });
    await rm(path, { recursive: true });
    expect(await sink.send(event('1'), never)).toEqual({ outcome: 'accepted' });
    expect(await ids()).toEqual(['1']);
  });

  test('takes nothing after the term has ended', async () => {
    expect(await sink.send(event('1'), AbortSignal.abort())).toMatchObject({ outcome: 'retry', blamesSink: false });
    await expect(stat(path)).rejects.toThrow(/ENOENT/);
  });
});
