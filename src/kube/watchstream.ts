/** A watch: bytes in, typed events out. Nothing is buffered beyond one line, so a slow consumer slows the server, not the heap. */
import { z } from 'zod';
import { KubeError, ProtocolError, WatchIdleError, apiError, transportError } from './errors.ts';
import type { KubeObject, Resource, WatchEvent } from './types.ts';
import { apiVersionOf, resourceName } from './types.ts';

export interface WatchStreamOptions {
  /** Silence after which the connection is given up, in milliseconds. Bookmarks come about each minute. @default 75_000 */
  idleMs?: number;
  /** Longest event. etcd bounds an object at 1.5 MiB; its JSON is larger. @default 16 MiB */
  maxLineBytes?: number;
}

const NEWLINE = 0x0a;

/** Splits a byte stream at newlines, whatever the chunks: a character cut in two by a chunk border stays whole. */
export async function* lines(chunks: AsyncIterable<Uint8Array>, maxLineBytes: number): AsyncGenerator<string> {
  let pending: Uint8Array[] = [];
  let pendingBytes = 0;
  for await (const chunk of chunks) {
    const buffer = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    let start = 0;
    for (let end = buffer.indexOf(NEWLINE); end >= 0; end = buffer.indexOf(NEWLINE, start)) {
      const tail = buffer.subarray(start, end);
      const line = pendingBytes === 0 ? tail : Buffer.concat([...pending, tail]);
      pending = [];
      pendingBytes = 0;
      start = end + 1;
      if (line.length > 0) yield line.toString('utf8');
    }
    if (start < buffer.length) {
      pending.push(buffer.subarray(start));
      pendingBytes += buffer.length - start;
      if (pendingBytes > maxLineBytes) throw new ProtocolError(`an event is longer than ${maxLineBytes} bytes`);
    }
  }
  // A rest without a newline is an event cut short: it comes again when the watch is resumed.
}

const eventSchema = z.object({ type: z.enum(['ADDED', 'MODIFIED', 'DELETED', 'BOOKMARK', 'ERROR']), object: z.unknown() });
const objectSchema = z.looseObject({ metadata: z.looseObject({ name: z.string(), uid: z.string(), resourceVersion: z.string() }) });
const bookmarkSchema = z.object({
  metadata: z.object({ resourceVersion: z.string(), annotations: z.record(z.string(), z.string()).optional() }),
});

/** One line of a watch. @throws ApiError for an ERROR event, ProtocolError for anything that is not an event. */
export function parseEvent<T extends KubeObject>(line: string, resource: Resource<T>): WatchEvent<T> {
  const context = `watch of ${resourceName(resource)}`;
  let raw: unknown;
  try {
    raw = JSON.parse(line);
  } catch (error) {
    throw new ProtocolError(`${context}: an event is not JSON`, { cause: error });
  }
  const event = eventSchema.safeParse(raw);
  if (!event.success) throw new ProtocolError(`${context}: not an event: ${z.prettifyError(event.error)}`);
  const { type, object } = event.data;
  if (type === 'ERROR') throw apiError(0, object, context);
  if (type === 'BOOKMARK') {
    const bookmark = bookmarkSchema.safeParse(object);
    if (!bookmark.success) throw new ProtocolError(`${context}: not a bookmark: ${z.prettifyError(bookmark.error)}`);
    const { resourceVersion, annotations } = bookmark.data.metadata;
    return { type, resourceVersion, initialEventsEnd: annotations?.['k8s.io/initial-events-end'] === 'true' };
  }
  return { type, object: storedObject(object, resource, context) };
}

/**
 * Checks that a value is an object that a cache can hold, and completes `apiVersion` and `kind`, which lists of built-in kinds leave out.
 * What the fields of a kind hold is the API server's word: the CRDs that it validates by are generated from the same schemas as our types.
 */
export function storedObject<T extends KubeObject>(value: unknown, resource: Resource<T>, context: string): T {
  const parsed = objectSchema.safeParse(value);
  if (!parsed.success) throw new ProtocolError(`${context}: not an object: ${z.prettifyError(parsed.error)}`);
  return Object.assign({ apiVersion: apiVersionOf(resource), kind: resource.kind }, value as T);
}

/**
 * Reads the events of an open watch until the server closes it.
 * @param abort ends the underlying stream.
 * @throws WatchIdleError after silence; ApiError for ERROR events; TransportError if the connection breaks; ProtocolError
 */
export async function* watchEvents<T extends KubeObject>(
  body: AsyncIterable<Uint8Array>,
  resource: Resource<T>,
  abort: AbortController,
  options: WatchStreamOptions = {},
): AsyncGenerator<WatchEvent<T>> {
  const { idleMs = 75_000, maxLineBytes = 16 * 1024 * 1024 } = options;
  const context = `watch of ${resourceName(resource)}`;
  try {
    for await (const line of lines(withIdleLimit(body, abort, idleMs, context), maxLineBytes)) yield parseEvent(line, resource);
  } catch (error) {
    if (abort.signal.aborted) throw abort.signal.reason;
    throw error instanceof KubeError ? error : transportError(error, context);
  }
}

/** Passes chunks on, and aborts when none comes for `idleMs` while somebody waits for one: a consumer at work is not silence. */
async function* withIdleLimit(chunks: AsyncIterable<Uint8Array>, abort: AbortController, idleMs: number, context: string): AsyncGenerator<Uint8Array> {
  const arm = (): NodeJS.Timeout => setTimeout(() => abort.abort(new WatchIdleError(`${context}: silent for ${idleMs} ms`)), idleMs);
  let timer = arm();
  try {
    for await (const chunk of chunks) {
      clearTimeout(timer);
      yield chunk;
      timer = arm();
    }
  } finally {
    clearTimeout(timer);
  }
}
