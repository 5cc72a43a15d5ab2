/** Where topologies come from that a definition names by URI: http, https and s3. */
import type { CallOptions } from '../call.ts';

/** The exact bytes, or, to a caller who has them already, the word that they are still the same. */
export type TopologyRead = { readonly bytes: Uint8Array; readonly etag?: string } | { readonly notModified: true };

export interface ReadOptions extends CallOptions {
  /** The `etag` of an earlier read of the same URI; with it an unchanged source answers `notModified`. */
  readonly etag?: string | undefined;
}

export interface TopologySource {
  /**
   * Reads once, without retries: whoever asks knows when to ask again.
   * @throws TopologySourceError; the reason of `signal` if that ended the read
   */
  read(uri: string, options: ReadOptions): Promise<TopologyRead>;
}

/**
 * Why a source gave no topology; reasons of the condition `Synced`:
 * - `SourceNotFound` it answers that there is nothing (404, 410, no such bucket or key).
 * - `SourceForbidden` it does not let us read (401, 403, no AWS credentials).
 * - `SourceBlocked` the name leads to an internal address that TOPOLOGY_ALLOW_HOSTS does not allow, or to where evidence or the archive is kept.
 * - `SourceInvalid` the URI, a redirect or the answer is not of the kind that can be read.
 * - `SourceUnavailable` no answer, or a 5xx: worth another try as it is.
 * - `TopologyTooLarge` more bytes than a topology may have.
 */
export type TopologySourceReason = 'SourceNotFound' | 'SourceForbidden' | 'SourceBlocked' | 'SourceInvalid' | 'SourceUnavailable' | 'TopologyTooLarge';

/** The message is for a condition: what was asked, what came back, what to do. No query, no credentials, no foreign text. */
export class TopologySourceError extends Error {
  override readonly name = 'TopologySourceError';
  readonly reason: TopologySourceReason;

  constructor(reason: TopologySourceReason, message: string, options?: ErrorOptions) {
    super(message, options);
    this.reason = reason;
  }
}

const MAX_SHOWN = 200;

/** A URI for messages: without the query, which can be a signature, without credentials, and not longer than people read. */
export function shownUri(uri: string): string {
  const url = URL.parse(uri);
  const text = url !== null && /^https?:$/.test(url.protocol) ? `${url.origin}${url.pathname}` : uri;
  return text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}…` : text;
}

/** A topology of more than `maxBytes`. */
export function tooLarge(uri: string, maxBytes: number, cause: unknown): TopologySourceError {
  return new TopologySourceError('TopologyTooLarge', `${shownUri(uri)} is larger than ${Math.floor(maxBytes / 1024)} KiB, the most that a topology may have. Is it the right file?`, { cause });
}
