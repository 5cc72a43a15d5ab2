import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { Calendar, buildCalendar } from '../../src/core/calendar.ts';
import { fitsEmpty } from '../../src/core/scaling.ts';
import { placeAll, rejection } from '../../src/core/scheduling.ts';
import type { Booking, Fleet, FleetWorker } from '../../src/core/calendar.ts';
import type { Demand, Request, WorkerSnapshot } from '../../src/core/scheduling.ts';

const MINUTE = 60_000;
const NOW = Date.UTC(2026, 10, 23, 8);
/** Quarter hours are coarser than the minutes that are drawn, so that holds begin and end within slices. */
const SLICE = 15 * MINUTE;

const facts = (name: string, over: Partial<WorkerSnapshot> = {}): WorkerSnapshot => ({
  name, phase: 'Running', schedulable: true, draining: false, provider: 'static', license: 'Enterprise', nodeLimit: 30, declared: { cpu: 8, memory: 16, storage: 100 },
  used: { cpu: 0, memory: 0, storage: 0, nodes: 0 }, sessions: 0, portRange: { start: 2000, end: 2039 }, takenPorts: new Set(), imageName: undefined, cmlVersion: '2.9.1',
  nodeDefinitions: new Set(['iosv']), nestedVirtualization: true, reusableLabs: [], ...over,
});

const DEMANDS = [[1, 2, 3, 2], [2, 4, 10, 4], [4, 8, 6, 6], [8, 3, 2, 3]].map(([cpu = 0, memory = 0, nodeCount = 0, portCount = 0], index): Demand => ({
  definition: `exams/d-${index}@1.0.0`, resources: { cpu, memory, storage: 5 }, nodeCount, nodeDefinitions: ['iosv'], portCount, images: [],
  licenseAffinity: index === 2 ? ['Enterprise'] : [], nestedVirtualization: true, labReuse: true,
}));

const up = (name: string, license: string): FleetWorker => ({ facts: facts(name, { license }), template: undefined, state: 'up', leadTime: 0, kept: { storage: 0, ports: 0 } });

const fleets: fc.Arbitrary<Fleet> = fc.record({
  workers: fc.array(fc.constantFrom('Personal', 'Enterprise'), { maxLength: 4 }), room: fc.integer({ min: 0, max: 2 }),
}).map(({ workers, room }): Fleet => ({
  workers: workers.map((license, index) => up(`w-${index}`, license)),
  templates: [{ name: 'metal', facts: facts('metal'), leadTime: 20 * MINUTE, costPerHour: 1, room }],
}));

interface Drawn { demand: number; at: number; minutes: number; soon: boolean }
const drawn: fc.Arbitrary<Drawn> = fc.record({ demand: fc.integer({ min: 0, max: 3 }), at: fc.integer({ min: 0, max: 300 }), minutes: fc.integer({ min: 20, max: 200 }), soon: fc.boolean() });

const bookingOf = ({ demand, at, minutes, soon }: Drawn, index: number): Booking => {
  const from = NOW + (soon ? 0 : at * MINUTE);
  return { key: `s-${index}`, demand: DEMANDS[demand] as Demand, hold: { from, to: from + minutes * MINUTE }, lead: 15 * MINUTE, kind: soon ? 'soon' : 'booked' };
};

const bookings = (max: number) => fc.array(drawn, { maxLength: max }).map((all) => all.map(bookingOf));

type Host = { capacity: readonly number[]; bookings: readonly Booking[] };
const sizeOf = ({ resources, nodeCount, portCount }: Demand): number[] => [resources.cpu * 1000, resources.memory, resources.storage, nodeCount, portCount];

/** Is the host within its capacity at every instant? What is promised grows only where a hold begins. */
function isWithin({ capacity, bookings: held }: Host): boolean {
  return held.every(({ hold: { from } }) => capacity.every((limit, amount) =>
    held.filter(({ hold }) => hold.from <= from && hold.to > from).reduce((sum, { demand }) => sum + (sizeOf(demand)[amount] as number), 0) <= limit));
}

