/** Sends spans by OTLP over HTTP, through OpenTelemetry's SDK, which is loaded only when somebody wants traces. */
import type { SpanKind } from '@opentelemetry/api';
import { RecordingTracer } from './tracer.ts';
import type { Logger } from './log.ts';
import type { FinishedSpan, SpanDetails, SpanSink, Tracer } from './tracer.ts';

export interface OtlpOptions {
  /** Where spans are posted to, the whole URL: "http://collector:4318/v1/traces". */
  readonly url: string;
  /** Of every request. May hold credentials: never logged. @default none */
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** HTTP_PROXY, HTTPS_PROXY and NO_PROXY, as agents of Node take them. @default no proxy */
  readonly proxyEnv?: Readonly<Record<string, string>> | undefined;
  /** Share of the traces that are recorded, 0 to 1; which ones follows from their ids. @default 1 */
  readonly ratio?: number | undefined;
  /** What all spans say of their origin (`service.name`, …). */
  readonly resource: Readonly<Record<string, string>>;
  readonly log: Logger;
  /**
   * Time for a batch with all its tries, in milliseconds. The end of the program waits for so long, too: what the exporter
   * has begun cannot be broken off. @default 5000
   */
  readonly timeoutMs?: number | undefined;
  /** Told what became of each batch. */
  readonly sent?: ((spans: number, isDelivered: boolean) => void) | undefined;
}

const SCOPE = 'lablet-controller';
/** Spans that wait to be sent, some 2 KiB each: a thousand sessions that begin at once make ten times as many in half a minute. */
const QUEUE_SPANS = 8192;

export async function otlpTracer(options: OtlpOptions): Promise<Tracer> {
  return new RecordingTracer(await otlpSink(options));
}

async function otlpSink({ url, headers, proxyEnv, ratio = 1, resource, timeoutMs = 5000, log, sent }: OtlpOptions): Promise<SpanSink> {
  const [{ BatchSpanProcessor, SamplingDecision, TraceIdRatioBasedSampler, TracerProvider }, { OTLPTraceExporter }, { resourceFromAttributes }, api] = await Promise.all([
    import('@opentelemetry/sdk-trace'), import('@opentelemetry/exporter-trace-otlp-http'), import('@opentelemetry/resources'), import('@opentelemetry/api'),
  ]);
  const exporter = new OTLPTraceExporter({
    url, timeoutMillis: timeoutMs, ...(headers === undefined ? {} : { headers: { ...headers } }), ...(proxyEnv === undefined ? {} : { httpAgentOptions: { keepAlive: true, proxyEnv } }),
  });
  const told = outcomes(log, sent);
  const ids = new ChosenIds();
  const provider = new TracerProvider({
    resource: resourceFromAttributes({ ...resource }),
    idGenerator: ids,
    spanProcessors: [new BatchSpanProcessor({
      maxQueueSize: QUEUE_SPANS,
      exporter: {
        export: (spans, done: Parameters<typeof exporter.export>[1]) => exporter.export(spans, (result) => {
          told(spans.length, result.error);
          done(result);
        }),
        shutdown: () => exporter.shutdown(),
      },
    })],
  });
  const tracer = provider.getTracer(SCOPE);
  const sampler = new TraceIdRatioBasedSampler(ratio);
  const kinds: Record<NonNullable<SpanDetails['kind']>, SpanKind> = { internal: api.SpanKind.INTERNAL, client: api.SpanKind.CLIENT, producer: api.SpanKind.PRODUCER, consumer: api.SpanKind.CONSUMER };
  const referred = ({ traceId, spanId }: { traceId: string; spanId: string }) => ({ traceId, spanId, traceFlags: api.TraceFlags.SAMPLED, isRemote: true });
  return {
    isSampled: (traceId) => sampler.shouldSample(api.ROOT_CONTEXT, traceId).decision === SamplingDecision.RECORD_AND_SAMPLED,
    record: (span) => {
      const parent = span.parentId === undefined ? api.ROOT_CONTEXT : api.trace.setSpanContext(api.ROOT_CONTEXT, referred({ traceId: span.traceId, spanId: span.parentId }));
      ids.next = span;
      const recorded = tracer.startSpan(span.name, {
        kind: kinds[span.kind ?? 'internal'], startTime: hrTime(span.start), ...(span.attributes === undefined ? {} : { attributes: span.attributes }),
        links: (span.links ?? []).map((link) => ({ context: referred(link) })),
      }, parent);
      if (span.error !== undefined) recorded.setStatus({ code: api.SpanStatusCode.ERROR, message: span.error });
      recorded.end(hrTime(span.end));
    },
    // Fails with the last batch, of which `outcomes` has told.
    close: () => provider.shutdown().catch(() => undefined),
  };
}

/** Counts what became of each batch, and says once that the collector is away, and once that it is back. */
function outcomes(log: Logger, sent: OtlpOptions['sent']): (spans: number, error: Error | undefined) => void {
  let isFailing = false;
  return (spans, error) => {
    sent?.(spans, error === undefined);
    if (isFailing === (error !== undefined)) return;
    isFailing = error !== undefined;
    if (error) log.warn({ reason: error.message }, 'traces cannot be delivered; spans are lost until the collector answers');
    else log.info('traces are delivered again');
  };
}

/** Gives the SDK the ids that a span has already. It asks for them while it starts one, at once. */
class ChosenIds {
  next: Pick<FinishedSpan, 'traceId' | 'spanId'> = { traceId: '', spanId: '' };
  readonly generateTraceId = (): string => this.next.traceId;
  readonly generateSpanId = (): string => this.next.spanId;
}

/** Seconds and nanoseconds. A mere number below the start of the process would be taken for a time since then. */
function hrTime(ms: number): [number, number] {
  const seconds = Math.floor(ms / 1000);
  return [seconds, Math.round((ms - seconds * 1000) * 1e6)];
}
