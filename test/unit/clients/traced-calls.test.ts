import { afterEach, describe, expect, test } from '@jest/globals';
import { HttpHost } from '../../../src/clients/http.ts';
import type { ResilienceOptions } from '../../../src/clients/resilience.ts';
import { readTraceParent, spanOf } from '../../../src/telemetry/trace-context.ts';
import { RecordingTracer } from '../../../src/telemetry/tracer.ts';
import { json, startScriptedServer, status } from '../../support/scripted-server.ts';
import type { Answer, ScriptedServer } from '../../support/scripted-server.ts';
import type { FinishedSpan } from '../../../src/telemetry/tracer.ts';

const call = { method: 'GET', path: '/labs/{id}', params: { id: 'l1' }, signal: new AbortController().signal } as const;
const session = spanOf('7d1f0c2a-3e9b-4f5d-8a6c-0b1c2d3e4f50', 'session');

const toClose: (() => Promise<void>)[] = [];
afterEach(async () => {
  await Promise.all(toClose.splice(0).map((close) => close()));
});

async function given(answers: readonly [Answer, ...Answer[]], resilience: Partial<ResilienceOptions> = {}): Promise<{ server: ScriptedServer; host: HttpHost; tracer: RecordingTracer; spans: FinishedSpan[] }> {
  const spans: FinishedSpan[] = [];
  const tracer = new RecordingTracer({ isSampled: () => true, record: (span) => spans.push(span), close: async () => undefined });
  const server = await startScriptedServer(answers);
  const host = new HttpHost({ system: 'cml', endpoint: server.url, tracer, resilience: { retryBaseMs: 1, ...resilience } });
  toClose.push(async () => {
    await server.close();
    await host.close();
  });
  return { server, host, tracer, spans };
}

describe('a call that is made for a session', () => {
  test('names its span to the other side, and each try is a span of its own', async () => {
    const { server, host, tracer, spans } = await given([status(503), json({})]);
    await tracer.within(session, { name: 'pass' }, () => host.send(call));
    const tries = spans.filter(({ kind }) => kind === 'client');
    expect(tries.map(({ name, attributes }) => [name, attributes?.['http.response.status_code']])).toEqual([['cml GET /labs/{id}', 503], ['cml GET /labs/{id}', 200]]);
    expect(server.received.map(({ headers }) => readTraceParent(String(headers['traceparent'])))).toEqual(tries.map(({ traceId, spanId }) => ({ traceId, spanId })));
    expect(tries[0]?.error).toContain('503');
    expect(new Set(tries.map(({ parentId }) => parentId))).toEqual(new Set([spans.find(({ name }) => name === 'pass')?.spanId]));
  });
});

test('calls that wait for each other stay in the traces of their sessions', async () => {
  const { host, tracer, spans } = await given([json({})], { concurrency: 1 });
  const sessions = Array.from({ length: 4 }, (_, n) => spanOf(`7d1f0c2a-3e9b-4f5d-8a6c-0b1c2d3e4f5${n}`, 'session'));
  await Promise.all(sessions.map((one) => tracer.within(one, { name: `pass of ${one.traceId}` }, () => host.send(call))));
  for (const one of sessions) {
    const pass = spans.find(({ name }) => name === `pass of ${one.traceId}`);
    expect(spans.filter(({ parentId }) => parentId === pass?.spanId).map(({ traceId }) => traceId)).toEqual([one.traceId]);
  }
});

test('a call that belongs to no session names none', async () => {
  const { server, host, spans } = await given([json({})]);
  await host.send(call);
  expect(server.received[0]?.headers['traceparent']).toBeUndefined();
  expect(spans).toEqual([]);
});
