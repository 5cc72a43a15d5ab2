import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { barOf, isWithin, lanesOf, tracksOf } from '../../../src/web/page/layout.ts';
import { applied, fleetView, searched } from '../../../src/web/page/fleet-state.ts';
import { dayOf, duration, routeOf, storyHref } from '../../../src/web/page/text.ts';
import type { SessionRow } from '../../../src/web/page/messages.ts';

const HOUR = 3_600_000;
const row = (key: string, fields: Partial<SessionRow> = {}): SessionRow => ({ key, phase: 'Running', definition: 'campus-edge@1.2.0', spans: [['Pending', 0]], ...fields });

describe('a bar', () => {
  test('lies where the session held its worker, phase by phase, and remembers what was booked', () => {
    const bar = barOf(row('exams/a', { worker: 'w1', slot: [10, 20], spans: [['Pending', 0], ['Scheduled', 5], ['Ready', 8], ['Running', 11]] }), 15);
    expect(bar).toMatchObject({ from: 5, to: 20, slot: { from: 10, to: 20 }, parts: [{ phase: 'Scheduled', from: 5, to: 8 }, { phase: 'Ready', from: 8, to: 11 }, { phase: 'Running', from: 11, to: 15 }] });
  });

  test('of a session that was given another worker begins with the last one', () => {
    const { parts } = barOf(row('exams/a', { worker: 'w2', spans: [['Pending', 0], ['Scheduled', 5], ['Pending', 6], ['Scheduled', 7]] }), 9);
    expect(parts).toEqual([{ phase: 'Scheduled', from: 7, to: 9 }]);
  });

  test('ends when the worker is given back', () => {
    expect(barOf(row('exams/a', { worker: 'w1', phase: 'Archived', spans: [['Pending', 0], ['Scheduled', 5], ['Stopping', 6], ['Stopped', 8], ['Archived', 9]] }), 99)).toMatchObject({ from: 5, to: 8 });
  });

  test('of a session that waits for a worker as soon as possible grows until now; a booked one shows its slot', () => {
    expect(barOf(row('exams/a', { phase: 'Pending', spans: [['Pending', 3]] }), 9)).toMatchObject({ from: 3, to: 9 });
    expect(barOf(row('exams/a', { phase: 'Pending', slot: [50, 60], spans: [['Pending', 3]] }), 9)).toMatchObject({ from: 50, to: 60, parts: [] });
  });

  test('belongs to a day that it touches', () => {
    const booked = row('exams/a', { phase: 'Pending', slot: [50, 60] });
    expect([isWithin(booked, { from: 0, to: 50 }, 9), isWithin(booked, { from: 0, to: 51 }, 9), isWithin(booked, { from: 60, to: 99 }, 9), isWithin(booked, { from: 61, to: 99 }, 9)]).toEqual([false, true, true, false]);
  });
});

test('no two bars of a lane overlap, no bar is lost, and there are no more lanes than bars at one time', () => {
  const slot = fc.tuple(fc.nat(200), fc.integer({ min: 1, max: 50 })).map(([from, length]): [number, number] => [from, from + length]);
  fc.assert(fc.property(fc.array(slot, { maxLength: 60 }), (slots) => {
    const lanes = lanesOf(slots.map((times, index) => barOf(row(`exams/s${index}`, { slot: times, phase: 'Pending' }), 0)));
    expect(lanes.flat()).toHaveLength(slots.length);
    for (const lane of lanes) lane.slice(1).forEach((bar, index) => expect(bar.from).toBeGreaterThanOrEqual(lane[index]?.to ?? 0));
    const most = Math.max(0, ...slots.map(([at]) => slots.filter(([from, to]) => from <= at && at < to).length));
    expect(lanes.length).toBeLessThanOrEqual(most);
  }), { numRuns: 100 });
});

