/**
 * HTTP/1.1 to the API server: credentials, time limits and typed errors of one attempt, over the pools of `pools.ts`.
 * client-node opens a new connection for each call, at several times the CPU (bench/rows/transport.ts), so it has no part here.
 */
import type { Dispatcher } from 'undici';
import { ApiError, KubeError, ProtocolError, TimeoutError, UnauthorizedError, apiError, transportError } from './errors.ts';
import type { Credentials } from './credentials.ts';
import type { Connection } from './kubeconfig.ts';
import { noMetrics, silentLogger, type KubeLogger, type KubeMetrics } from './observe.ts';
import { PoolsOf, type Pools } from './pools.ts';

export interface HttpOptions {
  /** Connections for calls; further calls wait for a free one. @default 64 */
  connections?: number;
  /** Time for one call, from the start of its attempt to the last byte of its answer, in milliseconds. @default 30_000 */
  timeoutMs?: number;
  /** Time to make a connection, TLS included, in milliseconds. @default 10_000 */
  connectTimeoutMs?: number;
  /** @default 'lablet-controller' */
  userAgent?: string;
  logger?: KubeLogger;
  metrics?: KubeMetrics;
}

export interface HttpRequest {
  method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** Path with query, from the root of the API. */
  path: string;
  body?: unknown;
  /** Media type of the body. @default application/json */
  contentType?: string;
  /** @default application/json */
  accept?: string;
  signal?: AbortSignal | undefined;
  timeoutMs?: number | undefined;
  /** Labels for the metrics. */
  verb: string;
  resource: string;
}

/** One attempt at a time: what is tried again, and when, is decided above (`retry.ts`, `reflector.ts`). */
export class HttpTransport {
  readonly #connection: Connection;
  readonly #options: Required<HttpOptions>;
  readonly #basePath: string;
  readonly #warned = new Set<string>();
  readonly #pools: PoolsOf;

