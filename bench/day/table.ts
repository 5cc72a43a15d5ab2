/** The day as a table: `node bench/day/main.ts` prints it, `make bench` takes its rows from it. */
import Table from 'cli-table3';
import type { Comparison, DayResult } from './day.ts';

const HEAD = ['fleet', 'on-time starts', 'no lab at all', 'idle worker hours', 'cost', 'launches', 'most workers'];

const cells = ({ name, onTime, booked, lost, idleHours, cost, launches, failedLaunches, workers }: DayResult): string[] => [
  name, `${onTime} of ${booked} (${((100 * onTime) / booked).toFixed(2)} %)`, String(lost), idleHours.toFixed(0), `$${cost.toFixed(0)}`, failedLaunches > 0 ? `${launches} (${failedLaunches} failed)` : String(launches), String(workers),
];

export function dayTable({ ours, rules, sameCost, samePunctuality }: Comparison): string {
  const table = new Table({ head: HEAD, colAligns: ['left', 'right', 'right', 'right', 'right', 'right', 'right'], style: { head: [], border: [], compact: true } });
  for (const result of [ours, rules, sameCost, ...(samePunctuality ? [samePunctuality] : [])]) table.push(cells(result));
  return table.toString();
}
