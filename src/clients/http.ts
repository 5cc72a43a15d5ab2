import { Pool, ProxyAgent } from 'undici';
import type { Dispatcher } from 'undici';
import type { ZodType } from 'zod';
import { reasonOf } from './abort.ts';
import type { OnCall, ProxyFor } from './call.ts';
import { ExternalError, OutcomeUnknownError } from './errors.ts';
import type { ExternalErrorDetails, ExternalSystem } from './errors.ts';
import { describeAnswer, isGatewayFailure, kindOfStatus, parseJson, readTransportError, retryAfterMs } from './failures.ts';
import { hasEffect, isRepeatable, nameOf, secretsOf, toRequest } from './http-call.ts';
import type { HttpCall } from './http-call.ts';
import { BrokenCircuitError, BulkheadRejectedError, HostGuard, RESILIENCE_DEFAULTS } from './resilience.ts';
import type { ResilienceOptions } from './resilience.ts';
import { noTracer } from '../telemetry/tracer.ts';
import type { OpenSpan, Tracer } from '../telemetry/tracer.ts';

export interface HttpHostOptions {
  readonly system: ExternalSystem;
  /** "https://cml-01.example.org", with an optional path that goes before every call's path. */
  readonly endpoint: string;
  readonly onCall?: OnCall | undefined;
  /** Every attempt is a span of what it is made for. @default none */
  readonly tracer?: Tracer | undefined;
  /** @default no proxy */
  readonly proxyFor?: ProxyFor | undefined;
  /** Time for one attempt, in milliseconds, from connecting to the last byte. @default 30000 */
  readonly timeoutMs?: number | undefined;
  /** A longer body ends the call. @default 16 MiB */
  readonly maxResponseBytes?: number | undefined;
  readonly resilience?: Partial<ResilienceOptions> | undefined;
}

/** One call on its way, over all of its attempts. */
interface Exchange<T> {
  readonly call: HttpCall;
  readonly request: Dispatcher.RequestOptions;
  readonly read: (response: Dispatcher.ResponseData) => Promise<T>;
  /** An effect was sent and no answer has settled whether it happened. */
  inDoubt: boolean;
}

/**
 * One host: a pool of connections behind a HostGuard. Every answer is bounded in time and size and checked
 * against a schema; every failure is an ExternalError, except an abort before anything was done, which throws
 * the signal's reason.
 */
export class HttpHost {
  readonly host: string;
  readonly #options: HttpHostOptions;
  readonly #origin: string;
  readonly #basePath: string;
  readonly #guard: HostGuard;
  #pool: Pool | ProxyAgent | undefined;
  #ca: string | undefined;

  constructor(options: HttpHostOptions) {
    const url = parseEndpoint(options.endpoint);
    this.host = url.host;
    this.#options = options;
    this.#origin = url.origin;
    this.#basePath = url.pathname.replace(/\/+$/, '');
    this.#guard = new HostGuard({ ...RESILIENCE_DEFAULTS, ...options.resilience });
  }

