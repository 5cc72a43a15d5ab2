/** The calendar by the hour: load against capacity, and how it is drawn. */
import { describe, expect, test } from '@jest/globals';
import { bookedOf, fleetFrom } from '../../../src/cli/views/bookings.ts';
import { loadByHour } from '../../../src/cli/views/load.ts';
import { loadLines } from '../../../src/cli/views/load-lines.ts';
import { noColours } from '../../../src/cli/style.ts';
import { readyDefinition, sessionAt } from '../../support/builders.ts';
import { newDefinition, newLab, newTemplate, newWorker, stored } from '../../support/objects.ts';
import type { Lab } from '../../../src/api/lab.ts';
import type { LabletDefinition } from '../../../src/api/labletdefinition.ts';
import type { LabletSession } from '../../../src/api/labletsession.ts';
import type { Worker, WorkerTemplate } from '../../../src/api/worker.ts';

const NOW = new Date('2026-11-23T08:00:00Z');
const { definition } = readyDefinition({ nestedVirtualization: false });
const up: Worker['status'] = { phase: 'Running', cmlVersion: '2.9.1', conditions: [{ type: 'Schedulable', status: 'True', reason: 'Ready', lastTransitionTime: NOW.toISOString() }] };
const worker = (name: string): Worker => stored<Worker>('Worker', newWorker(name, 'onprem', 'https://cml'), up);
const onprem = stored<WorkerTemplate>('WorkerTemplate', newTemplate('onprem', { spec: { capacity: { cpu: '8', memory: '64Gi', storage: '500Gi' } } }));
const metal = stored<WorkerTemplate>('WorkerTemplate', newTemplate('metal', { spec: { provider: 'ec2', instanceType: 'm5zn.metal', imagePattern: 'cml*', region: 'r', maxWorkers: 1, capacity: { cpu: '8', memory: '64Gi', storage: '500Gi' } } }));
/** Booked from 10:00 to 11:30: 4 CPUs from 9:45 to 12:20. */
const booked = (name: string): LabletSession => {
  const { session } = sessionAt('Pending', { metadata: { name, uid: `7d1f0c2a-3e9b-4f5d-8a6c-${Buffer.from(name).toString('hex').padStart(12, '0').slice(0, 12)}` } });
  return session;
};
const load = (sessions: readonly LabletSession[], workers: readonly Worker[], templates: readonly WorkerTemplate[] = [onprem], labs: readonly Lab[] = []) =>
  loadByHour(bookedOf(sessions, () => definition, [], NOW).booked, fleetFrom({ workers, templates, labs, definitions: [] }, NOW), { now: NOW, from: NOW, hours: 6 }, []);

describe('the load', () => {
  test('counts a booking from bootLeadTime before its start to 50 min after its end', () => {
    const { hours } = load([booked('a')], [worker('cml-01')]);
    expect(hours.map(({ sessions, existing, scarcest }) => [sessions, existing, scarcest])).toEqual([
      [0, 0, 'cpu'], [1, 0.5, 'cpu'], [1, 0.5, 'cpu'], [1, 0.5, 'cpu'], [1, 0.5, 'cpu'], [0, 0, 'cpu'],
    ]);
  });
  test('goes to workers that exist first, and then to those that a template has to make', () => {
    const { hours, capacity } = load([booked('a'), booked('b'), booked('c')], [worker('cml-01')], [onprem, metal]);
    expect(capacity).toMatchObject({ workers: 1, mayBeMade: 1, existingShare: { cpu: 0.5 } });
    expect(hours[2]).toMatchObject({ sessions: 3, existing: 0.5, toBeMade: 0.25, hosts: 2 });
  });
  test('names what has no room as lost, and what was never promised any as waiting', () => {
    const waiting = booked('z');
    waiting.status = { ...waiting.status, conditions: [{ type: 'Admitted', status: 'False', reason: 'NoCapacityInSlot', lastTransitionTime: NOW.toISOString() }] };
    const { hours, lost } = load([booked('a'), booked('b'), booked('c'), waiting], [worker('cml-01')]);
    expect([lost, hours[2]?.sessions, hours[2]?.waiting]).toEqual([1, 3, 1]);
  });
  test('of a session on its worker stays there', () => {
    const { hours } = load([sessionAt('Running').session], [stored<Worker>('Worker', newWorker('w-metal-01', 'onprem', 'https://cml'), up)]);
    expect(hours[2]).toMatchObject({ sessions: 1, existing: 0.5, hosts: 1 });
  });
  test('leaves room for the ports of labs that nobody has claimed', () => {
    const ports = Array.from({ length: 10 }, (_, index) => ({ name: `p${index}`, node: 'r1', protocol: 'serial' as const, number: 2000 + index }));
    const lab = stored<Lab>('Lab', newLab('warm', 'cml-01', { spec: { definitionRef: { namespace: 'exams', name: 'campus-edge', version: '1.2.0' }, topologySha256: 'ab'.repeat(32), ports } }));
    const [host] = fleetFrom({ workers: [worker('cml-01')], templates: [onprem], labs: [lab], definitions: [] }, NOW).workers;
    expect(host?.kept).toEqual({ storage: 0, ports: 10 });
  });
  test('is counted without capacity where Workers cannot be seen', () => {
    const { hours, capacity } = loadByHour(bookedOf([booked('a')], () => definition, [], NOW).booked, undefined, { now: NOW, from: NOW, hours: 2 }, ['so it is']);
    expect([hours, capacity]).toEqual([[{ at: '2026-11-23T08:00:00.000Z', sessions: 0, waiting: 0 }, { at: '2026-11-23T09:00:00.000Z', sessions: 1, waiting: 0 }], undefined]);
  });
});

test('a definition as it is now stands in for a version that cannot be read, and one that is gone is told of', () => {
  const now = stored<LabletDefinition>('LabletDefinition', newDefinition('exams', 'campus-edge', { spec: { resources: { cpu: '2', memory: '1Gi', storage: '1Gi' } } }), { nodeCount: 2 });
  const found = bookedOf([booked('a')], () => undefined, [now], NOW);
  expect([found.unknown, found.booked.admitted[0]?.demand.resources.cpu]).toEqual([0, 2]);
  expect(bookedOf([booked('a')], () => undefined, [], NOW).unknown).toBe(1);
});

test('what has ended, or is to end before it began, holds nothing', () => {
  const sessions = [sessionAt('Archived').session, sessionAt('Terminated').session, sessionAt('Pending').edit({ desiredState: 'Terminated' }).session];
  expect(bookedOf(sessions, () => definition, [], NOW).booked).toEqual({ bound: [], admitted: [], waiting: [] });
});

test('it is drawn so', () => {
  const style = { paint: noColours, timeZone: 'UTC' };
  expect(loadLines(load([booked('a'), booked('b'), booked('c')], [worker('cml-01')], [onprem, metal]), style).slice(0, 6)).toEqual([
    'Hours in UTC; a session holds its host from bootLeadTime before its start to 50 min after its end.',
    '1 worker(s) in service, 1 more may be made.  █ booked on workers  ▓ booked on workers to be made  ░ free  · free on workers to be made',
    '',
    'HOUR               LOAD                                             SCARCEST   SESSIONS   WAIT   HOSTS',
    `Mon 23 Nov 08:00   ${'░'.repeat(20)}${'·'.repeat(20)}   0%    cpu        0                 0`,
    `Mon 23 Nov 09:00   ${'█'.repeat(20)}${'▓'.repeat(10)}${'·'.repeat(10)}   75%   cpu        3                 2`,
  ]);
});
