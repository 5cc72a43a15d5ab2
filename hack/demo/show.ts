/** What the demo shows while it runs: a line for each transition and, on a terminal, a table below that is kept up to date. */
import Table from 'cli-table3';
import logUpdate from 'log-update';
import { objectKey } from '../../src/api/meta.ts';
import type { LabletSession } from '../../src/api/labletsession.ts';
import type { HistoryEntry } from '../../src/api/outbox.ts';
import type { Informer } from '../../src/kube/informer.ts';
import type { Delivery } from './sink.ts';

const REDRAW_MS = 250;

/** Where lines go. On a terminal they stay above the table. */
export interface Screen {
  readonly say: (line: string) => void;
  /** Shows the sessions from now on. Returns what ends that and leaves the table as it is; once is enough, twice does no harm. */
  readonly follow: (sessions: Informer<LabletSession>, deliveries: readonly Delivery[]) => () => void;
  /** Keeps what `render` returns up to date below the lines; nothing where there is no terminal. Returns what ends that, as above. */
  readonly keepDrawn: (render: () => string) => () => void;
  /** Whether standard output is a terminal that can draw over itself. */
  readonly live: boolean;
}

/** @param live whether standard output is a terminal that can draw over itself */
export function createScreen(live: boolean): Screen {
  let drawn = false;
  const say = (line: string): void => {
    if (drawn) logUpdate.persist(line);
    else process.stdout.write(`${line}\n`);
  };
  const keepDrawn = (render: () => string): (() => void) => {
    if (!live) return () => undefined;
    const draw = (): void => {
      drawn = true;
      logUpdate(render());
    };
    const timer = setInterval(draw, REDRAW_MS);
    return () => {
      clearInterval(timer);
      if (drawn) draw();
      logUpdate.done();
      drawn = false;
    };
  };
  return {
    say, keepDrawn, live,
    follow(sessions, deliveries) {
      followTransitions(sessions, say);
      return keepDrawn(() => table(sessions.list(), deliveries.length));
    },
  };
}

/** Tells of every new entry in the history of a session; several may come with one change. */
function followTransitions(sessions: Informer<LabletSession>, say: (line: string) => void): void {
  const told = new Map<string, number>();
  sessions.onChange((_old, next) => {
    if (next === undefined) return;
    const history = next.status?.history ?? [];
    for (const entry of history.slice(told.get(next.metadata.uid) ?? 0)) say(transitionLine(next, entry));
    told.set(next.metadata.uid, history.length);
  });
}

/** Such as `12:00:03  ada    Scheduled → Instantiating     AsSoonAsPossible (controller)`. */
function transitionLine({ metadata }: LabletSession, { at, from, to, reason, actor }: HistoryEntry): string {
  const step = `${from ?? '·'} → ${to}`;
  return `  ${at.slice(11, 19)}  ${metadata.name.padEnd(8)}${step.padEnd(26)}${reason} (${actor})`;
}

function table(sessions: readonly LabletSession[], events: number): string {
  const drawn = new Table({ head: ['session', 'candidate', 'phase', 'worker', 'ports', 'score'], style: { head: [], border: [], compact: true }, colWidths: [12, 16, 16, 16, 14, 18] });
  const byName = [...sessions].sort((left, right) => objectKey(left).localeCompare(objectKey(right)));
  for (const { metadata, spec, status } of byName) {
    const ports = Object.values(status?.allocatedPorts ?? {});
    const score = status?.scoreReport;
    drawn.push([
      metadata.name,
      [spec.candidate?.firstName, spec.candidate?.lastName].join(' ').trim() || spec.owner,
      status?.phase ?? 'waiting',
      status?.workerName ?? '',
      ports.length === 0 ? '' : `${Math.min(...ports)}–${Math.max(...ports)}`,
      score === undefined ? '' : `${score.score} (${score.passed ? 'passed' : 'not passed'})`,
    ]);
  }
  return `\n${drawn.toString()}\n${events} CloudEvents at the sink`;
}

/** How many events of each type came, repeats not counted, in the order of their first arrival. */
export function countByType(deliveries: readonly Delivery[]): string {
  const ids = Map.groupBy(deliveries, ({ type }) => type);
  const rows = [...ids].map(([type, same]) => `${String(new Set(same.map(({ id }) => id)).size).padStart(4)}  ${type}`);
  return rows.join('\n');
}
