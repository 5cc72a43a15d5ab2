/** Placing a queue on a fleet: the pure function alone. */
import { placeAll, type Demand, type Request, type WorkerSnapshot } from '../../src/core/scheduling.ts';
import { seededRandom } from '../../hack/sim/common/random.ts';
import { atMost, type Bench } from '../support/row.ts';

const GIB = 2 ** 30;
const DEFINITIONS = 20;
const LICENSES = ['Personal', 'Enterprise', 'Evaluation'] as const;

/** A fleet as it is on a working day: some hosts full, some half full, some draining, some with labs to use again. */
function fleet(count: number, random: () => number): WorkerSnapshot[] {
  return Array.from({ length: count }, (_, index): WorkerSnapshot => {
    const share = random() * 0.8;
    const nodes = Math.floor(share * 300);
    return {
      name: `worker-${String(index).padStart(4, '0')}`, phase: random() < 0.97 ? 'Running' : 'Starting', schedulable: true, draining: random() < 0.03, provider: 'static',
      license: LICENSES[Math.floor(random() * 2)], nodeLimit: 500, declared: { cpu: 96, memory: 384 * GIB, storage: 4_000 * GIB },
      used: { cpu: Math.floor(96 * share), memory: Math.floor(384 * share) * GIB, storage: Math.floor(2_000 * share) * GIB, nodes }, sessions: Math.floor(share * 24),
      portRange: { start: 2_000, end: 7_999 }, takenPorts: new Set(Array.from({ length: nodes }, (_unused, port) => 2_000 + port)), imageName: undefined, cmlVersion: '2.9.1',
      nodeDefinitions: new Set(['iosv', 'ubuntu', 'nxosv9000']), nestedVirtualization: true,
      reusableLabs: Array.from({ length: Math.floor(random() * 4) }, (_unused, lab) => ({ name: `lab-${index}-${lab}`, definition: `exams/d-${Math.floor(random() * DEFINITIONS)}@1.0.0`, state: 'Wiped' as const, storage: 0 })),
    };
  });
}

/** Sessions of a few definitions: those of one version need the same. */
function queue(count: number, random: () => number): Request[] {
  const demands = Array.from({ length: DEFINITIONS }, (_, index): Demand => ({
    definition: `exams/d-${index}@1.0.0`, resources: { cpu: 2 + (index % 4), memory: (4 + index) * GIB, storage: 40 * GIB }, nodeCount: 3 + (index % 6),
    nodeDefinitions: ['iosv', 'ubuntu'], portCount: 4 + (index % 5), images: [{ namePattern: 'cisco-cml2.9*', cmlVersionMin: '2.9.0' }], licenseAffinity: index % 3 === 0 ? ['Enterprise'] : [],
    nestedVirtualization: true, labReuse: true,
  }));
  return Array.from({ length: count }, (_, index): Request => {
    const demand = demands[Math.floor(random() * DEFINITIONS)] as Demand;
    return { key: `exams/s-${index}`, demand, ports: Array.from({ length: demand.portCount }, (_unused, port) => ({ name: `p${port}`, node: `n${port}`, protocol: 'serial' })) };
  });
}

export const placement: Bench = {
  name: 'placement',
  run: async ({ cachedSessions, cachedWorkers }, say) => {
    const random = seededRandom('placement');
    const workers = fleet(cachedWorkers, random);
    const requests = queue(cachedSessions, random);
    const began = performance.now();
    const assignments = placeAll(requests, workers);
    const seconds = (performance.now() - began) / 1000;
    say(`placement: ${assignments.filter(({ kind }) => kind === 'assign').length} of ${requests.length} sessions are placed`);
    return [atMost(`placing ${requests.length} pending sessions on ${workers.length} workers`, seconds, 's', 2)];
  },
};
