/** Taking a worker out of service, and back into it. Pure. */
import { ANNOTATIONS } from '../../api/group.ts';
import { AFTER_SLOT } from '../../core/booking.ts';
import { holdsCapacity } from '../../core/worker-capacity.ts';
import { CliError, EXIT } from '../errors.ts';
import { clock, relative } from '../moments.ts';
import type { LabletSession } from '../../api/labletsession.ts';
import type { Worker } from '../../api/worker.ts';
import type { Style } from '../style.ts';

export interface DrainAct {
  patch?: { spec: { desiredState: 'Draining' | 'Running' } };
  done: string;
}

/** @throws CliError where somebody wants the worker to be something else */
export function drain({ metadata: { name }, spec }: Worker): DrainAct {
  if (spec.desiredState === 'Draining') return { done: `${name} is being drained already.` };
  if (spec.desiredState !== 'Running') throw new CliError(EXIT.refused, `${name} is wanted ${spec.desiredState} (spec.desiredState), which drains it as well.`);
  return { patch: { spec: { desiredState: 'Draining' } }, done: `${name} takes no new sessions; those on it go on to their end, within drainTimeout of its template.` };
}

/** @throws CliError where it is not a drain that keeps it out of service, or not a person's */
export function cancelDrain({ metadata: { name }, spec, status }: Worker): DrainAct {
  if (spec.desiredState === 'Draining') return { patch: { spec: { desiredState: 'Running' } }, done: `${name} is back in service.` };
  if (spec.desiredState !== 'Running') throw new CliError(EXIT.refused, `${name} is wanted ${spec.desiredState} (spec.desiredState), not only drained. To run it: kubectl patch worker ${name} --type=merge -p '{"spec":{"desiredState":"Running"}}'`);
  if (status?.drain?.by === 'Autoscaler') throw new CliError(EXIT.refused, `${name} is drained by the auto-scaler (${status.drain.reason}), which takes it back when it is needed. To keep it from doing so again: kubectl annotate worker ${name} ${ANNOTATIONS.keepRunning}=true`);
  return { done: `${name} is not being drained.` };
}

export interface Drained {
  worker: string;
  action: string;
  /** Sessions on it, the one that ends last first; absent: the reader may not see sessions of all namespaces. */
  sessions?: { session: string; phase: string; until?: string }[];
}

/** Who is still on the worker, and until when at the latest, its grading and teardown included. */
export function occupants(sessions: readonly LabletSession[], worker: string): NonNullable<Drained['sessions']> {
  return sessions
    .filter(({ status }) => status?.workerName === worker && (holdsCapacity(status.phase) || status.phase === 'Stopped'))
    .map(({ metadata: { namespace = '', name }, status }) => ({
      session: `${namespace}/${name}`, phase: status?.phase ?? 'New',
      ...(status?.timeslot?.end === undefined ? {} : { until: new Date(Date.parse(status.timeslot.end) + AFTER_SLOT).toISOString() }),
    }))
    .sort((a, b) => (b.until ?? '').localeCompare(a.until ?? '') || a.session.localeCompare(b.session));
}

export function drainLines({ action, sessions }: Drained, style: Style, now: Date): string[] {
  if (!sessions) return [action];
  if (sessions.length === 0) return [action, 'No session is on it.'];
  return [action, `${sessions.length} session(s) are on it:`, ...sessions.map(({ session, phase, until }) => `  ${session}  ${phase}${until === undefined ? '' : `  done by ${clock(until, style)} at the latest (${relative(until, now)})`}`)];
}
