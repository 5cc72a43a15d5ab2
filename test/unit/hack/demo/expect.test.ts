import { describe, expect, test } from '@jest/globals';
import { EXPECTED } from '../../../../hack/demo/candidates.ts';
import { isSettled, problems, type Outcome } from '../../../../hack/demo/expect.ts';
import type { Delivery } from '../../../../hack/demo/sink.ts';
import type { LabletSession, LabletSessionStatus } from '../../../../src/api/labletsession.ts';
import type { ScoreReport } from '../../../../src/api/scorereport.ts';

type Name = 'ada' | 'grace' | 'linus';

const UIDS: Record<Name | 'definition', string> = {
  ada: '11111111-1111-4111-8111-111111111111',
  grace: '22222222-2222-4222-8222-222222222222',
  linus: '33333333-3333-4333-8333-333333333333',
  definition: '44444444-4444-4444-8444-444444444444',
};
const GRADED = 'session.pending session.scheduled session.instantiating user_session.created session.ready session.running grading_session.created session.collecting session.grading score_report.created session.graded session.stopping session.stopped'.split(' ');
const NO_SHOW = 'session.pending session.scheduled session.instantiating user_session.created session.ready session.stopping session.stopped session.terminated'.split(' ');

const metadata = (name: string, uid: string) => ({ name, namespace: 'exams', uid, resourceVersion: '1', creationTimestamp: '2026-11-23T10:00:00Z' });

function session(name: Name, status: LabletSessionStatus): LabletSession {
  const spec: LabletSession['spec'] = { definitionRef: { name: 'campus-edge' }, owner: 'proctor', admission: 'Queue', desiredState: 'Active' };
  return { apiVersion: 'lablet.dev/v1alpha1', kind: 'LabletSession', metadata: metadata(name, UIDS[name]), spec, status };
}

function report(name: Name, score: number, passed: boolean): ScoreReport {
  const spec: ScoreReport['spec'] = {
    sessionRef: { namespace: 'exams', name, uid: UIDS[name] }, definition: { name: 'campus-edge', version: '1.2.0', sha256: 'a'.repeat(64) }, candidate: name, score, passed,
    submittedAt: '2026-11-23T10:30:00Z', gradingSessionId: UIDS[name], attempt: 1,
  };
  return { apiVersion: 'lablet.dev/v1alpha1', kind: 'ScoreReport', metadata: metadata(`${name}-1`, UIDS[name]), spec };
}

const graded = (name: Name, score: number, passed: boolean): LabletSession =>
  session(name, { phase: 'Archived', reason: 'Graded', scoreReport: { name: `${name}-1`, id: UIDS[name], score, passed, submittedAt: '2026-11-23T10:30:00Z' } });

function events(kind: string, uid: string, types: readonly string[]): Delivery[] {
  return types.map((type, index) => {
    const id = `${uid}/${index + 1}`;
    return { id, source: `/ccm/lablet-controller/${kind}/${uid}`, type: `ccm.lablet.${type}`, subject: 'exams/x', sequence: index + 1, data: {}, bytes: `${id} ${type}` };
  });
}

/** What an undisturbed demo leaves. */
const GOOD: Outcome = {
  sessions: [graded('ada', 87, true), graded('grace', 41, false), session('linus', { phase: 'Terminated', reason: 'NoShow' })],
  reports: [report('ada', 87, true), report('grace', 41, false)],
  labs: [],
  deliveries: [
    ...events('labletdefinitions', UIDS.definition, ['definition.created']),
    ...events('labletsessions', UIDS.ada, GRADED), ...events('labletsessions', UIDS.grace, GRADED), ...events('labletsessions', UIDS.linus, NO_SHOW),
  ],
  titlesOnHosts: [],
  imports: 3,
  portClashes: 0,
};

const withDeliveries = (change: (deliveries: Delivery[]) => Delivery[]): Outcome => ({ ...GOOD, deliveries: change([...GOOD.deliveries]) });
const ofAda = (type: string) => (delivery: Delivery): boolean => delivery.source.endsWith(UIDS.ada) && delivery.type.endsWith(type);