test('each worker has a track, w2 before w10, and what has none comes last', () => {
  const sessions = [row('exams/a', { worker: 'w10', spans: [['Running', 1]] }), row('exams/b', { phase: 'Pending', spans: [['Pending', 1]] }), row('exams/c', { worker: 'gone', spans: [['Running', 1]] })];
  const tracks = tracksOf(sessions, ['w10', 'w2'], { from: 0, to: 10 }, 5);
  expect(tracks.map(({ worker, lanes }) => [worker, lanes.length])).toEqual([['gone', 1], ['w2', 0], ['w10', 1], [undefined, 1]]);
});

describe('what the page knows', () => {
  const scope = { user: 'proctor', namespaces: '*', workers: true } as const;
  const worker = { name: 'w1', phase: 'Running', template: 'metal', capacity: [], alerts: [{ level: 'alarm', reason: 'Unreachable', message: '' }] } as const;
  const all = applied(undefined, { kind: 'all', now: 1000, scope, workers: [worker], sessions: [row('exams/a', { worker: 'w1' }), row('labs/b', { phase: 'Pending', note: 'No room.' }), row('exams/c', { phase: 'Archived', worker: 'w1' })] }, 400);
  if (!all) throw new Error('no fleet');

  test('follows the stream, with the clock of the controller', () => {
    const next = applied(all, { kind: 'change', now: 2000, sessions: [row('exams/a', { worker: 'w1', phase: 'Grading' })], workers: [], goneSessions: ['labs/b'], goneWorkers: ['w1'] }, 1500);
    expect([...(next?.sessions.values() ?? [])].map(({ key, phase }) => `${key} ${phase}`)).toEqual(['exams/a Grading', 'exams/c Archived']);
    expect([next?.workers.size, next?.ahead, all.sessions.size, all.ahead]).toEqual([0, 500, 3, 600]);
    expect(applied(all, { kind: 'alive', now: 3000 }, 3000)?.sessions).toBe(all.sessions);
    expect(applied(undefined, { kind: 'alive', now: 3000 }, 3000)).toBeUndefined();
  });

  test('is a fleet: what needs somebody, what waits, and live sessions on their workers', () => {
    const view = fleetView(all, '');
    expect(view.matters).toMatchObject([{ name: 'w1', reason: 'Unreachable' }]);
    expect(view.waiting).toMatchObject([{ session: 'labs/b', message: 'No room.' }]);
    expect(view.cards).toMatchObject([{ worker: { name: 'w1' }, sessions: [{ key: 'exams/a' }], more: 0 }]);
  });

  test('shows where sessions are to those who may not list Workers', () => {
    expect(fleetView({ ...all, workers: new Map(), scope: { ...scope, workers: false } }, '').cards).toMatchObject([{ worker: { name: 'w1', capacity: [] }, sessions: [{ key: 'exams/a' }] }]);
  });

  test('is searched by all words in any field', () => {
    expect(searched(all.sessions.values(), 'EXAMS archived').map(({ key }) => key)).toEqual(['exams/c']);
    expect(searched(all.sessions.values(), '  ')).toHaveLength(3);
  });
});

describe('addresses and times', () => {
  test('a hash leads to the session that it was made for, and an odd one to the fleet', () => {
    expect(routeOf(storyHref('exams/cand-0042'))).toEqual({ view: 'story', key: 'exams/cand-0042' });
    expect(['', '#/timeline', '#/session/x', '#/%E0%A4%A'].map(routeOf).map(({ view }) => view)).toEqual(['fleet', 'timeline', 'fleet', 'fleet']);
  });

  test.each([[200, '< 1 s'], [12_000, '12 s'], [200_000, '3 min 20 s'], [HOUR + 5 * 60_000, '1 h 05 min'], [-5, '< 1 s']])('%d ms are %s', (ms, text) => {
    expect(duration(ms)).toBe(text);
  });

  test('a day begins and ends at midnight of its reader', () => {
    const now = Date.parse('2026-11-23T12:00:00Z');
    const { from, to } = dayOf(now);
    expect([from <= now, now < to, new Date(from).getHours(), new Date(to).getHours()]).toEqual([true, true, 0, 0]);
  });
});
