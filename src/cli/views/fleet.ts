/** The fleet at a glance: hosts and what is taken of them, sessions by phase, what begins next and what is wrong. Pure. */
import { objectKey } from '../../api/meta.ts';
import { SESSION_PHASES } from '../../api/labletsession.ts';
import { getCondition } from '../../core/conditions.ts';
import { explain } from './why.ts';
import { workerTrouble } from './worker-trouble.ts';
import type { LabletDefinition } from '../../api/labletdefinition.ts';
import type { LabletSession, SessionPhase } from '../../api/labletsession.ts';
import type { Worker, WorkerPhase, WorkerTemplate } from '../../api/worker.ts';
import type { Verdict } from './why.ts';

/** What was read; undefined: the reader may not. */
export interface FleetObjects {
  sessions: readonly LabletSession[];
  definitions?: readonly LabletDefinition[] | undefined;
  workers?: readonly Worker[] | undefined;
  templates?: readonly WorkerTemplate[] | undefined;
}

export interface WorkerRow {
  name: string;
  phase: WorkerPhase;
  template: string;
  sessions: number;
  cmlVersion?: string;
  /** What is taken and what there is; absent until the worker has said it. */
  capacity?: Record<'cpu' | 'memory' | 'storage' | 'nodes' | 'ports', { allocated: string; declared: string }>;
}

/** Something that a person should look at. */
export interface Attention {
  /** session NAMESPACE/NAME, worker NAME, definition NAMESPACE/NAME, template NAME */
  about: string;
  verdict: Exclude<Verdict, 'Fine' | 'Over'>;
  reason: string;
  message: string;
  since?: string;
}

export interface FleetStatus {
  /** Of the sessions and definitions; absent: all. */
  namespace?: string;
  /** Absent: the reader may not see Workers. */
  workers?: WorkerRow[];
  /** How many sessions are in each phase; New: not admitted yet. */
  sessions: Partial<Record<SessionPhase | 'New', number>>;
  /** The next starts that were booked. */
  next: { session: string; start: string; worker?: string }[];
  attention: Attention[];
  /** What could not be seen, and what it would take. */
  notes: string[];
}

const NEXT_SHOWN = 3;
/** A session that has failed is shown for so long. */
const FAILED_SHOWN = 60 * 60_000;
/** Failures come before what is in trouble, and that before what waits. */
const URGENCY: readonly Verdict[] = ['Trouble', 'Failed', 'Waits'];

export function fleetStatus({ sessions, definitions, workers, templates }: FleetObjects, now: Date, namespace: string | undefined, notes: readonly string[]): FleetStatus {
  const attention = [
    ...sessions.flatMap((session) => sessionAttention(session, workers, now)),
    ...(workers ?? []).flatMap((worker) => workerAttention(worker, now)),
    ...(definitions ?? []).flatMap(definitionAttention),
    ...(templates ?? []).flatMap((template) => templateAttention(template, now)),
  ];
  return {
    ...(namespace === undefined ? {} : { namespace }),
    ...(workers ? { workers: workers.map(workerRow).sort((a, b) => a.name.localeCompare(b.name)) } : {}),
    sessions: byPhase(sessions),
    next: nextStarts(sessions, now),
    attention: attention.sort((a, b) => URGENCY.indexOf(a.verdict) - URGENCY.indexOf(b.verdict) || (b.since ?? '').localeCompare(a.since ?? '') || a.about.localeCompare(b.about)),
    notes: [...notes],
  };
}

function workerRow({ metadata: { name }, spec, status }: Worker): WorkerRow {
  const { declared, allocated } = status?.capacity ?? {};
  const pair = (part: 'cpu' | 'memory' | 'storage' | 'nodes' | 'ports') => ({ allocated: String(allocated?.[part] ?? 0), declared: String(declared?.[part] ?? 0) });
  return {
    name, phase: status?.phase ?? 'Pending', template: spec.templateName, sessions: status?.sessions ?? 0,
    ...(status?.cmlVersion === undefined ? {} : { cmlVersion: status.cmlVersion }),
    ...(declared ? { capacity: { cpu: pair('cpu'), memory: pair('memory'), storage: pair('storage'), nodes: pair('nodes'), ports: pair('ports') } } : {}),
  };
}

function byPhase(sessions: readonly LabletSession[]): FleetStatus['sessions'] {
  const counts: FleetStatus['sessions'] = {};
  for (const phase of ['New', ...SESSION_PHASES] as const) {
    const count = sessions.filter(({ status }) => (status?.phase ?? 'New') === phase).length;
    if (count > 0) counts[phase] = count;
  }
  return counts;
}

const BEFORE_START: ReadonlySet<SessionPhase | undefined> = new Set(['Pending', 'Scheduled', 'Instantiating', 'Ready']);

function nextStarts(sessions: readonly LabletSession[], now: Date): FleetStatus['next'] {
  return sessions
    .flatMap((session) => {
      const { phase, timeslot, workerName } = session.status ?? {};
      const start = timeslot?.start;
      return start !== undefined && BEFORE_START.has(phase) && Date.parse(start) > now.getTime() ? [{ session: objectKey(session), start, ...(workerName === undefined ? {} : { worker: workerName }) }] : [];
    })
    .sort((a, b) => Date.parse(a.start) - Date.parse(b.start) || a.session.localeCompare(b.session))
    .slice(0, NEXT_SHOWN);
}

function sessionAttention(session: LabletSession, workers: readonly Worker[] | undefined, now: Date): Attention[] {
  const { status } = session;
  const worker = workers && status?.workerName !== undefined ? (workers.find(({ metadata }) => metadata.name === status.workerName) ?? 'missing') : undefined;
  const { verdict, findings, summary } = explain(session, { worker }, now);
  if (verdict === 'Fine' || verdict === 'Over') return [];
  const endedAt = status?.terminatedAt ?? status?.stoppedAt;
  if (verdict === 'Failed' && endedAt !== undefined && now.getTime() - Date.parse(endedAt) > FAILED_SHOWN) return [];
  const [first] = findings;
  return [{ about: `session ${objectKey(session)}`, verdict, reason: first?.reason ?? status?.reason ?? '', message: first?.message ?? first?.means ?? summary, ...(first?.since === undefined ? {} : { since: first.since }) }];
}

function workerAttention(worker: Worker, now: Date): Attention[] {
  const trouble = workerTrouble(worker, now);
  if (!trouble) return [];
  const { since, ...said } = trouble;
  return [{ about: `worker ${worker.metadata.name}`, verdict: worker.status?.phase === 'Failed' ? 'Failed' : worker.status?.phase === 'Draining' ? 'Waits' : 'Trouble', ...said, ...(since === undefined ? {} : { since }) }];
}

function definitionAttention(definition: LabletDefinition): Attention[] {
  const wrong = ['Ready', 'Synced'].map((type) => getCondition(definition.status, type)).find((condition) => condition?.status === 'False');
  const synced = getCondition(definition.status, 'Synced');
  const said = synced?.status === 'False' ? synced : wrong;
  return said ? [{ about: `definition ${objectKey(definition)}`, verdict: 'Trouble', reason: said.reason, message: said.message ?? '', since: said.lastTransitionTime }] : [];
}

function templateAttention({ metadata: { name }, status }: WorkerTemplate, now: Date): Attention[] {
  const until = status?.quarantinedUntil;
  if (until === undefined || Date.parse(until) <= now.getTime()) return [];
  return [{ about: `template ${name}`, verdict: 'Trouble', reason: 'Quarantined', message: `${status?.failures ?? 0} launches failed in a row; no worker is made of it until ${until}.` }];
}
