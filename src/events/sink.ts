/** What a sink is: the other end of the outboxes. */
import type { CloudEvent } from './cloudevent.ts';

/** The configuration names something that is no sink; the message says what to write. */
export class SinkConfigurationError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'SinkConfigurationError';
  }
}

/** What became of one try to deliver an event. */
export type Delivery =
  | { readonly outcome: 'accepted' }
  /** Not accepted, or nobody knows (no answer, 404, 408, 409, 429, 5xx): to be sent again, the same id and bytes. */
  | { readonly outcome: 'retry'; readonly reason: string; readonly retryAfterMs?: number | undefined; /** Is the sink as a whole in trouble? */ readonly blamesSink: boolean }
  /** Any other answer: sending it again is of no use before somebody changes something. */
  | { readonly outcome: 'refused'; readonly reason: string; /** HTTP status. */ readonly code?: number | undefined };

export interface Sink {
  /** For logs and messages: no credentials. */
  readonly name: string;
  /** One try, within the sink's own time limit. Never rejects; an aborted try has the outcome `retry`. */
  send(event: CloudEvent, signal: AbortSignal): Promise<Delivery>;
  close(): Promise<void>;
}

/** Code of a failed system call (`ENOENT`), else undefined. */
export const errorCode = (error: unknown): string | undefined => (typeof error === 'object' && error !== null && 'code' in error ? String(error.code) : undefined);
