/** The same day five times: this controller, the rules without the calendar, and fixed fleets of the same cost and of the same punctuality. */
import { offerNamed } from './cloud.ts';
import { ByTheRules, Fixed, WithCalendar } from './policies.ts';
import { World, type Policy } from './world.ts';

export interface DayResult {
  name: string;
  /** Bookings whose lab was ready at the start of their slot, and all bookings. */
  onTime: number;
  booked: number;
  /** Bookings and walk-ins that never got a lab. */
  lost: number;
  idleHours: number;
  /** US dollars. */
  cost: number;
  launches: number;
  failedLaunches: number;
  /** Most workers up at once. */
  workers: number;
}

export function play(bookings: number, seed: string, policy: Policy): DayResult {
  const world = new World(bookings, seed, policy);
  world.run();
  const booked = world.sessions.filter(({ start }) => start !== undefined);
  return {
    name: policy.name, booked: booked.length,
    onTime: booked.filter(({ readyAt, start }) => readyAt !== undefined && readyAt <= (start ?? 0)).length,
    lost: world.sessions.filter(({ phase }) => phase === 'lost').length,
    idleHours: world.idleHours, cost: world.cost, launches: world.launches, failedLaunches: world.failures, workers: world.mostWorkers,
  };
}

export interface Comparison {
  ours: DayResult;
  rules: DayResult;
  /** The smallest fixed fleet that costs as much as ours or more. */
  sameCost: DayResult;
  /** The smallest fixed fleet with as many on-time starts as ours; undefined if none of up to 160 hosts has. */
  samePunctuality: DayResult | undefined;
}

const MOST_HOSTS = 160;

export function compare(bookings: number, seed: string): Comparison {
  const ours = play(bookings, seed, new WithCalendar());
  const rules = play(bookings, seed, new ByTheRules());
  const dayOf = 24 * offerNamed('metal').costPerHour;
  const sameCost = play(bookings, seed, new Fixed(Math.ceil(ours.cost / dayOf), 'a fixed fleet of the same cost'));
  return { ours, rules, sameCost, samePunctuality: smallest(bookings, seed, ours.onTime) };
}

/** By halving: more hosts are never less punctual. */
function smallest(bookings: number, seed: string, onTime: number): DayResult | undefined {
  let [low, high] = [1, MOST_HOSTS];
  let found: DayResult | undefined;
  while (low <= high) {
    const count = (low + high) >> 1;
    const result = play(bookings, seed, new Fixed(count, 'a fixed fleet as punctual'));
    if (result.onTime >= onTime) {
      found = result;
      high = count - 1;
    } else low = count + 1;
  }
  return found;
}
