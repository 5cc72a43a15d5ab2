/** The archive in a directory (`ARCHIVE_URL=file:///var/lib/lablet/archive`): one file an hour, for installations with one replica. */
import { createReadStream } from 'node:fs';
import { mkdir, open, readdir, rm, rmdir } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { errorCode } from '../sink.ts';
import { dayOf, isSegmentName } from './store.ts';
import type { ArchiveStore, Stream } from './store.ts';

const NEWLINE = 0x0a;

/** @param url `file:` URL of the directory; it is made with the first record */
export function fileArchive(url: string): ArchiveStore {
  const root = resolve(fileURLToPath(url));
  const pathOf = (stream: Stream, name: string): string => {
    if (!isSegmentName(name)) throw new RangeError(`${JSON.stringify(name.slice(0, 80))} is no name of a segment`);
    return join(root, stream, name);
  };
  return {
    name: url,
    async append(stream, { at, body }) {
      // `10h` sorts behind every moment of that hour.
      const path = pathOf(stream, `${dayOf(at)}/${at.toISOString().slice(11, 13)}h.ndjson`);
      await mkdir(dirname(path), { recursive: true, mode: 0o700 });
      await appendDurably(path, body);
    },
    async *list(stream, from) {
      for (const day of await namesIn(join(root, stream))) {
        if (day < from.slice(0, 10)) continue;
        for (const file of await namesIn(join(root, stream, day))) if (`${day}/${file}` >= from && isSegmentName(`${day}/${file}`)) yield `${day}/${file}`;
      }
    },
    async *lines(stream, name) {
      const input = createReadStream(pathOf(stream, name), { encoding: 'utf8' });
      try {
        yield* createInterface({ input, crlfDelay: Infinity });
      } catch (error) {
        if (!isMissing(error)) throw error;
      } finally {
        input.destroy();
      }
    },
    async remove(stream, name) {
      const path = pathOf(stream, name);
      await rm(path, { force: true });
      // The day goes with its last hour.
      if ((await namesIn(dirname(path))).length === 0) await rmdir(dirname(path)).catch(() => undefined);
    },
  };
}

/** After a crash in the middle of a line the next one must not become part of it. */
async function appendDurably(path: string, body: string): Promise<void> {
  const file = await open(path, 'a+', 0o600);
  try {
    const { size } = await file.stat();
    const last = Buffer.alloc(1);
    if (size > 0) await file.read(last, 0, 1, size - 1);
    await file.appendFile(size > 0 && last[0] !== NEWLINE ? `\n${body}` : body);
    await file.datasync();
  } finally {
    await file.close();
  }
}

/** Sorted; none if the directory is not there. */
async function namesIn(directory: string): Promise<string[]> {
  try {
    return (await readdir(directory)).sort();
  } catch (error) {
    if (isMissing(error)) return [];
    throw error;
  }
}

const isMissing = (error: unknown): boolean => ['ENOENT', 'ENOTDIR'].includes(errorCode(error) ?? '');
