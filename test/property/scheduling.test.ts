import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { placeAll, rejection } from '../../src/core/scheduling.ts';
import type { Demand, Request, WorkerSnapshot } from '../../src/core/scheduling.ts';

const amount = fc.integer({ min: 0, max: 64 });
const license = fc.constantFrom('Personal', 'Enterprise', 'Evaluation');

const workers: fc.Arbitrary<WorkerSnapshot[]> = fc.array(fc.record({
  cpu: amount, memory: amount, storage: amount, usedCpu: amount, nodes: amount, nodeLimit: fc.integer({ min: 0, max: 60 }), license, running: fc.boolean(), draining: fc.boolean(),
  taken: fc.uniqueArray(fc.integer({ min: 2000, max: 2030 })), labs: fc.integer({ min: 0, max: 2 }), kvm: fc.boolean(), cml: fc.constantFrom('2.8.0', '2.9.1', '2.10.0'),
}), { maxLength: 6 }).map((drawn) => drawn.map((one, index): WorkerSnapshot => ({
  name: `w-${index}`, phase: one.running ? 'Running' : 'Starting', schedulable: true, draining: one.draining, provider: 'static', license: one.license, nodeLimit: one.nodeLimit,
  declared: { cpu: one.cpu, memory: one.memory, storage: one.storage }, used: { cpu: Math.min(one.usedCpu, one.cpu), memory: 0, storage: 0, nodes: Math.min(one.nodes, one.nodeLimit) }, sessions: 0,
  portRange: { start: 2000, end: 2030 }, takenPorts: new Set(one.taken), imageName: undefined, cmlVersion: one.cml, nodeDefinitions: new Set(['iosv']), nestedVirtualization: one.kvm,
  reusableLabs: Array.from({ length: one.labs }, (_, lab) => ({ name: `lab-${index}-${lab}`, definition: 'd-1', state: 'Wiped' as const, storage: 0 })),
})));

const requests: fc.Arbitrary<Request[]> = fc.array(fc.record({
  definition: fc.constantFrom('d-1', 'd-2'), cpu: amount, memory: amount, storage: amount, nodes: fc.integer({ min: 1, max: 20 }), ports: fc.integer({ min: 0, max: 8 }),
  affinity: fc.subarray(['Personal', 'Enterprise', 'Evaluation']), kvm: fc.boolean(), reuse: fc.boolean(), min: fc.constantFrom(undefined, '2.9', '2.10'),
}), { maxLength: 12 }).map((drawn) => drawn.map((one, index): Request => {
  const demand: Demand = {
    definition: one.definition, resources: { cpu: one.cpu, memory: one.memory, storage: one.storage }, nodeCount: one.nodes, nodeDefinitions: ['iosv'], portCount: one.ports,
    images: one.min === undefined ? [] : [{ cmlVersionMin: one.min }], licenseAffinity: one.affinity, nestedVirtualization: one.kvm, labReuse: one.reuse,
  };
  return { key: `s-${index}`, demand, ports: Array.from({ length: one.ports }, (_, port) => ({ name: `p${port}`, node: `n${port}`, protocol: 'serial' })) };
}));

/** Replays the assignments one after the other, as the world would see them. */
function replay(all: Request[], snapshot: WorkerSnapshot[]) {
  const state = new Map(snapshot.map((worker) => [worker.name, structuredClone(worker) as WorkerSnapshot & { takenPorts: Set<number> }]));
  const assignments = placeAll(all, snapshot);
  for (const [index, assignment] of assignments.entries()) {
    const request = all[index] as Request;
    if (assignment.kind === 'wait') {
      // Nothing waits that a worker could take at that moment.
      for (const worker of state.values()) expect(rejection(worker, request.demand)).toBeDefined();
      continue;
    }
    const worker = state.get(assignment.workerName);
    if (!worker) throw new Error('an unknown worker');
    expect(rejection(worker, request.demand)).toBeUndefined();
    if (assignment.reuse) {
      expect(worker.reusableLabs.map(({ name }) => name)).toContain(assignment.reuse.name);
      worker.reusableLabs = worker.reusableLabs.filter(({ name }) => name !== assignment.reuse?.name);
    } else {
      expect(assignment.ports).toHaveLength(request.ports.length);
    }
    for (const { number } of assignment.ports) {
      expect(worker.takenPorts.has(number)).toBe(false);
      expect(number >= worker.portRange.start && number <= worker.portRange.end).toBe(true);
      worker.takenPorts.add(number);
    }
    for (const name of ['cpu', 'memory', 'storage'] as const) {
      worker.used[name] += request.demand.resources[name];
      expect(worker.used[name]).toBeLessThanOrEqual(worker.declared[name]);
    }
    worker.used.nodes += request.demand.nodeCount;
    worker.sessions += 1;
    expect(worker.used.nodes).toBeLessThanOrEqual(worker.nodeLimit);
  }
  return assignments;
}

test('no worker is ever oversubscribed, nothing is placed that a filter forbids, and nothing waits that fits', () => {
  fc.assert(fc.property(requests, workers, (all, snapshot) => void replay(all, snapshot)), { numRuns: 10_000 });
});

test('the same input gives the same output, in whatever order the workers come', () => {
  fc.assert(fc.property(requests, workers, (all, snapshot) => {
    const chosen = (list: WorkerSnapshot[]) => placeAll(all, list).map((assignment) => (assignment.kind === 'assign' ? [assignment.workerName, assignment.reuse?.name, assignment.ports] : 'wait'));
    expect(chosen(snapshot.toReversed())).toEqual(chosen(snapshot));
  }));
});
