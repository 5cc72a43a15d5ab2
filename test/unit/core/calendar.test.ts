import { describe, expect, test } from '@jest/globals';
import { Calendar, buildCalendar } from '../../../src/core/calendar.ts';
import { placeAll } from '../../../src/core/scheduling.ts';
import type { Booking, FleetTemplate, FleetWorker } from '../../../src/core/calendar.ts';
import type { Demand, WorkerSnapshot } from '../../../src/core/scheduling.ts';

const MINUTE = 60_000;
const at = (text: string): number => Date.parse(`2026-11-23T${text}:00Z`);
const NOW = at('08:00');

const facts = (name: string, over: Partial<WorkerSnapshot> = {}): WorkerSnapshot => ({
  name, phase: 'Running', schedulable: true, draining: false, provider: 'ec2', license: 'Enterprise', nodeLimit: 100, declared: { cpu: 8, memory: 100, storage: 100 },
  used: { cpu: 0, memory: 0, storage: 0, nodes: 0 }, sessions: 0, portRange: { start: 2000, end: 2099 }, takenPorts: new Set(), imageName: 'cisco-cml2.9', cmlVersion: '2.9.1',
  nodeDefinitions: new Set(), nestedVirtualization: true, reusableLabs: [], ...over,
});
const worker = (name: string, over: Partial<FleetWorker> = {}): FleetWorker => ({ facts: facts(name), template: 'metal', state: 'up', leadTime: 20 * MINUTE, kept: { storage: 0, ports: 0 }, ...over });
const metal = (room: number): FleetTemplate => ({ name: 'metal', facts: facts('metal'), leadTime: 20 * MINUTE, costPerHour: 4, room });

const needing = (cpu: number): Demand => ({
  definition: `exams/cpu-${cpu}@1.0.0`, resources: { cpu, memory: 1, storage: 1 }, nodeCount: 1, nodeDefinitions: [], portCount: 1, images: [], licenseAffinity: [], nestedVirtualization: true, labReuse: true,
});
const booking = (key: string, cpu: number, from: string, to: string, kind: Booking['kind'] = 'booked'): Booking => ({ key, demand: needing(cpu), kind, lead: 15 * MINUTE, hold: { from: at(from), to: at(to) } });

function calendar(workers: readonly FleetWorker[], templates: readonly FleetTemplate[] = []): Calendar {
  const made = new Calendar();
  made.setFleet({ workers, templates }, NOW);
  return made;
}

describe('a worker that is yet to be made', () => {
  test('is promised only to what begins after it has booted', () => {
    const empty = calendar([], [metal(1)]);
    expect(empty.fits(booking('soon', 8, '08:19', '10:00'), NOW)).toBeUndefined();
    expect(empty.fits(booking('later', 8, '08:20', '10:00'), NOW)).toEqual({ worker: undefined, template: 'metal' });
  });

  test('is good enough for a session without a slot', () => {
    expect(calendar([], [metal(1)]).fits(booking('asap', 8, '08:00', '10:00', 'soon'), NOW)).toEqual({ worker: undefined, template: 'metal' });
  });

  test('is booked where the workers that are there have no room', () => {
    const made = calendar([worker('up')], [metal(2)]);
    for (const one of [booking('a', 8, '09:00', '11:00'), booking('b', 8, '10:00', '12:00'), booking('c', 4, '10:00', '11:00'), booking('d', 8, '11:00', '12:00')]) made.admit(one, NOW);
    expect(made.promises().map(({ worker: name, bookings }) => [name, bookings.map(({ key }) => key)])).toEqual([['up', ['a', 'd']], [undefined, ['b']], [undefined, ['c']]]);
  });

  test('hands its promises over when it is there, the one that is needed first before others', () => {
    const made = calendar([], [metal(2)]);
    made.admit(booking('late', 8, '12:00', '14:00'), NOW);
    made.admit(booking('early', 8, '12:30', '13:00'), NOW);
    made.admit(booking('earliest', 8, '10:00', '11:00'), NOW);
    made.setFleet({ workers: [worker('new', { state: 'coming', readyAt: at('08:30') })], templates: [metal(1)] }, NOW);
    expect(made.find('earliest')?.worker).toBe('new');
    expect(made.lost()).toEqual([]);
  });
});

