/** A simulated day with 2,000 bookings: more punctual than a fixed fleet of the same cost, cheaper than one as punctual, and no worse than the rules without a calendar. */
import { compare, type DayResult } from '../day/day.ts';
import { dayTable } from '../day/table.ts';
import { atMost, type Bench } from '../support/row.ts';

const late = ({ booked, onTime }: DayResult): number => booked - onTime;

export const day: Bench = {
  name: 'day',
  run: async ({ bookings }, say) => {
    const began = performance.now();
    const result = compare(bookings, 'monday');
    const { ours, rules, sameCost, samePunctuality } = result;
    for (const line of dayTable(result).split('\n')) say(line);
    return [
      atMost(`day of ${bookings} bookings: late starts, against the rules without a calendar`, late(ours), 'sessions', late(rules)),
      atMost(`day of ${bookings} bookings: late starts, against a fixed fleet of the same cost`, late(ours), 'sessions', late(sameCost)),
      atMost(`day of ${bookings} bookings: cost, against the rules without a calendar`, ours.cost, '$', Math.round(rules.cost)),
      atMost(`day of ${bookings} bookings: cost, against a fixed fleet as punctual`, ours.cost, '$', Math.round(samePunctuality?.cost ?? Infinity)),
      atMost(`simulating the day five ways`, (performance.now() - began) / 1000, 's', 60),
    ];
  },
};
