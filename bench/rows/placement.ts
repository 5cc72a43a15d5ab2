/** Placing a queue on a fleet: the pure function alone. */
import { Calendar, type Booking, type FleetWorker } from '../../src/core/calendar.ts';
import { placeAll, type Demand, type Request, type WorkerSnapshot } from '../../src/core/scheduling.ts';
import { seededRandom } from '../../hack/sim/common/random.ts';
import { atMost, quantile, type Bench, type Row } from '../support/row.ts';

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

const MINUTE = 60_000;
const NOW = Date.UTC(2026, 10, 23, 8);
const ROUNDS = 500;

/** The fleet in the calendar: half of it up, half still to be made. */
function calendarOf(workers: readonly WorkerSnapshot[]): Calendar {
  const calendar = new Calendar();
  const up = workers.slice(0, Math.ceil(workers.length / 2)).map((facts): FleetWorker => ({ facts, template: 'metal', state: 'up', leadTime: 20 * MINUTE, kept: { storage: 0, ports: 0 } }));
  const [like] = workers;
  calendar.setFleet({ workers: up, templates: like ? [{ name: 'metal', facts: { ...like, name: 'metal', license: 'Enterprise' }, leadTime: 20 * MINUTE, costPerHour: 4, room: workers.length - up.length }] : [] }, NOW);
  return calendar;
}

/** Exams begin every five minutes of a working day and last one to three hours. The labs are large: the calendar becomes full. */
function booking({ key, demand }: Request, random: () => number): Booking {
  const start = NOW + Math.floor(random() * 8 * 12) * 5 * MINUTE;
  const large: Demand = { ...demand, resources: { ...demand.resources, cpu: demand.resources.cpu * 8, memory: demand.resources.memory * 4 } };
  return { key, demand: larger(demand, large), kind: 'booked', lead: 15 * MINUTE, hold: { from: start - 15 * MINUTE, to: start + (60 + Math.floor(random() * 9) * 15 + 50) * MINUTE } };
}

const kept = new Map<Demand, Demand>();

/** Sessions of one definition share their demand. */
function larger(demand: Demand, made: Demand): Demand {
  const known = kept.get(demand) ?? made;
  kept.set(demand, known);
  return known;
}

/** Fills a calendar, and asks it. */
function askCalendar(workers: readonly WorkerSnapshot[], count: number, random: () => number, say: (line: string) => void): Row[] {
  const calendar = calendarOf(workers);
  const began = performance.now();
  const admitted = queue(count, random).filter((request) => calendar.admit(booking(request, random), NOW)).length;
  const each = ((performance.now() - began) / count).toFixed(3);
  const asked = queue(count, random).map((request) => booking({ ...request, key: `asked-${request.key}` }, random));
  const fitting = performance.now();
  const refused = asked.filter((one) => !calendar.fits(one, NOW));
  const fits = (performance.now() - fitting) / count;
  const nearest = refused.slice(0, ROUNDS).map((one) => {
    const at = performance.now();
    calendar.nearest(one, NOW);
    return performance.now() - at;
  });
  say(`placement: ${admitted} of ${count} bookings are admitted, ${each} ms each; of as many more ${refused.length} would be refused`);
  return [
    atMost(`does a booking fit, ${admitted} bookings on ${workers.length} workers, mean`, fits, 'ms', 0.05),
    atMost(`its nearest slots, ${nearest.length} refused bookings, slowest`, Math.max(0, ...nearest), 'ms', 5),
  ];
}

/** One decision each, from a snapshot and a calendar of the whole fleet. */
function decide(workers: readonly WorkerSnapshot[], random: () => number): Row {
  const calendar = calendarOf(workers);
  for (const request of queue(workers.length, random)) calendar.admit(booking(request, random), NOW);
  const times = queue(ROUNDS, random).map((request) => {
    const at = performance.now();
    placeAll([{ ...request, hold: { from: NOW, to: NOW + 180 * MINUTE } }], workers, calendar);
    return performance.now() - at;
  });
  return atMost(`one decision with ${workers.length} workers, p99`, quantile(times, 0.99), 'ms', 2);
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
    return [
      atMost(`placing ${requests.length} pending sessions on ${workers.length} workers`, seconds, 's', 2),
      decide(workers, random),
      ...askCalendar(workers, cachedSessions, random, say),
    ];
  },
};
