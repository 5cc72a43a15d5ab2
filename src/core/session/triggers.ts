/** What may cause rows in more than one phase: a cancel, the end of the slot, a lost worker or lab, a forced end. */
import { isDeleting } from '../../api/meta.ts';
import { controller, timer, user } from './row.ts';
import { desired, due, isForced, slotEnd } from './situation.ts';
import type { Because } from './row.ts';
import type { Situation } from './situation.ts';

/** Who asked for the end, in words. */
export function endAskedBy(s: Situation): string {
  if (s.world.namespaceTerminating) return 'its namespace is being deleted';
  return isDeleting(s.session) ? 'the session was deleted' : `desiredState is ${desired(s)}`;
}

/** Cancelled up to Ready: desiredState Ended or Terminated, deletion, or a drain that takes too long. */
export function cancelled(s: Situation): Because | undefined {
  if (desired(s) !== 'Active') return user('Cancelled', `Cancelled before the start: ${endAskedBy(s)}.`, { ending: 'Cancelled' });
  if (s.world.worker?.overdueDrain) return timer('DrainTimeout', `Worker ${s.world.worker.name} could not be drained in time.`, { ending: 'Cancelled' });
  return undefined;
}

/** The slot is over before the candidate has started; `what` says what was waited for. */
export function slotOver(s: Situation, what: string): Because | undefined {
  return due(s, slotEnd(s)) ? timer('TimeslotEnded', `The slot is over: ${what}.`, { ending: 'SlotEnded' }) : undefined;
}

/** The worker cannot serve the session (any more). */
export function workerGone(s: Situation): Because | undefined {
  const { worker } = s.world;
  if (!worker) return controller('WorkerLost', `Worker ${s.draft.workerName ?? '?'} is gone.`, { ending: 'Failed' });
  return worker.state === 'lost' || due(s, worker.lostAt) ? controller('WorkerLost', `Worker ${worker.name} is lost: ${worker.message}`, { ending: 'Failed' }) : undefined;
}

/** T21: ended at once, whatever is left outside. */
export function forced(s: Situation): Because | undefined {
  if (isForced(s)) return user('ForceTerminated', 'Ended at once by the annotation lablet.dev/force-terminate.', { ending: 'Cancelled' });
  if (s.world.worker?.overdueDrain === 'force') return timer('DrainTimeout', `Worker ${s.world.worker.name} could not be drained in time, and the session had not ended an hour later.`, { ending: 'Failed' });
  return undefined;
}

/** T21 in Ready to Grading: there is nothing left to go on with. */
export function lost(s: Situation): Because | undefined {
  const gone = forced(s) ?? workerGone(s);
  if (gone) return gone;
  return s.world.lab?.state === 'gone' ? controller('LabLost', `Lab ${s.draft.labName ?? ''} is gone from the CML host.`, { ending: 'Failed' }) : undefined;
}
