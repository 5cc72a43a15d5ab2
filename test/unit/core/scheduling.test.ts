import { describe, expect, test } from '@jest/globals';
import { place, placeAll, queueOrder, rejection, score } from '../../../src/core/scheduling.ts';
import type { Demand, WorkerSnapshot } from '../../../src/core/scheduling.ts';

const GIB = 2 ** 30;

const worker = (over: Partial<WorkerSnapshot> = {}): WorkerSnapshot => ({
  name: 'w-1', phase: 'Running', schedulable: true, draining: false, provider: 'static', license: 'Enterprise', nodeLimit: 500,
  declared: { cpu: 48, memory: 192 * GIB, storage: 500 * GIB }, used: { cpu: 0, memory: 0, storage: 0, nodes: 0 }, sessions: 0,
  portRange: { start: 2000, end: 2009 }, takenPorts: new Set(), imageName: undefined, cmlVersion: '2.9.1+build.4', nodeDefinitions: new Set(['iosv', 'ubuntu']),
  nestedVirtualization: true, reusableLabs: [], ...over,
});

const demand = (over: Partial<Demand> = {}): Demand => ({
  definition: 'exams/campus-edge@1.2.0', resources: { cpu: 4, memory: 6 * GIB, storage: 40 * GIB }, nodeCount: 3, nodeDefinitions: ['iosv', 'ubuntu'], portCount: 4,
  images: [], licenseAffinity: [], nestedVirtualization: true, labReuse: true, ...over,
});

const reusable = { name: 'lab-1', definition: 'exams/campus-edge@1.2.0', state: 'Wiped' as const, storage: 0 };
const ports = ['a', 'b', 'c', 'd'].map((name) => ({ name, node: name, protocol: 'serial' }));

describe('a worker is refused with the first filter that it fails', () => {
  test.each<[string, Partial<WorkerSnapshot>, Partial<Demand>, string]>([
    ['while it is not Running', { phase: 'Starting' }, {}, 'WorkerNotReady'],
    ['while its CML or licence is in doubt', { schedulable: false }, {}, 'WorkerNotReady'],
    ['while it is drained, before anything else', { draining: true, phase: 'Draining' }, {}, 'WorkerDraining'],
    ['if its licence is not wanted', { license: 'Evaluation' }, { licenseAffinity: ['Personal', 'Enterprise'] }, 'LicenseMismatch'],
    ['if the lab has a node too many', { nodeLimit: 20, used: { cpu: 0, memory: 0, storage: 0, nodes: 18 } }, {}, 'NodeLimit'],
    ['if its memory does not suffice', { used: { cpu: 0, memory: 187 * GIB, storage: 0, nodes: 0 } }, {}, 'InsufficientResources'],
    ['if its CML is too old, 2.9 against 2.10', {}, { images: [{ cmlVersionMin: '2.10' }] }, 'IncompatibleImage'],
    ['if its CML is too new', {}, { images: [{ cmlVersionMax: '2.8.9' }] }, 'IncompatibleImage'],
    ['if it lacks a node definition', { nodeDefinitions: new Set(['iosv']) }, {}, 'IncompatibleImage'],
    ['if the image of an EC2 worker has another name', { provider: 'ec2', imageName: 'cisco-cml2.8-a' }, { images: [{ namePattern: 'cisco-cml2.9*' }] }, 'IncompatibleImage'],
    ['if its ports do not suffice', { takenPorts: new Set([2000, 2001, 2002, 2003, 2004, 2005, 2006]) }, {}, 'NoPorts'],
    ['if it cannot run guests', { nestedVirtualization: false }, {}, 'NoNestedVirtualization'],
  ])('%s', (_, overWorker, overDemand, reason) => {
    expect(rejection(worker(overWorker), demand(overDemand))).toBe(reason);
  });

  test('nineteen nodes and one fit a Personal licence, twenty and one do not', () => {
    const used = (nodes: number) => ({ cpu: 0, memory: 0, storage: 0, nodes });
    expect(rejection(worker({ nodeLimit: 20, used: used(19) }), demand({ nodeCount: 1 }))).toBeUndefined();
    expect(rejection(worker({ nodeLimit: 20, used: used(20) }), demand({ nodeCount: 1 }))).toBe('NodeLimit');
  });

  test('the name of an image does not matter on a static worker', () => {
    expect(rejection(worker(), demand({ images: [{ namePattern: 'cisco-cml2.9*', cmlVersionMin: '2.9.0' }] }))).toBeUndefined();
  });

  test('a Lab that can be used again has its ports already', () => {
    const full = worker({ takenPorts: new Set(Array.from({ length: 10 }, (_, index) => 2000 + index)), reusableLabs: [reusable] });
    expect(rejection(full, demand())).toBeUndefined();
    expect(rejection(full, demand({ labReuse: false }))).toBe('NoPorts');
    expect(rejection(full, demand({ definition: 'exams/campus-edge@1.3.0' }))).toBe('NoPorts');
  });
});

