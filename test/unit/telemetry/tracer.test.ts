import { describe, expect, test } from '@jest/globals';
import { eventSpan, readTraceParent, spanOf, traceIdOf, traceParent } from '../../../src/telemetry/trace-context.ts';
import { noTracer, RecordingTracer } from '../../../src/telemetry/tracer.ts';
import type { FinishedSpan } from '../../../src/telemetry/tracer.ts';

const UID = '7d1f0c2a-3e9b-4f5d-8a6c-0b1c2d3e4f50';
const parent = spanOf(UID, 'session');

function recording(isSampled = () => true) {
  const spans: FinishedSpan[] = [];
  const tracer = new RecordingTracer({ isSampled, record: (span) => spans.push(span), close: async () => undefined });
  const named = (name: string): FinishedSpan | undefined => spans.find((span) => span.name === name);
  return { tracer, spans, named };
}

describe('the trace of an object', () => {
  test('has the uid as its id, and the same spans whoever names them', () => {
    expect(traceIdOf(UID)).toBe('7d1f0c2a3e9b4f5d8a6c0b1c2d3e4f50');
    expect(spanOf(UID, 'phase', 'Ready')).toEqual(spanOf(UID, 'phase', 'Ready'));
    expect(spanOf(UID, 'phase', 'Ready')).not.toEqual(spanOf(UID, 'phase', 'Running'));
  });

  test('is found again in the header that names it', () => {
    const span = eventSpan(UID, 'A5F0C2A1-1b0f-5e0c-9d57-6b6f1f0c2a11');
    expect(readTraceParent(traceParent(span))).toEqual({ traceId: traceIdOf(UID), spanId: 'a5f0c2a11b0f5e0c' });
  });

  test.each([undefined, '', '00-7d1f-a5f0-01', `00-${'0'.repeat(32)}-${'a'.repeat(16)}-01`, `00-${'a'.repeat(32)}-${'0'.repeat(16)}-01`])('is not that of %p', (text) => {
    expect(readTraceParent(text)).toBeUndefined();
  });
});

describe('spans', () => {
  test('lie in each other as the work does, also where it waits in between and goes on beside other work', async () => {
    const { tracer, named } = recording();
    const step = (name: string) => tracer.span({ name }, async () => {
      await new Promise((resolve) => setImmediate(resolve));
      await tracer.span({ name: `call of ${name}`, kind: 'client' }, async () => undefined);
    });
    await tracer.within(parent, { name: 'pass' }, () => Promise.all([step('first'), step('second')]));
    expect(named('pass')?.parentId).toBe(parent.spanId);
    for (const name of ['first', 'second']) {
      expect(named(name)?.parentId).toBe(named('pass')?.spanId);
      expect(named(`call of ${name}`)?.parentId).toBe(named(name)?.spanId);
      expect(named(name)?.end).toBeGreaterThanOrEqual(named(name)?.start ?? Infinity);
    }
  });

  test('of a pass that did nothing are none, and a transition is something', async () => {
    const { tracer, spans } = recording();
    await tracer.within(parent, { name: 'idle', onlyIfUsed: true }, async () => undefined);
    expect(spans).toEqual([]);
    await tracer.within(parent, { name: 'pass', onlyIfUsed: true }, async () => tracer.record({ ...spanOf(UID, 'phase'), name: 'phase', start: 1, end: 2 }));
    expect(spans.map(({ name }) => name)).toEqual(['phase', 'pass']);
  });

  test('outside of any trace are none: the work is done all the same', async () => {
    const { tracer, spans } = recording();
    await expect(tracer.span({ name: 'probe' }, async ({ traceParent: header }) => header)).resolves.toBeUndefined();
    expect(spans).toEqual([]);
  });

  test('of what failed say why, without the credential in it, and the failure goes on', async () => {
    const { tracer, named } = recording();
    await expect(tracer.within(parent, { name: 'pass' }, async () => Promise.reject(new Error('refused: Bearer Tr0ub4dor-and-3')))).rejects.toThrow('refused');
    expect(named('pass')?.error).toBe('refused: Bearer [redacted]');
  });

  test('of a trace that is not sampled are none, whoever asks', async () => {
    const { tracer, spans } = recording(() => false);
    await tracer.within(parent, { name: 'pass' }, () => tracer.span({ name: 'call' }, async () => undefined));
    tracer.record({ ...parent, name: 'session', start: 1, end: 2 });
    expect(spans).toEqual([]);
  });
});

test('while traces are off there is no header, and the work is done', async () => {
  const header = await noTracer.within(parent, { name: 'pass' }, () => noTracer.span({ name: 'call' }, async (span) => span.traceParent));
  expect(header).toBeUndefined();
});
