/** One POST to a sink, and what its answer means for the event (contract §10.1, "Delivery"). */
import { getCACertificates } from 'node:tls';
import { Agent, Pool, ProxyAgent, errors, request } from 'undici';
import type { Dispatcher } from 'undici';
import type { EncodedEvent } from './codec.ts';
import type { Delivery } from './sink.ts';

export interface HttpPostOptions {
  /** Where to: user and password in it are not used. */
  readonly url: URL;
  /** PEM of further authorities to trust. */
  readonly ca?: readonly string[] | undefined;
  /**
   * Time for one request in milliseconds. A broker may hold the request until all its subscribers are done, so it is
   * generous; a request that took longer has an unknown outcome. @default 30_000
   */
  readonly timeoutMs?: number | undefined;
  /** The HTTP proxy that leads to a URL. @default none */
  readonly proxyFor?: ((url: URL) => string | undefined) | undefined;
  /** Connections that are kept. @default 32 */
  readonly connections?: number | undefined;
}

const CONNECT_TIMEOUT_MS = 10_000;
/** Answers that a later try may better; Knative retries the same ones. */
const RETRIED = new Set([404, 408, 409, 429]);
/** A sink may not put us to sleep for days. */
const RETRY_AFTER_MAX_MS = 10 * 60_000;
/** Bytes of an answer, and time for them, that we spend to keep its connection; beyond it the connection is closed. */
const ANSWER_MAX_BYTES = 64 * 1024;
const ANSWER_MAX_MS = 1000;

/** A pool of connections to one URL. It follows no redirect, and reads no answer but its status and Retry-After. */
export class HttpPost {
  readonly #url: string;
  readonly #agent: Agent | ProxyAgent;
  readonly #timeoutMs: number;

  constructor({ url, ca = [], timeoutMs = 30_000, connections = 32, proxyFor }: HttpPostOptions) {
    this.#url = `${url.origin}${url.pathname}${url.search}`;
    this.#timeoutMs = timeoutMs;
    // The time for the whole request is the only one.
    const limits = { connections, headersTimeout: 0, bodyTimeout: 0, keepAliveTimeout: 30_000 };
    const tls = { timeout: CONNECT_TIMEOUT_MS, ...(ca.length > 0 ? { ca: [...getCACertificates('default'), ...ca] } : {}) };
    const proxy = proxyFor?.(url);
    this.#agent = proxy === undefined
      ? new Agent({ ...limits, connect: tls })
      : new ProxyAgent({ uri: proxy, requestTls: tls, connectTimeout: CONNECT_TIMEOUT_MS, factory: (origin, options: object) => new Pool(origin, { ...options, ...limits }) });
  }

  /** One try. Never rejects; when `signal` breaks it off, its outcome is `retry`. */
  async send({ headers, body }: EncodedEvent, signal: AbortSignal): Promise<Delivery> {
    // Plain timers, which end with the request: AbortSignal.timeout would live on and make an error for each.
    const limit = new AbortController();
    const stop = (): void => limit.abort();
    signal.addEventListener('abort', stop, { once: true });
    if (signal.aborted) stop();
    let timer = setTimeout(stop, this.#timeoutMs);
    try {
      const response = await request(this.#url, { dispatcher: this.#agent, method: 'POST', headers, body: body ?? null, signal: limit.signal });
      clearTimeout(timer);
      timer = setTimeout(stop, ANSWER_MAX_MS);
      // The status is the answer; a body that does not come, or does not end, changes nothing.
      await response.body.dump({ limit: ANSWER_MAX_BYTES }).catch(() => undefined);
      return deliveryOf(response);
    } catch (error) {
      if (signal.aborted) return { outcome: 'retry', reason: 'broken off', blamesSink: false };
      return { outcome: 'retry', reason: limit.signal.aborted ? `no answer within ${this.#timeoutMs} ms` : reasonOf(error), blamesSink: true };
    } finally {
      clearTimeout(timer);
      signal.removeEventListener('abort', stop);
    }
  }

  async close(): Promise<void> {
    await this.#agent.destroy();
  }
}

function deliveryOf({ statusCode, headers }: Pick<Dispatcher.ResponseData, 'statusCode' | 'headers'>): Delivery {
  if (statusCode >= 200 && statusCode < 300) return { outcome: 'accepted' };
  const reason = `the sink answered ${statusCode}`;
  if (statusCode >= 500 || RETRIED.has(statusCode)) {
    return { outcome: 'retry', reason, retryAfterMs: retryAfter(headers['retry-after']), blamesSink: statusCode >= 500 };
  }
  return { outcome: 'refused', reason, code: statusCode };
}

/** Seconds, or an HTTP date. */
function retryAfter(header: string | string[] | undefined): number | undefined {
  if (typeof header !== 'string') return undefined;
  const ms = /^\s*\d+\s*$/.test(header) ? Number(header) * 1000 : Date.parse(header) - Date.now();
  return Number.isFinite(ms) ? Math.min(Math.max(ms, 0), RETRY_AFTER_MAX_MS) : undefined;
}

/** What happened to the connection, without the URL. */
function reasonOf(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) return reasonOf(error.errors[0]);
  if (error instanceof errors.UndiciError) return `${error.code}: ${error.message}`;
  return error instanceof Error ? error.message : String(error);
}
