/** When a session should have left its phase at the latest, whoever had to act: past it, something is stuck. Pure. */
import { earliest, fromTime, latest, plus } from '../time.ts';
import type { LabletSession } from '../../api/labletsession.ts';
import type { Timeouts } from '../timeouts.ts';

/**
 * The latest instant at which a rule of the table ends the phase by itself. Limits that stand in the definition only
 * make it earlier and are left out. Undefined: the phase has no such limit (yet).
 */
export function overdueAt({ metadata, spec, status }: LabletSession, timeouts: Timeouts): Date | undefined {
  const phase = status?.phase;
  const entered = fromTime(status?.history?.findLast((entry) => entry.to === phase)?.at ?? metadata.creationTimestamp);
  const [start, end] = [fromTime(status?.timeslot?.start ?? spec.timeslot?.start), fromTime(status?.timeslot?.end)];
  const grading = status?.gradingSession;
  switch (phase) {
    case undefined:
    case 'Pending':
      return plus(latest(start, entered) ?? entered, timeouts.pendingAsap);
    case 'Scheduled':
      return end ?? plus(entered, timeouts.pendingAsap);
    case 'Instantiating':
      return earliest(end, plus(entered, timeouts.instantiateAttempts * (timeouts.instantiateAttempt + timeouts.instantiateBackoff)));
    case 'Ready':
    case 'Running':
      return end;
    case 'Collecting':
      return plus(entered, timeouts.collection);
    case 'Grading':
      // A failed grading may be held for a person to look at it.
      return grading?.state === 'Faulted' ? plus(fromTime(grading.completedAt) ?? entered, timeouts.hold) : plus(fromTime(grading?.requestedAt) ?? entered, timeouts.grading);
    case 'Stopping':
    case 'Stopped':
      return plus(entered, timeouts.teardown);
    case 'Archived':
      return plus(entered, timeouts.archiveTtl);
    case 'Terminated':
      return plus(latest(fromTime(status?.terminatedAt), fromTime(metadata.deletionTimestamp)) ?? entered, timeouts.historyTtl + timeouts.deletion);
  }
}