describe('the judgement on a demo', () => {
  test('finds nothing wrong with what is expected', () => {
    expect(problems(GOOD, EXPECTED)).toEqual([]);
  });

  test('takes an event that was sent again unchanged for what it is', () => {
    expect(problems(withDeliveries((all) => [...all, ...all.slice(3, 9)]), EXPECTED)).toEqual([]);
  });

  test.each<[what: string, outcome: Outcome, words: string]>([
    ['a session that is stuck', { ...GOOD, sessions: [graded('ada', 87, true), graded('grace', 41, false), session('linus', { phase: 'Ready', reason: 'LabConverged' })] }, 'session linus: phase is Ready instead of Terminated'],
    ['a session that ended for another reason', { ...GOOD, sessions: [...GOOD.sessions.slice(0, 2), session('linus', { phase: 'Terminated', reason: 'LabLost' })] }, 'session linus: reason is LabLost instead of NoShow'],
    ['a session that is missing', { ...GOOD, sessions: GOOD.sessions.slice(1) }, 'session ada: has no status'],
    ['a wrong score', { ...GOOD, reports: [report('ada', 86, true), report('grace', 41, false)] }, 'session ada: score is 86 (passed: true) instead of 87'],
    ['a grade turned round', { ...GOOD, reports: [report('ada', 87, true), report('grace', 41, true)] }, 'session grace: score is 41 (passed: true) instead of 41 (passed: false)'],
    ['two reports of one session', { ...GOOD, reports: [...GOOD.reports, report('ada', 87, true)] }, 'session ada: has 2 ScoreReports instead of 1'],
    ['a report of one who never came', { ...GOOD, reports: [...GOOD.reports, report('linus', 0, false)] }, 'session linus: has 1 ScoreReports instead of 0'],
    ['an event that is missing', withDeliveries((all) => all.filter((one) => !ofAda('session.ready')(one))), 'session ada: the sequence is 1, 2, 3, 4, 6'],
    ['events in another order', withDeliveries((all) => [...all.filter((one) => !ofAda('session.pending')(one)), ...all.filter(ofAda('session.pending'))]), 'session ada: the sequence is 2, 3'],
    ['an event of the wrong type', withDeliveries((all) => all.map((one) => (ofAda('session.graded')(one) ? { ...one, type: 'ccm.lablet.session.running' } : one))), 'session ada: the events were session.pending'],
    ['a re-send with other bytes', withDeliveries((all) => [...all, ...all.filter(ofAda('session.ready')).map((one) => ({ ...one, bytes: 'other' }))]), 'was sent again with other bytes'],
    ['one place in a sequence for two events', withDeliveries((all) => [...all, ...all.filter(ofAda('session.stopped')).map((one) => ({ ...one, id: 'another' }))]), 'was given to ccm.lablet.session.stopped and ccm.lablet.session.stopped'],
    ['events of something unknown', withDeliveries((all) => [...all, ...events('workers', 'unknown', ['worker.draining'])]), 'events came from /ccm/lablet-controller/workers/unknown'],
    ['a second lab for a session', { ...GOOD, imports: 4 }, '4 labs were imported for 3 sessions'],
    ['a lab left on the host', { ...GOOD, titlesOnHosts: ['campus-edge-0a1b2c3d-ffff'] }, 'lab campus-edge-0a1b2c3d-ffff is left on the CML host'],
    ['two labs on one port', { ...GOOD, portClashes: 1 }, '1 times two labs wanted the same port'],
  ])('names %s', (_what, outcome, words) => {
    expect(problems(outcome, EXPECTED)).toEqual(expect.arrayContaining([expect.stringContaining(words)]));
  });
});

describe('a session is settled', () => {
  test.each<[string, LabletSessionStatus, boolean]>([
    ['once it is archived', { phase: 'Archived' }, true],
    ['once it is terminated', { phase: 'Terminated', outbox: [] }, true],
    ['not while it is being torn down', { phase: 'Stopped' }, false],
    ['not while the sink lacks an event', { phase: 'Archived', outbox: [{ id: UIDS.ada, type: 'ccm.lablet.session.stopped', sequence: 13, time: '2026-11-23T10:30:00Z', data: '{}' }] }, false],
  ])('%s', (_when, status, settled) => {
    expect(isSettled(session('ada', status))).toBe(settled);
  });
});
