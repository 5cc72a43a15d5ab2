import { describe, expect, test } from '@jest/globals';
import { downRules, scaleDown } from '../../../src/core/scaling-down.ts';
import { learn } from '../../../src/core/scaling-learn.ts';
import { scaleUp } from '../../../src/core/scaling-up.ts';
import { HOUR, MINUTE } from '../../support/builders.ts';
import { newTemplate } from '../../support/objects.ts';
import type { Worker, WorkerTemplate } from '../../../src/api/worker.ts';
import type { Fleet, Need, TemplateView, WorkerView } from '../../../src/core/scaling.ts';
import type { Demand, WorkerSnapshot } from '../../../src/core/scheduling.ts';

const NOW = new Date('2026-11-23T10:00:00Z');
const at = (minutes: number): Date => new Date(NOW.getTime() + minutes * MINUTE);

const snapshot = (name: string, cpu = 16): WorkerSnapshot => ({
  name, phase: 'Running', schedulable: true, draining: false, provider: 'ec2', license: 'Enterprise', nodeLimit: 500, declared: { cpu, memory: 100, storage: 100 }, used: { cpu: 0, memory: 0, storage: 0, nodes: 0 },
  sessions: 0, portRange: { start: 2000, end: 7999 }, takenPorts: new Set(), imageName: 'cml-2.9', cmlVersion: '2.9.1', nodeDefinitions: undefined, nestedVirtualization: true, reusableLabs: [],
});
const template = (fields: Partial<TemplateView> = {}): TemplateView => ({
  name: 'metal', canLaunch: true, fresh: snapshot('a new worker'), costPerHour: 4, minWorkers: 0, maxWorkers: 10, leadTime: 20 * MINUTE, idleTimeout: HOUR, notBefore: undefined, quarantined: false, ...fields,
});
const worker = (name: string, fields: Partial<WorkerView> = {}): WorkerView => ({
  standing: 'running', template: 'metal', stoppable: true, snapshot: snapshot(name), holds: [], bound: 0, launchedAt: undefined, lastActivityAt: at(-120), lastResumedAt: undefined, keep: false, ...fields,
});
const demand = (cpu: number): Demand => ({
  definition: 'exams/d@1.0.0', resources: { cpu, memory: 1, storage: 1 }, nodeCount: 1, nodeDefinitions: [], portCount: 1, images: [], licenseAffinity: [], nestedVirtualization: false, labReuse: false,
});
/** A session that starts so many minutes from now. */
const need = (name: string, starts: number, cpu = 16): Need => ({ key: name, session: `exams/${name}`, demand: demand(cpu), from: at(starts - 15), until: at(starts + 70), limit: at(starts + 110), gate: at(starts - 35) });
const fleet = (fields: Partial<Fleet>): Fleet => ({ now: NOW, needs: [], workers: [], templates: [template()], maxWorkers: 100, calendar: undefined, ...fields });
const actions = (given: Fleet) => scaleUp(given).decisions.map((decision) => ({ ...decision, message: undefined, sessions: decision.sessions.length }));
const reasons = (given: Fleet) => scaleUp(given).decisions.map(({ action, reason }) => `${action} ${reason}`);

describe('scale-up', () => {
  test('a booking calls for a worker a lead time and a quarter before its lab is started, and not sooner', () => {
    const given = (starts: number) => fleet({ needs: [need('ada', starts)] });
    expect(scaleUp(given(41))).toEqual({ decisions: [], wakeAt: at(1) });
    expect(reasons(given(40))).toEqual(['launch NoCapacity']);
  });

  test('one worker is made for as many sessions as it takes', () => {
    const needs = ['ada', 'bob', 'cyd'].map((name) => need(name, 30, 8));
    expect(actions(fleet({ needs }))).toEqual([
      { action: 'launch', template: 'metal', reason: 'NoCapacity', sessions: 2, message: undefined }, { action: 'launch', template: 'metal', reason: 'NoCapacity', sessions: 1, message: undefined },
    ]);
  });

  test('a worker that is on its way is counted on until it takes longer than boots do', () => {
    const given = (launched: number) => fleet({ needs: [need('ada', 20)], workers: [worker('metal-1', { standing: 'coming', launchedAt: at(launched) })] });
    expect(reasons(given(-20))).toEqual([]);
    expect(reasons(given(-21))).toEqual(['launch NoCapacity']);
  });

  test('a session may take what another one gives back before it', () => {
    const given = (ends: number) => fleet({ needs: [need('ada', 30)], workers: [worker('metal-1', { snapshot: { ...snapshot('metal-1'), used: { cpu: 16, memory: 1, storage: 1, nodes: 1 } }, holds: [{ demand: demand(16), until: at(ends) }], bound: 1 })] });
    expect(reasons(given(15))).toEqual([]);
    expect(reasons(given(16))).toEqual(['launch NoCapacity']);
  });

  test('a stopped worker comes before a drain that is cancelled, and that before a new worker', () => {
    const stopped = worker('metal-1', { standing: 'stopped' });
    const draining = worker('metal-2', { standing: 'draining' });
    const needs = [need('ada', 30), need('bob', 30), need('cyd', 30)];
    expect(scaleUp(fleet({ needs, workers: [draining, stopped] })).decisions.map((decision) => [decision.action, 'worker' in decision ? decision.worker : undefined])).toEqual([['resume', 'metal-1'], ['keep', 'metal-2'], ['launch', undefined]]);
  });

  test('the dearer template is taken where it is cheaper for all that wait', () => {
    const templates = [template({ name: 'small', costPerHour: 4 }), template({ name: 'large', costPerHour: 6, fresh: snapshot('a new worker', 32) })];
    const launched = (count: number) => scaleUp(fleet({ templates, needs: Array.from({ length: count }, (_, index) => need(`s-${index}`, 30, 8)) })).decisions.map((decision) => 'template' in decision && decision.template);
    expect([launched(1), launched(2), launched(4)]).toEqual([['small'], ['small'], ['large']]);
  });

  test('each limit, and each pause after failures, says why nothing is made', () => {
    const needs = [need('ada', 30)];
    expect(reasons(fleet({ needs, templates: [template({ maxWorkers: 0 })] }))).toEqual(['refuse TemplateLimit']);
    expect(reasons(fleet({ needs, maxWorkers: 0 }))).toEqual(['refuse InstallationLimit']);
    expect(reasons(fleet({ needs, templates: [template({ notBefore: at(1) })] }))).toEqual(['refuse BackingOff']);
    expect(reasons(fleet({ needs, templates: [template({ notBefore: at(1), quarantined: true })] }))).toEqual(['refuse Quarantined']);
    expect(reasons(fleet({ needs: [need('ada', 30, 17)] }))).toEqual(['refuse Unschedulable']);
    expect(reasons(fleet({ needs, templates: [template({ canLaunch: false })] }))).toEqual(['refuse Unschedulable']);
  });
});

