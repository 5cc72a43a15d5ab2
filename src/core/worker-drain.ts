/** How long a drain may take, and what it says of it (contract §2.5). Pure. */
import { formatDuration } from './duration.ts';
import { earliest, fromTime, plus, toTime } from './time.ts';
import { due } from './worker-situation.ts';
import type { WorkerStatus } from '../api/worker.ts';
import type { Situation } from './worker-situation.ts';
import type { WorkerLimits } from './worker-world.ts';

/** A drain past its limit ends what can be ended (`cancel`), and an hour later the rest (`force`). */
export interface DrainLimits {
  cancelAt: Date;
  forceAt: Date;
}

/** Undefined: it is not being drained. */
export function drainLimits(status: Pick<WorkerStatus, 'phase' | 'drainStartedAt'> | undefined, limits: Pick<WorkerLimits, 'drain' | 'drainForce'>): DrainLimits | undefined {
  const began = status?.phase === 'Draining' ? fromTime(status.drainStartedAt) : undefined;
  return began && { cancelAt: plus(began, limits.drain), forceAt: plus(began, limits.drain + limits.drainForce) };
}

/** What the limits mean for the sessions on the worker now, and when that changes. */
export function overdueDrain(limits: DrainLimits, now: Date): { overdue: 'cancel' | 'force' | undefined; changesAt: Date | undefined } {
  if (limits.forceAt <= now) return { overdue: 'force', changesAt: undefined };
  return limits.cancelAt <= now ? { overdue: 'cancel', changesAt: limits.forceAt } : { overdue: undefined, changesAt: limits.cancelAt };
}

/** A draining worker says who is left, and when the last of them will have ended at the latest. */
export function explainDrain(s: Situation): void {
  const { draft, world } = s;
  const limits = drainLimits(draft, world.limits);
  if (!limits) return;
  if (world.sessions.length === 0) {
    Reflect.deleteProperty(draft, 'drainDoneBy');
    return;
  }
  const overdue = due(s, limits.cancelAt);
  const doneBy = earliest(world.lastSessionEnd, limits.forceAt) ?? limits.forceAt;
  draft.drainDoneBy = toTime(overdue ? limits.forceAt : doneBy);
  draft.reason = overdue ? 'DrainTimeout' : 'Draining';
  draft.message = overdue
    ? `The drain has taken longer than ${formatDuration(world.limits.drain)}: the ${world.sessions.length} session(s) that are left are being ended, by force at ${toTime(limits.forceAt)}.`
    : `${world.sessions.length} session(s) are left; the last will have ended by ${toTime(doneBy)}. At ${toTime(limits.cancelAt)} they are ended.`;
}
