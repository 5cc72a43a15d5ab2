/** The HTTP endpoint for CloudEvents: POST and the OPTIONS handshake on `/`, `/events`, `/api/events` (contract §10.2). */
import { createServer as createHttpServer } from 'node:http';
import { createServer as createHttpsServer, Server as HttpsServer } from 'node:https';
import express from 'express';
import { parseRequest } from './codec.ts';
import { accepted, answerFor, failure, handshake, refuse, wrongMethod } from './ingest-answer.ts';
import { Gate } from './ingest-gate.ts';
import type { RequestListener, Server } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import type { Express, RequestHandler } from 'express';
import type { Logger } from '../telemetry/log.ts';
import type { Ingest } from './ingest.ts';
import type { Authenticate } from './ingest-auth.ts';
import type { TurnedAway } from './ingest-gate.ts';

const PATHS = ['/', '/events', '/api/events'];
/** Body of one request: far above the 64 KiB that every CloudEvents consumer should take. */
const BODY_MAX_BYTES = 1024 * 1024;
/** In binary mode the attributes are headers, and an event of 64 KiB must be taken whatever it consists of. */
const HEADERS_MAX_BYTES = 64 * 1024;
const SWEEP_EVERY_MS = 50;

/** What the server proves itself with, and whom it believes; PEM. */
export interface TlsMaterial {
  readonly cert: Buffer;
  readonly key: Buffer;
  /** Authorities of client certificates; without, none is asked for. */
  readonly ca?: Buffer | undefined;
}

export interface IngestServerOptions {
  readonly ingest: Pick<Ingest, 'accept' | 'refuse'>;
  readonly log: Logger;
  /** False until the caches are filled: requests are asked to come again. */
  readonly isReady: () => boolean;
  /** True from when on senders should look for another replica: each answer then closes its connection. @default never */
  readonly isLeaving?: (() => boolean) | undefined;
  /** 0: any free port. */
  readonly port: number;
  /** @default all addresses */
  readonly host?: string | undefined;
  /** Who may send. @default anybody */
  readonly authenticate?: Authenticate | undefined;
  /** https instead of http. */
  readonly tls?: TlsMaterial | undefined;
  /** Told of each request that was answered without a look at its event. */
  readonly turnedAway?: ((why: TurnedAway) => void) | undefined;
  /** Requests at a time; one more is answered 429. @default 256 */
  readonly maxConcurrent?: number;
  /** Bytes of bodies at a time; more are answered 429. @default 64 MiB */
  readonly maxBytes?: number;
  /** Headers (and the TLS handshake before them), and all of a request, must have arrived within this time, in milliseconds. @default 10_000 and 30_000 */
  readonly headersTimeoutMs?: number;
  readonly requestTimeoutMs?: number;
}

export interface IngestServer {
  readonly port: number;
  /** New connections get this from now on; an old one is closed at once if it is idle, else with its next answer. @throws if key and certificate do not fit */
  renewTls(material: TlsMaterial): void;
  /** Answers 503 from now on, waits for the requests under way, then closes; at most `graceMs`. */
  close(graceMs?: number): Promise<void>;
}

/** Starts to listen. @throws the error of `listen`, e.g. EADDRINUSE, or of TLS material that does not fit */
export async function startIngestServer(options: IngestServerOptions): Promise<IngestServer> {
  const { isReady, turnedAway = () => undefined, headersTimeoutMs = 10_000 } = options;
  const gate = new Gate({ isReady, turnedAway, maxConcurrent: options.maxConcurrent ?? 256, maxBytes: options.maxBytes ?? 64 * BODY_MAX_BYTES, bodyMaxBytes: BODY_MAX_BYTES });
  const limits = { headersTimeout: headersTimeoutMs, requestTimeout: options.requestTimeoutMs ?? 30_000, connectionsCheckingInterval: 1000, keepAliveTimeout: 65_000, maxHeaderSize: HEADERS_MAX_BYTES };
  const app = ingestApp(options, gate, turnedAway) as RequestListener;
  // Connections made under the present certificates. TLS asks who somebody is only once, when it begins.
  let present = new WeakSet<Socket>();
  const closingOld: RequestListener = (request, response) => {
    response.shouldKeepAlive &&= present.has(request.socket);
    app(request, response);
  };
  // A client without a certificate that we believe is told so in an answer (see mtls), and may still shake hands.
  const server = options.tls === undefined ? createHttpServer(limits, app) : createHttpsServer({ ...limits, handshakeTimeout: headersTimeoutMs, ...options.tls, requestCert: options.tls.ca !== undefined, rejectUnauthorized: false }, closingOld).on('secureConnection', (socket) => void present.add(socket));
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port, options.host, resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    renewTls: (material) => {
      if (!(server instanceof HttpsServer)) throw new TypeError('a server without TLS has none to renew');
      server.setSecureContext({ ...material });
      present = new WeakSet();
      server.closeIdleConnections();
    },
    close: (graceMs = 5000) => close(server, gate, graceMs),
  };
}

function ingestApp({ ingest, log, authenticate, isLeaving }: IngestServerOptions, gate: Gate, turnedAway: (why: TurnedAway) => void): Express {
  const app = express();
  app.disable('x-powered-by').disable('etag');
  // No inflating: a few bytes could become many, and no sender compresses.
  const readBody = express.raw({ type: () => true, limit: BODY_MAX_BYTES, inflate: false });
  const receive: RequestHandler = async (request, response) => {
    const { events, refused } = parseRequest({ rawHeaders: request.rawHeaders, body: request.body instanceof Uint8Array ? request.body : new Uint8Array() });
    const verdicts = refused.map((error) => ingest.refuse(error));
    // One after the other: a batch keeps its order.
    for (const event of events) verdicts.push(await ingest.accept(event, request.get('traceparent')));
    const refusal = answerFor(verdicts);
    if (refusal) refuse(response, refusal);
    else accepted(response);
  };
  app.use((_, response, next) => {
    // A Service moves new connections only: a sender with a lasting one would stay until it breaks.
    if (isLeaving?.() === true) response.shouldKeepAlive = false;
    next();
  });
  app.options(PATHS, handshake);
  app.post(PATHS, gate.pass, ...(authenticate ? [admission(authenticate, log, turnedAway)] : []), readBody, receive);
  app.all(PATHS, wrongMethod);
  app.use((_, response) => refuse(response, { status: 404, message: `events go to ${PATHS.join(', ')}` }));
  app.use(failure(ingest, log, BODY_MAX_BYTES));
  return app;
}

/** Before the body: who is not admitted can neither fill our memory nor hold a place by sending slowly. */
function admission(authenticate: Authenticate, log: Logger, turnedAway: (why: TurnedAway) => void): RequestHandler {
  return async (request, response, next) => {
    const refusal = await authenticate(request);
    if (refusal === undefined) {
      next();
      return;
    }
    turnedAway('not_admitted');
    log.warn({ status: refusal.status, reason: refusal.message, peer: request.socket.remoteAddress }, 'sender not admitted');
    request.resume();
    refuse(response, refusal);
  };
}

async function close(server: Server, gate: Gate, graceMs: number): Promise<void> {
  gate.closing = true;
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  // A connection that waits for an answer is idle, and so can be closed, once it has it.
  const sweep = setInterval(() => server.closeIdleConnections(), SWEEP_EVERY_MS);
  const end = setTimeout(() => server.closeAllConnections(), graceMs);
  await closed;
  clearInterval(sweep);
  clearTimeout(end);
}
