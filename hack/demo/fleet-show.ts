/** What the scene `fleet` shows while it runs: the workers with what is on them, the sessions, the cost, and what was decided last. */
import { createReadStream } from 'node:fs';
import { buffer } from 'node:stream/consumers';
import Table from 'cli-table3';
import { z } from 'zod';
import { SESSION_PHASES } from '../../src/api/labletsession.ts';
import { WORKER_PHASES } from '../../src/api/worker.ts';
import { PRICES, SCALE } from './fleet-plan.ts';
import type { LabletSession } from '../../src/api/labletsession.ts';
import type { Worker } from '../../src/api/worker.ts';

const LOOK_MS = 500;
const HOUR_MS = 3_600_000;

/** Phases in which a session holds a place on its worker. */
const ON_WORKER: ReadonlySet<string | undefined> = new Set(['Scheduled', 'Instantiating', 'Ready', 'Running', 'Collecting', 'Grading', 'Stopping']);
/** Phases in which a machine is paid for. */
const PAID: ReadonlySet<string> = new Set(['Provisioning', 'Starting', 'Running', 'Draining', 'Stopping']);

export interface FleetView {
  readonly workers: readonly Worker[];
  readonly sessions: readonly LabletSession[];
  /** What the auto-scaler decided, oldest first. */
  readonly decisions: readonly string[];
  readonly began: Date;
  readonly now: Date;
}

/** The sessions that hold a place on a worker. */
export const sessionsOn = (worker: string, sessions: readonly LabletSession[]): LabletSession[] =>
  sessions.filter(({ status }) => status?.workerName === worker && ON_WORKER.has(status.phase));

/** Hours of the domain for which a machine was paid, read off the history of its worker. */
export function paidHours({ status }: Pick<Worker, 'status'>, now: Date): number {
  let [sum, since]: [number, number | undefined] = [0, undefined];
  for (const { to, at } of status?.history ?? []) {
    const time = new Date(at).getTime();
    if (PAID.has(to)) since ??= time;
    else if (since !== undefined) [sum, since] = [sum + time - since, undefined];
  }
  return ((sum + (since === undefined ? 0 : now.getTime() - since)) * SCALE) / HOUR_MS;
}

/** USD for all workers up to now. */
export const costOf = (workers: readonly Worker[], now: Date): number => workers.reduce((sum, worker) => sum + paidHours(worker, now) * (PRICES.get(worker.spec.templateName) ?? 0), 0);

/** `3 Running, 1 Draining`, in the order of the phases. */
function countPhases(phases: readonly (string | undefined)[], order: readonly string[]): string {
  const counts = Map.groupBy(phases, (phase) => phase ?? 'new');
  const known = [...counts.keys()].sort((a, b) => order.indexOf(a) - order.indexOf(b));
  return known.map((phase) => `${counts.get(phase)?.length ?? 0} ${phase}`).join(', ') || 'none';
}

export const sessionsByPhase = (sessions: readonly LabletSession[]): string => countPhases(sessions.map(({ status }) => status?.phase), SESSION_PHASES);

export function fleetTable({ workers, sessions, decisions, began, now }: FleetView): string {
  const table = new Table({ head: ['worker', 'phase', 'sessions', 'of them running', 'hours', 'USD', 'why'], style: { head: [], border: [], compact: true }, colWidths: [12, 14, 11, 17, 8, 8, 34] });
  for (const worker of [...workers].sort((a, b) => a.metadata.name.localeCompare(b.metadata.name, 'en', { numeric: true }))) {
    const { metadata: { name }, status } = worker;
    const on = sessionsOn(name, sessions);
    table.push([name, status?.phase ?? 'Pending', '■'.repeat(on.length), on.filter((session) => session.status?.phase === 'Running').length, paidHours(worker, now).toFixed(2), costOf([worker], now).toFixed(2), status?.reason ?? '']);
  }
  return ['', table.toString(), ...numbers({ workers, sessions, began, now }), ...decisions.slice(-6).map((line) => `  ${line.slice(0, 120)}`)].join('\n');
}

function numbers({ workers, sessions, began, now }: Omit<FleetView, 'decisions'>): [string, string] {
  const minutes = Math.floor(((now.getTime() - began.getTime()) * SCALE) / 60_000);
  const clock = `${Math.floor(minutes / 60)}:${String(minutes % 60).padStart(2, '0')}`;
  const byTemplate = [...PRICES.keys()].map((template) => `${template}: ${countPhases(workers.filter(({ spec }) => spec.templateName === template).map(({ status }) => status?.phase ?? 'Pending'), WORKER_PHASES)}`);
  return [`${clock} h · sessions: ${sessionsByPhase(sessions)}`, `${byTemplate.join(' · ')} · ${costOf(workers, now).toFixed(2)} USD`];
}

/** One line for all: where there is no terminal it is all that is told of the numbers. */
export const summaryLine = (view: Omit<FleetView, 'decisions'>): string => numbers(view).join(' · ');

const decisionLine = z.looseObject({ decision: z.string().regex(/^(?!skipped_)/), reason: z.string(), about: z.string().default(''), message: z.string() });

/** Tells of each decision of the auto-scaler as the controller logs it; those to leave a worker alone are too many. Returns what ends it. */
export function followDecisions(logFile: string, tell: (line: string) => void): () => void {
  let [offset, isReading] = [0, false];
  const look = async (): Promise<void> => {
    const text = (await buffer(createReadStream(logFile, { start: offset }))).toString('utf8');
    const end = text.lastIndexOf('\n') + 1;
    offset += Buffer.byteLength(text.slice(0, end));
    for (const line of text.slice(0, end).split('\n')) {
      const found = line.includes('"decision"') ? decisionLine.safeParse(JSON.parse(line)).data : undefined;
      if (found) tell([found.decision, found.about, `(${found.reason}):`, found.message].filter(Boolean).join(' '));
    }
  };
  const timer = setInterval(() => {
    if (isReading) return;
    isReading = true;
    void look().catch(() => undefined).finally(() => {
      isReading = false;
    });
  }, LOOK_MS);
  return () => clearInterval(timer);
}
