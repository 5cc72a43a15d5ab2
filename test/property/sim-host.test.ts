import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { CmlHost } from '../../hack/sim/cml/host.ts';
import { hasConverged, isRunning, labState } from '../../hack/sim/cml/lab.ts';
import { Faults } from '../../hack/sim/common/faults.ts';
import { HttpProblem } from '../../hack/sim/common/web.ts';
import { routers } from '../support/sim/topology.ts';

const CAPACITY = { cpus: 4, memoryMiB: 10_000 };
const NODE_LIMIT = 6;

const order = fc.record({
  act: fc.constantFrom('import', 'start', 'stop', 'wipe', 'remove', 'wait'),
  lab: fc.nat(3),
  size: fc.integer({ min: 1, max: 4 }),
  seconds: fc.integer({ min: 0, max: 20 }),
});

/** Gives one order; what the host refuses, it refuses with 400. */
function obey(host: CmlHost, clock: { now: number }, { act, lab, size, seconds }: { act: string; lab: number; size: number; seconds: number }): void {
  const id = host.labs()[lab]?.id;
  try {
    if (act === 'import') host.import(routers(size), 'me', undefined);
    else if (act === 'wait') clock.now += seconds * 1_000;
    else if (id !== undefined && (act === 'start' || act === 'stop' || act === 'wipe' || act === 'remove')) host[act](id);
  } catch (error) {
    expect(error).toMatchObject({ status: 400 });
    expect(error).toBeInstanceOf(HttpProblem);
  }
}

test('whatever it is told, a host never runs more than its capacity and its licence allow, and all it starts converges', () => {
  fc.assert(
    fc.property(fc.array(order, { maxLength: 60 }), (orders) => {
      const clock = { now: 0 };
      const host = new CmlHost({
        seed: 'property', now: () => clock.now, timeScale: 1, bootDelay: () => 5_000, stopDelayMs: 1_000, capacity: CAPACITY,
        nodeLimit: () => NODE_LIMIT, faults: new Faults([], [], 'property'),
      });
      for (const one of orders) {
        obey(host, clock, one);
        const nodes = host.labs().flatMap((lab) => lab.nodes);
        expect(host.usage().cpus).toBeLessThanOrEqual(CAPACITY.cpus);
        expect(nodes.filter(isRunning).length).toBeLessThanOrEqual(NODE_LIMIT);
      }
      for (const lab of host.labs()) host.stop(lab.id);
      clock.now += 60_000;
      for (const lab of host.labs()) {
        expect({ converged: hasConverged(lab), state: labState(lab) }).toEqual({ converged: true, state: expect.not.stringMatching('STARTED') });
        host.wipe(lab.id);
        host.remove(lab.id);
      }
      expect([host.labs(), host.usage().nodes]).toEqual([[], 0]);
    }),
  );
});
