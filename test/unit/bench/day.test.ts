import { beforeAll, describe, expect, test } from '@jest/globals';
import { compare, play, type Comparison } from '../../../bench/day/day.ts';
import { WithCalendar } from '../../../bench/day/policies.ts';

describe('a simulated day of bookings in waves, with boots that hang, a shortage, a bad image, and hosts that die', () => {
  let day: Comparison;
  beforeAll(() => {
    day = compare(2_000, 'monday');
  });

  test('more sessions start on time than on a fixed fleet of the same cost', () => {
    expect(day.sameCost.cost).toBeGreaterThanOrEqual(day.ours.cost);
    expect(day.ours.onTime).toBeGreaterThan(day.sameCost.onTime);
  });

  test('it costs less than a fixed fleet that is as punctual', () => {
    expect(day.samePunctuality?.onTime).toBeGreaterThanOrEqual(day.ours.onTime);
    expect(day.ours.cost).toBeLessThan(day.samePunctuality?.cost ?? Infinity);
  });

  test('against the rules without a calendar nothing is lost, in punctuality or cost, and something is won', () => {
    const { ours, rules } = day;
    expect(ours.onTime).toBeGreaterThanOrEqual(rules.onTime);
    expect(ours.cost).toBeLessThanOrEqual(rules.cost);
    expect(ours.onTime > rules.onTime || ours.cost < rules.cost).toBe(true);
  });

  test('the faults of the day did happen, and the day is the same each time', () => {
    expect(day.ours.failedLaunches).toBeGreaterThan(0);
    expect(play(100, 'again', new WithCalendar())).toEqual(play(100, 'again', new WithCalendar()));
  });
});
