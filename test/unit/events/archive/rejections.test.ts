import { describe, expect, test } from '@jest/globals';
import { Rejections } from '../../../../src/events/archive/rejections.ts';
import { receiptOf } from '../../../../src/events/archive/receipt.ts';
import { eventOf } from '../../../../src/events/cloudevent.ts';
import { TermControl } from '../../../../src/runtime/runnable.ts';
import { silentLog } from '../../../../src/telemetry/log.ts';
import { createMetrics } from '../../../../src/telemetry/metrics.ts';
import { FakeClock } from '../../../support/fake-clock.ts';
import type { ArchiveStore, Segment } from '../../../../src/events/archive/store.ts';

const event = (attributes: Record<string, string> = {}, value: unknown = { session_id: 'x' }) =>
  eventOf(new Map(Object.entries({ specversion: '1.0', id: 'e1', source: '/lds', type: 'lds.session.started', ...attributes })), { kind: 'json', value });

function start(append: (segment: Segment) => void) {
  const metrics = createMetrics();
  const clock = new FakeClock();
  const store = { name: 'test', append: async (_stream: string, segment: Segment) => append(segment) } as unknown as ArchiveStore;
  const rejections = new Rejections({ store, clock, log: silentLog, metrics });
  const term = new TermControl();
  const done = rejections.run(term);
  const counted = async (result: string): Promise<number> => (await metrics.archiveRecords.get()).values.find(({ labels }) => 'result' in labels && labels.result === result)?.value ?? 0;
  return { rejections, clock, counted, end: async () => { term.close(new Error('end')); await done; } };
}

describe('what was refused', () => {
  test('is kept with who sent it, why it was refused and the hash of it all, several in one segment, the last ones when the program ends', async () => {
    const segments: Segment[] = [];
    const { rejections, clock, counted, end } = start((segment) => segments.push(segment));
    rejections.note({ status: 403, result: 'forbidden', message: 'source /x is not allowed', receipt: receiptOf(event({ subject: 's'.repeat(2000) })) });
    rejections.note({ status: 400, result: 'invalid', message: 'no JSON' });
    await clock.advance(10_000);
    const lines = segments.flatMap(({ body }) => body.trimEnd().split('\n').map((line) => JSON.parse(line) as object));
    expect(segments).toHaveLength(1);
    expect(lines).toMatchObject([
      { receivedAt: '2026-11-23T10:00:00.000Z', status: 403, result: 'forbidden', event: { id: 'e1', source: '/lds', subject: 's'.repeat(512), sha256: receiptOf(event({ subject: 's'.repeat(2000) })).sha256 } },
      { status: 400, result: 'invalid', message: 'no JSON' },
    ]);
    rejections.note({ status: 400, result: 'invalid' });
    await end();
    expect(segments).toHaveLength(2);
    expect(await counted('rejected')).toBe(3);
  });

  test('is lost and counted where the archive is away or a flood comes, and never waited for', async () => {
    const { rejections, clock, counted, end } = start(() => { throw new Error('away'); });
    for (let n = 0; n < 1200; n++) rejections.note({ status: 400, result: 'invalid' });
    await clock.advance(10_000);
    expect(await counted('rejected_lost')).toBe(1200);
    await end();
  });
});

describe('the hash of a received event', () => {
  test('is that of what it says, whatever the order of its keys, and differs with every attribute and with the data', () => {
    const base = receiptOf(event({ subject: 'a' }, { a: 1, b: 2 })).sha256;
    expect(receiptOf(event({ subject: 'a' }, { b: 2, a: 1 })).sha256).toBe(base);
    const others = [event({ subject: 'b' }, { a: 1, b: 2 }), event({ subject: 'a' }, { a: 1, b: 3 }), event({ subject: 'a', extra: 'x' }, { a: 1, b: 2 }), event({ subject: 'a', id: 'e2' }, { a: 1, b: 2 })];
    expect(new Set([base, ...others.map((other) => receiptOf(other).sha256)]).size).toBe(5);
  });
});
