/**
 * An event bus of Amazon EventBridge. It has no intake for CloudEvents, and gives every event an id of its own: so the
 * CloudEvent stands whole in `detail`, and its type in `detail-type`, for rules to match.
 */
import { z } from 'zod';
import { aborted } from '../runtime/runnable.ts';
import { encodeEvent } from './codec.ts';
import { SinkConfigurationError } from './sink.ts';
import type { EventBridgeClient, PutEventsRequestEntry } from '@aws-sdk/client-eventbridge';
import type { CloudEvent } from './cloudevent.ts';
import type { Delivery, Sink } from './sink.ts';

export interface EventBridgeOptions {
  /** `eventbridge://REGION/BUS`. */
  readonly url: URL;
  /** Time for one request in milliseconds. @default 30_000 */
  readonly timeoutMs?: number | undefined;
  /** Another server than AWS. @default AWS_ENDPOINT_URL_EVENTBRIDGE, else AWS_ENDPOINT_URL, else that of the region */
  readonly endpoint?: string | undefined;
  /** HTTP_PROXY, HTTPS_PROXY and NO_PROXY. @default no proxy */
  readonly proxyEnv?: Readonly<Record<string, string>> | undefined;
}

/** `source` of our events on the bus: by reverse DNS, and not beginning with "aws.". */
const SOURCE = 'dev.lablet.controller';
const REGION = /^[a-z]{2,}(?:-[a-z]+)+-\d+$/;
const BUS = /^[A-Za-z0-9._-]{1,256}$/;
const REASON_MAX = 200;

/**
 * Codes, of an entry or of the whole request, that a later try may better: AWS's own two for entries, what says that the
 * service is in trouble, and credentials or signatures whose time is over, since each try signs anew.
 */
const RETRIED = new Set([
  'InternalFailure', 'InternalException', 'ServiceUnavailable', 'ThrottlingException', 'Throttling', 'TooManyRequestsException', 'RequestLimitExceeded',
  'ExpiredToken', 'ExpiredTokenException', 'RequestExpired', 'RequestTimeTooSkewed', 'Unknown',
]);
/** What errors of the SDK have in common. */
const sdkError = z.object({
  name: z.string(),
  message: z.string().catch(''),
  $metadata: z.object({ httpStatusCode: z.number().optional() }).optional(),
});

export class EventBridgeSink implements Sink {
  readonly name: string;
  readonly #bus: string;
  readonly #region: string;
  readonly #timeoutMs: number;
  readonly #options: Pick<EventBridgeOptions, 'endpoint' | 'proxyEnv'>;
  #client: Promise<EventBridgeClient> | undefined;

  /** @throws SinkConfigurationError */
  constructor({ url, timeoutMs = 30_000, ...options }: EventBridgeOptions) {
    this.#region = url.hostname;
    this.#bus = url.pathname.slice(1);
    this.name = `eventbridge://${url.host}${url.pathname}`;
    if (!REGION.test(url.host) || !BUS.test(this.#bus) || url.username !== '' || url.search !== '') {
      throw new SinkConfigurationError(`sink '${this.name}': write eventbridge://REGION/BUS, such as eventbridge://eu-west-1/default; credentials come from where AWS's own tools take them`);
    }
    this.#timeoutMs = timeoutMs;
    this.#options = options;
  }

  async send(event: CloudEvent, signal: AbortSignal): Promise<Delivery> {
    const timeout = AbortSignal.timeout(this.#timeoutMs);
    const abortSignal = AbortSignal.any([signal, timeout]);
    try {
      this.#client ??= open(this.#region, this.#options);
      const [client, { PutEventsCommand }] = await Promise.all([this.#client, import('@aws-sdk/client-eventbridge')]);
      // The chain of credentials takes no signal.
      const { Entries: [entry] = [] } = await orAbort(client.send(new PutEventsCommand({ Entries: [entryOf(event, this.#bus)] }), { abortSignal }), abortSignal);
      if (entry?.EventId !== undefined && entry.ErrorCode === undefined) return { outcome: 'accepted' };
      // A failed entry comes with HTTP 200.
      const { ErrorCode = 'Unknown', ErrorMessage = 'neither an id nor an error' } = entry ?? {};
      return RETRIED.has(ErrorCode) ? later(ErrorCode, ErrorMessage) : { outcome: 'refused', reason: reasonOf(ErrorCode, ErrorMessage) };
    } catch (error) {
      if (signal.aborted) return { outcome: 'retry', reason: 'broken off', blamesSink: false };
      if (timeout.aborted) return { outcome: 'retry', reason: `no answer within ${this.#timeoutMs} ms`, blamesSink: true };
      const { name, message, $metadata } = sdkError.safeParse(error).data ?? { name: 'Error', message: String(error) };
      const status = $metadata?.httpStatusCode;
      const isRefusal = status !== undefined && status >= 300 && status < 500 && status !== 429 && !RETRIED.has(name);
      return isRefusal ? { outcome: 'refused', reason: reasonOf(name, message), code: status } : later(name, message);
    }
  }

  async close(): Promise<void> {
    (await this.#client?.catch(() => undefined))?.destroy();
  }
}

/** The SDK is large: a controller that does not speak to EventBridge never loads it. Pauses between tries are the outlet's. */
async function open(region: string, { endpoint, proxyEnv }: Pick<EventBridgeOptions, 'endpoint' | 'proxyEnv'>): Promise<EventBridgeClient> {
  const { EventBridgeClient: Client } = await import('@aws-sdk/client-eventbridge');
  return new Client({ region, maxAttempts: 1, requestHandler: { connectionTimeout: 10_000, httpAgent: { proxyEnv }, httpsAgent: { proxyEnv } }, ...(endpoint === undefined ? {} : { endpoint }) });
}

function entryOf(event: CloudEvent, bus: string): PutEventsRequestEntry {
  const { body } = encodeEvent(event, 'structured');
  const trace = traceHeader(event.extensions.get('traceparent'));
  return {
    EventBusName: bus,
    Source: SOURCE,
    DetailType: event.type,
    Detail: Buffer.from(body ?? '').toString('utf8'),
    ...(event.time === undefined ? {} : { Time: new Date(event.time) }),
    ...(trace === undefined ? {} : { TraceHeader: trace }),
  };
}

/** W3C trace context in the words of X-Ray. */
function traceHeader(traceParent: unknown): string | undefined {
  const [, trace, parent, flags] = typeof traceParent === 'string' ? /^[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})/.exec(traceParent) ?? [] : [];
  if (trace === undefined || parent === undefined || flags === undefined) return undefined;
  return `Root=1-${trace.slice(0, 8)}-${trace.slice(8)};Parent=${parent};Sampled=${parseInt(flags, 16) & 1}`;
}

/** Being throttled, or signing with what has expired, is no sign that the bus is in trouble. */
const later = (code: string, message: string): Delivery => ({ outcome: 'retry', reason: reasonOf(code, message), blamesSink: !/^(?:Thrott|TooMany|RequestLimit|Expired|RequestExpired|RequestTime)/.test(code) });

function reasonOf(code: string, message: string): string {
  const text = message === '' || message === code ? code : `${code}: ${message}`;
  return text.length > REASON_MAX ? `${text.slice(0, REASON_MAX)}…` : text;
}

/** Settles as `work` does, or rejects as soon as the signal is aborted; the work itself goes on. */
const orAbort = <T>(work: Promise<T>, signal: AbortSignal): Promise<T> => Promise.race([work, aborted(signal).then(() => { throw new Error('aborted'); })]);
