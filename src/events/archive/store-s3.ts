/** The archive in S3 (`ARCHIVE_URL=s3://exam-archive/lablet`): one object a segment, for installations with several replicas. */
import { sha256Hex } from '../../core/canonical.ts';
import { ArchiveError, isSegmentName, momentOf } from './store.ts';
import type { ArchiveStore, Stream } from './store.ts';

/** What is needed of S3; `src/clients/s3.ts` fits. */
export interface ArchiveObjects {
  put(at: ObjectAt, content: Uint8Array, options: { signal: AbortSignal }): Promise<void>;
  get(at: ObjectAt, options: { signal: AbortSignal; maxBytes: number }): Promise<{ bytes: Uint8Array } | { notModified: true }>;
  /** Keys that begin with `key` and come after `startAfter`, in the order of their bytes. */
  list(at: ObjectAt, options: { signal: AbortSignal; startAfter?: string | undefined }): AsyncIterable<string>;
  delete(at: ObjectAt, options: { signal: AbortSignal }): Promise<void>;
}

interface ObjectAt {
  readonly bucket: string;
  readonly key: string;
}

/** Far above what the writer puts into one segment. */
const SEGMENT_MAX_BYTES = 64 * 1024 * 1024;

/** @param root the bucket, which must exist, and the prefix of all keys, which may be '' */
export function s3Archive(objects: ArchiveObjects, root: ObjectAt): ArchiveStore {
  const { bucket } = root;
  const prefix = root.key.split('/').filter((part) => part !== '').map((part) => `${part}/`).join('');
  const at = (stream: Stream, name: string): ObjectAt => {
    if (!isSegmentName(name)) throw new RangeError(`${JSON.stringify(name.slice(0, 80))} is no name of a segment`);
    return { bucket, key: `${prefix}${stream}/${name}` };
  };
  return {
    name: `s3://${bucket}/${prefix}`,
    async append(stream, segment, signal) {
      // By its content, so that nothing is ever overwritten but by the same bytes: a leader of yesterday may still be sending.
      const name = `${momentOf(segment.at)}-${sha256Hex(segment.body).slice(0, 16)}.ndjson`;
      await objects.put(at(stream, name), Buffer.from(segment.body), { signal });
    },
    async *list(stream, from, signal) {
      const folder = `${prefix}${stream}/`;
      // `from` itself is wanted too, and S3 begins after what it is given.
      const startAfter = from === '' ? undefined : `${folder}${from.slice(0, -1)}`;
      for await (const key of objects.list({ bucket, key: folder }, { signal, startAfter })) {
        const name = key.slice(folder.length);
        if (name >= from && isSegmentName(name)) yield name;
      }
    },
    async *lines(stream, name, signal) {
      const found = await objects.get(at(stream, name), { signal, maxBytes: SEGMENT_MAX_BYTES });
      if ('notModified' in found) throw new ArchiveError(`${name}: the server says that it is not modified, which was not asked`);
      yield* Buffer.from(found.bytes).toString('utf8').split('\n').slice(0, -1);
    },
    async remove(stream, name, signal) {
      await objects.delete(at(stream, name), { signal });
    },
  };
}
