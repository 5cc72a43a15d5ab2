import { describe, expect, test } from '@jest/globals';
import { SESSION_PHASES } from '../../../src/api/labletsession.ts';
import { sessionRow, storyOf, workerRow } from '../../../src/web/page-model.ts';
import { event, sessionAt } from '../../support/builders.ts';
import { newWorker, stored } from '../../support/objects.ts';
import type { Worker, WorkerStatus } from '../../../src/api/worker.ts';

const worker = (status?: WorkerStatus): Worker => stored<Worker>('Worker', newWorker('w1', 'metal', 'https://w1.example.org'), status);
const said = (condition: string, reason: string, message: string) => ({ type: condition, status: 'False' as const, reason, message, lastTransitionTime: '2026-11-23T10:00:00Z' });

describe('the row of a session', () => {
  test.each(SESSION_PHASES)('in %s has every phase with the time at which it began', (phase) => {
    const { session } = sessionAt(phase);
    const row = sessionRow(session);
    expect(row).toMatchObject({ key: 'exams/cand-0042', phase, slot: [Date.parse('2026-11-23T10:00:00Z'), Date.parse('2026-11-23T11:30:00Z')] });
    expect(row.spans.map(([name]) => name)).toEqual(SESSION_PHASES.slice(0, SESSION_PHASES.indexOf(phase) + 1));
    expect(row.spans.every(([, from], index) => from >= (row.spans[index - 1]?.[1] ?? 0))).toBe(true);
    expect(row.worker).toBe(phase === 'Pending' ? undefined : 'w-metal-01');
  });

  test('of 1,000 sessions takes less than a megabyte', () => {
    expect(JSON.stringify(sessionRow(sessionAt('Archived').session)).length).toBeLessThan(1000);
  });

  test('says why it waits, and raises an alarm only where a person can help', () => {
    const { session } = sessionAt('Pending');
    const waits = { ...session, status: { ...session.status, conditions: [said('Scheduled', 'InsufficientCapacity', 'No worker has 8 CPUs free.')] } };
    expect(sessionRow(waits)).toMatchObject({ note: 'No worker has 8 CPUs free.' });
    expect(sessionRow(waits)).not.toHaveProperty('alarm');
    const held = sessionAt('Grading', { definition: { grading: { rulesUri: 's3://rules/grade.xml', onFailure: 'Hold' } } }).requestGrade();
    held.consume(event('grading.session.failed', { error: 'no rubric' }));
    held.judge();
    expect(sessionRow(held.session)).toMatchObject({ phase: 'Grading', alarm: true, note: expect.stringContaining('lablet.dev/regrade') });
    expect(sessionRow(sessionAt('Running').annotate({ 'lablet.dev/paused': '' }).session)).toMatchObject({ alarm: true });
  });

  test('that the controller has not seen yet is Pending since its creation', () => {
    const { session } = sessionAt('Pending');
    Reflect.deleteProperty(session, 'status');
    expect(sessionRow(session)).toMatchObject({ phase: 'Pending', definition: 'campus-edge', spans: [['Pending', Date.parse(session.metadata.creationTimestamp)]] });
  });
});

