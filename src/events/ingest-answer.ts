/** The answers of the ingest endpoint, and what each means to a sender (docs/ingest.md has the table). */
import { CloudEventError } from './cloudevent.ts';
import type { ErrorRequestHandler, RequestHandler, Response } from 'express';
import type { Logger } from '../telemetry/log.ts';
import type { Ingest, Verdict } from './ingest.ts';

/** What the endpoint takes. */
const ALLOW = 'POST, OPTIONS';

/** Of an answer that says "later" and not when, in seconds. */
const RETRY_AFTER_SECONDS = 2;

/** Why a request is not served. */
export interface Refusal {
  /** HTTP status. 429 and 503 mean: send it again; the others: do not. */
  readonly status: number;
  /** What is wrong and what to do, for the sender. */
  readonly message: string;
  /** Seconds, for 429 and 503. @default 2 */
  readonly retryAfter?: number | undefined;
  /** WWW-Authenticate, for 401. */
  readonly challenge?: string | undefined;
}

/**
 * Success has no body, no content type and no ce- header: a broker takes a body that is no event for a failure, and
 * one with ce- headers for a new event.
 */
export function accepted(response: Response): void {
  response.status(202).end();
}

export function refuse(response: Response, { status, message, retryAfter = RETRY_AFTER_SECONDS, challenge }: Refusal): void {
  if (status === 429 || status === 503) response.set('Retry-After', String(retryAfter));
  if (challenge !== undefined) response.set('WWW-Authenticate', challenge);
  response.status(status).type('text/plain').send(`${message}\n`);
}

/**
 * One answer for all events of a request. One that must be sent again decides: the whole batch comes again, and what
 * was stored is then a duplicate. Else one that is refused decides: the sender keeps the batch, and so what was refused.
 */
export function answerFor(verdicts: readonly Verdict[]): Refusal | undefined {
  const later = verdicts.find(({ status }) => status === 503);
  if (later) return { status: 503, message: later.message ?? later.result, retryAfter: later.retryAfter };
  const refused = verdicts.filter(({ status }) => status !== 202);
  if (refused[0] === undefined) return undefined;
  return { status: refused[0].status, message: refused.map(({ message, result }) => message ?? result).join('\n').slice(0, 2000) };
}

/**
 * CloudEvents webhook handshake: every origin may send, at any rate. It needs no authentication: it only says that
 * events are expected here, and each delivery is authenticated. A callback that is asked for is not called, since the
 * answer is here already (and a stranger's URL is nothing to call).
 */
export const handshake: RequestHandler = (request, response) => {
  response.set('Allow', ALLOW);
  const origin = request.get('WebHook-Request-Origin');
  if (origin !== undefined) response.set({ 'WebHook-Allowed-Origin': origin, 'WebHook-Allowed-Rate': '*' });
  response.status(200).end();
};

export const wrongMethod: RequestHandler = (_, response) => refuse(response.set('Allow', ALLOW), { status: 405, message: `use ${ALLOW}` });

/** What cannot be read is 4xx, a defect of ours 503; body-parser's errors have a status of their own. */
export function failure(ingest: Pick<Ingest, 'refuse'>, log: Logger, bodyMaxBytes: number): ErrorRequestHandler {
  // Express tells error handlers by their four parameters.
  return (error: unknown, _request, response, next) => {
    if (response.headersSent) {
      next(error);
      return;
    }
    const unreadable = error instanceof CloudEventError ? error : bodyError(error, bodyMaxBytes);
    if (unreadable) {
      const { status, message, result } = ingest.refuse(unreadable);
      refuse(response, { status, message: message ?? result });
      return;
    }
    log.error({ error }, 'request failed');
    refuse(response, { status: 503, message: 'internal error; send it again' });
  };
}

function bodyError(error: unknown, bodyMaxBytes: number): CloudEventError | undefined {
  if (!(error instanceof Error) || !('status' in error) || typeof error.status !== 'number' || error.status >= 500) return undefined;
  switch (error.status) {
    case 413:
      return new CloudEventError(`a request holds at most ${bodyMaxBytes} bytes`, 413);
    case 415:
      return new CloudEventError(`${error.message}; send it uncompressed`, 415);
    default:
      return new CloudEventError(error.message);
  }
}
