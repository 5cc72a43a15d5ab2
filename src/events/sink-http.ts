/** A sink behind http(s): a Knative broker, or anything that takes CloudEvents by POST. */
import { readFile } from 'node:fs/promises';
import { rootCertificates } from 'node:tls';
import { Agent, errors, request } from 'undici';
import { encodeEvent } from './codec.ts';
import type { Dispatcher } from 'undici';
import type { CloudEvent } from './cloudevent.ts';
import type { ContentMode } from './codec.ts';
import type { Delivery, Sink } from './sink.ts';

export interface HttpSinkOptions {
  readonly url: URL;
  readonly mode: ContentMode;
  /** Set on every event, over what it carries (K_CE_OVERRIDES). */
  readonly extensions?: ReadonlyMap<string, string> | undefined;
  /** PEM of further authorities to trust. */
  readonly ca?: string | undefined;
  /** File with a bearer token, read anew for each request since it is rotated; one that is not there means no token. */
  readonly tokenFile?: string | undefined;
  /**
   * Time for one request in milliseconds. A broker may hold the request until all its subscribers are done, so it is
   * generous; a request that took longer has an unknown outcome. @default 30_000
   */
  readonly timeoutMs?: number | undefined;
  /** Connections that are kept. @default 32 */
  readonly connections?: number | undefined;
}

/** Answers that a later try may better; Knative retries the same ones. */
const RETRIED = new Set([404, 408, 409, 429]);
/** A sink may not put us to sleep for days. */
const RETRY_AFTER_MAX_MS = 10 * 60_000;
/** Bytes of an answer that we read, to keep its connection; beyond it the connection is closed. */
const ANSWER_MAX_BYTES = 64 * 1024;

export class HttpSink implements Sink {
  readonly name: string;
  readonly #options: HttpSinkOptions;
  readonly #agent: Agent;
  readonly #url: string;
  readonly #credentials: string | undefined;

  constructor(options: HttpSinkOptions) {
    const { url } = options;
    this.#options = options;
    this.name = `${url.origin}${url.pathname}`;
    this.#url = `${url.origin}${url.pathname}${url.search}`;
    this.#credentials = url.username === '' ? undefined : `Basic ${Buffer.from(`${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`).toString('base64')}`;
    this.#agent = new Agent({
      connections: options.connections ?? 32,
      headersTimeout: 0,
      bodyTimeout: 5000,
      keepAliveTimeout: 30_000,
      connect: { timeout: 10_000, ...(options.ca ? { ca: [...rootCertificates, options.ca] } : {}) },
    });
  }

  async send(event: CloudEvent, signal: AbortSignal): Promise<Delivery> {
    const { mode, extensions, timeoutMs = 30_000 } = this.#options;
    const { headers, body } = encodeEvent(extensions?.size ? { ...event, extensions: new Map([...event.extensions, ...extensions]) } : event, mode);
    const timeout = AbortSignal.timeout(timeoutMs);
    try {
      const authorization = await this.#authorization();
      const response = await request(this.#url, {
        dispatcher: this.#agent,
        method: 'POST',
        headers: { ...headers, ...(authorization === undefined ? {} : { authorization }) },
        body: body ?? null,
        signal: AbortSignal.any([signal, timeout]),
      });
      // The status is the answer; a body that does not come changes nothing.
      await response.body.dump({ limit: ANSWER_MAX_BYTES, signal }).catch(() => undefined);
      return deliveryOf(response);
    } catch (error) {
      if (timeout.aborted) return { outcome: 'retry', reason: `no answer within ${timeoutMs} ms`, blamesSink: true };
      return { outcome: 'retry', reason: signal.aborted ? 'broken off' : reasonOf(error), blamesSink: !signal.aborted };
    }
  }

  async close(): Promise<void> {
    await this.#agent.destroy();
  }

  async #authorization(): Promise<string | undefined> {
    const { tokenFile } = this.#options;
    if (tokenFile === undefined) return this.#credentials;
    try {
      return `Bearer ${(await readFile(tokenFile, 'utf8')).trim()}`;
    } catch (error) {
      if (isMissing(error)) return this.#credentials;
      throw error;
    }
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

const isMissing = (error: unknown): boolean => typeof error === 'object' && error !== null && 'code' in error && error.code === 'ENOENT';

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
