import { PassThrough, Writable } from 'node:stream';
import { describe, expect, test } from '@jest/globals';
import { AccessError } from '../../../src/web/page-access.ts';
import { BusyError, LiveFleet } from '../../../src/web/page-live.ts';
import { eventually } from '../../support/eventually.ts';
import { newSession, newWorker, stored } from '../../support/objects.ts';
import { listCache } from '../../support/page-fleet.ts';
import type { LabletSession, LabletSessionStatus } from '../../../src/api/labletsession.ts';
import type { Worker } from '../../../src/api/worker.ts';
import type { LiveMessage, Scope } from '../../../src/web/page/messages.ts';
import type { LiveTuning, Review } from '../../../src/web/page-live.ts';

const NOW = new Date('2026-11-23T10:00:00Z');
const TODAY = { from: Date.parse('2026-11-23T00:00:00Z'), to: Date.parse('2026-11-24T00:00:00Z') };
const everything: Scope = { user: 'proctor', namespaces: '*', workers: true };
const nothing = (): never => {
  throw new AccessError(401, 'the token is not valid, or not any more');
};

const session = (name: string, namespace = 'exams', status?: LabletSessionStatus): LabletSession =>
  stored<LabletSession>('LabletSession', newSession(namespace, name, 'campus-edge'), status ?? { phase: 'Pending', history: [{ to: 'Pending', at: '2026-11-23T09:00:00Z', reason: 'Created', actor: 'x' }] });

function fleet(sessions: LabletSession[], tuning: LiveTuning = {}) {
  const caches = { sessions: listCache(sessions, ({ metadata }) => `${metadata.namespace ?? ''}/${metadata.name}`), workers: listCache([stored<Worker>('Worker', newWorker('w1', 'metal', 'https://w1'), { phase: 'Running' })], ({ metadata }) => metadata.name) };
  const live = new LiveFleet(caches, () => NOW, { gatherMs: 5, aliveMs: 20, ...tuning });
  const open = (review: Review, out = new PassThrough()) => {
    const lines: LiveMessage[] = [];
    let rest = '';
    const ended = live.admit('proctor', TODAY)(out, review);
    return {
      out, ended, lines,
      listen: () => out.on('data', (chunk: Buffer) => {
        const parts = (rest + chunk.toString()).split('\n');
        rest = parts.pop() ?? '';
        lines.push(...parts.map((line) => JSON.parse(line) as LiveMessage));
      }),
    };
  };
  return { caches, live, open };
}

const keysOf = (message: LiveMessage | undefined): string[] => (message && 'sessions' in message ? message.sessions.map(({ key }) => key) : []);
const changesIn = (lines: readonly LiveMessage[]) => lines.filter((line) => line.kind === 'change');

describe('a stream of the fleet', () => {
  test('begins with all of today, brings what changes, and is never silent', async () => {
    const booked = session('next-week', 'exams', { phase: 'Pending', timeslot: { start: '2026-11-30T09:00:00Z', end: '2026-11-30T10:00:00Z' } });
    const { caches, open, live } = fleet([session('ada'), booked]);
    const page = open(async () => everything);
    page.listen();
    await eventually(() => expect(page.lines[0]).toMatchObject({ kind: 'all', workers: [{ name: 'w1' }] }));
    expect(keysOf(page.lines[0])).toEqual(['exams/ada']);
    await eventually(() => expect(page.lines.some(({ kind }) => kind === 'alive')).toBe(true));
    for (const phase of ['Scheduled', 'Instantiating', 'Ready'] as const) caches.sessions.put(session('ada', 'exams', { phase, workerName: 'w1' }));
    await eventually(() => expect(changesIn(page.lines)).not.toHaveLength(0));
    // Three changes of one object are one line.
    expect(changesIn(page.lines)).toMatchObject([{ sessions: [{ key: 'exams/ada', phase: 'Ready' }], workers: [], goneSessions: [] }]);
    live.close();
    await page.ended;
  });

  test('has nothing of a namespace that its user may not read, and that of a new one as soon as there is something to read', async () => {
    const { caches, open, live } = fleet([session('ada'), session('secret', 'staff')]);
    const asked: (readonly string[])[] = [];
    const page = open(async (namespaces) => {
      asked.push(namespaces);
      return { user: 'proctor', namespaces: namespaces.filter((name) => name !== 'staff'), workers: false };
    });
    page.listen();
    await eventually(() => expect(page.lines[0]).toMatchObject({ kind: 'all', workers: [] }));
    caches.sessions.put(session('secret', 'staff', { phase: 'Running' }));
    caches.workers.put(stored<Worker>('Worker', newWorker('w1', 'metal', 'https://w1'), { phase: 'Draining' }));
    caches.sessions.put(session('grace', 'labs'));
    await eventually(() => expect(keysOf(page.lines.findLast(({ kind }) => kind === 'all'))).toEqual(['exams/ada', 'labs/grace']));
    expect(JSON.stringify(page.lines)).not.toMatch(/secret|Draining/);
    expect(asked).toEqual([['exams', 'staff'], ['exams', 'labs', 'staff']]);
    live.close();
    await page.ended;
  });

  test('ends within a review when the token is withdrawn, and says so', async () => {
    const { open } = fleet([session('ada')], { reviewMs: 30 });
    let isGood = true;
    const page = open(async () => (isGood ? everything : nothing()));
    page.listen();
    await eventually(() => expect(page.lines).not.toHaveLength(0));
    isGood = false;
    await page.ended;
    await eventually(() => expect(page.lines.at(-1)).toEqual({ kind: 'end', error: 'the token is not valid, or not any more' }));
    expect(page.out.writableEnded).toBe(true);
  });

  test('to a reader who takes nothing is cut, and holds no queue for it until then', async () => {
    const { caches, live } = fleet([session('ada')], { stalledMs: 100 });
    const written: string[] = [];
    // Takes the first line, and never says that it is ready for another.
    const out = new Writable({ highWaterMark: 1, write: (chunk: Buffer) => written.push(chunk.toString()) });
    const ended = live.admit('proctor', TODAY)(out, async () => everything);
    await eventually(() => expect(written).toHaveLength(1));
    for (let round = 0; round < 100; round++) caches.sessions.put(session('ada', 'exams', { phase: 'Running', message: `round ${round}` }));
    await ended;
    expect(out.destroyed).toBe(true);
    expect([written.length, out.writableLength]).toEqual([1, Buffer.byteLength(written[0] ?? '')]);
  });
});

describe('places for pages', () => {
  test('are limited for all and for each user, and free again when a page is closed', async () => {
    const { live, open } = fleet([], { pages: 3, pagesOfOne: 2 });
    const first = open(async () => everything);
    open(async () => everything);
    expect(() => live.admit('proctor', TODAY)).toThrow(BusyError);
    live.admit('another', TODAY);
    expect(() => live.admit('third', TODAY)).toThrow('3 pages are open');
    first.out.destroy();
    await first.ended;
    expect(() => live.admit('third', TODAY)).not.toThrow();
    live.close();
    expect(() => live.admit('fourth', TODAY)).toThrow('another one serves');
  });
});