  constructor(connection: Connection, options: HttpOptions = {}) {
    this.#connection = connection;
    this.#basePath = connection.server.pathname.replace(/\/$/, '');
    this.#options = {
      connections: 64,
      timeoutMs: 30_000,
      connectTimeoutMs: 10_000,
      userAgent: 'lablet-controller',
      logger: silentLogger,
      metrics: noMetrics,
      ...options,
    };
    this.#pools = new PoolsOf(connection, this.#options.connections, this.#options.connectTimeoutMs);
  }

  /**
   * One call. @returns the parsed JSON of a 2xx answer, its text if it is not JSON, undefined if it is empty.
   * @throws ApiError, TransportError, TimeoutError, or the reason of the signal
   */
  async call(request: HttpRequest): Promise<unknown> {
    const timeoutMs = request.timeoutMs ?? this.#options.timeoutMs;
    return this.#measured(request, () =>
      withDeadline(request.signal, timeoutMs, describe(request), async (signal) => {
        const response = await this.#send(request, 'calls', signal, timeoutMs);
        const text = await response.body.text();
        return { status: response.statusCode, value: parseBody(text, response.headers['content-type'], request) };
      }),
    );
  }

  /**
   * Opens a stream: resolves when the headers of a 2xx answer are there. The time limit holds until then;
   * the caller watches over the silence afterwards, and ends the stream by `signal` or by leaving its iteration.
   */
  async stream(request: HttpRequest & { signal: AbortSignal }): Promise<AsyncIterable<Uint8Array>> {
    const timeoutMs = request.timeoutMs ?? this.#options.timeoutMs;
    return this.#measured(request, async () => {
      const opening = new AbortController();
      const stop = (): void => opening.abort(request.signal.reason);
      request.signal.throwIfAborted();
      // Stays on for the life of the stream: the caller's signal is made for this one stream.
      request.signal.addEventListener('abort', stop, { once: true });
      const timer = setTimeout(() => opening.abort(new TimeoutError(`${describe(request)}: no answer within ${timeoutMs} ms`)), timeoutMs);
      try {
        const response = await this.#send(request, 'watches', opening.signal, 0);
        return { status: response.statusCode, value: response.body as AsyncIterable<Uint8Array> };
      } catch (error) {
        request.signal.removeEventListener('abort', stop);
        throw opening.signal.aborted ? opening.signal.reason : error;
      } finally {
        clearTimeout(timer);
      }
    });
  }

  /** Closes all connections; calls under way fail. */
  async close(): Promise<void> {
    await this.#pools.close();
  }

  async #send(request: HttpRequest, pool: keyof Pools, signal: AbortSignal, timeoutMs: number): Promise<Dispatcher.ResponseData> {
    const credentials = await this.#connection.credentials.get();
    try {
      return await this.#sendAs(credentials, request, pool, signal, timeoutMs);
    } catch (error) {
      if (!(error instanceof UnauthorizedError)) throw error;
      // A refused request was not processed, so a write may go out again too.
      await this.#connection.credentials.refresh(credentials);
      const renewed = await this.#connection.credentials.get();
      if (renewed === credentials) throw error;
      return this.#sendAs(renewed, request, pool, signal, timeoutMs);
    }
  }

  async #sendAs(credentials: Credentials, request: HttpRequest, pool: keyof Pools, signal: AbortSignal, timeoutMs: number): Promise<Dispatcher.ResponseData> {
    const dispatcher = this.#pools.for(credentials)[pool];
    let response: Dispatcher.ResponseData;
    try {
      response = await dispatcher.request({
        origin: this.#connection.server.origin,
        path: `${this.#basePath}${request.path}`,
        method: request.method,
        headers: {
          ...credentials.headers,
          accept: request.accept ?? 'application/json',
          'user-agent': this.#options.userAgent,
          ...(request.body === undefined ? {} : { 'content-type': request.contentType ?? 'application/json' }),
        },
        body: request.body === undefined ? null : JSON.stringify(request.body),
        signal,
        headersTimeout: timeoutMs,
        bodyTimeout: timeoutMs,
      });
    } catch (error) {
      throw transportError(error, describe(request));
    }
    this.#logWarnings(response.headers['warning'], request);
    if (response.statusCode >= 200 && response.statusCode < 300) return response;
    const body = parseRefusal(await response.body.text().catch(() => ''));
    const retryAfter = response.headers['retry-after'];
    throw apiError(response.statusCode, body, describe(request), typeof retryAfter === 'string' ? retryAfter : undefined);
  }

  /** The API server warns of fields that it drops and of kinds that go away: worth one line each. */
  #logWarnings(header: string | string[] | undefined, request: HttpRequest): void {
    for (const warning of [header ?? []].flat()) {
      if (this.#warned.has(warning) || this.#warned.size >= 100) continue;
      this.#warned.add(warning);
      this.#options.logger.warn({ warning, request: describe(request) }, 'the API server warns');
    }
  }

  async #measured<R>(request: HttpRequest, attempt: () => Promise<{ status: number; value: R }>): Promise<R> {
    const start = performance.now();
    const report = (code: string): void => this.#options.metrics.request(request.verb, request.resource, code, (performance.now() - start) / 1000);
    try {
      const { status, value } = await attempt();
      report(String(status));
      return value;
    } catch (error) {
      if (error instanceof ApiError) report(String(error.status));
      else if (error instanceof TimeoutError) report('timeout');
      else if (error instanceof KubeError) report('transport');
      throw error;
    }
  }
}

/** Runs with a signal that fires with the caller's, or with a TimeoutError; fails with the reason of whichever fired. */
async function withDeadline<R>(outer: AbortSignal | undefined, timeoutMs: number, context: string, run: (signal: AbortSignal) => Promise<R>): Promise<R> {
  outer?.throwIfAborted();
  const controller = new AbortController();
  const stop = (): void => controller.abort(outer?.reason);
  outer?.addEventListener('abort', stop, { once: true });
  const timer = setTimeout(() => controller.abort(new TimeoutError(`${context}: no answer within ${timeoutMs} ms`)), timeoutMs);
  try {
    return await run(controller.signal);
  } catch (error) {
    if (controller.signal.aborted) throw controller.signal.reason;
    // The connection broke while the answer was read.
    throw error instanceof KubeError ? error : transportError(error, context);
  } finally {
    clearTimeout(timer);
    outer?.removeEventListener('abort', stop);
  }
}

function parseBody(text: string, contentType: string | string[] | undefined, request: HttpRequest): unknown {
  if (text === '') return undefined;
  if (!String(contentType).includes('json')) return text;
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    throw new ProtocolError(`${describe(request)}: the answer is not JSON`, { cause: error });
  }
}

function parseRefusal(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}

function describe(request: HttpRequest): string {
  return `${request.method} ${request.path.split('?')[0] ?? ''}`;
}