describe('the best worker', () => {
  test('is the fuller one: packing leaves whole workers free', () => {
    const half = worker({ name: 'half', used: { cpu: 24, memory: 96 * GIB, storage: 0, nodes: 9 }, sessions: 3 });
    expect(place(demand(), [worker({ name: 'empty' }), half])).toMatchObject({ kind: 'assign', worker: { name: 'half' } });
  });

  test('among equals is the one with a Lab of the same version, else the first by name', () => {
    const withLab = worker({ name: 'z', reusableLabs: [reusable] });
    expect(place(demand(), [worker({ name: 'b' }), worker({ name: 'a' }), withLab])).toMatchObject({ worker: { name: 'z' }, reuse: { name: 'lab-1' } });
    expect(place(demand(), [worker({ name: 'b' }), worker({ name: 'a' })])).toMatchObject({ worker: { name: 'a' } });
  });

  test('earns at most 0.05 for the sessions that it has', () => {
    expect(score(worker({ sessions: 3 }), demand())).toBeCloseTo(0.03);
    expect(score(worker({ sessions: 30 }), demand())).toBeCloseTo(0.05);
  });

  test('there is none: every reason is counted', () => {
    const workers = [worker({ name: 'a', nodeLimit: 2 }), worker({ name: 'b', nodeLimit: 2 }), worker({ name: 'c', declared: { cpu: 1, memory: 0, storage: 0 } })];
    expect(place(demand(), workers)).toMatchObject({ kind: 'wait', message: '0/3 workers: 2 NodeLimit, 1 InsufficientResources' });
    expect(place(demand(), [])).toMatchObject({ kind: 'wait', message: expect.stringContaining('Create a Worker') });
  });
});

describe('a round of placements', () => {
  test('counts each decision before the next: the eleventh port is nobody\'s', () => {
    const requests = ['s-1', 's-2', 's-3'].map((key) => ({ key, demand: demand(), ports }));
    const [first, second, third] = placeAll(requests, [worker()]);
    expect(first).toMatchObject({ kind: 'assign', ports: [{ number: 2000 }, { number: 2001 }, { number: 2002 }, { number: 2003 }] });
    expect(second).toMatchObject({ kind: 'assign', ports: [{ number: 2004 }, { number: 2005 }, { number: 2006 }, { number: 2007 }] });
    expect(third).toMatchObject({ kind: 'wait', message: '0/1 workers: 1 NoPorts' });
  });

  test('is not held up by a session that is too big', () => {
    const requests = [{ key: 'big', demand: demand({ nodeCount: 1000 }), ports }, { key: 'small', demand: demand(), ports }];
    expect(placeAll(requests, [worker()]).map((assignment) => [assignment.key, assignment.kind])).toEqual([['big', 'wait'], ['small', 'assign']]);
  });

  test('gives a free Lab to one session only', () => {
    const requests = ['s-1', 's-2'].map((key) => ({ key, demand: demand(), ports }));
    const assignments = placeAll(requests, [worker({ reusableLabs: [reusable] })]);
    expect(assignments.map((assignment) => assignment.kind === 'assign' && assignment.reuse?.name)).toEqual(['lab-1', undefined]);
  });

  test('leaves the snapshot as it was', () => {
    const snapshot = worker({ reusableLabs: [reusable] });
    const before = structuredClone(snapshot);
    placeAll([{ key: 's', demand: demand(), ports }], [snapshot]);
    expect(snapshot).toEqual(before);
  });
});

test('the queue goes by time to start, then by age, then by name', () => {
  const at = (minute: number): Date => new Date(Date.UTC(2026, 0, 1, 10, minute));
  const waiting = [
    { key: 'd', start: at(30), created: at(0) }, { key: 'c', start: undefined, created: at(5) }, { key: 'b', start: at(5), created: at(1) }, { key: 'a', start: at(5), created: at(1) },
  ];
  expect(waiting.toSorted(queueOrder).map(({ key }) => key)).toEqual(['a', 'b', 'c', 'd']);
});