  /** Trusts this CA (PEM) and no other from the next call on; undefined: the usual public ones. */
  trust(ca: string | undefined): void {
    if (ca === this.#ca) return;
    this.#ca = ca;
    void this.close();
  }

  /** Lets calls in flight finish and closes the connections; a later call opens new ones. */
  async close(): Promise<void> {
    const pool = this.#pool;
    this.#pool = undefined;
    await pool?.close();
  }

  /** Makes the call and gives the JSON of its answer, checked by `schema`. */
  json<T>(call: HttpCall, schema: ZodType<T>): Promise<T> {
    return this.#request(call, async (response) => {
      const body = await response.body.text();
      const parsed = schema.safeParse(parseJson(body));
      if (parsed.success) return parsed.data;
      const issue = parsed.error.issues[0];
      const where = issue === undefined || issue.path.length === 0 ? 'the body' : issue.path.join('.');
      throw this.#badResponse(call, response.statusCode, `unexpected answer: ${where}: ${issue?.message ?? 'invalid'}`);
    });
  }

  /** Makes the call and gives the text of its answer. */
  text(call: HttpCall): Promise<string> {
    return this.#request(call, (response) => response.body.text());
  }

  /** Makes the call; whatever a 2xx answer holds is of no interest. */
  send(call: HttpCall): Promise<void> {
    return this.#request(call, (response) => response.body.dump());
  }

  async #request<T>(call: HttpCall, read: (response: Dispatcher.ResponseData) => Promise<T>): Promise<T> {
    const exchange: Exchange<T> = { call, request: toRequest(call, this.#basePath), read, inDoubt: false };
    const attempt = (this.#options.tracer ?? noTracer).bound((signal: AbortSignal) => this.#traced(exchange, signal));
    try {
      return await this.#guard.run(attempt, {
        repeatable: isRepeatable(call),
        probe: call.probe ?? false,
        timeoutMs: call.timeoutMs ?? this.#options.timeoutMs ?? 30_000,
        signal: call.signal,
      });
    } catch (error) {
      throw this.#explain(error, call, exchange.inDoubt);
    }
  }

  #traced<T>(exchange: Exchange<T>, signal: AbortSignal): Promise<T> {
    const { method, path } = exchange.call;
    const attributes = { 'http.request.method': method, 'url.template': path, 'server.address': this.host, 'peer.service': this.#options.system };
    return (this.#options.tracer ?? noTracer).span({ name: `${this.#options.system} ${method} ${path}`, kind: 'client', attributes }, (span) => this.#attempt(exchange, signal, span));
  }

  async #attempt<T>(exchange: Exchange<T>, signal: AbortSignal, span: OpenSpan): Promise<T> {
    const { call } = exchange;
    const started = performance.now();
    const doubtBefore = exchange.inDoubt;
    let status: number | undefined;
    const report = (outcome: number | string): void => {
      span.set(typeof outcome === 'number' ? 'http.response.status_code' : 'error.type', outcome);
      this.#options.onCall?.({ system: this.#options.system, host: this.host, call: nameOf(call), status: outcome, seconds: (performance.now() - started) / 1000 });
    };
    exchange.inDoubt ||= hasEffect(call);
    try {
      const response = await this.#connections().request({ ...traced(exchange.request, span), origin: this.#origin, signal });
      status = response.statusCode;
      if (status >= 300) throw await this.#refusal(call, response);
      const answer = await exchange.read(response);
      exchange.inDoubt = false;
      report(status);
      return answer;
    } catch (error) {
      const failure = error instanceof ExternalError ? error : this.#transportError(call, error, signal, status);
      report(status ?? (failure instanceof ExternalError ? failure.kind : 'aborted'));
      if (failure instanceof ExternalError) exchange.inDoubt = doubtAfter(failure, doubtBefore);
      throw failure;
    }
  }

  /** The connections, opened with the CA of now. HTTP/1.1: over HTTP/2 one lost connection would take all calls with it. */
  #connections(): Pool | ProxyAgent {
    // undici's own keep-alive (4 s, or what the server hints) stays: a longer one meets servers that close first, and
    // a connection that closes under a POST leaves its outcome unknown.
    this.#pool ??= connections(this.#origin, this.#options.proxyFor?.(new URL(this.#origin)), this.#ca, {
      connections: this.#options.resilience?.concurrency ?? RESILIENCE_DEFAULTS.concurrency,
      maxResponseSize: this.#options.maxResponseBytes ?? 16 * 1024 * 1024,
      headersTimeout: 0,
      bodyTimeout: 0,
      allowH2: false,
    });
    return this.#pool;
  }

  async #refusal(call: HttpCall, response: Dispatcher.ResponseData): Promise<ExternalError> {
    const status = response.statusCode;
    const description = describeAnswer(status, await response.body.text(), secretsOf(call));
    const details = { ...this.#detailsOf(call), status, description, retryAfterMs: retryAfterMs(response.headers['retry-after'], Date.now()) };
    if (hasEffect(call) && isGatewayFailure(status)) return new OutcomeUnknownError(details);
    return new ExternalError({ ...details, kind: kindOfStatus(status) });
  }

  /** An answer that came and cannot be understood; if it was the answer to an effect, what happened must be looked up. */
  #badResponse(call: HttpCall, status: number | undefined, description: string): ExternalError {
    const details = { ...this.#detailsOf(call), status, description };
    return hasEffect(call) ? new OutcomeUnknownError(details) : new ExternalError({ ...details, kind: 'badResponse' });
  }

  #transportError(call: HttpCall, error: unknown, signal: AbortSignal, status: number | undefined): Error {
    if (call.signal.aborted) return reasonOf(call.signal);
    const details = { ...this.#detailsOf(call), cause: error };
    if (signal.aborted) {
      const description = 'no answer in time';
      return hasEffect(call) ? new OutcomeUnknownError({ ...details, description }) : new ExternalError({ ...details, description, kind: 'timeout' });
    }
    const { description, sent, tooLarge } = readTransportError(error);
    if (tooLarge) return this.#badResponse(call, status, description);
    if (sent && hasEffect(call)) return new OutcomeUnknownError({ ...details, description });
    return new ExternalError({ ...details, description, kind: 'unavailable' });
  }

  /** Turns what the guard threw into what callers are told; a doubt left by an earlier attempt outlives a later "not sent". */
  #explain(error: unknown, call: HttpCall, inDoubt: boolean): unknown {
    const details = { ...this.#detailsOf(call), cause: error };
    if (call.signal.aborted) {
      return inDoubt ? new OutcomeUnknownError({ ...details, description: 'aborted before the answer came' }) : reasonOf(call.signal);
    }
    if (inDoubt && !(error instanceof OutcomeUnknownError)) {
      return new OutcomeUnknownError({ ...details, description: `no answer to an earlier attempt; ${error instanceof Error ? error.message : 'then it failed'}` });
    }
    if (error instanceof BrokenCircuitError) {
      return new ExternalError({ ...details, kind: 'circuitOpen', description: 'not called: the host failed several times in a row and is left alone for a while' });
    }
    if (error instanceof BulkheadRejectedError) {
      return new ExternalError({ ...details, kind: 'unavailable', description: 'not called: too many calls to this host are waiting already' });
    }
    return error;
  }

  #detailsOf(call: HttpCall): Pick<ExternalErrorDetails, 'system' | 'host' | 'call'> {
    return { system: this.#options.system, host: this.host, call: nameOf(call) };
  }
}

