import { afterEach, expect, test } from '@jest/globals';
import { createLogger } from '../../../src/telemetry/log.ts';
import { otlpTracer } from '../../../src/telemetry/otlp.ts';
import { spanOf } from '../../../src/telemetry/trace-context.ts';
import { freePort } from '../../../hack/cluster/ports.ts';
import { startOtlpReceiver } from '../../support/otlp-receiver.ts';
import type { FinishedSpan } from '../../../src/telemetry/tracer.ts';

const toClose: (() => Promise<void>)[] = [];
afterEach(async () => {
  await Promise.all(toClose.splice(0).map((close) => close()));
});

const uid = (n: number): string => `7d1f0c2a-3e9b-4f5d-8a6c-${(0x1b1c2d3e4f50 + n * 0x3b9aca07).toString(16).padStart(12, '0')}`;
const span = (n: number, at = Date.now()): FinishedSpan => ({ ...spanOf(uid(n), 'session'), name: 'session', start: at, end: at + 1.5 });

test('a span arrives as it was recorded, also one that began long before the process', async () => {
  const receiver = await startOtlpReceiver();
  toClose.push(() => receiver.close());
  const tracer = await otlpTracer({ url: `${receiver.url}/v1/traces`, resource: { 'service.name': 'test' }, log: createLogger({ level: 'silent' }) });
  const old = { ...span(1, Date.parse('2026-01-02T03:04:05.678Z')), parentId: 'a'.repeat(16), kind: 'client' as const, attributes: { n: 1, text: 'x', yes: true }, links: [spanOf(uid(2), 'other')] };
  tracer.record(old);
  await tracer.close();
  expect(receiver.spans).toEqual([expect.objectContaining({ traceId: old.traceId, spanId: old.spanId, parentSpanId: old.parentId, name: 'session', kind: 3, startTimeUnixNano: old.start, endTimeUnixNano: old.end, attributes: old.attributes, links: old.links })]);
});

test('a share of the traces is recorded, the same ones by every replica', async () => {
  const kept = async (): Promise<string[]> => {
    const receiver = await startOtlpReceiver();
    toClose.push(() => receiver.close());
    const tracer = await otlpTracer({ url: `${receiver.url}/v1/traces`, ratio: 0.25, resource: {}, log: createLogger({ level: 'silent' }) });
    for (let n = 0; n < 400; n++) tracer.record(span(n));
    await tracer.close();
    return receiver.spans.map(({ traceId }) => traceId).sort();
  };
  const [one, other] = [await kept(), await kept()];
  expect(one).toEqual(other);
  expect(one.length).toBeGreaterThan(50);
  expect(one.length).toBeLessThan(150);
});

test('spans go through the proxy that leads to the collector', async () => {
  // A proxy for plain http gets the whole URL, and answers in the place of the other side.
  const proxy = await startOtlpReceiver();
  toClose.push(() => proxy.close());
  const tracer = await otlpTracer({ url: 'http://collector.invalid:4318/v1/traces', proxyEnv: { HTTP_PROXY: proxy.url }, resource: {}, log: createLogger({ level: 'silent' }) });
  tracer.record(span(1));
  await tracer.close();
  expect(proxy.spans.map(({ spanId }) => spanId)).toEqual([span(1).spanId]);
});

test('a collector that is away is said once, its spans are counted as lost, and nothing waits for it', async () => {
  const lines: string[] = [];
  const outcomes: [number, boolean][] = [];
  const tracer = await otlpTracer({
    url: `http://127.0.0.1:${await freePort()}/v1/traces`, headers: { authorization: 'Bearer Tr0ub4dor-and-3' }, resource: {}, timeoutMs: 500,
    log: createLogger({ destination: { write: (line) => lines.push(line) } }), sent: (spans, isDelivered) => outcomes.push([spans, isDelivered]),
  });
  for (let n = 0; n < 600; n++) tracer.record(span(n));
  await tracer.close();
  expect(lines.filter((line) => line.includes('traces cannot be delivered'))).toHaveLength(1);
  expect(outcomes.filter(([, isDelivered]) => !isDelivered).reduce((sum, [spans]) => sum + spans, 0)).toBe(600);
  expect(lines.join('')).not.toContain('Tr0ub4dor');
});