describe('the calendar', () => {
  test('never promises more than there is at any time, and refuses only what fits on no host', () => {
    fc.assert(fc.property(fleets, bookings(25), fc.array(fc.nat(24), { maxLength: 8 }), (fleet, all, gone) => {
      const calendar = new Calendar(SLICE);
      calendar.setFleet(fleet, NOW);
      all.forEach((booking, index) => {
        if (gone.includes(index)) calendar.release(`s-${index - 1}`);
        const hosts = calendar.promises();
        const fits = hosts.some((host) => {
          const template = fleet.templates.find(({ name }) => host.worker === undefined && name === host.template);
          const known = template?.facts ?? fleet.workers.find(({ facts: { name } }) => name === host.worker)?.facts;
          const inTime = !template || booking.kind === 'soon' || booking.hold.from >= NOW + template.leadTime;
          return known !== undefined && inTime && fitsEmpty(known, booking.demand) && isWithin({ ...host, bookings: [...host.bookings, booking] });
        });
        expect(calendar.fits(booking, NOW) !== undefined).toBe(fits);
        expect(calendar.admit(booking, NOW) !== undefined).toBe(fits);
      });
      for (const host of calendar.promises()) expect(isWithin(host)).toBe(true);
    }), { numRuns: 1_500 });
  });

  test('proposes the nearest slots: they fit, and none of a quarter of an hour that is nearer does', () => {
    fc.assert(fc.property(fleets, bookings(25), drawn, (fleet, all, asked) => {
      const calendar = new Calendar(SLICE);
      calendar.setFleet(fleet, NOW);
      for (const booking of all) calendar.admit(booking, NOW);
      const booking = bookingOf({ ...asked, at: 15 * Math.round(asked.at / 15), minutes: 15 * Math.ceil(asked.minutes / 15) }, 1_000);
      const start = booking.hold.from + booking.lead;
      const moved = (to: number): Booking => ({ ...booking, hold: { from: to - booking.lead, to: booking.hold.to + to - start } });
      const { before, after } = calendar.nearest(booking, NOW);
      const [first, last] = [before ?? NOW, after ?? NOW + 24 * 60 * MINUTE];
      if (before !== undefined) expect(calendar.fits(moved(before), NOW)).toBeDefined();
      if (after !== undefined) expect(calendar.fits(moved(after), NOW)).toBeDefined();
      // Whole slices are looked at: what lies between is full in at least one of them for each host.
      for (let at = first + SLICE; at < last; at += SLICE) {
        if (at !== start && at - booking.lead >= NOW && (at - booking.lead) % SLICE === 0 && all.every(({ hold }) => hold.from % SLICE === 0 && hold.to % SLICE === 0)) expect(calendar.fits(moved(at), NOW)).toBeUndefined();
      }
    }), { numRuns: 500 });
  });

  test('says the same after a restart: what was admitted has its room again, or is told to be lost', () => {
    fc.assert(fc.property(fleets, bookings(25), (fleet, all) => {
      const calendar = new Calendar(SLICE);
      calendar.setFleet(fleet, NOW);
      const admitted = all.filter((booking) => calendar.admit(booking, NOW));
      const again = buildCalendar({ now: NOW, fleet, bound: [], admitted, slice: SLICE });
      expect(again.promises()).toEqual(calendar.promises());
      expect(again.lost()).toEqual([]);
    }), { numRuns: 500 });
  });

  test('moves what a host that is gone had promised, and names what has no room any more', () => {
    fc.assert(fc.property(fleets, bookings(25), fc.nat(3), (fleet, all, index) => {
      const calendar = new Calendar(SLICE);
      calendar.setFleet(fleet, NOW);
      const admitted = all.filter((booking) => calendar.admit(booking, NOW));
      calendar.setFleet({ ...fleet, workers: fleet.workers.filter((_, at) => at !== index) }, NOW);
      for (const host of calendar.promises()) expect(isWithin(host)).toBe(true);
      const [held, lost] = [calendar.promises().flatMap((host) => host.bookings), calendar.lost()];
      expect([...held, ...lost].map(({ key }) => key).sort()).toEqual(admitted.map(({ key }) => key).sort());
      for (const booking of lost) expect(calendar.fits(booking, NOW)).toBeUndefined();
      calendar.setFleet(fleet, NOW);
      expect(calendar.lost()).toEqual([]);
    }), { numRuns: 1_000 });
  });
});

