/** docs/worker-lifecycle.md: the table of a Worker, from the very table that the controller goes by. */
import { WORKER_TABLE } from '../../src/core/worker-table.ts';
import type { WorkerRow, WorkerRowId } from '../../src/core/worker-table.ts';
import type { Generator } from './output.ts';

export const workerLifecycle: Generator = {
  name: 'worker lifecycle',
  files: () => new Map([['docs/worker-lifecycle.md', document()]]),
};

const number = (row: WorkerRowId): number => Number(row.slice(1));

/** Rows that differ in nothing but the phase that they start at share a line. */
function lines(): string[] {
  const edges = new Map<string, WorkerRow[]>();
  for (const row of [...WORKER_TABLE].sort((a, b) => number(a.row) - number(b.row))) {
    const key = JSON.stringify([row.row, row.to, row.trigger]);
    edges.set(key, [...(edges.get(key) ?? []), row]);
  }
  return [...edges.values()].flatMap((rows) => rows.slice(0, 1).map(({ row, to, trigger, does }) => `| ${row} | ${rows.map(({ from }) => from ?? '∅').join(', ')} → ${to} | ${trigger} | ${does ?? ''} |`));
}

function document(): string {
  return `<!-- Generated from src/core/worker-table.ts by "make generate"; do not edit. -->
# The life of a worker

Every change of \`status.phase\` of a Worker is a row of this table (\`src/core/worker-table.ts\`). Of the rows that start at
its phase the first that applies is taken, what became of its instance (W17 to W20) before what is wanted of it; several
may be taken in one write, each with its entry in \`status.history\`.

\`\`\`mermaid
stateDiagram-v2
${[...new Set(WORKER_TABLE.map(({ row, from, to }) => `  ${from ?? '[*]'} --> ${to} : ${row}`))].join('\n')}
  Terminated --> [*]
\`\`\`

| row | from → to | trigger | what it does |
|---|---|---|---|
${lines().join('\n')}

Starting, stopping and terminating an instance are acts of the controller in the new phase, each by what EC2 shows: what
is done already is not done again, and what a crash left undone the next pass does. A launch is the one act that comes
before its row: it is found again by the tag \`lcm:worker-uid\`.

Up is a worker on EC2 in Provisioning, Starting, Running and Draining. A row that leads in emits \`ccm.worker.scaling.up\`,
one that leads out \`ccm.worker.scaling.down\`, so that there is one of each for every time it was up; W3 emits
\`ccm.worker.draining\`. A static worker emits only the last. Limits can be changed; the ones named here are the defaults.
`;
}
