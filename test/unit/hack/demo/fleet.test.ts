import { describe, expect, test } from '@jest/globals';
import { fleetProblems, type FleetOutcome } from '../../../../hack/demo/fleet-expect.ts';
import { bookings, isNoShow, scoreOf } from '../../../../hack/demo/fleet-plan.ts';
import { costOf, paidHours } from '../../../../hack/demo/fleet-show.ts';
import { stored } from '../../../support/objects.ts';
import type { Delivery } from '../../../../hack/demo/sink.ts';
import type { LabletSession, LabletSessionStatus } from '../../../../src/api/labletsession.ts';
import type { Worker, WorkerPhase, WorkerStatus } from '../../../../src/api/worker.ts';

/** `seconds` after ten o'clock; each second is a minute of the domain. */
const at = (seconds: number): string => new Date(Date.parse('2026-11-23T10:00:00Z') + seconds * 1_000).toISOString();
const entry = (from: string, to: string, row: string, seconds = 0) => ({ from, to, row, at: at(seconds), reason: 'x', actor: 'controller' });

function session(name: string, change: LabletSessionStatus = {}): LabletSession {
  const graded: LabletSessionStatus = { phase: 'Archived', reason: 'Graded', scoreReport: { name, id: '11111111-1111-4111-8111-111111111111', score: scoreOf(name), passed: true, submittedAt: at(0) } };
  const spec: LabletSession['spec'] = { definitionRef: { name: 'campus-edge' }, owner: 'proctor-7', admission: 'Queue', desiredState: 'Active' };
  return stored<LabletSession>('LabletSession', { metadata: { name, namespace: 'exams' }, spec }, { workerName: 'large-1', ...(isNoShow(name) ? { phase: 'Terminated', reason: 'NoShow' } : graded), ...change });
}

function worker(name: string, phase: WorkerPhase, history: WorkerStatus['history'] = []): Worker {
  const spec: Worker['spec'] = { templateName: name.replace(/-\d+$/, ''), provider: 'ec2', desiredState: 'Running' };
  return stored<Worker>('Worker', { metadata: { name }, spec }, { phase, instanceId: `i-${name}`, history });
}

const scaling: Delivery[] = ['ccm.worker.scaling.up', 'ccm.worker.draining', 'ccm.worker.scaling.down'].map((type, index) => ({ id: type, source: '/workers/1', type, subject: 'metal-1', sequence: index + 1, data: {}, bytes: type }));
const names = (bookings(new Date()) as { metadata: { name: string } }[]).map(({ metadata }) => metadata.name);

function outcome(change: Partial<FleetOutcome> = {}, sessions: Record<string, LabletSessionStatus> = {}): FleetOutcome {
  return {
    sessions: names.map((name) => session(name, sessions[name])),
    workers: [worker('metal-1', 'Stopped'), worker('large-1', 'Terminated'), worker('large-2', 'Stopped')],
    machines: [{ id: 'i-metal-1', state: 'stopped' }, { id: 'i-large-1', state: 'terminated' }, { id: 'i-large-2', state: 'stopped' }],
    deliveries: scaling, peak: 12, drained: { worker: 'metal-1', sessions: ['c-01'] }, dead: { worker: 'large-1', sessions: ['c-02', 'c-03'] }, ...change,
  };
}

describe('what the fleet scene must have led to', () => {
  test('sixty sessions that ended as planned, and nothing left running, is as expected', () => {
    expect(fleetProblems(outcome())).toEqual([]);
  });

  test('an exam that was under way may be lost with its host, and with no other', () => {
    const lost: LabletSessionStatus = { phase: 'Terminated', reason: 'WorkerLost', history: [entry('Running', 'Terminated', 'T21')] };
    expect(fleetProblems(outcome({}, { 'c-02': lost }))).toEqual([]);
    expect(fleetProblems(outcome({}, { 'c-04': lost }))).toEqual([expect.stringContaining('session c-04: is Terminated (WorkerLost')]);
    expect(fleetProblems(outcome({}, { 'c-02': { ...lost, history: [entry('Scheduled', 'Terminated', 'T5')] } }))).toEqual([expect.stringContaining('session c-02')]);
  });

  test('a session moves only if something happened to its worker', () => {
    expect(fleetProblems(outcome({}, { 'c-01': { reschedules: 1 }, 'c-03': { reschedules: 1 } }))).toEqual([]);
    expect(fleetProblems(outcome({}, { 'c-09': { reschedules: 1 } }))).toEqual(['session c-09: was moved, and nothing had happened to its worker']);
  });

  test('an instance that still runs, one that nobody knows, and more workers than allowed are named', () => {
    const machines = [{ id: 'i-metal-1', state: 'running' }, { id: 'i-stray', state: 'stopped' }];
    expect(fleetProblems(outcome({ machines, peak: 13 }))).toEqual([
      'there were 13 workers at one time, and 12 are allowed', 'instance i-metal-1 is still running, and nobody needs it', 'instance i-stray belongs to no worker',
    ]);
  });

  test('a gap in the events of a worker is named', () => {
    expect(fleetProblems(outcome({ deliveries: scaling.map((delivery) => ({ ...delivery, sequence: delivery.sequence + 1 })) }))).toEqual([expect.stringContaining('without a gap')]);
  });
});

describe('the cost of a fleet', () => {
  test('is the time that each machine is up, twice if it was up twice, at the price of its template', () => {
    const history = [entry('Pending', 'Provisioning', 'W12', 0), entry('Running', 'Draining', 'W3', 20), entry('Stopping', 'Stopped', 'W6', 30), entry('Stopped', 'Starting', 'W8', 90)];
    const twice = worker('metal-1', 'Starting', history);
    expect(paidHours(twice, new Date(at(120)))).toBe(1);
    expect(costOf([twice, worker('large-1', 'Pending')], new Date(at(120)))).toBeCloseTo(3.9641);
  });
});