describe('the story of a session', () => {
  test('has its phases with their lengths, its conditions, steps and result', () => {
    const story = storyOf(sessionAt('Archived').session, new Date('2026-11-23T12:00:00Z'));
    expect(story.chapters.map(({ phase, row }) => [phase, row])).toEqual([
      ['Pending', 'T0'], ['Scheduled', 'T1'], ['Instantiating', 'T3'], ['Ready', 'T6'], ['Running', 'T9'], ['Collecting', 'T11'], ['Grading', 'T13'], ['Stopping', 'T15'], ['Stopped', 'T17'], ['Archived', 'T18'],
    ]);
    expect(story.chapters.slice(0, -1).every(({ to }, index) => to === story.chapters[index + 1]?.from)).toBe(true);
    expect(story.chapters.at(-1)).not.toHaveProperty('to');
    expect(story).toMatchObject({ owner: 'proctor-7', result: { score: 71, maxScore: 100, passed: true }, access: { state: 'Ended' } });
    expect(story.conditions.map(({ type, status }) => `${type}=${status}`)).toEqual(expect.arrayContaining(['Ready=False', 'Graded=True']));
    expect(storyOf(sessionAt('Instantiating').failStep('lab_start', 'CML says 503').session, new Date()).pipeline?.steps).toContainEqual(expect.objectContaining({ name: 'lab_start', state: 'Failed', error: 'CML says 503' }));
  });

  test('names no Secret, no launch URL and no device, whatever stands in the status', () => {
    const { session } = sessionAt('Running');
    const { status } = session;
    if (!status?.userSession) throw new Error('no user session');
    status.userSession = { ...status.userSession, loginUrlSecretRef: { name: 'planted-secret' }, loginUrlSha256: 'aa'.repeat(32), devices: [{ name: 'r1', protocol: 'ssh', host: 'planted-host', port: 22, username: 'planted-user' }] };
    status.outbox = [{ id: 'e1', type: 'ccm.lablet.session.ready', sequence: 1, time: '2026-11-23T10:00:00Z', data: '{"url":"https://planted-url"}', secretRef: { name: 'planted-secret', key: 'login_url', field: 'url' } }];
    status.inbox = [{ source: 'lds', id: 'e2', type: 'lds.session.ended', time: '2026-11-23T10:00:00Z', result: 'Deferred', data: '{"token":"planted-data"}' }];
    const text = JSON.stringify([storyOf(session, new Date()), sessionRow(session)]);
    expect(text).not.toMatch(/planted|aaaa/);
    expect(JSON.parse(text)).toMatchObject([{ undelivered: 1 }, {}]);
  });
});

describe('the row of a worker', () => {
  const amounts = { cpu: '16', memory: '64Gi', storage: '500Gi', nodes: 200, ports: 6000 };

  test('says how much is in use of what it offers', () => {
    const { capacity } = workerRow(worker({ phase: 'Running', capacity: { declared: amounts, allocated: { ...amounts, cpu: '1500m', memory: '6Gi' }, available: amounts } }));
    expect(capacity.slice(0, 2)).toEqual([{ name: 'cpu', used: 1.5, total: 16, text: '1500m of 16' }, { name: 'memory', used: 6 * 2 ** 30, total: 64 * 2 ** 30, text: '6Gi of 64Gi' }]);
  });

  test('leaves out a number that somebody has spoilt by hand', () => {
    expect(workerRow(worker({ capacity: { declared: { ...amounts, cpu: 'many' }, allocated: amounts, available: amounts } })).capacity.map(({ name }) => name)).toEqual(['memory', 'storage', 'nodes', 'ports']);
  });

  test.each<[string, WorkerStatus | undefined, string[]]>([
    ['that is well has no alert', { phase: 'Running', conditions: [{ ...said('CMLReady', 'Ready', ''), status: 'True' }] }, []],
    ['that nobody has looked at yet has none', undefined, []],
    ['that does not answer', { phase: 'Running', unreachableSince: '2026-11-23T10:00:00Z', conditions: [said('CMLReady', 'Unreachable', 'connect ECONNREFUSED'), said('Schedulable', 'Unreachable', '')] }, ['alarm Unreachable']],
    ['that has no licence', { phase: 'Running', conditions: [said('Licensed', 'NotLicensed', 'Register it.')] }, ['alarm NotLicensed']],
    ['that is still starting', { phase: 'Starting', conditions: [said('CMLReady', 'Booting', '')] }, ['notice Booting']],
    ['that was stopped is not missed', { phase: 'Stopped', conditions: [said('CMLReady', 'InstanceNotRunning', '')] }, []],
    ['that drains', { phase: 'Draining', reason: 'Draining', message: '2 session(s) are left.' }, ['notice Draining']],
    ['that could not be made', { phase: 'Failed', message: 'No image matches.' }, ['alarm Failed']],
    ['that takes no sessions for another reason', { phase: 'Running', conditions: [said('Schedulable', 'DemandUnknown', '')] }, ['notice DemandUnknown']],
  ])('%s', (_, status, expected) => {
    expect(workerRow(worker(status)).alerts.map(({ level, reason }) => `${level} ${reason}`)).toEqual(expected);
  });
});
