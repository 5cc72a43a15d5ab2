/** What keeps a worker from taking sessions that a person should know of; a drain that somebody asked for, too. */
import { getCondition } from '../../core/conditions.ts';
import { span } from '../moments.ts';
import type { Worker } from '../../api/worker.ts';

export interface Trouble {
  reason: string;
  message: string;
  since?: string | undefined;
}

/** Undefined: it serves, or is on its way, as it should. */
export function workerTrouble({ status, spec }: Worker, now: Date): Trouble | undefined {
  const phase = status?.phase ?? 'Pending';
  if (phase === 'Failed') return { reason: status?.reason ?? 'Failed', message: status?.message ?? 'The worker has failed.', since: since(status, 'Failed') };
  if (status?.unreachableSince !== undefined) {
    const silent = span(now.getTime() - Date.parse(status.unreachableSince));
    return { reason: 'WorkerUnreachable', message: `Its CML host has not answered for ${silent}.`, since: status.unreachableSince };
  }
  if (phase === 'Draining') return { reason: status?.reason ?? 'Draining', message: status?.message ?? 'It takes no new sessions.', since: status?.drainStartedAt };
  const condition = phase === 'Running' ? getCondition(status, 'Schedulable') : phase === 'Starting' ? getCondition(status, 'CMLReady') : undefined;
  if (condition?.status === 'False' && spec.desiredState === 'Running') return { reason: condition.reason, message: condition.message ?? '', since: condition.lastTransitionTime };
  return undefined;
}

const since = (status: Worker['status'], phase: string): string | undefined => status?.history?.findLast(({ to }) => to === phase)?.at;
