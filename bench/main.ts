/**
 * `make bench`: measures against the budgets, prints them as a table and writes bench/results.json.
 *
 *   node bench/main.ts [--size full|small] [--results FILE] [day] [cost] [throughput] [live] [events] [endurance] [memory] [placement] [transport]
 *
 * Exit code 0 whatever the figures are: a row over its budget is a finding, not a failure of the bench.
 */
import { writeFile } from 'node:fs/promises';
import { relative, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import Table from 'cli-table3';
import { z } from 'zod';
import { cost } from './rows/cost.ts';
import { day } from './rows/day.ts';
import { endurance } from './rows/endurance.ts';
import { events } from './rows/events.ts';
import { live } from './rows/live.ts';
import { memory } from './rows/memory.ts';
import { placement } from './rows/placement.ts';
import { throughput } from './rows/throughput.ts';
import { transport } from './rows/transport.ts';
import { SIZES, type Row } from './support/row.ts';

const BENCHES = [placement, day, transport, cost, live, events, throughput, memory, endurance];
const FOOTER = 'What each row means is in bench/README.md.';

const { values, positionals } = parseArgs({ allowPositionals: true, options: { size: { type: 'string', default: 'full' }, results: { type: 'string', default: resolve(import.meta.dirname, 'results.json') } } });
const size = SIZES[z.enum(['full', 'small']).parse(values.size)];
const unknown = positionals.filter((name) => !BENCHES.some((bench) => bench.name === name));
if (unknown.length > 0) {
  process.stderr.write(`bench: there is no ${unknown.join(', ')}; there are ${BENCHES.map(({ name }) => name).join(', ')}\n`);
  process.exit(2);
}

const rows: Row[] = [];
for (const bench of BENCHES) {
  if (positionals.length > 0 && !positionals.includes(bench.name)) continue;
  process.stderr.write(`${bench.name} …\n`);
  rows.push(...(await bench.run(size, (line) => void process.stderr.write(`  ${line}\n`))));
}

const table = new Table({ head: ['what', 'value', 'budget', ''], colAligns: ['left', 'right', 'right', 'left'], style: { head: [], border: [], compact: true } });
for (const { name, value, unit, budget, ok } of rows) table.push([name, `${value} ${unit}`, `≤ ${budget}`, ok ? 'ok' : 'OVER']);
await writeFile(values.results, `${JSON.stringify(rows, null, 2)}\n`);
process.stdout.write(`${table.toString()}\n${FOOTER}\n${relative(process.cwd(), values.results)}\n`);
// Connections of the API server's clients are kept for some seconds.
process.exit(0);
