import express from 'express';
import { z } from 'zod';
import { listen } from '../../hack/sim/common/listen.ts';

const value = z.object({ stringValue: z.string().optional(), intValue: z.coerce.number().optional(), doubleValue: z.number().optional(), boolValue: z.boolean().optional() });
const attributes = z
  .array(z.object({ key: z.string(), value }))
  .default([])
  .transform((list) => Object.fromEntries(list.map(({ key, value: v }) => [key, v.stringValue ?? v.intValue ?? v.doubleValue ?? v.boolValue])));
const nanoseconds = z.string().regex(/^[0-9]+$/).transform((text) => Number(BigInt(text) / 1000n) / 1000);
const span = z.object({
  traceId: z.string().regex(/^[0-9a-f]{32}$/),
  spanId: z.string().regex(/^[0-9a-f]{16}$/),
  parentSpanId: z.string().regex(/^[0-9a-f]{16}$/).optional(),
  name: z.string(),
  /** 1 internal, 2 server, 3 client, 4 producer, 5 consumer. */
  kind: z.int(),
  /** Milliseconds since 1970. */
  startTimeUnixNano: nanoseconds,
  endTimeUnixNano: nanoseconds,
  attributes,
  links: z.array(z.object({ traceId: z.string(), spanId: z.string() })).default([]),
});
/** OTLP/HTTP in JSON, as the specification has it. */
const request = z.object({ resourceSpans: z.array(z.object({ resource: z.object({ attributes }), scopeSpans: z.array(z.object({ spans: z.array(span) })) })) });

export type ReceivedSpan = z.output<typeof span>;

export interface OtlpReceiver {
  /** For OTEL_EXPORTER_OTLP_ENDPOINT. */
  readonly url: string;
  /** In the order of their arrival; grows. */
  readonly spans: readonly ReceivedSpan[];
  /** What the senders said of themselves. */
  readonly resources: readonly Record<string, unknown>[];
  /** The header `authorization` of each request. */
  readonly authorizations: readonly (string | undefined)[];
  close(): Promise<void>;
}

/** A collector: takes traces by OTLP over HTTP and keeps them; answers 400 to what is none. */
export async function startOtlpReceiver(): Promise<OtlpReceiver> {
  const spans: ReceivedSpan[] = [];
  const resources: Record<string, unknown>[] = [];
  const authorizations: (string | undefined)[] = [];
  const app = express().post('/v1/traces', express.json({ limit: '16mb' }), (received, response) => {
    const parsed = request.safeParse(received.body);
    if (!parsed.success) {
      response.status(400).json({ message: z.prettifyError(parsed.error) });
      return;
    }
    authorizations.push(received.get('authorization'));
    for (const { resource, scopeSpans } of parsed.data.resourceSpans) {
      resources.push(resource.attributes);
      spans.push(...scopeSpans.flatMap((scope) => scope.spans));
    }
    response.json({ partialSuccess: {} });
  });
  const listening = await listen(app, { host: '127.0.0.1', port: 0 });
  return { url: listening.url, spans, resources, authorizations, close: () => listening.close() };
}