/** The other side may go on with our trace. */
function traced(request: Dispatcher.RequestOptions, { traceParent }: OpenSpan): Dispatcher.RequestOptions {
  return traceParent === undefined ? request : { ...request, headers: { ...(request.headers as Record<string, string>), traceparent: traceParent } };
}

function connections(origin: string, proxy: string | undefined, ca: string | undefined, limits: Pick<Pool.Options, 'connections' | 'maxResponseSize' | 'headersTimeout' | 'bodyTimeout' | 'allowH2'>): Pool | ProxyAgent {
  const tls = ca === undefined ? {} : { ca };
  if (proxy === undefined) return new Pool(origin, { ...limits, connect: tls });
  // Of itself it would hold plain http to none of the limits.
  return new ProxyAgent({ uri: proxy, requestTls: tls, factory: (to, options: object) => new Pool(to, { ...options, ...limits }) });
}

/** 2xx and 4xx settle what happened; "not sent" and "not now" say nothing about an earlier attempt. */
function doubtAfter(failure: ExternalError, before: boolean): boolean {
  if (failure.kind === 'outcomeUnknown') return true;
  return failure.kind === 'unavailable' ? before : false;
}

/**
 * The URL of an outside system.
 * @throws TypeError that says how to write one
 */
export function parseEndpoint(endpoint: string): URL {
  const url = URL.parse(endpoint);
  if (url === null || !/^https?:$/.test(url.protocol)) {
    throw new TypeError(`endpoint "${endpoint}" is no http or https URL; write it like "https://cml-01.example.org"`);
  }
  return url;
}
