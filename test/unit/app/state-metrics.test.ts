import { describe, expect, test } from '@jest/globals';
import { stateMetrics } from '../../../src/app/state-metrics.ts';
import { setCondition } from '../../../src/core/conditions.ts';
import { TIMEOUTS } from '../../../src/core/timeouts.ts';
import { createMetrics } from '../../../src/telemetry/metrics.ts';
import { event, MINUTE, SECOND, sessionAt } from '../../support/builders.ts';
import { staticWorker } from '../../support/worker-world.ts';
import type { LabletSession } from '../../../src/api/labletsession.ts';
import type { Worker } from '../../../src/api/worker.ts';

/** What is scraped while these objects are stored, which may change between two scrapes. */
function scraping(stored: { sessions?: LabletSession[]; workers?: Worker[]; now?: Date }) {
  const metrics = createMetrics();
  stateMetrics({ metrics, clock: { now: () => stored.now ?? new Date() }, timeouts: TIMEOUTS, caches: { sessions: { list: () => stored.sessions ?? [] }, workers: { list: () => stored.workers ?? [] }, definitions: { list: () => [] } } });
  return async (name: string): Promise<string[]> => (await metrics.scrape()).split('\n').filter((line) => /^[ {]/.test(line.replace(name, ''))).map((line) => line.slice(name.length)).filter((line) => !line.endsWith(' 0'));
}

const withCondition = (session: LabletSession, type: string, reason: string): LabletSession => {
  const status = structuredClone(session.status ?? {});
  setCondition(status, { type, status: 'False', reason }, new Date());
  return { ...session, status };
};

describe('the gauges of what is stored', () => {
  test('fall back to 0 when nothing is left in a phase', async () => {
    const stored = { sessions: [sessionAt('Running').session, sessionAt('Ready').session] };
    const scrape = scraping(stored);
    expect(await scrape('lablet_sessions')).toEqual(['{phase="Ready"} 1', '{phase="Running"} 1']);
    stored.sessions.pop();
    expect(await scrape('lablet_sessions')).toEqual(['{phase="Running"} 1']);
  });

  test('count a session as overdue a minute after its phase should have ended, unless somebody has paused it', async () => {
    const story = sessionAt('Grading').requestGrade();
    const stored = { sessions: [story.session], now: new Date(story.now.getTime() + 31 * MINUTE - SECOND) };
    const scrape = scraping(stored);
    expect(await scrape('lablet_sessions_overdue')).toEqual([]);
    stored.now = new Date(stored.now.getTime() + 2 * SECOND);
    expect(await scrape('lablet_sessions_overdue')).toEqual(['{phase="Grading"} 1']);
    stored.sessions = [story.annotate({ 'lablet.dev/paused': 'exam-board' }).session];
    expect(await scrape('lablet_sessions_overdue')).toEqual([]);
  });

  test('say what sessions wait for, and why workers take none, as long as it is so', async () => {
    const stored = { sessions: [withCondition(sessionAt('Pending').session, 'Scheduled', 'NoPorts')], workers: [staticWorker({ phase: 'Running', conditions: [{ type: 'Schedulable', status: 'False', reason: 'Unreachable', lastTransitionTime: '2026-11-23T10:00:00Z' }] })] };
    const scrape = scraping(stored);
    expect(await scrape('lablet_sessions_waiting')).toEqual(['{reason="NoPorts"} 1']);
    expect(await scrape('lablet_workers_unusable')).toEqual(['{reason="Unreachable"} 1']);
    stored.sessions = [sessionAt('Running').session];
    stored.workers = [];
    expect(await scrape('lablet_sessions_waiting')).toEqual([]);
    expect(await scrape('lablet_workers_unusable')).toEqual([]);
  });

  test('tell how long the oldest event waits for a sink, and which objects are held up by a refusal', async () => {
    const story = sessionAt('Ready').at('2026-11-23T10:00:30Z');
    story.consume(event('lds.session.started'));
    const [first] = story.status.outbox ?? [];
    const stored = { sessions: [withCondition(story.session, 'EventsDelivered', 'SinkRefuses')], now: new Date(Date.parse(first?.time ?? '') + 90 * SECOND) };
    const scrape = scraping(stored);
    expect(await scrape('lablet_outbox_oldest_seconds')).toEqual([' 90']);
    expect(await scrape('lablet_outboxes_parked')).toEqual([' 1']);
    expect(await scrape('lablet_archive_oldest_seconds')).toEqual([]);
    stored.sessions = [{ ...story.session, status: { ...story.status, outbox: [] } }];
    expect(await scrape('lablet_outbox_oldest_seconds')).toEqual([]);
    expect(await scrape('lablet_outboxes_parked')).toEqual([]);
  });
});
