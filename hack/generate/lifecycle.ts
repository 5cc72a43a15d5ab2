/** docs/lifecycle.md: the transition table of a session and the matrix of events, from the very tables that the controller goes by. */
import { CONSUMED_TYPES } from '../../src/api/events.ts';
import { SESSION_PHASES } from '../../src/api/labletsession.ts';
import { MATRIX } from '../../src/core/session/matrix.ts';
import { TABLE } from '../../src/core/session/table.ts';
import type { Cell } from '../../src/core/session/matrix.ts';
import type { Row, RowId } from '../../src/core/session/table.ts';
import type { Generator } from './output.ts';

export const lifecycle: Generator = {
  name: 'session lifecycle',
  files: () => new Map([['docs/lifecycle.md', document()]]),
};

const number = (row: RowId): number => Number(row.slice(1));
const byNumber = (a: Row, b: Row): number => number(a.row) - number(b.row);
/** T21 starts at every phase; one line tells it. */
const FORCED: RowId = 'T21';

function document(): string {
  const rows = TABLE.filter(({ row }) => row !== FORCED).sort(byNumber);
  const forced = TABLE.filter(({ row }) => row === FORCED);
  return `<!-- Generated from src/core/session by "make generate"; do not edit. -->
# The life of a session

Every change of \`status.phase\` is a row of this table (\`src/core/session/table.ts\`). Of the rows that start at the phase
of a session the first that applies is taken, and several may be taken in one write; each has its entry in
\`status.history\` and its events. T21, from any phase to Terminated, is left out of the diagram.

\`\`\`mermaid
stateDiagram-v2
${rows.map(({ row, from, to }) => `  ${from ?? '[*]'} --> ${to} : ${row}`).join('\n')}
  Terminated --> [*]
\`\`\`

## Transitions

| row | from → to | trigger | guard | what it does | events, in order |
|---|---|---|---|---|---|
${[...rows.map((row) => line(row, row.from ?? '∅')), ...forcedLines(forced)].join('\n')}

Events are named without \`ccm.lablet.\`. Limits can be changed; the ones named here are the defaults.

## Consumed events

What becomes of an event in each phase. *wait*: kept in \`status.inbox\` until its phase comes. *apply*: it takes a row.
*fault*: GradingSession Faulted, then \`grading.onFailure\` decides. *late*: the phase stays; an end is noted, a result makes
the ScoreReport if there is none. *warn*: ignored, with a Kubernetes Event. A repeated (source, id) is always ignored.

| event | before Ready | Ready | Running | Collecting | Grading | Stopping to Archived | Terminated |
|---|---|---|---|---|---|---|---|
${CONSUMED_TYPES.map((type) => `| \`${type}\` | ${Object.values<Cell>(MATRIX[type]).join(' | ')} |`).join('\n')}
`;
}

function line(row: Row, from: string): string {
  const events = row.events.map((type) => `\`${type.replace('ccm.lablet.', '')}\``).join(', ');
  return `| ${row.row} | ${from} → ${row.to} | ${row.trigger} | ${row.guard ?? ''} | ${row.does} | ${events} |`;
}

/** T21 by its triggers: phases that share one share a line. */
function forcedLines(rows: readonly Row[]): string[] {
  const triggers = [...new Set(rows.map(({ trigger }) => trigger))];
  return triggers.flatMap((trigger) => {
    const alike = rows.filter((row) => row.trigger === trigger);
    const from = SESSION_PHASES.filter((phase) => alike.some((row) => row.from === phase)).join(', ');
    return alike.slice(0, 1).map((row) => line(row, from));
  });
}
