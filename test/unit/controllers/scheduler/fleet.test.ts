import { describe, expect, test } from '@jest/globals';
import { fleetOf } from '../../../../src/controllers/scheduler/fleet.ts';
import { TIMEOUTS } from '../../../../src/core/timeouts.ts';
import { newTemplate, newWorker, stored } from '../../../support/objects.ts';
import type { Worker, WorkerStatus, WorkerTemplate, WorkerTemplateSpec } from '../../../../src/api/worker.ts';
import type { Deps } from '../../../../src/controllers/deps.ts';

const NOW = new Date('2026-11-23T08:00:00Z');
const MINUTE = 60_000;
const ago = (minutes: number): string => new Date(NOW.getTime() - minutes * MINUTE).toISOString();

const ready: WorkerStatus = { phase: 'Running', cmlVersion: '2.9.1', conditions: [{ type: 'Schedulable', status: 'True', reason: 'Ready', lastTransitionTime: ago(60) }] };

function worker(name: string, status: WorkerStatus, spec: Partial<Worker['spec']> = {}): Worker {
  const { spec: made, ...rest } = newWorker(name, 'metal', 'https://cml.example.org', { spec: { provider: 'ec2', ...spec } });
  return stored<Worker>('Worker', { ...rest, spec: made }, status);
}
function template(name: string, spec: Partial<WorkerTemplateSpec> = {}, metadata: Partial<WorkerTemplate['metadata']> = {}): WorkerTemplate {
  return stored<WorkerTemplate>('WorkerTemplate', newTemplate(name, { ...metadata, spec: { provider: 'ec2', instanceType: 'm5zn.metal', imagePattern: 'cisco-cml2.9*', region: 'r', maxWorkers: 3, ...spec } }));
}

/** The fleet of these workers and templates; caches that hold them and nothing else. */
function fleet(workers: readonly Worker[], templates: readonly WorkerTemplate[] = [template('metal')], maxWorkers = 100) {
  const none = { list: () => [], byIndex: () => [], get: () => undefined };
  const caches = {
    sessions: none, labs: none, definitions: none,
    workers: { list: () => workers, get: (name: string) => workers.find(({ metadata }) => metadata.name === name), byIndex: (_: string, of: string) => workers.filter(({ spec }) => spec.templateName === of) },
    templates: { list: () => templates, get: (name: string) => templates.find(({ metadata }) => metadata.name === name) },
  };
  const deps = { caches, settings: { scale: 1, maxWorkers, timeouts: TIMEOUTS } } as unknown as Pick<Deps, 'caches' | 'settings'>;
  return fleetOf(deps, { get: () => undefined }, NOW);
}
const states = (...workers: Worker[]) => fleet(workers).fleet.workers.map(({ facts, state }) => [facts.name, state]);

describe('the calendar counts', () => {
  test.each<[string, WorkerStatus, Partial<Worker['spec']>, string | undefined]>([
    ['a worker in service', ready, {}, 'up'],
    ['one that is on its way', { phase: 'Provisioning' }, {}, 'coming'],
    ['one that the autoscaler has stopped', { ...ready, phase: 'Stopped' }, {}, 'down'],
    ['no worker that a person has taken out of service', { ...ready, phase: 'Draining' }, { desiredState: 'Draining' }, undefined],
    ['none that has failed', { phase: 'Failed' }, {}, undefined],
    ['none of which licence or CML is not in order', { ...ready, conditions: [] }, {}, undefined],
    ['one that has been silent for a while', { ...ready, conditions: [], unreachableSince: ago(9) }, {}, 'up'],
    ['none that has been silent for too long', { ...ready, unreachableSince: ago(10) }, {}, undefined],
    ['no static host that nobody has ever seen', { phase: 'Starting' }, { provider: 'static' }, undefined],
    ['a static host that comes back', { phase: 'Starting', cmlVersion: '2.9.1' }, { provider: 'static' }, 'coming'],
    ['no static host that was stopped: a person starts it', { ...ready, phase: 'Stopped' }, { provider: 'static' }, undefined],
  ])('%s', (_, status, spec, expected) => {
    expect(states(worker('w', status, spec))).toEqual(expected === undefined ? [] : [['w', expected]]);
  });

  test('what a template may still make: Terminated and Failed ones make room', () => {
    const { fleet: { templates } } = fleet([worker('a', ready), worker('b', { phase: 'Failed' }), worker('c', { phase: 'Terminated' })]);
    expect(templates.map(({ name, room, leadTime }) => [name, room, leadTime])).toEqual([['metal', 2, 20 * MINUTE]]);
  });

  test('no template that is switched off, paused or static', () => {
    const templates = [template('off', { enabled: false }), template('paused', {}, { annotations: { 'lablet.dev/paused': 'yes' } }), template('onprem', { provider: 'static' })];
    expect(fleet([], templates).fleet.templates).toEqual([]);
  });

  test('no more than the installation allows, a worker for each template before a second one, the cheapest first', () => {
    const templates = [template('dear', { costPerHour: '9' }), template('cheap', { costPerHour: '1' }), template('fair', { costPerHour: '4' })];
    expect(fleet([worker('a', ready)], templates, 5).fleet.templates.map(({ name, room }) => [name, room])).toEqual([['cheap', 2], ['fair', 1], ['dear', 1]]);
  });
});

test('a worker that is on its way is expected after the lead time of its template, and counted on for half an hour more', () => {
  const provisioning = (minutes: number) => worker('a', { phase: 'Provisioning', history: [{ to: 'Provisioning', at: ago(minutes), reason: 'Launched', actor: 'controller' }] });
  expect(fleet([provisioning(5)]).fleet.workers[0]).toMatchObject({ state: 'coming', readyAt: NOW.getTime() + 15 * MINUTE });
  expect(fleet([provisioning(49)]).fleet.workers).toHaveLength(1);
  expect(fleet([provisioning(50)]).fleet.workers).toEqual([]);
});

test('the fleet is looked at again when a silent worker counts no more', () => {
  expect(fleet([worker('a', { ...ready, unreachableSince: ago(4) })]).until).toEqual(new Date(NOW.getTime() + 6 * MINUTE));
});

test('a new worker of a template is taken to be as its newest one says', () => {
  const { fleet: { templates: [metal] } } = fleet([worker('a', { ...ready, cmlVersion: '2.10.0', nodeDefinitions: ['iosv'] })]);
  expect(metal?.facts).toMatchObject({ cmlVersion: '2.10.0', nodeDefinitions: new Set(['iosv']), imageName: 'cisco-cml2.9*' });
});
