/**
 * Where the archive lies: two streams of JSON lines, in segments whose names sort by time. Segments are only ever added,
 * and removed whole when their time is over.
 */

/** `records`: chained, one for each event of an object. `rejected`: what was refused or belongs to no object. */
export type Stream = 'records' | 'rejected';

/** Lines that are stored together. */
export interface Segment {
  /** When it was closed; the name begins with it. */
  readonly at: Date;
  /** JSON lines, each with its line end. */
  readonly body: string;
}

export interface ArchiveStore {
  /** For logs and messages: no credentials. */
  readonly name: string;
  /**
   * Stores a segment; resolves once it would survive the end of the machine. The same segment again is harmless: readers
   * tell records apart by object and number. Rejects if it was not stored, or if nobody knows.
   */
  append(stream: Stream, segment: Segment, signal: AbortSignal): Promise<void>;
  /** Names of segments in the order of time, those before `from` left out; `from` may be any prefix of a name. */
  list(stream: Stream, from: string, signal: AbortSignal): AsyncIterable<string>;
  /** The lines of a segment in the order in which they were written; none if it is gone. */
  lines(stream: Stream, name: string, signal: AbortSignal): AsyncIterable<string>;
  remove(stream: Stream, name: string, signal: AbortSignal): Promise<void>;
}

/** The archive cannot be read or written; the message says where and why. */
export class ArchiveError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'ArchiveError';
  }
}

/** Every segment is called `<day>/<name>.ndjson`. */
const NAME = /^\d{4}-\d{2}-\d{2}\/[0-9A-Za-z.-]+\.ndjson$/;

/** Names come back from those who read page by page, so each is looked at before it becomes part of a path. */
export const isSegmentName = (name: string): boolean => NAME.test(name) && !name.includes('..');

/** `2026-11-23` */
export const dayOf = (at: Date): string => at.toISOString().slice(0, 10);

/** `2026-11-23/101502.123`: what the names of all segments that were closed at or after `at` sort behind. */
export const momentOf = (at: Date): string => `${dayOf(at)}/${at.toISOString().slice(11, 23).replaceAll(':', '')}`;