describe('scale-down', () => {
  const told = (workers: readonly WorkerView[], fields: Partial<Parameters<typeof scaleDown>[0]> = {}) =>
    scaleDown({ ...fleet({ workers }), rules: downRules(1), lastDrainAt: undefined, scaledUp: false, ...fields }).decisions.map(({ worker: name, reason }) => `${name} ${reason}`);

  test('each guard keeps a worker, the first of them is told', () => {
    expect(told([worker('w')])).toEqual(['w Idle']);
    expect(told([worker('w')], { scaledUp: true })).toEqual(['w JustActed']);
    expect(told([worker('w', { bound: 1 })])).toEqual(['w NotIdle']);
    expect(told([worker('w', { lastActivityAt: at(-59) })])).toEqual(['w NotIdle']);
    expect(told([worker('w', { keep: true })])).toEqual(['w NotEligible']);
    expect(told([worker('w', { lastResumedAt: at(-61) })])).toEqual(['w Idle']);
    expect(told([worker('w', { lastResumedAt: at(-40) })], { templates: [template({ idleTimeout: 30 * MINUTE })] })).toEqual(['w Snoozed']);
    expect(told([worker('w')], { templates: [template({ minWorkers: 1 })] })).toEqual(['w MinWorkers']);
    expect(told([worker('w')], { lastDrainAt: at(-9) })).toEqual(['w CoolDown']);
    expect(told([worker('w')], { needs: [need('ada', 45)] })).toEqual(['w NeededSoon']);
    expect(told([worker('w')], { needs: [need('ada', 46)] })).toEqual(['w Idle']);
  });

  test('a static host is not ours to stop', () => {
    expect(told([worker('w', { stoppable: false })])).toEqual([]);
  });

  test('several may go in one look, the dearest and the longest idle first, and minWorkers stay', () => {
    const workers = [worker('a', { lastActivityAt: at(-100) }), worker('b', { lastActivityAt: at(-200) }), worker('c', { template: 'dear', lastActivityAt: at(-90) })];
    expect(told(workers, { templates: [template({ minWorkers: 1 }), template({ name: 'dear', costPerHour: 9 })] })).toEqual(['c Idle', 'b Idle', 'a MinWorkers']);
  });
});

describe('what a template learns', () => {
  const { metadata, spec } = newTemplate('metal', { spec: { provider: 'ec2' } });
  const known: WorkerTemplate = { apiVersion: 'lablet.dev/v1alpha1', kind: 'WorkerTemplate', metadata: { ...metadata, name: 'metal', uid: 't', resourceVersion: '1', creationTimestamp: NOW.toISOString() }, spec };
  const lived = (name: string, ...history: [string, number][]): Worker => ({
    apiVersion: 'lablet.dev/v1alpha1', kind: 'Worker', metadata: { name, uid: name, resourceVersion: '1', creationTimestamp: at(-300).toISOString() }, spec: { templateName: 'metal', provider: 'ec2', desiredState: 'Running' },
    status: { history: history.map(([to, minutes]) => ({ to, at: at(minutes).toISOString(), reason: 'R', actor: 'controller', row: 'W1' })) },
  });

  test('the boots of its workers, each once, and not their restarts', () => {
    const workers = [lived('a', ['Provisioning', -100], ['Starting', -95], ['Running', -88], ['Draining', -50], ['Stopping', -50], ['Stopped', -49], ['Starting', -40], ['Running', -35])];
    const { status } = learn(known, workers, 1);
    expect(status.boots).toEqual([{ worker: 'a', at: at(-88).toISOString(), seconds: 720 }]);
    expect(learn({ ...known, status }, workers, 1).status).toEqual(status);
  });

  test('failures in a row, which the next boot forgives', () => {
    const failed = [lived('a', ['Provisioning', -100], ['Failed', -70]), lived('b', ['Failed', -60]), lived('c', ['Provisioning', -80], ['Failed', -50])];
    const { status, pause } = learn(known, failed, 1);
    expect([status.failures, status.quarantinedUntil, pause]).toEqual([3, at(-20).toISOString(), { notBefore: at(-20), quarantined: true }]);
    const healed = learn({ ...known, status }, [...failed, lived('d', ['Provisioning', -19], ['Running', -5])], 1);
    expect([healed.status.failures, healed.status.quarantinedUntil, healed.pause]).toEqual([undefined, undefined, { notBefore: undefined, quarantined: false }]);
  });
});
