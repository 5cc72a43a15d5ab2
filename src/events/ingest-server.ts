/** The HTTP endpoint for CloudEvents: POST and the OPTIONS handshake on `/`, `/events`, `/api/events` (contract §10.2). */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import express from 'express';
import { CloudEventError } from './cloudevent.ts';
import { parseRequest } from './codec.ts';
import type { Server } from 'node:http';
import type { ErrorRequestHandler, Express, Request, RequestHandler, Response } from 'express';
import type { Logger } from '../telemetry/log.ts';
import type { Ingest, Verdict } from './ingest.ts';

const PATHS = ['/', '/events', '/api/events'];
const ALLOW = 'POST, OPTIONS';
/** Body of one request: far above the 64 KiB that every CloudEvents consumer should take. */
const BODY_MAX_BYTES = 1024 * 1024;

export interface IngestServerOptions {
  readonly ingest: Pick<Ingest, 'accept'>;
  readonly log: Logger;
  /** False until the caches are filled: requests are asked to come again. */
  readonly isReady: () => boolean;
  /** 0: any free port. */
  readonly port: number;
  /** @default all addresses */
  readonly host?: string | undefined;
  /** Requests at a time; one more is answered 429. @default 256 */
  readonly maxConcurrent?: number;
  /** Headers and body must have arrived within this time, in milliseconds. @default 10_000 and 30_000 */
  readonly headersTimeoutMs?: number;
  readonly requestTimeoutMs?: number;
}

export interface IngestServer {
  readonly port: number;
  /** Answers 503 from now on, waits for the requests under way, then closes; at most `graceMs`. */
  close(graceMs?: number): Promise<void>;
}

/** Starts to listen. @throws the error of `listen`, e.g. EADDRINUSE */
export async function startIngestServer(options: IngestServerOptions): Promise<IngestServer> {
  const gate = new Gate(options.isReady, options.maxConcurrent ?? 256);
  const server = createServer(
    { headersTimeout: options.headersTimeoutMs ?? 10_000, requestTimeout: options.requestTimeoutMs ?? 30_000, connectionsCheckingInterval: 1000, keepAliveTimeout: 65_000 },
    ingestApp(options, gate) as Parameters<typeof createServer>[1],
  );
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port, options.host, resolve);
  });
  return { port: (server.address() as AddressInfo).port, close: (graceMs = 5000) => close(server, gate, graceMs) };
}

function ingestApp({ ingest, log }: IngestServerOptions, gate: Gate): Express {
  const app = express();
  app.disable('x-powered-by').disable('etag');
  // No inflating: a few bytes could become many, and no sender compresses.
  const readBody = express.raw({ type: () => true, limit: BODY_MAX_BYTES, inflate: false });
  app.options(PATHS, handshake);
  app.post(PATHS, gate.pass, readBody, async (request, response) => {
    const { events } = parseRequest({ rawHeaders: request.rawHeaders, body: request.body instanceof Uint8Array ? request.body : new Uint8Array() });
    const verdicts: Verdict[] = [];
    for (const event of events) verdicts.push(await ingest.accept(event, request.get('traceparent')));
    answer(response, worst(verdicts));
  });
  app.all(PATHS, (_, response) => refuse(response.set('Allow', ALLOW), 405, `use ${ALLOW}`));
  app.use((_, response) => refuse(response, 404, `events go to ${PATHS.join(', ')}`));
  app.use(failure(log));
  return app;
}

/** Refuses what cannot be served now, before its body is looked at. */
class Gate {
  closing = false;
  #open = 0;
  readonly #isReady: () => boolean;
  readonly #max: number;

  constructor(isReady: () => boolean, max: number) {
    this.#isReady = isReady;
    this.#max = max;
  }

  readonly pass: RequestHandler = (request, response, next) => {
    const later = (status: number, why: string): void => {
      // The body is read off, or the answer could be lost in the reset of the connection.
      request.resume();
      refuse(response.set('Retry-After', '1'), status, `${why}; send it again`);
    };
    if (this.closing) later(503, 'shutting down');
    else if (!this.#isReady()) later(503, 'starting');
    else if (this.#open >= this.#max) later(429, 'too many requests at a time');
    else {
      this.#open += 1;
      response.once('close', () => { this.#open -= 1; });
      next();
    }
  };
}

/** CloudEvents webhook handshake: every origin may send, at any rate; who may say what is decided per event. */
function handshake(request: Request, response: Response): void {
  response.set('Allow', ALLOW);
  const origin = request.get('WebHook-Request-Origin');
  if (origin !== undefined) response.set({ 'WebHook-Allowed-Origin': origin, 'WebHook-Allowed-Rate': '*' });
  response.status(200).end();
}

/**
 * Success has no body, no content type and no ce- header: a broker takes a body that is no event for a failure, and
 * one with ce- headers for a new event.
 */
function answer(response: Response, verdict: Verdict | undefined): void {
  if (verdict === undefined || verdict.status === 202) {
    response.status(202).end();
    return;
  }
  if (verdict.retryAfter !== undefined) response.set('Retry-After', String(verdict.retryAfter));
  refuse(response, verdict.status, verdict.message ?? verdict.result);
}

/** Of a batch: what must be sent again decides, then what must not. A batch that comes again is full of duplicates, which is harmless. */
function worst(verdicts: readonly Verdict[]): Verdict | undefined {
  return verdicts.find(({ status }) => status === 503) ?? verdicts.find(({ status }) => status !== 202);
}

function refuse(response: Response, status: number, message: string): void {
  response.status(status).type('text/plain').send(`${message}\n`);
}

/** body-parser's errors have a status; the rest is ours. */
function failure(log: Logger): ErrorRequestHandler {
  // Express tells error handlers by their four parameters.
  return (error: unknown, _request, response, next) => {
    if (response.headersSent) {
      next(error);
      return;
    }
    if (error instanceof CloudEventError) {
      refuse(response, error.status, error.message);
      return;
    }
    const status = error instanceof Error && 'status' in error && typeof error.status === 'number' ? error.status : 500;
    if (status < 500 && error instanceof Error) {
      refuse(response, status, status === 413 ? `a request holds at most ${BODY_MAX_BYTES} bytes` : error.message);
      return;
    }
    log.error({ error }, 'request failed');
    refuse(response.set('Retry-After', '1'), 503, 'internal error; send it again');
  };
}

async function close(server: Server, gate: Gate, graceMs: number): Promise<void> {
  gate.closing = true;
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  server.closeIdleConnections();
  const timer = setTimeout(() => server.closeAllConnections(), graceMs);
  await closed;
  clearTimeout(timer);
}
