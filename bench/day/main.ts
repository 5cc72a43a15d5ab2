/**
 * `make day`: a day with 2,000 bookings in waves on a virtual clock, run by this controller's scheduler, calendar and
 * auto-scaler, and by other ways of running a fleet, with the same bookings, boot times and faults.
 *
 *   node bench/day/main.ts [--bookings 2000] [--seed monday]
 */
import { parseArgs } from 'node:util';
import { z } from 'zod';
import { compare } from './day.ts';
import { dayTable } from './table.ts';

const { values } = parseArgs({ options: { bookings: { type: 'string', default: '2000' }, seed: { type: 'string', default: 'monday' } } });
const bookings = z.coerce.number({ error: '--bookings must be a whole number from 1 to 20000' }).int().min(1).max(20_000).parse(values.bookings);
process.stdout.write(`${dayTable(compare(bookings, values.seed))}\n`);