describe('promises', () => {
  test('of a worker that is gone go to one that its template may make', () => {
    const made = calendar([worker('up')], [metal(0)]);
    made.admit(booking('a', 8, '10:00', '12:00'), NOW);
    made.setFleet({ workers: [], templates: [metal(1)] }, NOW);
    expect(made.find('a')).toEqual({ worker: undefined, template: 'metal' });
  });

  test('that nothing can keep any more are named, and come first when there is room again', () => {
    const made = calendar([worker('up')]);
    made.admit(booking('a', 8, '10:00', '12:00'), NOW);
    made.setFleet({ workers: [], templates: [] }, NOW);
    expect(made.lost().map(({ key }) => key)).toEqual(['a']);
    made.setFleet({ workers: [worker('next')], templates: [] }, NOW);
    expect(made.lost()).toEqual([]);
    expect(made.fits(booking('b', 8, '10:00', '12:00'), NOW)).toBeUndefined();
  });

  test('make way for what is bound to the worker already', () => {
    const made = calendar([worker('one'), worker('two')]);
    made.admit(booking('a', 8, '10:00', '12:00'), NOW);
    expect(made.find('a')?.worker).toBe('one');
    made.bind(booking('overrun', 4, '08:00', '11:00'), 'one', NOW);
    expect(made.find('a')?.worker).toBe('two');
  });

  test('are kept from Labs that nobody has claimed: what they hold is not there', () => {
    const made = calendar([worker('one')]);
    made.setKept('one', { storage: 100, ports: 3 }, NOW);
    expect(made.fits(booking('a', 1, '10:00', '12:00'), NOW)).toBeUndefined();
    made.setKept('one', { storage: 99, ports: 3 }, NOW);
    expect(made.fits(booking('a', 1, '10:00', '12:00'), NOW)).toBeDefined();
  });

  test('grow with an extension only where there is room after them', () => {
    const made = calendar([worker('one')]);
    made.bind(booking('running', 8, '08:00', '10:00'), 'one', NOW);
    made.admit(booking('next', 8, '10:30', '12:00'), NOW);
    expect(made.admit(booking('running', 8, '08:00', '10:45'), NOW)).toBeUndefined();
    expect(made.holds('running')).toEqual({ from: at('08:00'), to: at('10:00') });
    expect(made.admit(booking('running', 8, '08:00', '10:30'), NOW)).toBeDefined();
  });

  test('are the same after a restart, whatever was cancelled meanwhile', () => {
    const made = calendar([worker('one'), worker('two')]);
    const all = [booking('a', 5, '10:00', '12:00'), booking('b', 3, '10:00', '12:00'), booking('c', 5, '10:00', '12:00'), booking('d', 3, '10:00', '12:00')];
    for (const one of all) made.admit(one, NOW);
    made.release('a');
    made.admit(booking('e', 4, '11:00', '13:00'), NOW);
    const known = made.promises().flatMap(({ bookings }) => bookings);
    expect(buildCalendar({ now: NOW, fleet: { workers: [worker('one'), worker('two')], templates: [] }, bound: [], admitted: known }).lost()).toEqual([]);
  });
});

describe('a session that has waited long', () => {
  test('reserves the next room that comes free, and smaller ones no longer take it bit by bit', () => {
    const made = calendar([worker('one')]);
    made.bind(booking('a', 4, '07:00', '08:30'), 'one', NOW);
    made.bind(booking('b', 4, '07:00', '08:40'), 'one', NOW);
    expect(made.reserve(booking('large', 8, '08:00', '10:00', 'soon'), NOW, at('08:45'))).toBe(at('08:40'));
    const small = { key: 'small', demand: needing(2), ports: [], hold: { from: at('08:30'), to: at('09:30') } };
    const half = facts('one', { used: { cpu: 4, memory: 1, storage: 1, nodes: 1 } });
    made.release('a');
    expect(placeAll([small], [half], made)).toMatchObject([{ kind: 'wait', rejections: { CapacityBooked: 1 } }]);
    expect(placeAll([{ ...small, hold: { from: at('08:30'), to: at('08:40') } }], [half], made)).toMatchObject([{ kind: 'assign' }]);
  });

  test('reserves nothing that would come too late for it', () => {
    const made = calendar([worker('one')]);
    made.bind(booking('a', 8, '07:00', '09:00'), 'one', NOW);
    expect(made.reserve(booking('large', 8, '08:00', '10:00', 'soon'), NOW, at('08:45'))).toBeUndefined();
    expect(made.find('large')).toBeUndefined();
  });
});

test('the nearest slots lie on quarters of an hour, and never in the past', () => {
  const made = calendar([worker('one')]);
  made.admit(booking('a', 8, '09:45', '12:20'), NOW);
  expect(made.nearest(booking('b', 8, '09:50', '11:55'), NOW)).toEqual({ after: at('12:45') });
  expect(made.nearest(booking('c', 8, '09:50', '10:55'), NOW)).toEqual({ before: at('08:45'), after: at('12:45') });
});
