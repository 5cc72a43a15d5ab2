import { describe, expect, test } from '@jest/globals';
import { decideWarmPool } from '../../../src/core/warm-pool.ts';
import type { Demand, WorkerSnapshot } from '../../../src/core/scheduling.ts';
import type { WarmLab, WarmPool, WarmWorker } from '../../../src/core/warm-pool.ts';

const worker = (name: string, over: Partial<WorkerSnapshot> = {}, busy = false): WarmWorker => ({
  busy,
  snapshot: {
    name, phase: 'Running', schedulable: true, draining: false, provider: 'static', license: 'Enterprise', nodeLimit: 20, declared: { cpu: 8, memory: 16, storage: 100 },
    used: { cpu: 0, memory: 0, storage: 0, nodes: 0 }, sessions: 0, portRange: { start: 2000, end: 2009 }, takenPorts: new Set(), imageName: undefined, cmlVersion: '2.9.1',
    nodeDefinitions: new Set(['iosv']), nestedVirtualization: true, reusableLabs: [], ...over,
  },
});

const demand: Demand = {
  definition: 'exams/edge@1.0.0', resources: { cpu: 2, memory: 4, storage: 40 }, nodeCount: 2, nodeDefinitions: ['iosv'], portCount: 4, images: [], licenseAffinity: [],
  nestedVirtualization: true, labReuse: true,
};
const pool = (size: number, over: Partial<WarmPool> = {}): WarmPool => ({ definition: 'exams/edge@1.0.0', size, demand, ...over });
const lab = (name: string, on: string, over: Partial<WarmLab> = {}): WarmLab => ({ name, worker: on, definition: 'exams/edge@1.0.0', ready: true, pooled: true, ...over });

describe('what is missing in a pool', () => {
  test('is spread over the least filled workers, one import at a time on each', () => {
    const used = { cpu: 4, memory: 8, storage: 0, nodes: 3 };
    const { imports } = decideWarmPool({ pools: [pool(5)], labs: [], workers: [worker('full', { used }), worker('empty'), worker('importing', {}, true)] });
    expect(imports.map(({ worker: on }) => on)).toEqual(['empty', 'full']);
  });

  test('goes first to a worker that has none', () => {
    const { imports } = decideWarmPool({ pools: [pool(2)], labs: [lab('one', 'a')], workers: [worker('a'), worker('b')] });
    expect(imports).toEqual([{ definition: 'exams/edge@1.0.0', worker: 'b' }]);
  });

  test('is not made where a lab of a former session waits, or one is on its way', () => {
    const labs = [lab('left', 'a', { pooled: false }), lab('coming', 'a', { ready: false })];
    expect(decideWarmPool({ pools: [pool(2)], labs, workers: [worker('a')] })).toEqual({ imports: [], removals: [] });
  });

  test('takes disk and ports, and neither CPU, memory nor nodes', () => {
    const asleep = worker('a', { used: { cpu: 8, memory: 16, storage: 60, nodes: 20 } });
    expect(decideWarmPool({ pools: [pool(1)], labs: [], workers: [asleep] }).imports).toHaveLength(1);
  });

  test.each<[string, Partial<WorkerSnapshot>]>([
    ['its disk is full', { used: { cpu: 0, memory: 0, storage: 61, nodes: 0 } }],
    ['its ports are taken', { takenPorts: new Set([2000, 2001, 2002, 2003, 2004, 2005, 2006]) }],
    ['it lacks a node definition', { nodeDefinitions: new Set() }],
    ['it could never run the lab', { nodeLimit: 1 }],
    ['it is drained', { draining: true }],
  ])('goes nowhere if of the only worker %s', (_, over) => {
    expect(decideWarmPool({ pools: [pool(1)], labs: [], workers: [worker('a', over)] }).imports).toEqual([]);
  });

  test('takes nothing that is promised to bookings', () => {
    expect(decideWarmPool({ pools: [pool(1)], labs: [], workers: [worker('a')], hasRoom: () => false }).imports).toEqual([]);
  });
});

describe('what is too many', () => {
  test('goes: first what is not ready, then from the fullest worker', () => {
    const labs = [lab('empty', 'b'), lab('full', 'a'), lab('coming', 'b', { ready: false })];
    const workers = [worker('a', { used: { cpu: 4, memory: 8, storage: 0, nodes: 2 } }), worker('b')];
    expect(decideWarmPool({ pools: [pool(2)], labs, workers }).removals).toEqual(['coming']);
    expect(decideWarmPool({ pools: [pool(1)], labs, workers }).removals).toEqual(['coming', 'full']);
  });

  test('goes with a version that is no longer wanted', () => {
    expect(decideWarmPool({ pools: [], labs: [lab('old', 'a')], workers: [worker('a')] }).removals).toEqual(['old']);
  });

  test('stays if a session has left it: its time of keeping counts', () => {
    expect(decideWarmPool({ pools: [], labs: [lab('left', 'a', { pooled: false })], workers: [worker('a')] }).removals).toEqual([]);
  });
});