/** A day without failures: every session gives its worker back when it said, or sooner; hosts that are needed boot in time. */
function live(fleet: Fleet, all: readonly (Booking & { created: number; ends: number })[]) {
  const calendar = new Calendar(SLICE);
  let workers = [...fleet.workers];
  const [metal] = fleet.templates;
  let room = metal?.room ?? 0;
  const bound = new Map<string, { booking: Booking; worker: string; until: number }>();
  const admitted = new Set<string>();
  const placedAt = new Map<string, number>();
  const waiting = new Map<string, Booking & { created: number; ends: number }>();
  const fleetNow = (): Fleet => ({ workers, templates: metal ? [{ ...metal, room }] : [] });
  calendar.setFleet(fleetNow(), NOW);
  for (let now = NOW; now < NOW + 12 * 60 * MINUTE; now += MINUTE) {
    for (const [key, { until }] of bound) {
      if (until > now) continue;
      calendar.release(key);
      bound.delete(key);
    }
    for (const booking of all) {
      if (booking.created !== now) continue;
      const asked = booking.kind === 'soon' ? { ...booking, hold: { from: now, to: now + booking.hold.to - booking.hold.from } } : booking;
      if (calendar.admit(asked, now) && asked.kind === 'booked') admitted.add(asked.key);
      waiting.set(asked.key, booking);
    }
    // Who has no worker five minutes after the start is given up (T2).
    for (const [key, { kind, hold, lead }] of waiting) {
      if (kind !== 'booked' || now < hold.from + lead + 5 * MINUTE) continue;
      calendar.release(key);
      waiting.delete(key);
    }
    // The autoscaler: a host that is yet to be made is up when its first booking needs it.
    for (const host of calendar.promises()) {
      if (host.worker !== undefined || !metal || host.bookings.every(({ hold }) => hold.from > now)) continue;
      room -= 1;
      workers = [...workers, { ...up(`new-${room}`, 'Enterprise'), template: 'metal' }];
      calendar.setFleet(fleetNow(), now);
    }
    const snapshot = workers.map(({ facts: known }): WorkerSnapshot => {
      const on = [...bound.values()].filter(({ worker }) => worker === known.name).map(({ booking: { demand } }) => demand);
      const sum = (of: (demand: Demand) => number): number => on.reduce((total, demand) => total + of(demand), 0);
      return { ...known, used: { cpu: sum(({ resources }) => resources.cpu), memory: sum(({ resources }) => resources.memory), storage: sum(({ resources }) => resources.storage), nodes: sum(({ nodeCount }) => nodeCount) }, sessions: on.length, takenPorts: new Set(Array.from({ length: sum(({ portCount }) => portCount) }, (_, port) => 2000 + port)) };
    });
    const open = [...waiting.values()].filter(({ kind, hold }) => kind === 'soon' || hold.from - 20 * MINUTE <= now);
    const requests = open.map((booking): Request => ({
      key: booking.key, demand: booking.demand, ports: Array.from({ length: booking.demand.portCount }, (_, port) => ({ name: `p${port}`, node: 'n', protocol: 'serial' })),
      hold: { from: now, to: booking.kind === 'soon' ? now + booking.hold.to - booking.hold.from : booking.hold.to },
    }));
    const assignments = placeAll(requests, snapshot, calendar);
    // Nobody waits whom a worker could take, with all of its promises kept.
    if (assignments.every(({ kind }) => kind === 'wait')) {
      const draft = calendar.draft();
      for (const { key, demand, hold } of requests) for (const one of snapshot) expect(rejection(one, demand) === undefined && hold !== undefined && draft.room(one.name, key, demand, hold)).toBe(false);
    }
    for (const [index, assignment] of assignments.entries()) {
      const booking = open[index];
      const hold = requests[index]?.hold;
      if (assignment.kind !== 'assign' || !booking || !hold) continue;
      calendar.bind({ ...booking, hold }, assignment.workerName, now);
      expect(calendar.lost()).toEqual([]);
      bound.set(booking.key, { booking, worker: assignment.workerName, until: Math.min(hold.to, Math.max(now, booking.ends)) });
      placedAt.set(booking.key, now);
      waiting.delete(booking.key);
    }
  }
  return { admitted, placedAt };
}

test('without failures no admitted booking is late, whatever else wants to run; and nobody waits whom a worker could take', () => {
  const sessions = fc.array(fc.record({ drawn, created: fc.integer({ min: 0, max: 240 }), early: fc.integer({ min: 0, max: 60 }) }), { maxLength: 20 })
    .map((list) => list.map(({ drawn: one, created, early }, index) => {
      const booking = bookingOf({ ...one, at: one.at + created }, index);
      return { ...booking, created: NOW + created * MINUTE, ends: booking.hold.to - early * MINUTE };
    }));
  fc.assert(fc.property(fleets, sessions, (fleet, all) => {
    const { admitted, placedAt } = live(fleet, all);
    for (const { key, hold } of all) if (admitted.has(key)) expect(placedAt.get(key) ?? Infinity).toBeLessThanOrEqual(hold.from);
  }), { numRuns: 150 });
});
